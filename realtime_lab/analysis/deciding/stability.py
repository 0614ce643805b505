"""Would the other half of the scripts have said the same: split-half stability of a choice, and an A/A check.

A setting that is named best on one half of the scripts must stay, on the other half, within 50 ms of its latency and
within 3 points of its rates; if it does not in 9 of 10 splits, the study is too small to crown it.

The A/A check asks the procedure itself: settings are relabelled at random inside each block of speech, so that by
construction none is better, and choosing among them must then rarely name a winner.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.deciding.limits import Where
from realtime_lab.analysis.stats.inference import ALPHA, confidence_set, without_gaps
from realtime_lab.analysis.stats.intervals import RateInterval, wilson_interval
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.sample import MIN_BLOCKS, REPLICATES, Measured, block_draws, replicates
from realtime_lab.analysis.summary.source import HasFrames
from realtime_lab.analysis.summary.wording import column_of, is_rate
from realtime_lab.errors import RealtimeLabError

SPLITS = 10
NEEDED = 9
ANSWER_MS = 50.0
"""How far a latency may lie apart on two halves."""
POINTS = 0.03
"""How far a rate may."""
Floats = NDArray[np.float64]


class SplitHalf(NamedTuple):
    """In how many splits the setting named best on one half stayed what it was on the other."""

    kept: int
    splits: int

    @property
    def stable(self) -> bool:
        """Whether that is often enough."""
        return self.kept * SPLITS >= NEEDED * self.splits

    @property
    def words(self) -> str:
        """Such as `in 7 of 10 splits of the scripts`."""
        return f"in {self.kept} of {self.splits} splits"


def split_half(grid: Grid, minimize: str, limits: Where, splits: int = SPLITS, seed: int = 0) -> SplitHalf:
    """Name the best setting on one half of the blocks, and look at it on the other.

    Args:
        grid: The settings.
        minimize: Column of the summary that should be low.
        limits: What settings must keep; limits on what is no column of `grid.columns` are left out.
        splits: How many random halves.
        seed: Decides the halves.
    """
    halves = _halves(grid.blocks.total, splits, seed)
    names = [minimize, *(limit.name for limit in limits.limits if limit.name in grid.columns)]
    found = {name: replicates(grid.measured(name), halves) for name in dict.fromkeys(names)}
    entry = column_of(minimize)
    sign = -1.0 if entry is not None and entry.lower_is_better is False else 1.0
    kept = 0
    for number in range(splits):
        first, second = 2 * number, 2 * number + 1
        loss = np.where(np.isfinite(found[minimize][first]), sign * found[minimize][first], np.inf)
        for limit in limits.limits:
            if limit.name in found:
                held = [bool(limit.holds({limit.name: float(value)})) for value in found[limit.name][first]]
                loss = np.where(held, loss, np.inf)
        best = int(np.argmin(loss))
        if math.isfinite(loss[best]):
            kept += all(_stays(name, values[first, best], values[second, best]) for name, values in found.items())
    return SplitHalf(kept, splits)


def _halves(blocks: int, splits: int, seed: int) -> NDArray[np.int64]:
    """Which blocks are in each half, shape (2 splits, blocks): a half, then the other."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(splits):
        half = np.zeros(blocks, dtype=np.int64)
        half[rng.permutation(blocks)[: blocks // 2]] = 1
        rows += [half, 1 - half]
    return np.array(rows)


def _stays(name: str, first: float, second: float) -> bool:
    """Whether a value on one half is that of the other; tokens and other figures are not held to anything."""
    if is_rate(name):
        return bool(abs(first - second) <= POINTS + 1e-12)
    return bool(abs(first - second) <= ANSWER_MS) if "_ms_p" in name else True


class AACheck(NamedTuple):
    """How often choosing among equal settings names a winner all the same."""

    false_winners: int
    rounds: int
    interval: RateInterval

    @property
    def sentence(self) -> str:
        """What was found."""
        low, high = (100.0 * end for end in self.interval)
        return (
            f"Among the same turns with their settings' labels shuffled, a winner was named {self.false_winners} of "
            f"{self.rounds} times ({low:.0f} to {high:.0f} %; {100 * ALPHA:.0f} % are allowed)."
        )


def aa_check(
    source: HasFrames | Grid | pd.DataFrame,
    metric: str = "response_latency_ms_p50",
    *,
    condition: str | None = None,
    rounds: int = 100,
    seed: int = 0,
) -> AACheck:
    """Shuffle which setting is which inside every block of speech, and choose.

    Args:
        source: A study or a turns frame.
        metric: Column of the summary that should be low.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        rounds: How many shuffles.
        seed: Decides the shuffles and the resamples.

    Raises:
        ConfigError: If the metric or condition is not there.
        RealtimeLabError: If there is nothing to choose between: one setting, or too few blocks.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    count = len(grid.settings)
    if count < 2 or grid.blocks.total < MIN_BLOCKS:
        raise RealtimeLabError(
            f"an A/A check needs two settings and {MIN_BLOCKS} blocks: there are {count} and {grid.blocks.words}"
        )
    found, rng = grid.measured(metric), np.random.default_rng(seed)
    entry = column_of(metric)
    sign = -1.0 if entry is not None and entry.lower_is_better is False else 1.0
    draws = block_draws(grid.blocks, len(found.value), seed, count=REPLICATES // 4)
    won = sum(_has_winner(_relabelled(found, grid.blocks.total, rng), draws, sign) for _ in range(rounds))
    interval = wilson_interval(won, rounds)
    return AACheck(won, rounds, RateInterval(0.0, 1.0) if interval is None else interval)


def _relabelled(found: Measured, blocks: int, rng: np.random.Generator) -> Measured:
    labels = np.argsort(rng.random((blocks, found.settings)), axis=1)
    return found._replace(setting=labels[found.block, found.setting])


def _has_winner(found: Measured, draws: NDArray[np.int64], sign: float) -> bool:
    estimates = sign * found.estimates()
    known = np.flatnonzero(np.isfinite(estimates))
    if len(known) < 2:
        return False
    drawn = without_gaps(sign * replicates(found, draws)[:, known], estimates[known])
    p_values = confidence_set(estimates[known], drawn, draws.shape[1])
    return int(np.count_nonzero(p_values > ALPHA)) == 1
