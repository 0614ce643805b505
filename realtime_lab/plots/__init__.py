"""Plots: each is an info function that gathers values, and a draw function that puts them on a caller's Axes.

Nothing here touches pyplot or a global style.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_lab.plots.tradeoff_axes import tradeoff
    from realtime_lab.plots.tradeoff_data import TradeoffInfo, tradeoff_info

__all__ = ["TradeoffInfo", "tradeoff", "tradeoff_info"]

_HOME = {"TradeoffInfo": "tradeoff_data", "tradeoff": "tradeoff_axes", "tradeoff_info": "tradeoff_data"}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562): matplotlib takes a second."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
