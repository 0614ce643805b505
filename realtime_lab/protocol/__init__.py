"""What client and server exchange: events, their codec, and the order they come in. No sockets, no clock."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
