"""Word confidences against truth: reliability, risk against coverage, log-probabilities of right and wrong words.

Where there is nothing to show, `problem` holds the sentence that stands in place of the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.summary.wording import setting_words
from realtime_lab.analysis.words import confidence as calibration
from realtime_lab.analysis.words.confidence import (
    Auroc,
    NullBand,
    ReliabilityBin,
    RiskCoverage,
    auroc,
    brier_score,
    calibration_error,
    calibration_null_band,
    reliability_bins,
    word_blocks,
    word_groups,
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

MAX_CURVES = 8
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class HasWords(Protocol):
    """Anything with words, such as a Study."""

    def words_df(self) -> pd.DataFrame:
        """One row per word."""
        ...


class ReliabilityCurve(NamedTuple):
    """One group of words."""

    label: str
    bins: tuple[ReliabilityBin, ...]
    """Those that hold words."""
    n: int
    brier: float
    ece: float
    null: NullBand
    """What the calibration error is by chance."""

    @property
    def legend(self) -> str:
        """Its name with its figures."""
        verdict = "within chance" if self.ece <= self.null.high else "beyond chance"
        return f"{self.label}: n = {self.n:,}, calibration error {self.ece:.3f} ({verdict}), Brier {self.brier:.3f}"


class ReliabilityInfo(NamedTuple):
    """Everything the reliability diagram shows."""

    curves: tuple[ReliabilityCurve, ...]
    problem: str
    """The sentence in place of the figure; empty when there is one."""
    not_drawn: str
    """A sentence about groups left out; empty when all are drawn."""


class RiskCurve(NamedTuple):
    """One group of words."""

    label: str
    risk: RiskCoverage
    area: Auroc
    n: int
    n_wrong: int

    @property
    def legend(self) -> str:
        """Its name with its figures."""
        area = self.area
        if area.value is None:
            said = area.reason
        else:
            around = "" if area.low is None else f" ({area.low:.2f} to {area.high:.2f})"
            said = f"AUROC {area.value:.2f}{around}"
        return f"{self.label}: {self.n_wrong:,} of {self.n:,} words wrong, {said}"


class RiskInfo(NamedTuple):
    """Everything the plot of risk against coverage shows."""

    curves: tuple[RiskCurve, ...]
    problem: str
    not_drawn: str


class LogprobGroup(NamedTuple):
    """Right or wrong words of one group."""

    label: str
    right: bool
    n: int
    quantiles: tuple[float, ...]
    """5, 25, 50, 75 and 95 % of the words' log-probabilities."""


class LogprobInfo(NamedTuple):
    """Everything the plot of log-probabilities shows."""

    groups: tuple[LogprobGroup, ...]
    """For each group its right words, then its wrong ones; kinds without words are left out."""
    problem: str
    not_drawn: str


def reliability_info(
    source: HasWords | pd.DataFrame,
    *,
    by: str | Iterable[str] | None = None,
    confidence: str = "confidence",
    seed: int = 0,
) -> ReliabilityInfo:
    """Gather what the reliability diagram shows.

    Args:
        source: A study or a words frame.
        by: Columns that part the words into curves; None: the condition.
        confidence: Which word confidence, see `analysis.words.CONFIDENCES`.
        seed: Decides the simulated null band.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    groups, problem, left = _groups(source, by, confidence)
    curves = []
    for label, words in groups:
        sure, right = _arrays(words, confidence)
        score, error = brier_score(sure, right), calibration_error(sure, right)
        null = calibration_null_band(sure, seed=seed)
        if score is not None and error is not None and null is not None:
            bins = tuple(part for part in reliability_bins(sure, right) if part.n)
            curves.append(ReliabilityCurve(label, bins, len(sure), score, error, null))
    return ReliabilityInfo(tuple(curves), problem, left)


def risk_coverage_info(
    source: HasWords | pd.DataFrame, *, by: str | Iterable[str] | None = None, confidence: str = "confidence"
) -> RiskInfo:
    """Gather what the plot of risk against coverage shows; arguments as for `reliability_info`."""
    groups, problem, left = _groups(source, by, confidence)
    curves = []
    for label, words in groups:
        sure, right = _arrays(words, confidence)
        risk = calibration.risk_coverage(sure, right)
        if risk is not None:
            area = auroc(sure, right, word_blocks(words)[0])
            curves.append(RiskCurve(label, risk, area, len(sure), area.n_wrong))
    return RiskInfo(tuple(curves), problem, left)


def logprob_info(
    source: HasWords | pd.DataFrame, *, by: str | Iterable[str] | None = None, confidence: str = "confidence_geometric"
) -> LogprobInfo:
    """Gather what the plot of log-probabilities shows: words, right and wrong, per group.

    Args:
        source: A study or a words frame.
        by: Columns that part the words into groups; None: the condition.
        confidence: The word confidence whose logarithm is shown; the geometric mean's is the mean over its tokens.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    groups, problem, left = _groups(source, by, confidence)
    shown = []
    for label, words in groups:
        sure, right = _arrays(words, confidence)
        for kind in (True, False):
            here = sure[right == kind]
            if len(here):
                logs = np.log(np.maximum(here, math.exp(-700.0)))
                quantiles = tuple(float(value) for value in np.quantile(logs, _QUANTILES))
                shown.append(LogprobGroup(label, kind, len(here), quantiles))
    return LogprobInfo(tuple(shown), problem, left)


def _groups(
    source: HasWords | pd.DataFrame, by: str | Iterable[str] | None, confidence: str
) -> tuple[list[tuple[str, pd.DataFrame]], str, str]:
    """(label and words of each group, the problem, what was left out)."""
    words = source if isinstance(source, pd.DataFrame) else source.words_df()
    default = ["condition"] if "condition" in words.columns else []
    names = default if by is None else [by] if isinstance(by, str) else list(by)
    found = [(_label(names, key), group) for key, group in word_groups(words, names, confidence) if len(group)]
    if not found:
        return [], _problem(words, confidence), ""
    if names == ["condition"]:  # in the order, and so the colours, of every other plot
        found.sort(key=lambda entry: (entry[0] != "clean", entry[0]))
    left = f"{MAX_CURVES} of {len(found)} groups are drawn." if len(found) > MAX_CURVES else ""
    if left:
        found = [found[number] for number in np.linspace(0, len(found) - 1, MAX_CURVES).round().astype(int)]
    return found, "", left


def _label(names: Sequence[str], key: Sequence[Any]) -> str:
    if len(names) == 1:
        return str(key[0])
    return setting_words(dict(zip(names, key, strict=True))) if names else "all words"


def _problem(words: pd.DataFrame, confidence: str) -> str:
    """Why there is nothing to show, in one sentence."""
    if not len(words) or ("word" in words.columns and not words["word"].notna().any()):
        return "No transcripts: no word was recognised in any turn."
    if not words[confidence].notna().any():
        return "No log-probabilities: ask for them with logprobs=True, of a transcription model that gives them."
    if not words["right"].notna().any():
        return "No reference texts: nothing says which words are right."
    return "No word has both a confidence between 0 and 1 and a reference."


def _arrays(words: pd.DataFrame, confidence: str) -> tuple[Any, Any]:
    return words[confidence].to_numpy(dtype=np.float64), words["right"].to_numpy(dtype=bool)


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
