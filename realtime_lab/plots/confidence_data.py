"""What plots of word confidences show, as values: reliability, risk and coverage, log-probabilities. Draws nothing.

Where there is nothing to show, `problem` holds the sentence that stands in place of the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from realtime_lab.analysis.calibration import (
    Auroc,
    NullBand,
    ReliabilityBin,
    RiskCoverage,
    auroc,
    brier_score,
    calibration_error,
    calibration_null_band,
    reliability_bins,
    risk_coverage,
)
from realtime_lab.analysis.choice_words import setting_words
from realtime_lab.analysis.word_calibration import word_blocks, word_groups

__all__ = [
    "LogprobGroup",
    "LogprobInfo",
    "ReliabilityCurve",
    "ReliabilityInfo",
    "RiskCurve",
    "RiskInfo",
    "logprob_info",
    "reliability_info",
    "risk_coverage_info",
]

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
        risk = risk_coverage(sure, right)
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
