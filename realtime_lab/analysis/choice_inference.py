"""What resamples say: intervals of differences, and which of many settings cannot be told apart from the best.

`confidence_set` is the model confidence set of Hansen, Lunde and Nason (Econometrica 79, 2011): the settings left over
are all tested for being equal at once; where that is refuted the worst one is dropped, and the test repeated. The
chance that the truly best one is dropped, and in a grid of equal settings the chance that any is, stays near alpha
however many settings there are. Arrays in, arrays out; nothing here knows what a setting is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from realtime_lab.analysis.stats import CONFIDENCE, wilson_bounds

__all__ = ["ALPHA", "Difference", "confidence_set", "difference", "newcombe", "ratio", "without_gaps"]

ALPHA = 1.0 - CONFIDENCE
"""Chance of a false claim."""

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
    """For each setting, a p-value against its being the best (lowest): above alpha, it cannot be told apart.

    Args:
        estimates: Shape (settings,); finite.
        drawn: Shape (replicates, settings); finite.
        blocks: How many blocks were drawn from: few blocks spread too little.
        alpha: Where to stop: p-values above it are lower bounds.
    """
    count = len(estimates)
    p_values = np.ones(count)
    alive = list(range(count))
    moved = (drawn - estimates) * _spread(blocks)
    reached = 0.0
    while len(alive) > 1:
        behind = estimates[alive] - estimates[alive].mean()
        wobble = moved[:, alive] - moved[:, alive].mean(axis=1, keepdims=True)
        error = wobble.std(axis=0)
        certain = error < 1e-12
        scale = np.where(certain, 1.0, error)
        seen = np.where(certain, np.where(behind > 1e-12, np.inf, 0.0), behind / scale)
        chance = np.where(certain, 0.0, wobble / scale).max(axis=1)
        worst = int(np.argmax(seen))
        reached = max(reached, (1.0 + float(np.count_nonzero(chance >= seen[worst]))) / (len(drawn) + 1.0))
        if reached > alpha:
            p_values[alive] = reached
            break
        p_values[alive.pop(worst)] = reached
    return p_values


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
