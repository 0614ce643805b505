"""Plots: each is an info function that gathers values, and a draw function that puts them on a caller's Axes.

Nothing here touches pyplot or a global style.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_lab.plots.decomposition_axes import decomposition
    from realtime_lab.plots.decomposition_data import DecompositionInfo, decomposition_info
    from realtime_lab.plots.dose_axes import DoseInfo, dose, dose_info
    from realtime_lab.plots.ecdf_axes import EcdfInfo, ecdf, ecdf_info
    from realtime_lab.plots.heatmap_axes import HeatmapInfo, heatmap, heatmap_info
    from realtime_lab.plots.timeline_axes import timeline
    from realtime_lab.plots.timeline_data import TimelineInfo, timeline_info
    from realtime_lab.plots.tradeoff_axes import tradeoff
    from realtime_lab.plots.tradeoff_data import TradeoffInfo, tradeoff_info

__all__ = [
    "DecompositionInfo",
    "DoseInfo",
    "EcdfInfo",
    "HeatmapInfo",
    "TimelineInfo",
    "TradeoffInfo",
    "decomposition",
    "decomposition_info",
    "dose",
    "dose_info",
    "ecdf",
    "ecdf_info",
    "heatmap",
    "heatmap_info",
    "timeline",
    "timeline_info",
    "tradeoff",
    "tradeoff_info",
]

_NAMES_OF = {
    "decomposition_axes": ("decomposition",),
    "decomposition_data": ("DecompositionInfo", "decomposition_info"),
    "dose_axes": ("DoseInfo", "dose", "dose_info"),
    "ecdf_axes": ("EcdfInfo", "ecdf", "ecdf_info"),
    "heatmap_axes": ("HeatmapInfo", "heatmap", "heatmap_info"),
    "timeline_axes": ("timeline",),
    "timeline_data": ("TimelineInfo", "timeline_info"),
    "tradeoff_axes": ("tradeoff",),
    "tradeoff_data": ("TradeoffInfo", "tradeoff_info"),
}
_HOME = {name: module for module, names in _NAMES_OF.items() for name in names}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562): matplotlib takes a second."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
