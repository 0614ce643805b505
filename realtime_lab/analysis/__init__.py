"""What recordings say: rows and frames of turns, responses and tokens, and their statistics.

`session_rows` is what workers need and is plain Python; everything that needs pandas or scipy is looked up when first
used. The columns are declared, with their meanings, in `columns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_lab.lazy import lazily

if TYPE_CHECKING:
    from realtime_lab.analysis.columns import METRICS_VERSION, Column
    from realtime_lab.analysis.decomposition import latency_parts
    from realtime_lab.analysis.dose import dose_response
    from realtime_lab.analysis.dose_values import DoseResponse
    from realtime_lab.analysis.effects import interaction, main_effects
    from realtime_lab.analysis.endpointing import HoldShare, holds_cut_by_silence
    from realtime_lab.analysis.frames import events_df, responses_df, tokens_df, trials_df, turns_df
    from realtime_lab.analysis.front import operating_points, pareto
    from realtime_lab.analysis.multiple import benjamini_hochberg, holm
    from realtime_lab.analysis.onsets import onset_df
    from realtime_lab.analysis.power import PowerPlan, plan_power
    from realtime_lab.analysis.rows import SessionRows, session_rows
    from realtime_lab.analysis.stability import aa_check
    from realtime_lab.analysis.stats import QuantileEstimate, exact_interval, quantile, wilson_interval
    from realtime_lab.analysis.summary import summary
    from realtime_lab.analysis.survival import kaplan_meier, latency_quantiles
    from realtime_lab.analysis.versus_control import versus
    from realtime_lab.analysis.word_calibration import calibration_df
    from realtime_lab.analysis.words import words_df, words_frame

__all__ = [
    "METRICS_VERSION",
    "Column",
    "DoseResponse",
    "HoldShare",
    "PowerPlan",
    "QuantileEstimate",
    "SessionRows",
    "aa_check",
    "benjamini_hochberg",
    "calibration_df",
    "dose_response",
    "events_df",
    "exact_interval",
    "holds_cut_by_silence",
    "holm",
    "interaction",
    "kaplan_meier",
    "latency_parts",
    "latency_quantiles",
    "main_effects",
    "onset_df",
    "operating_points",
    "pareto",
    "plan_power",
    "quantile",
    "responses_df",
    "session_rows",
    "summary",
    "tokens_df",
    "trials_df",
    "turns_df",
    "versus",
    "wilson_interval",
    "words_df",
    "words_frame",
]

_NAMES_OF = {
    "columns": ("METRICS_VERSION", "Column"),
    "decomposition": ("latency_parts",),
    "dose": ("dose_response",),
    "dose_values": ("DoseResponse",),
    "effects": ("interaction", "main_effects"),
    "endpointing": ("HoldShare", "holds_cut_by_silence"),
    "frames": ("events_df", "responses_df", "tokens_df", "trials_df", "turns_df"),
    "front": ("operating_points", "pareto"),
    "multiple": ("benjamini_hochberg", "holm"),
    "onsets": ("onset_df",),
    "power": ("PowerPlan", "plan_power"),
    "rows": ("SessionRows", "session_rows"),
    "stability": ("aa_check",),
    "stats": ("QuantileEstimate", "exact_interval", "quantile", "wilson_interval"),
    "survival": ("kaplan_meier", "latency_quantiles"),
    "word_calibration": ("calibration_df",),
    "words": ("words_df", "words_frame"),
    "versus_control": ("versus",),
}

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, _NAMES_OF)
