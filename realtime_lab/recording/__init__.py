"""What happened in one session: its events with their times, its reference, and the file they rest in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
