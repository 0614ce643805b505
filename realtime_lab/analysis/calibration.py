"""Does a recogniser know when a word is wrong? Confidence against right and wrong: arrays in, numbers out.

Brier score, expected calibration error with the band that chance alone gives it, reliability bins with Wilson
intervals, area under the ROC curve, risk against coverage. Which words are compared, `word_calibration` decides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from realtime_lab.analysis.block_ratio import MIN_VOICES
from realtime_lab.analysis.stats import CONFIDENCE, wilson_interval

__all__ = [
    "N_BINS",
    "Auroc",
    "NullBand",
    "ReliabilityBin",
    "RiskCoverage",
    "auroc",
    "brier_score",
    "calibration_error",
    "calibration_null_band",
    "reliability_bins",
    "risk_coverage",
]

N_BINS = 10
"""Bins of equal width from 0 to 1."""
_DRAWS = 500
_MOST_DRAWN = 2_000
"""Words of a bin that are drawn one by one; a larger bin's sum is drawn from the normal distribution it comes to."""

Floats = NDArray[np.float64]


class ReliabilityBin(NamedTuple):
    """Words of like confidence."""

    low: float
    high: float
    """Its edges; the last bin holds 1."""
    n: int
    n_right: int
    mean_confidence: float | None
    """None in an empty bin."""
    rate: float | None
    """Share of its words that are right; None in an empty bin."""
    rate_low: float | None
    rate_high: float | None
    """95 % Wilson interval."""


class NullBand(NamedTuple):
    """What a calibration error is by chance when every confidence is true."""

    low: float
    median: float
    high: float
    """95 % of the simulated errors lie between low and high."""


class Auroc(NamedTuple):
    """How well confidence tells right words from wrong ones."""

    value: float | None
    """Chance that a right word has the higher confidence, ties counting half; None with a reason."""
    low: float | None
    high: float | None
    """95 % interval over blocks; None with fewer than three."""
    n_right: int
    n_wrong: int
    n_blocks: int
    reason: str
    """Why there is no value, or no interval; empty when there are both."""


class RiskCoverage(NamedTuple):
    """What is wrong among the words one keeps, surest first."""

    coverage: Floats
    """Share kept: 1/n to 1."""
    risk: Floats
    """Share of those that are wrong; words of equal confidence in the mean over their orders."""
    aurc: float
    """Mean of the risk over all coverages."""


def _checked(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if sure.shape != hit.shape or sure.ndim != 1:
        raise ValueError(
            f"confidence and right have the shapes {sure.shape} and {hit.shape}: allowed: one each per word"
        )
    if not np.all((sure >= 0.0) & (sure <= 1.0)):
        raise ValueError("a confidence is NaN or outside 0 to 1: leave words without one out")
    return sure, hit


def brier_score(confidence: ArrayLike, right: ArrayLike) -> float | None:
    """Mean squared difference of confidence and right (1) or wrong (0); None without words.

    Args:
        confidence: Probabilities, shape (n,).
        right: Whether each word is right, shape (n,).

    Raises:
        ValueError: If a confidence is NaN or outside 0 to 1, or the shapes differ.
    """
    sure, hit = _checked(confidence, right)
    return float(np.mean((sure - hit) ** 2)) if len(sure) else None


def reliability_bins(confidence: ArrayLike, right: ArrayLike, n_bins: int = N_BINS) -> list[ReliabilityBin]:
    """Words by confidence, in bins of equal width; arguments and errors as for `brier_score`."""
    sure, hit = _checked(confidence, right)
    of_word = _bin_of(sure, n_bins)
    bins = []
    for number in range(n_bins):
        here = of_word == number
        n, n_right = int(here.sum()), int(hit[here].sum())
        around = wilson_interval(n_right, n)
        bins.append(
            ReliabilityBin(
                low=number / n_bins,
                high=(number + 1) / n_bins,
                n=n,
                n_right=n_right,
                mean_confidence=float(sure[here].mean()) if n else None,
                rate=n_right / n if n else None,
                rate_low=None if around is None else around.low,
                rate_high=None if around is None else around.high,
            )
        )
    return bins


def _bin_of(sure: Floats, n_bins: int) -> NDArray[np.int64]:
    return np.minimum((sure * n_bins).astype(np.int64), n_bins - 1)


def calibration_error(confidence: ArrayLike, right: ArrayLike, n_bins: int = N_BINS) -> float | None:
    """Expected calibration error: mean distance of a bin's confidence from its share of right words, by words.

    Guo et al., On Calibration of Modern Neural Networks, 2017. Arguments and errors as for `brier_score`.
    """
    sure, hit = _checked(confidence, right)
    if not len(sure):
        return None
    off = np.bincount(_bin_of(sure, n_bins), weights=hit - sure, minlength=n_bins)
    return float(np.abs(off).sum() / len(sure))


def calibration_null_band(
    confidence: ArrayLike, *, seed: int = 0, n_bins: int = N_BINS, draws: int = _DRAWS
) -> NullBand | None:
    """The calibration errors of a model whose every confidence is true, on as many words with the same confidences.

    Args:
        confidence: Probabilities, shape (n,).
        seed: Decides the draws.
        n_bins: As for the error it is held against.
        draws: How many are simulated.

    Returns:
        The band, or None without words. An error inside it says nothing against the model.

    Raises:
        ValueError: If a confidence is NaN or outside 0 to 1.
    """
    sure, _ = _checked(confidence, np.zeros(np.shape(confidence), dtype=bool))
    if not len(sure):
        return None
    rng = np.random.default_rng(seed)
    of_word = _bin_of(sure, n_bins)
    off = np.zeros(draws)
    for number in range(n_bins):
        here = sure[of_word == number]
        if len(here) > _MOST_DRAWN:
            off += np.abs(rng.normal(0.0, math.sqrt(float((here * (1.0 - here)).sum())), draws))
        elif len(here):
            off += np.abs((rng.random((draws, len(here))) < here).sum(axis=1) - here.sum())
    low, median, high = np.quantile(off / len(sure), [0.025, 0.5, 0.975])
    return NullBand(float(low), float(median), float(high))


def auroc(confidence: ArrayLike, right: ArrayLike, blocks: ArrayLike | None = None) -> Auroc:
    """Area under the ROC curve of confidence for right words, with an interval over blocks.

    The area is Mann and Whitney's statistic over the number of pairs. Its variance is that of the words' placements
    summed per block (Obuchowski, Biometrics 53, 1997), with Student's t, on a logit scale.

    Args:
        confidence: Anything that is higher for surer words, shape (n,); not NaN.
        right: Whether each word is right, shape (n,).
        blocks: Block of each word, such as a number per voice; None: no interval.

    Raises:
        ValueError: If a confidence is NaN, or the shapes differ.
    """
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if sure.shape != hit.shape or sure.ndim != 1 or np.isnan(sure).any():
        raise ValueError("confidence and right: allowed: one number, not NaN, and one flag per word")
    n_right, n_wrong = int(hit.sum()), int((~hit).sum())
    if not n_right or not n_wrong:
        which = "no words" if not len(hit) else "every word is right" if n_right else "every word is wrong"
        return Auroc(None, None, None, n_right, n_wrong, 0, which)
    ranks = stats.rankdata(sure)
    value = (float(ranks[hit].sum()) - n_right * (n_right + 1) / 2) / (n_right * n_wrong)
    if blocks is None:
        return Auroc(value, None, None, n_right, n_wrong, 0, "no interval: no blocks were given")
    return _with_interval(value, _placements(sure, hit, ranks) - value, hit, np.asarray(blocks))


def _placements(sure: Floats, hit: NDArray[np.bool_], ranks: Floats) -> Floats:
    """For each word the share of words of the other kind that it stands on the right side of."""
    found = np.empty(len(sure))
    for kind in (True, False):
        here = hit == kind
        others = len(sure) - int(here.sum())
        below = (ranks[here] - stats.rankdata(sure[here])) / others
        found[here] = below if kind else 1.0 - below
    return found


def _with_interval(value: float, off: Floats, hit: NDArray[np.bool_], blocks: NDArray[np.generic]) -> Auroc:
    n_right, n_wrong = int(hit.sum()), int((~hit).sum())
    names, of_word = np.unique(blocks, return_inverse=True)
    n = len(names)
    if n < MIN_VOICES:
        reason = f"no interval: {n} of {MIN_VOICES} blocks"
        return Auroc(value, None, None, n_right, n_wrong, n, reason)
    if not 0.0 < value < 1.0:
        return Auroc(value, None, None, n_right, n_wrong, n, "no interval: right and wrong words do not overlap")
    sums = np.bincount(of_word, weights=off / np.where(hit, n_right, n_wrong), minlength=n)
    error = math.sqrt(n / (n - 1) * float((sums**2).sum()))
    half = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * error / (value * (1.0 - value))
    middle = float(special.logit(value))
    low, high = float(special.expit(middle - half)), float(special.expit(middle + half))
    return Auroc(value, low, high, n_right, n_wrong, n, "")


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage | None:
    """Risk against coverage when the least sure words are left out first; None without words.

    Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017. Arguments as for `auroc`.

    Raises:
        ValueError: If a confidence is NaN, or the shapes differ.
    """
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if sure.shape != hit.shape or sure.ndim != 1 or np.isnan(sure).any():
        raise ValueError("confidence and right: allowed: one number, not NaN, and one flag per word")
    if not len(sure):
        return None
    # Within a tie every word counts with the tie's share of wrong ones.
    _, of_word, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    wrong = np.bincount(of_word, weights=~hit) / counts
    kept = np.arange(1, len(sure) + 1)
    risk = np.cumsum(np.repeat(wrong, counts)) / kept
    return RiskCoverage(kept / len(sure), risk, float(risk.mean()))
