"""What resamples say: intervals of differences, and which of many settings cannot be told apart from the best.

`confidence_set` compares every setting with the leading one, which was picked because it leads: so each difference is
held against the widest difference between any two settings in the resamples (Tukey's range by the step-down method of
Westfall and Young, "Resampling-Based Multiple Testing", 1993). In a grid of equal settings the chance that any is
called worse stays near alpha, however many there are. Arrays in, arrays out; nothing here knows what a setting is.

Many comparisons at once are corrected, so that a grid of equal settings rarely shows a difference.

`holm` keeps the chance of one false claim or more below alpha; `benjamini_hochberg` keeps the share of false claims
among all claims below it, and is the less strict. Both return adjusted p-values, to be held against alpha itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from realtime_lab.analysis.stats.intervals import CONFIDENCE, wilson_bounds


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment ("A simple sequentially rejective multiple test procedure", 1979).

    Args:
        p_values: Of the comparisons, any order; NaN where one could not be made, which then counts for nothing.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: If one is outside 0 to 1.
    """
    return _adjusted(p_values, step_down=True)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini and Hochberg's step-up adjustment ("Controlling the false discovery rate", 1995).

    Args:
        p_values: Of the comparisons, any order; NaN where one could not be made, which then counts for nothing.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: If one is outside 0 to 1.
    """
    return _adjusted(p_values, step_down=False)


def _adjusted(p_values: ArrayLike, *, step_down: bool) -> NDArray[np.float64]:
    given = np.asarray(p_values, dtype=float)
    known = ~np.isnan(given)
    if ((given[known] < 0) | (given[known] > 1)).any():
        raise ValueError("a p-value is outside 0 to 1")
    order = np.argsort(given[known], kind="stable")
    ranked, count = given[known][order], int(known.sum())
    rank = np.arange(1, count + 1)
    if step_down:
        # Adjusted p-values keep the order of the raw ones: a later one is never the smaller.
        adjusted = np.maximum.accumulate(ranked * (count - rank + 1))
    else:
        adjusted = np.minimum.accumulate((ranked * count / rank)[::-1])[::-1]
    found = np.full(given.shape, np.nan)
    place = np.flatnonzero(known)[order]
    found[place] = np.minimum(adjusted, 1.0)
    return found


ALPHA = 1.0 - CONFIDENCE
"""Chance of a false claim."""
_TINY = 1e-12

Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """One estimate with its interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Difference(None, None, None)


def without_gaps(drawn: Floats, estimates: Floats) -> Floats:
    """Replicates as finite numbers.

    Args:
        drawn: Shape (replicates, settings); NaN where a replicate had no sample, inf where it was past the deadline.
        estimates: Shape (settings,); finite.

    Returns:
        NaN replaced by the estimate, inf by the largest finite value seen.
    """
    finite = drawn[np.isfinite(drawn)]
    largest = max(float(finite.max(initial=-np.inf)), float(estimates.max(initial=-np.inf)))
    return np.where(np.isnan(drawn), estimates, np.minimum(drawn, largest))


def confidence_set(estimates: Floats, drawn: Floats, blocks: int, alpha: float = ALPHA) -> Floats:
    """For each setting, a p-value against its being as good as the lowest one: above alpha, they are not told apart.

    Args:
        estimates: Shape (settings,); finite.
        drawn: Shape (replicates, settings); finite.
        blocks: How many blocks were drawn from: few blocks spread too little.
        alpha: Chance of a false claim.
    """
    p_values = np.ones(len(estimates))
    alive = np.arange(len(estimates))
    leader = int(np.argmin(estimates))
    # Centred, the resamples are draws under the hypothesis that all settings are equal.
    moved = (drawn - estimates) * _spread(blocks)
    behind = _in_errors(estimates - estimates[leader], (moved - moved[:, [leader]]).std(axis=0))
    # Standard errors from few blocks are rough: Student's t, as the normal deviate that is as rare.
    behind = -special.ndtri(special.stdtr(max(blocks - 1, 1), -behind))
    while len(alive) > 1:
        widest = np.sort(_widest(moved[:, alive]))
        reached = len(widest) - np.searchsorted(widest, behind[alive], side="left")
        # The observed one counts as a draw: 0 would claim more than resamples can (Davison and Hinkley, ch. 4.2).
        p_values[alive] = (1.0 + reached) / (1.0 + len(widest))
        # Step down: settings already told apart no longer widen the range that the rest is held against.
        kept = alive[(p_values[alive] > alpha) | (alive == leader)]
        if len(kept) == len(alive):
            break
        alive = kept
    p_values[leader] = 1.0
    return p_values


def _widest(moved: Floats) -> Floats:
    """In each replicate, the widest difference between any two settings, in standard errors of that difference."""
    found, rows = np.zeros(len(moved)), np.ascontiguousarray(moved.T)
    for number in range(len(rows) - 1):
        apart = rows[number + 1 :] - rows[number]
        error = apart.std(axis=1)
        np.abs(apart, out=apart)
        np.maximum(found, _in_errors(apart, error[:, None]).max(axis=0), out=found)
    return found


def _in_errors(apart: Floats, error: Floats) -> Floats:
    """Differences over their standard errors; one that never varies is certain: infinite, or 0 when there is none."""
    certain = error < _TINY
    if not certain.any():
        return apart / error
    sure = np.where(np.abs(apart) < _TINY, 0.0, np.copysign(np.inf, apart))
    found: Floats = np.where(certain, sure, apart / np.where(certain, 1.0, error))
    return found


def _spread(blocks: int) -> float:
    """By how much resampling few blocks understates the spread."""
    return float(np.sqrt(blocks / (blocks - 1.0))) if blocks > 1 else 1.0


def difference(first: float, second: float, drawn: Floats, blocks: int, confidence: float = CONFIDENCE) -> Difference:
    """Second minus first, with its interval from the replicates' standard error and Student's t.

    Args:
        first: Estimate of the one.
        second: Estimate of the other.
        drawn: Differences of the replicates.
        blocks: How many blocks were drawn from.
        confidence: Two-sided.
    """
    if not (np.isfinite(first) and np.isfinite(second)):
        return NOTHING
    value, finite = float(second - first), drawn[np.isfinite(drawn)]
    if blocks < 2 or len(finite) < max(2, len(drawn) // 2):
        return Difference(value, None, None)
    half = float(special.stdtrit(blocks - 1, 0.5 + confidence / 2.0) * finite.std() * _spread(blocks))
    return Difference(value, value - half, value + half)


def ratio(first: float, second: float, drawn: Floats, blocks: int, confidence: float = CONFIDENCE) -> Difference:
    """Second over first, with its interval on the scale of logarithms; nothing unless all are positive."""
    if not (first > 0 and second > 0):
        return NOTHING
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(drawn)
    found = difference(float(np.log(first)), float(np.log(second)), logs, blocks, confidence)
    return Difference(*(None if part is None else float(np.exp(part)) for part in found))


def newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float = CONFIDENCE) -> Difference:
    """The difference of two rates with Newcombe's interval, as if they were independent.

    Args:
        first: Numerator and denominator of the one.
        second: Of the other.
        confidence: Two-sided.
    """
    if not (first[1] and second[1]):
        return NOTHING
    above, below = np.array([first[0], second[0]]), np.array([first[1], second[1]])
    low, high = wilson_bounds(above, below, confidence)
    a, b = above / below
    value = float(b - a)
    down = float(np.hypot(b - low[1], high[0] - a))
    up = float(np.hypot(high[1] - b, a - low[0]))
    return Difference(value, value - down, value + up)
