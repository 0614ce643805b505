"""How many scripts a question needs: sample sizes for differences between settings, from a pilot or from rates.

With a pilot (a study that was run), the spread of the paired difference between settings is measured, and falls with
the root of the number of blocks; a pilot of 40 scripts knows the spread of a median to about 20 %, so the number of
scripts to about 40 %. Without one, two rates are compared as if they were of different speech, which asks
for more than pairs need. Sources: Chow, Shao and Wang, "Sample Size Calculations in Clinical Research", 2008, chapters
3 and 4.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from realtime_lab.analysis.stats.inference import ALPHA
from realtime_lab.analysis.stats.intervals import TOO_SMALL
from realtime_lab.analysis.summary.grid import grid_of
from realtime_lab.analysis.summary.sample import MIN_BLOCKS
from realtime_lab.analysis.summary.source import HasFrames
from realtime_lab.analysis.summary.wording import amount, is_rate, label_of, plural
from realtime_lab.errors import ArgumentError, Problem, RealtimeLabError


class PowerPlan(NamedTuple):
    """What is needed to see a difference."""

    metric: str
    difference: float
    power: float
    comparisons: int
    n: int
    """How many are needed."""
    unit: str
    """Of what: scripts, turns (as the pilot's blocks are), or holds and the like, per setting."""
    n_pilot: int | None
    """How many the pilot has; None without one."""
    error: float | None
    """Standard error of the difference in the pilot, of the middle pair of settings."""

    def __repr__(self) -> str:
        return f"<PowerPlan: {self.sentence}>"

    @property
    def sentence(self) -> str:
        """In words."""
        size = amount(self.metric, self.difference, signed=True).lstrip("+")
        many = f", corrected for {self.comparisons} comparisons" if self.comparisons > 1 else ""
        has = "" if self.n_pilot is None else f"; the pilot has {self.n_pilot:,}"
        return (
            f"To see a difference of {size} in {label_of(self.metric)} {100 * self.power:.0f} times in 100{many}: "
            f"{plural(self.n, self.unit.removesuffix('s'))}{has}."
        )


def plan_power(
    pilot: HasFrames | pd.DataFrame | None = None,
    *,
    metric: str = "response_latency_ms_p50",
    difference: float,
    rate: float | None = None,
    power: float = 0.8,
    comparisons: int = 1,
    condition: str | None = None,
    seed: int = 0,
) -> PowerPlan:
    """How much speech is needed to see a difference between two settings.

    Args:
        pilot: A study or a turns frame with two settings or more; None: then `rate` must be given.
        metric: Column of the summary.
        difference: The smallest difference that matters: ms, or a share between 0 and 1.
        rate: Without a pilot: the rate that is to be improved on.
        power: Chance of seeing it.
        comparisons: How many comparisons are made at once (Bonferroni).
        condition: The acoustic condition of the pilot; None: clean, else the first there is.
        seed: Decides the resamples.

    Raises:
        ConfigError: If an argument is outside what is allowed, all mistakes at once.
        RealtimeLabError: If the pilot is too small to tell.
    """
    _check(metric, difference, rate, power, comparisons, pilot is not None)
    tail, aim = ALPHA / comparisons / 2.0, float(special.ndtri(power))
    if pilot is None:
        assert rate is not None
        other = rate - difference if rate - difference > 0 else rate + difference
        spread = rate * (1.0 - rate) + other * (1.0 - other)
        n = math.ceil((float(special.ndtri(1.0 - tail)) + aim) ** 2 * spread / difference**2)
        unit = {"cutoff_rate": "holds", "truncated_rate": "responses"}.get(metric, "turns")
        return PowerPlan(metric, difference, power, comparisons, n, unit, None, None)
    grid = grid_of(pilot, condition, seed)
    column, blocks = grid.column(metric), grid.blocks
    known = np.flatnonzero(np.isfinite(column.estimates))
    if blocks.total < MIN_BLOCKS:
        raise RealtimeLabError(f"{TOO_SMALL}: the pilot has {blocks.words}, and takes {MIN_BLOCKS}")
    if len(known) < 2:
        settings = plural(len(column.estimates), "setting")
        known_of = f"{label_of(metric)} is known of {len(known)} of the pilot's {settings}"
        raise RealtimeLabError(f"{TOO_SMALL}: {known_of}, and it takes two")
    drawn = column.drawn[:, known]
    errors = [
        _error(drawn[:, second] - drawn[:, first], blocks.total)
        for first in range(len(known))
        for second in range(first + 1, len(known))
    ]
    error = float(np.median([value for value in errors if math.isfinite(value)] or [math.nan]))
    if math.isnan(error):
        raise RealtimeLabError(f"{TOO_SMALL}: most resamples of the pilot are past the deadline")
    n = _enough(error * math.sqrt(blocks.total), difference, tail, aim)
    return PowerPlan(metric, difference, power, comparisons, n, blocks.kind, blocks.total, error)


def _check(metric: str, difference: float, rate: float | None, power: float, comparisons: int, has_pilot: bool) -> None:
    problems = []
    top = 1.0 if is_rate(metric) else math.inf
    if not 0.0 < difference < top:
        problems.append(Problem("difference", difference, "a number over 0" + (", under 1" if top == 1.0 else "")))
    if not 0.0 < power < 1.0:
        problems.append(Problem("power", power, "a number strictly between 0 and 1, such as 0.8"))
    if comparisons < 1:
        problems.append(Problem("comparisons", comparisons, "at least 1"))
    if not has_pilot and (rate is None or not is_rate(metric)):
        problems.append(Problem("rate", rate, "a rate between 0 and 1 with a metric that is one, or give a pilot"))
    elif rate is not None and not 0.0 < rate < 1.0:
        problems.append(Problem("rate", rate, "a number strictly between 0 and 1"))
    if problems:
        raise ArgumentError(problems)


def _error(apart: np.ndarray[tuple[int], np.dtype[np.float64]], blocks: int) -> float:
    """Standard error of a difference over blocks; few of them understate it."""
    finite = apart[np.isfinite(apart)]
    return float(finite.std()) * math.sqrt(blocks / (blocks - 1)) if len(finite) > len(apart) // 2 else math.nan


def _enough(spread: float, difference: float, tail: float, aim: float) -> int:
    """The smallest number of blocks at which the difference is seen as often as asked; Student's t for the interval."""
    n = max(MIN_BLOCKS, math.ceil(((float(special.ndtri(1.0 - tail)) + aim) * spread / difference) ** 2))
    while (float(special.stdtrit(n - 1, 1.0 - tail)) + aim) * spread / math.sqrt(n) > difference:
        n += 1
    return n
