"""Plots: each is an info function that gathers values, and a draw function that puts them on a caller's Axes.

Nothing here touches pyplot or a global style.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
