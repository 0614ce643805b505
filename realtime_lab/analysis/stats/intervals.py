"""Honest error bars: quantiles with order-statistic intervals, and rates with Wilson or exact binomial ones.

Numbers in, numbers out; which rows form a sample is decided in `summary`. An observation that was given up on (a
missed turn) enters a sample as +inf: it lies beyond everything observed, so it can raise a quantile and never lower
one. A quantile or an end of an interval that reads inf therefore means "later than the deadline". Rates of blocks that
are alike inside are in `block_ratio`, comparisons between settings in `choice_inference`.

An interval of a quantile has observed values for its ends, and its coverage is exact. Ranks are whole numbers, so at
some sizes it covers more than asked (98.3 % for p95 of 100, 99.2 % for the median of 8): above `TOO_WIDE` each end is
interpolated between two order statistics by Nyblom's rule ("Note on interpolated order statistics", Statistics &
Probability Letters 14, 1992; for the median that of Hettmansperger and Sheather, 1986), whose coverage is the
confidence up to some tenths of a percent whatever the distribution.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95
"""Confidence of every interval unless another is asked for; two-sided, with equal tails."""
TOO_WIDE = 0.97
"""An exact interval that covers more than this is interpolated instead."""
TOO_SMALL = "n too small"
"""What is said in place of a quantile for which no finite interval exists."""


class QuantileEstimate(NamedTuple):
    """One quantile of one sample."""

    q: float
    """Which quantile, between 0 and 1."""
    value: float | None
    """Its estimate (linear between order statistics); None when the sample is too small, inf beyond the deadline."""
    low: float | None
    """Lower end of its interval; None when the sample is too small."""
    high: float | None
    """Upper end of its interval, or inf; None when the sample is too small."""
    n: int
    """Size of the sample, censored observations included."""
    n_censored: int
    """How many of them were given up on (+inf)."""
    coverage: float | None
    """Probability that such an interval holds the true quantile of a continuous distribution: exact, or nearly so
    where the ends are interpolated. None when the sample is too small."""
    note: str
    """Why there is no value; empty when there is one."""


class QuantileInterval(NamedTuple):
    """Where the interval of a quantile ends in an ordered sample, and how often it holds the truth.

    A place is a rank from 1; 3.25 lies a quarter of the way from the third value to the fourth.
    """

    low: float
    high: float
    coverage: float
    interpolated: bool
    """The ends lie between observed values."""


class RateInterval(NamedTuple):
    """Both ends of the interval of a rate."""

    low: float
    high: float


def quantile(values: ArrayLike, q: float, confidence: float = CONFIDENCE) -> QuantileEstimate:
    """A quantile with its order-statistic interval, assuming nothing about the distribution.

    Args:
        values: The sample, any order; +inf for an observation that was given up on.
        q: Which quantile, 0 < q < 1.
        confidence: Two-sided, with equal tails.

    Returns:
        The estimate. Below `sample_floor(q)` there is no finite interval: then value, low and high are None.

    Raises:
        ValueError: If a value is NaN or -inf. A value that is missing must be left out, or counted as censored, by
            whoever knows which of the two it is.
    """
    return quantile_of_sorted(np.sort(np.asarray(values, dtype=float)), q, confidence)


def quantile_of_sorted(ordered: NDArray[np.float64], q: float, confidence: float = CONFIDENCE) -> QuantileEstimate:
    """`quantile` of a sample in ascending order."""
    n = len(ordered)
    if n and (np.isnan(ordered[-1]) or ordered[0] == -math.inf):
        raise ValueError("a sample holds NaN or -inf: leave missing values out, or count them as censored with +inf")
    n_censored = n - int(np.searchsorted(ordered, math.inf, side="left"))
    found = quantile_interval(n, q, confidence)
    if found is None:
        floor = sample_floor(q, confidence)
        return QuantileEstimate(q, None, None, None, n, n_censored, None, f"{TOO_SMALL}: {n} of {floor}")
    low, high = order_statistic(ordered, found.low, up=False), order_statistic(ordered, found.high, up=True)
    return QuantileEstimate(q, linear_quantile(ordered, q), low, high, n, n_censored, found.coverage, "")


def order_statistic(ordered: NDArray[np.float64], place: float, *, up: bool) -> float:
    """The value at a place of an ordered sample, between two of them where the place is no whole number.

    Args:
        ordered: The sample, ascending.
        place: A rank from 1.
        up: Beside an infinite neighbour, take that one; else the finite one.
    """
    below = math.floor(place)
    share, lower = place - below, float(ordered[below - 1])
    if share == 0.0 or lower == math.inf:
        return lower
    upper = float(ordered[below])
    if upper == math.inf:
        return upper if up else lower
    return lower + share * (upper - lower)


def linear_quantile(ordered: NDArray[np.float64], q: float) -> float:
    """The usual sample quantile (numpy's and pandas' default), safe where the upper neighbour is infinite."""
    position = (len(ordered) - 1) * q
    below = math.floor(position)
    share = position - below
    lower = float(ordered[below])
    if share == 0.0 or lower == math.inf:
        return lower
    upper = float(ordered[below + 1])
    return upper if upper == math.inf else lower + share * (upper - lower)


@lru_cache(maxsize=4096)
def order_statistic_ranks(n: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Which order statistics bound the quantile `q` of `n` observations.

    The number of observations below the true quantile is binomial (n, q). The lower rank is the largest that fails
    with probability at most (1 - confidence) / 2, the upper one the smallest.

    Returns:
        (lower, upper), counted from 1; None when no two order statistics are far enough apart.

    Raises:
        ValueError: If q or confidence is not strictly between 0 and 1.
    """
    for name, number in (("q", q), ("confidence", confidence)):
        if not 0.0 < number < 1.0:
            raise ValueError(f"{name} = {number!r}: allowed: a number strictly between 0 and 1")
    tail = (1.0 - confidence) / 2.0
    # With no observation below (or above) q that often, even the extremes hold it too rarely.
    if n < 1 or q**n > tail or (1.0 - q) ** n > tail:
        return None
    # Both ranks lie within a few standard deviations of n q.
    reach = math.ceil(10.0 * math.sqrt(n * q * (1.0 - q))) + 2
    start = max(0, math.floor(n * q) - reach)
    counts = np.arange(start, min(n, math.ceil(n * q) + reach))
    lower = start + int(np.count_nonzero(special.bdtr(counts, n, q) <= tail))
    upper = start + int(np.argmax(special.bdtrc(counts, n, q) <= tail)) + 1
    return lower, upper


@lru_cache(maxsize=4096)
def quantile_interval(n: int, q: float, confidence: float = CONFIDENCE) -> QuantileInterval | None:
    """Where the interval of the quantile `q` of `n` observations ends; None when the sample is too small.

    Raises:
        ValueError: If q or confidence is not strictly between 0 and 1.
    """
    ranks = order_statistic_ranks(n, q, confidence)
    if ranks is None:
        return None
    # Ranks are whole: the exact interval covers what it can, which in small samples is far more than asked.
    exact = _coverage(n, q, *ranks)
    if exact <= max(TOO_WIDE, confidence):
        return QuantileInterval(float(ranks[0]), float(ranks[1]), exact, interpolated=False)
    tail = (1.0 - confidence) / 2.0
    low, high = _interpolated(n, q, ranks[0], tail), _interpolated(n, q, ranks[1] - 1, 1.0 - tail)
    return QuantileInterval(low, high, confidence, interpolated=True)


def _interpolated(n: int, q: float, rank: int, probability: float) -> float:
    """The place between `rank` and the next that lies beyond the quantile with the given probability."""
    here, after = (float(special.bdtr(place - 1, n, q)) for place in (rank, rank + 1))
    if here >= probability or rank >= n:
        return float(rank)
    odds = rank * (1.0 - q) / ((n - rank) * q)
    return rank + 1.0 / (1.0 + odds * (after - probability) / (probability - here))


def _coverage(n: int, q: float, low: int, high: int) -> float:
    return float(special.bdtr(high - 1, n, q) - special.bdtr(low - 1, n, q))


@lru_cache(maxsize=256)
def sample_floor(q: float, confidence: float = CONFIDENCE) -> int:
    """The smallest sample with a finite two-sided interval: 6 for p50, 36 for p90, 72 for p95, 368 for p99."""
    n = math.ceil(math.log((1.0 - confidence) / 2.0) / math.log(max(q, 1.0 - q)))
    while order_statistic_ranks(n, q, confidence) is None:
        n += 1
    return n


def wilson_interval(numerator: int, denominator: int, confidence: float = CONFIDENCE) -> RateInterval | None:
    """The Wilson score interval of a rate, without continuity correction; None over nothing.

    Raises:
        ValueError: If not 0 <= numerator <= denominator.
    """
    if not _checked(numerator, denominator):
        return None
    low, high = wilson_bounds(np.array([numerator]), np.array([denominator]), confidence)
    return RateInterval(float(low[0]), float(high[0]))


def wilson_bounds(
    numerator: NDArray[Any], denominator: NDArray[Any], confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson intervals of many rates at once; NaN where the denominator is 0.

    Args:
        numerator: Counts, any shape.
        denominator: Totals, the same shape.
        confidence: Two-sided.
    """
    z = float(special.ndtri(0.5 + confidence / 2.0))
    total = np.where(denominator > 0, denominator, np.nan).astype(float)
    rate = numerator / total
    scale = 1.0 + z * z / total
    middle = (rate + z * z / (2.0 * total)) / scale
    half = z / scale * np.sqrt(rate * (1.0 - rate) / total + z * z / (4.0 * total * total))
    # At the ends the formula gives 0 and 1 but for rounding.
    low = np.where(numerator == 0, np.where(np.isnan(total), np.nan, 0.0), middle - half)
    high = np.where(numerator == denominator, np.where(np.isnan(total), np.nan, 1.0), middle + half)
    return low, high


def exact_interval(numerator: int, denominator: int, confidence: float = CONFIDENCE) -> RateInterval | None:
    """The exact binomial (Clopper-Pearson) interval of a rate; None over nothing.

    Raises:
        ValueError: If not 0 <= numerator <= denominator.
    """
    if not _checked(numerator, denominator):
        return None
    tail, missed = (1.0 - confidence) / 2.0, denominator - numerator
    # Clopper and Pearson 1934: the bounds of a binomial's rate are quantiles of two beta distributions.
    low = float(special.betaincinv(numerator, missed + 1, tail)) if numerator else 0.0
    high = float(special.betaincinv(numerator + 1, missed, 1.0 - tail)) if missed else 1.0
    return RateInterval(low, high)


def _checked(numerator: int, denominator: int) -> bool:
    if not 0 <= numerator <= denominator:
        raise ValueError(f"a rate of {numerator} out of {denominator}: allowed: 0 <= numerator <= denominator")
    return denominator > 0
