"""A study as one self-contained HTML file, and its turns as sound. The room can be called: `rl.report(study, path)`.

`recommendation` says what to do, `table`, `svg` and `sounds` show it, `method` says what to make of it, and `page` lays
it out. Figures come from `sweep` and `analysis`; nothing is computed here that is not in a table of the study.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
