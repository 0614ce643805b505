"""What is said: PCM, G.711, reading of audio files, clips, scripts and acoustic conditions.

Sessions play `Passage`s, which a `Renderer` makes from a `Script` and a `Condition`. What the sound means to a
server is not decided here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
