"""Panels for notebooks: each is a plain view model with tests of its own, and a thin skin of core ipywidgets.

The view models hold what a panel knows and decides; the skins only carry values to widgets and back. Nothing here
computes a metric: sessions, sweeps, analysis and plots do.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
