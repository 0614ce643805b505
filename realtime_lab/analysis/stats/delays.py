"""Does a sample of delays look log-normal, with which median and spread, and how heavy is its tail?

The fit is by maximum likelihood; what was broken off before it was over (a cancelled answer) enters as "longer than
this". The goodness of fit is the Kolmogorov-Smirnov distance to the fitted curve. As that curve was fitted to the same
sample, its tables do not hold (Lilliefors 1967): the p-value comes from seeded samples drawn from such a curve and
fitted in the same way. Where one spread does not fit, a second one above the median is tried (a split log-normal).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from realtime_lab.analysis.stats.intervals import CONFIDENCE, QuantileEstimate, quantile

FITS_FROM_P = 0.05
"""A curve is said not to fit when a sample this far from it or farther is rarer than this."""
TAILS = (0.95, 0.99)
MIN_TEST = 8
"""Values from which a goodness of fit is worth stating."""
_REPLICATES = 999
_TINY = 1e-9

Values = NDArray[np.float64]


@dataclass(frozen=True)
class GoodnessOfFit:
    """Kolmogorov-Smirnov distance of a sample to the curve fitted to it."""

    distance: float
    p: float
    """Share of samples from such a curve, fitted alike, that lie at least as far from theirs."""
    n: int

    @property
    def fits(self) -> bool:
        """Nothing speaks against the curve."""
        return self.p >= FITS_FROM_P

    def __str__(self) -> str:
        return f"{'fits' if self.fits else 'does not fit'} (KS {self.distance:.3f}, p {self.p:.3f}, n {self.n})"


@dataclass(frozen=True)
class DelayFit:
    """A log-normal, or split log-normal, with what is known of its figures."""

    n: int
    """Values, censored ones included."""
    n_censored: int
    """How many of them are only known to be longer."""
    median: float
    median_low: float
    """Ends of the 95 % interval; NaN where the sample is too small for one."""
    median_high: float
    sigma: float
    """Standard deviation of the logarithm; of a split log-normal, below the median."""
    sigma_low: float
    sigma_high: float
    upper_sigma: float | None
    """Above the median, where one spread does not fit; None: the same."""
    one_spread: GoodnessOfFit | None
    """How well the log-normal fits; None where that cannot be tested."""
    two_spreads: GoodnessOfFit | None
    """How well the split log-normal fits, where the log-normal does not."""
    tails: tuple[QuantileEstimate, ...]
    """The 95th and the 99th percentile as observed; no value where the sample is too small."""

    def at(self, q: float) -> float:
        """The fitted quantile `q`."""
        z = float(special.ndtri(q))
        sigma = self.upper_sigma if z > 0 and self.upper_sigma is not None else self.sigma
        return self.median * math.exp(sigma * z)

    @property
    def goodness(self) -> str:
        """How well which curve fits, in words."""
        if self.sigma < _TINY:
            return f"constant (n {self.n})"
        if self.one_spread is None:
            why = f"{self.n_censored} of {self.n} broken off" if self.n_censored else f"n {self.n}"
            return f"log-normal not tested ({why})"
        if self.two_spreads is None:
            return f"log-normal {self.one_spread}"
        return f"log-normal {self.one_spread}; split log-normal {self.two_spreads}"


def fit_delays(values: ArrayLike, longer_than: ArrayLike = ()) -> DelayFit | None:
    """Fit a log-normal to a sample of delays or lengths.

    Args:
        values: Those that were seen to their end, each more than 0.
        longer_than: How far the others had got when they were broken off.

    Returns:
        The fit; None with fewer than two values seen to their end.

    Raises:
        ValueError: If a value is not a positive finite number.
    """
    seen, cut = _logs(values), _logs(longer_than)
    if len(seen) < 2:
        return None
    mu, sigma = float(seen.mean()), float(seen.std(ddof=1))
    bounds = _plain_bounds(mu, sigma, len(seen))
    if len(cut):
        mu, sigma, bounds = _censored(seen, cut, mu, max(sigma, 0.01))
    one = _goodness(seen, mu, sigma, None) if not len(cut) else None
    upper: float | None = None
    two: GoodnessOfFit | None = None
    if one is not None and not one.fits:
        mu_2, below, above = _split(seen)
        two = _goodness(seen, mu_2, below, above)
        if two is not None and two.distance < one.distance:
            spread = math.sqrt(math.pi / 2.0 / len(seen)) * sigma * float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(seen)))
            mu, sigma, upper = mu_2, below, above
            # Half of the sample lies below the median, and each spread is known from its half only.
            bounds = (mu - spread, mu + spread, *_plain_bounds(mu, max(below, _TINY), max(2, len(seen) // 2))[2:])
    low, high = math.exp(bounds[0]), math.exp(bounds[1])
    everything = np.concatenate([np.exp(seen), np.full(len(cut), math.inf)])
    tails = tuple(quantile(everything, q) for q in TAILS)
    n = len(everything)
    return DelayFit(n, len(cut), math.exp(mu), low, high, sigma, bounds[2], bounds[3], upper, one, two, tails)


def _logs(values: ArrayLike) -> Values:
    given = np.asarray(values, dtype=float).reshape(-1)
    if len(given) and not (np.isfinite(given).all() and given.min() > 0):
        raise ValueError("delays are positive finite numbers: leave out what is missing, say where others broke off")
    logs: Values = np.log(given)
    return logs


def _plain_bounds(mu: float, sigma: float, n: int) -> tuple[float, float, float, float]:
    """The usual exact intervals of a normal sample's mean and standard deviation (Student, chi-squared)."""
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, n - 1)) * sigma / math.sqrt(n)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = (sigma * math.sqrt((n - 1) / stats.chi2.ppf(q, n - 1)) for q in (1.0 - tail, tail))
    return mu - half, mu + half, low, high


def _censored(
    seen: Values, cut: Values, mu: float, sigma: float
) -> tuple[float, float, tuple[float, float, float, float]]:
    """Maximum likelihood with values that are only known to be longer; intervals from its curvature (Wald)."""

    def loss(place: Values) -> float:
        middle, spread = float(place[0]), math.exp(float(place[1]))
        density = -0.5 * np.square((seen - middle) / spread) - math.log(spread)
        return -float(density.sum() + special.log_ndtr((middle - cut) / spread).sum())

    found = optimize.minimize(loss, np.array([mu, math.log(sigma)]), method="Nelder-Mead", options={"xatol": 1e-6})
    mu, log_sigma = (float(part) for part in found.x)
    z = float(special.ndtri(0.5 + CONFIDENCE / 2.0))
    spread = np.sqrt(np.clip(np.diag(np.linalg.pinv(_curvature(loss, found.x))), 0.0, None))
    sides = z * float(spread[0]), z * float(spread[1])
    sigma = math.exp(log_sigma)
    bounds = (mu - sides[0], mu + sides[0], math.exp(log_sigma - sides[1]), math.exp(log_sigma + sides[1]))
    return mu, sigma, bounds


def _curvature(loss: Callable[[Values], float], at: Values) -> Values:
    """Second derivatives by differences."""
    step = 1e-3
    unit = np.eye(2) * step
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            corners = (loss(at + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1))
            out[i, j] = sum(corners) / (4 * step * step)
    return out


def _split(seen: Values) -> tuple[float, float, float]:
    """Median, and the standard deviations of the logarithm around it from below and from above."""
    middle = float(np.median(seen))
    sides = (seen[seen < middle] - middle, seen[seen > middle] - middle)
    below, above = (math.sqrt(float(np.mean(np.square(side)))) if len(side) else 0.0 for side in sides)
    return middle, below, above


def _goodness(seen: Values, mu: float, sigma: float, above: float | None) -> GoodnessOfFit | None:
    if len(seen) < MIN_TEST or sigma < _TINY:
        return None
    n = len(seen)
    distance = float(_distances(_standard(seen[None, :], np.array([mu]), sigma, above))[0])
    null = _null_distances(n, split=above is not None)
    # Counted with the sample itself among them, so that no p is 0.
    p = (1 + int(np.count_nonzero(null >= distance))) / (1 + len(null))
    return GoodnessOfFit(distance, p, n)


def _standard(samples: Values, middle: Values, sigma: Any, above: Any) -> Values:
    """Samples, one a row, in standard deviations from their middle, those above it by a spread of their own."""
    away = samples - middle[:, None]
    spread = np.broadcast_to(np.asarray(sigma, dtype=float).reshape(-1, 1), away.shape)
    if above is not None:
        upper = np.broadcast_to(np.asarray(above, dtype=float).reshape(-1, 1), away.shape)
        spread = np.where(away > 0, upper, spread)
    standard: Values = away / np.maximum(spread, _TINY)
    return standard


def _distances(standard: Values) -> Values:
    """Largest distance between each row's steps and the normal curve."""
    curve = special.ndtr(np.sort(standard, axis=1))
    n = standard.shape[1]
    above = np.arange(1, n + 1) / n - curve
    below = curve - np.arange(n) / n
    farthest: Values = np.maximum(above.max(axis=1), below.max(axis=1))
    return farthest


@lru_cache(maxsize=256)
def _null_distances(n: int, split: bool) -> Values:
    """Distances of normal samples of `n` from the curves fitted to them; what they are fitted by does not matter."""
    samples = np.random.default_rng([n, int(split)]).standard_normal((_REPLICATES, n))
    if not split:
        return _distances(_standard(samples, samples.mean(axis=1), samples.std(axis=1, ddof=1), None))
    middle = np.median(samples, axis=1)
    away = samples - middle[:, None]
    spreads = [
        np.sqrt(np.square(away).sum(axis=1, where=side) / np.maximum(side.sum(axis=1), 1))
        for side in (away < 0, away > 0)
    ]
    return _distances(_standard(samples, middle, spreads[0], spreads[1]))
