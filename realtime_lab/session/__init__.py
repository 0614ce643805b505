"""Make one session happen: play a script to a target and bring back a Recording.

`caller` decides what the microphone and the client do; `virtual` holds the session on a clock that never waits,
`live` over a socket, `replay` not at all. `agreeing` holds a recorded session against the mocked server.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
