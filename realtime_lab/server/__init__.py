"""The server that listens: VAD, endpointing, responses, as one engine that does no I/O."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
