"""What a session is asked to be: its fields, their ranges and meanings, three wire shapes, every mistake at once.

`SessionConfig` is the value that is built, swept, sent and compared; `Session` is what a server answers; `FIELDS` is
the table behind panels and documentation. Nothing here talks to a server or knows how one behaves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
