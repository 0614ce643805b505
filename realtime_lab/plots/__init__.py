"""Plots: each is an info function that gathers values, and a draw function that puts them on a caller's Axes.

Nothing here touches pyplot or a global style.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_lab.lazy import lazily

if TYPE_CHECKING:
    from realtime_lab.plots.confidence_axes import logprobs, reliability, risk_coverage
    from realtime_lab.plots.confidence_data import (
        LogprobInfo,
        ReliabilityInfo,
        RiskInfo,
        logprob_info,
        reliability_info,
        risk_coverage_info,
    )
    from realtime_lab.plots.decomposition_axes import decomposition
    from realtime_lab.plots.decomposition_data import DecompositionInfo, decomposition_info
    from realtime_lab.plots.dose_axes import DoseInfo, dose, dose_info
    from realtime_lab.plots.ecdf_axes import EcdfInfo, ecdf, ecdf_info
    from realtime_lab.plots.effects_axes import EffectsInfo, effects, effects_info, interactions, interactions_info
    from realtime_lab.plots.heatmap_axes import HeatmapInfo, heatmap, heatmap_info
    from realtime_lab.plots.levels_axes import LevelsInfo, levels, levels_info
    from realtime_lab.plots.recognition_axes import onset, wer
    from realtime_lab.plots.recognition_data import OnsetInfo, WerInfo, onset_info, wer_info
    from realtime_lab.plots.timeline_axes import timeline
    from realtime_lab.plots.timeline_data import TimelineInfo, timeline_info
    from realtime_lab.plots.tradeoff_axes import tradeoff
    from realtime_lab.plots.tradeoff_data import TradeoffInfo, tradeoff_info
    from realtime_lab.plots.transcript_html import TranscriptInfo, TranscriptView, transcript, transcript_info

__all__ = [
    "DecompositionInfo",
    "DoseInfo",
    "EcdfInfo",
    "EffectsInfo",
    "HeatmapInfo",
    "LevelsInfo",
    "LogprobInfo",
    "OnsetInfo",
    "ReliabilityInfo",
    "RiskInfo",
    "TimelineInfo",
    "TradeoffInfo",
    "TranscriptInfo",
    "TranscriptView",
    "WerInfo",
    "decomposition",
    "decomposition_info",
    "dose",
    "dose_info",
    "ecdf",
    "ecdf_info",
    "effects",
    "effects_info",
    "heatmap",
    "heatmap_info",
    "interactions",
    "interactions_info",
    "levels",
    "levels_info",
    "logprob_info",
    "logprobs",
    "onset",
    "onset_info",
    "reliability",
    "reliability_info",
    "risk_coverage",
    "risk_coverage_info",
    "timeline",
    "timeline_info",
    "tradeoff",
    "tradeoff_info",
    "transcript",
    "transcript_info",
    "wer",
    "wer_info",
]

_NAMES_OF = {
    "confidence_axes": ("logprobs", "reliability", "risk_coverage"),
    "confidence_data": (
        "LogprobInfo",
        "ReliabilityInfo",
        "RiskInfo",
        "logprob_info",
        "reliability_info",
        "risk_coverage_info",
    ),
    "decomposition_axes": ("decomposition",),
    "decomposition_data": ("DecompositionInfo", "decomposition_info"),
    "dose_axes": ("DoseInfo", "dose", "dose_info"),
    "ecdf_axes": ("EcdfInfo", "ecdf", "ecdf_info"),
    "effects_axes": ("EffectsInfo", "effects", "effects_info", "interactions", "interactions_info"),
    "heatmap_axes": ("HeatmapInfo", "heatmap", "heatmap_info"),
    "levels_axes": ("LevelsInfo", "levels", "levels_info"),
    "recognition_axes": ("onset", "wer"),
    "recognition_data": ("OnsetInfo", "WerInfo", "onset_info", "wer_info"),
    "timeline_axes": ("timeline",),
    "timeline_data": ("TimelineInfo", "timeline_info"),
    "tradeoff_axes": ("tradeoff",),
    "tradeoff_data": ("TradeoffInfo", "tradeoff_info"),
    "transcript_html": ("TranscriptInfo", "TranscriptView", "transcript", "transcript_info"),
}

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, _NAMES_OF)  # matplotlib takes a second
