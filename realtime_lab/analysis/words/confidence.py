"""Does a recogniser know when a word is wrong? Confidence against right and wrong: arrays in, numbers out.

Brier score, expected calibration error with the band that chance alone gives it, reliability bins with Wilson
intervals, area under the ROC curve, risk against coverage.

Arrays in, numbers out; how far word confidences can be trusted, by setting and condition, is told of frames.

Wilson intervals of bins and the null band take words as independent; words of one sentence hang together, so both are
a little narrow. The interval of the AUROC is over blocks and does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from realtime_lab.analysis.columns import KEYS, WORDS, Column, setting_names
from realtime_lab.analysis.rows.frames import frame_of_rows
from realtime_lab.analysis.stats.clustered import MIN_VOICES, blocks_of
from realtime_lab.analysis.stats.intervals import CONFIDENCE, wilson_interval
from realtime_lab.analysis.words.aligned import CONFIDENCES, distinct_words
from realtime_lab.errors import RealtimeLabError

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


MIN_MANY_VOICES = 10
"""From this many voices on, intervals speak for other voices too."""

CALIBRATION = (
    Column("n_words", "int", "recognised words with a confidence, each hearing of the same audio once", "words"),
    Column("n_right", "int", "of these, right", "words", lower_is_better=False),
    Column("n_wrong", "int", "of these, wrong: substitutions and insertions", "words", lower_is_better=True),
    Column("mean_confidence", "float", "mean of their confidences"),
    Column("right_rate", "float", "right over all: what mean_confidence should be", lower_is_better=False),
    Column("brier", "float", "mean squared difference of confidence and right", "", "Brier score", True),
    Column("ece", "float", "expected calibration error, 10 bins", "", "calibration error", True),
    Column("ece_null_low", "float", "lower end of what chance gives a model without any error of that kind"),
    Column("ece_null_high", "float", "upper end of that: an ece below it says nothing against the model"),
    Column("auroc", "float", "chance that a right word is surer than a wrong one", "", "AUROC", False),
    Column("auroc_low", "float", "auroc: lower end of its 95 % interval over blocks"),
    Column("auroc_high", "float", "auroc: upper end of its 95 % interval over blocks"),
    Column("n_blocks", "int", "blocks of words: voices, or turns of scripts where there are fewer than ten voices"),
    Column("block", "str", "voice, or turn: then the interval speaks for other words of these voices only"),
    Column("aurc", "float", "area under risk against coverage; without order it is 1 - right_rate", "", "AURC", True),
    Column("note", "str", "why a figure is missing"),
)
"""Columns of a calibration frame, after those it was grouped by."""


def calibration_df(
    words: pd.DataFrame, by: str | Iterable[str] | None = None, *, confidence: str = "confidence", seed: int = 0
) -> pd.DataFrame:
    """Whether confidences tell right words from wrong ones, and are as high as they should be.

    Args:
        words: As `words_frame` gives them.
        by: Columns to group by; None: every swept setting, the condition and the target. An empty list: one row.
        confidence: `confidence` (product over a word's tokens), `confidence_min` or `confidence_geometric`.
        seed: Decides the simulated null band.

    Returns:
        The groups in ascending order, with the columns of `CALIBRATION`.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = _default_by(words) if by is None else [by] if isinstance(by, str) else list(by)
    groups = list(word_groups(words, names, confidence))
    rows = [_row(group, confidence, seed) for _, group in groups]
    keys = pd.DataFrame({name: [key[place] for key, _ in groups] for place, name in enumerate(names)})
    for name in names:
        keys[name] = keys[name].astype(words[name].dtype)
    return pd.concat([keys, frame_of_rows(rows, CALIBRATION)], axis=1)


def word_groups(
    words: pd.DataFrame, by: Iterable[str], confidence: str = "confidence"
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """(values of `by`, recognised words with a confidence and a verdict) of each group, in ascending order.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = list(by)
    usable = confident_words(words, confidence, names)
    if not names:
        yield (), usable
        return
    for key, group in usable.groupby(names, sort=True, dropna=False, observed=True):
        yield key, group.reset_index(drop=True)


def confident_words(words: pd.DataFrame, confidence: str = "confidence", by: Iterable[str] = ()) -> pd.DataFrame:
    """Recognised words that are known to be right or wrong and have a confidence, each hearing once.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = list(by)
    if confidence not in CONFIDENCES:
        raise RealtimeLabError(f"confidence = {confidence!r}: allowed: {', '.join(CONFIDENCES)}")
    if missing := [name for name in (*names, confidence, "right") if name not in words.columns]:
        raise RealtimeLabError(f"{missing}: the words have the columns {', '.join(map(str, words.columns))}")
    sure = words[confidence].to_numpy(dtype=np.float64, na_value=np.nan)
    known = words["right"].notna().to_numpy(dtype=bool) & (sure >= 0.0) & (sure <= 1.0)
    return distinct_words(words[known], names)


def word_blocks(words: pd.DataFrame) -> tuple[NDArray[np.int64], str]:
    """(block of each word, voice or turn): voices when there are many, else turns of scripts.

    A turn is all that was heard of it, in every setting and condition among the words.
    """
    blocks, kind = blocks_of(words)
    if kind == "voice" and len(np.unique(blocks)) >= MIN_MANY_VOICES:
        return blocks, kind
    names = [name for name in ("script", "turn") if name in words.columns]
    if not names:
        return np.zeros(len(words), dtype=np.int64), "turn"
    numbers = words.groupby(names, sort=False, dropna=False, observed=True).ngroup()
    return np.asarray(numbers, dtype=np.int64), "turn"


def _default_by(words: pd.DataFrame) -> list[str]:
    listed = list(map(str, words.columns))
    return [*setting_names(listed, (*WORDS, *KEYS)), *(name for name in ("condition", "target") if name in listed)]


def _row(words: pd.DataFrame, confidence: str, seed: int) -> dict[str, Any]:
    sure = words[confidence].to_numpy(dtype=np.float64)
    right = words["right"].to_numpy(dtype=bool)
    blocks, kind = word_blocks(words)
    area = auroc(sure, right, blocks)
    row: dict[str, Any] = {"n_words": len(sure), "n_right": area.n_right, "n_wrong": area.n_wrong}
    row |= {"auroc": area.value, "auroc_low": area.low, "auroc_high": area.high}
    row |= {"n_blocks": area.n_blocks, "block": kind if area.n_blocks else None}
    row["note"] = f"auroc: {area.reason}" if area.reason else None
    band, risk = calibration_null_band(sure, seed=seed), risk_coverage(sure, right)
    if band is None or risk is None:
        return row | {"note": "no word has a confidence and a reference"}
    return row | {
        "mean_confidence": float(sure.mean()),
        "right_rate": float(right.mean()),
        "brier": brier_score(sure, right),
        "ece": calibration_error(sure, right),
        "ece_null_low": band.low,
        "ece_null_high": band.high,
        "aurc": risk.aurc,
    }
