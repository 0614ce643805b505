"""What recordings say: rows and frames of turns, responses and tokens, and their statistics.

`session_rows` is what workers need and is plain Python; everything that needs pandas or scipy is looked up when first
used. The columns are declared, with their meanings, in `columns`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
