"""Plots of word confidences: reliability, risk against coverage, and log-probabilities of right and wrong words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.calibration import ReliabilityBin
from realtime_lab.plots.confidence_data import (
    HasWords,
    LogprobInfo,
    ReliabilityInfo,
    RiskInfo,
    logprob_info,
    reliability_info,
    risk_coverage_info,
)
from realtime_lab.plots.style import (
    CONDITION_COLOURS,
    GREY,
    INK,
    legend_name,
    name_axes,
    new_axes,
    plain,
    quiet,
    say_instead,
    show_literally,
)

__all__ = ["draw_logprobs", "draw_reliability", "draw_risk_coverage", "logprobs", "reliability", "risk_coverage"]

_LEGEND_CHARACTERS = 90


def reliability(
    source: HasWords | pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: str | Iterable[str] | None = None,
    confidence: str = "confidence",
    seed: int = 0,
) -> Axes:
    """Plot the share of right words against their confidence: on the diagonal a confidence is what it says.

    Args:
        source: A study or a words frame.
        ax: Where to draw; None: a new figure.
        by: Columns that part the words into curves; None: the condition.
        confidence: `confidence` (product over a word's tokens), `confidence_min` or `confidence_geometric`.
        seed: Decides the simulated null band.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    info = reliability_info(source, by=by, confidence=confidence, seed=seed)
    return draw_reliability(info, new_axes(6.6, 5.6) if ax is None else ax)


def draw_reliability(info: ReliabilityInfo, ax: Axes) -> Axes:
    """Draw what `reliability_info` gathered: dots for bins, their area by n, with Wilson intervals."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    most = max((part.n for curve in info.curves for part in curve.bins), default=1)
    for curve, colour in zip(info.curves, CONDITION_COLOURS, strict=False):
        x = [part.mean_confidence or 0.0 for part in curve.bins]
        y = [part.rate or 0.0 for part in curve.bins]
        lows, highs = ([end or 0.0 for end in ends] for ends in zip(*map(_ends, curve.bins), strict=True))
        ax.vlines(x, lows, highs, color=colour, alpha=0.5)
        ax.plot(x, y, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
        sizes = [14 + 90 * part.n / most for part in curve.bins]
        ax.scatter(x, y, s=sizes, color=colour, edgecolor="white", linewidth=0.8, zorder=3)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.04)
    name_axes(ax, "confidence of the word (mean of its bin)", "share of words that are right")
    _legend(ax, [curve.legend for curve in info.curves], info.not_drawn or "Dots: area by words; bars: 95 % intervals.")
    return ax


def _ends(part: ReliabilityBin) -> tuple[float | None, float | None]:
    return part.rate_low, part.rate_high


def risk_coverage(
    source: HasWords | pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: str | Iterable[str] | None = None,
    confidence: str = "confidence",
) -> Axes:
    """Plot how many of the words one keeps are wrong, when the least sure are left out first.

    Args:
        source: A study or a words frame.
        ax: Where to draw; None: a new figure.
        by: Columns that part the words into curves; None: the condition.
        confidence: As for `reliability`.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    info = risk_coverage_info(source, by=by, confidence=confidence)
    return draw_risk_coverage(info, new_axes(7.2, 4.6) if ax is None else ax)


def draw_risk_coverage(info: RiskInfo, ax: Axes) -> Axes:
    """Draw what `risk_coverage_info` gathered; a dotted line is what leaving words out at random would give."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    for curve, colour in zip(info.curves, CONDITION_COLOURS, strict=False):
        ax.plot(curve.risk.coverage, curve.risk.risk, color=colour, linewidth=2.0, zorder=3)
        ax.axhline(curve.n_wrong / curve.n, color=colour, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2)
    highest = max(float(curve.risk.risk.max()) for curve in info.curves)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, max(0.02, min(1.0, highest * 1.08)))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    name_axes(ax, "words kept, surest first", "of these, wrong")
    _legend(ax, [curve.legend for curve in info.curves], info.not_drawn or "Dotted: words left out at random.")
    return ax


def logprobs(
    source: HasWords | pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: str | Iterable[str] | None = None,
    confidence: str = "confidence_geometric",
) -> Axes:
    """Plot the log-probabilities of right and of wrong words, per group.

    Args:
        source: A study or a words frame.
        ax: Where to draw; None: a new figure.
        by: Columns that part the words into groups; None: the condition.
        confidence: The word confidence whose logarithm is shown.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    info = logprob_info(source, by=by, confidence=confidence)
    return draw_logprobs(info, new_axes(7.2, 1.4 + 0.42 * max(2, len(info.groups))) if ax is None else ax)


def draw_logprobs(info: LogprobInfo, ax: Axes) -> Axes:
    """Draw what `logprob_info` gathered: thin bars 5 to 95 %, thick ones 25 to 75 %, dots the medians."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    for place, group in enumerate(info.groups):
        colour = CONDITION_COLOURS[0] if group.right else CONDITION_COLOURS[1]
        p5, p25, p50, p75, p95 = group.quantiles
        ax.hlines(place, p5, p95, color=colour, linewidth=1.4, alpha=0.7, zorder=2)
        ax.hlines(place, p25, p75, color=colour, linewidth=6.0, alpha=0.45, zorder=2)
        ax.plot([p50], [place], "o", color=colour, markersize=6, markeredgecolor="white", zorder=3)
    ax.set_ylim(len(info.groups) - 0.4, -0.6)
    ax.set_yticks(range(len(info.groups)))
    names = [f"{group.label}, {'right' if group.right else 'wrong'} (n = {group.n:,})" for group in info.groups]
    show_literally(*ax.set_yticklabels([plain(name) for name in names]))
    name_axes(ax, "log-probability of the word; bars: 5 to 95 %, thick 25 to 75 %")
    if info.not_drawn:
        show_literally(ax.set_title(info.not_drawn, loc="left", fontsize=9, color=GREY))
    return ax


def _legend(ax: Axes, names: Sequence[str], title: str) -> None:
    """Below the axes, where no curve is."""
    handles = [Line2D([], [], color=colour, linewidth=2.0) for colour, _ in zip(CONDITION_COLOURS, names, strict=False)]
    shown = [plain(name, _LEGEND_CHARACTERS) for name in names]
    legend = ax.legend(
        handles,
        [legend_name(name) for name in shown],
        loc="upper left",
        bbox_to_anchor=(0.0, -0.14),
        borderaxespad=0.0,
        frameon=False,
        fontsize=9,
        title=title,
        title_fontsize=9,
        alignment="left",
        labelcolor=INK,
    )
    show_literally(*legend.get_texts(), legend.get_title())
