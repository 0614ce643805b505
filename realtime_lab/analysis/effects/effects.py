"""What each value of a setting adds, and what two settings do together that neither does alone.

Over a full grid, the effect of a value is the mean of a metric over the settings that have it, minus the mean over
all: the others averaged out, each with equal weight. An interaction is what a pair of values adds beyond the sum of
both effects; where it is nothing, each setting can be chosen by itself. Intervals are over resampled blocks of speech
(see `choice_sample`); settings without a finite estimate are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.stats.inference import NOTHING, Difference, difference
from realtime_lab.analysis.stats.intervals import CONFIDENCE, TOO_SMALL
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.sample import MIN_BLOCKS
from realtime_lab.analysis.summary.source import HasFrames
from realtime_lab.errors import ArgumentError, Problem, RealtimeLabError

Floats = NDArray[np.float64]


def main_effects(
    source: HasFrames | Grid | pd.DataFrame,
    metric: str = "response_latency_ms_p50",
    *,
    condition: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """What each value of each setting adds to a metric.

    Args:
        source: A study or a turns frame.
        metric: Column of the summary.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Returns:
        One row per setting and value: `mean` over the settings with it, `effect` (that minus the mean of all) with
        `effect_low` and `effect_high`, `n_settings`, and `note` where there is no interval.

    Raises:
        ConfigError: If the metric or condition is not there.
        RealtimeLabError: If there are no turns, or no setting has an estimate.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    known = _known(grid, metric)
    rows = []
    for name in grid.groups.names:
        values = list(dict.fromkeys(setting[name] for setting in grid.settings))
        for value in values if len(values) > 1 else ():
            have = known & np.array([setting[name] == value for setting in grid.settings])
            weights = _mean_of(have) - _mean_of(known)
            found, note = _contrast(grid, metric, weights) if have.any() else (NOTHING, "no setting has an estimate")
            mean = float(grid.column(metric).estimates[have].mean()) if have.any() else None
            rows.append({"setting": name, "value": value, "mean": mean} | _columns("effect", found, have, note))
    return _frame(rows, ("setting", "value", "mean"), "effect")


def end_effects(
    source: HasFrames | Grid | pd.DataFrame,
    metric: str = "response_latency_ms_p50",
    *,
    condition: str | None = None,
    comparisons: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """How far each setting moves a metric from its first value to its last, the others averaged out.

    Args:
        source: A study or a turns frame.
        metric: Column of the summary.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        comparisons: How many such sentences are read at once; intervals are widened so that all hold (Bonferroni).
        seed: Decides the resamples.

    Returns:
        One row per setting with two values or more: `first`, `last`, `shift` (the mean at the last value minus that at
        the first) with its interval, `n_settings`, and `note` where there is no interval.

    Raises:
        ConfigError: If the metric or condition is not there.
        RealtimeLabError: If there are no turns, or no setting has an estimate.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    known = _known(grid, metric)
    confidence = 1.0 - (1.0 - CONFIDENCE) / max(1, comparisons)
    rows = []
    for name in grid.groups.names:
        values = list(dict.fromkeys(setting[name] for setting in grid.settings))
        if len(values) < 2:
            continue
        first, last = (known & np.array([one[name] == end for one in grid.settings]) for end in (values[0], values[-1]))
        found, note = NOTHING, "a value has no estimate"
        if first.any() and last.any():
            found, note = _contrast(grid, metric, _mean_of(last) - _mean_of(first), confidence)
        row = {"setting": name, "first": values[0], "last": values[-1]}
        rows.append(row | _columns("shift", found, first | last, note))
    return _frame(rows, ("setting", "first", "last"), "shift")


def interaction(
    source: HasFrames | Grid | pd.DataFrame,
    x: str,
    y: str,
    metric: str = "response_latency_ms_p50",
    *,
    condition: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """What pairs of values of two settings add beyond the sum of their effects.

    Args:
        source: A study or a turns frame.
        x: The one setting.
        y: The other.
        metric: Column of the summary.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Returns:
        One row per pair: both values, `mean`, `interaction` with its interval, `n_settings`, and `note`.

    Raises:
        ConfigError: If a setting, metric or condition is not there.
        RealtimeLabError: If there are no turns, or no setting has an estimate.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    for name in (x, y):
        if name not in grid.groups.names:
            raise ArgumentError([Problem("setting", name, ", ".join(grid.groups.names) or "none was swept")])
    known = _known(grid, metric)
    pairs = [(setting[x], setting[y]) for setting in grid.settings]
    cells = {pair: known & np.array([other == pair for other in pairs]) for pair in dict.fromkeys(pairs)}
    whole = all(have.any() for have in cells.values())
    rows = []
    for (first, second), have in cells.items():
        beside = [cell for (one, _), cell in cells.items() if one == first]
        above = [cell for (_, other), cell in cells.items() if other == second]
        found, note = NOTHING, "a pair of values has no estimate"
        if whole:
            # Means of cells, so that each pair counts alike.
            weights = _mean_of(have) - _mean_of_cells(beside) - _mean_of_cells(above) + _mean_of_cells(cells.values())
            found, note = _contrast(grid, metric, weights)
        mean = float(grid.column(metric).estimates[have].mean()) if have.any() else None
        rows.append({x: first, y: second, "mean": mean} | _columns("interaction", found, have, note))
    return _frame(rows, (x, y, "mean"), "interaction")


def _known(grid: Grid, metric: str) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(grid.column(metric).estimates)
    if not known.any():
        raise RealtimeLabError(f"{TOO_SMALL}: no setting has an estimate of {metric} ({grid.blocks.words})")
    return known


def _mean_of(have: NDArray[np.bool_]) -> Floats:
    found: Floats = have / have.sum()
    return found


def _mean_of_cells(cells: Any) -> Floats:
    found: Floats = np.mean([_mean_of(cell) for cell in cells], axis=0)
    return found


def _contrast(grid: Grid, metric: str, weights: Floats, confidence: float = CONFIDENCE) -> tuple[Difference, str]:
    """A weighted sum of the settings' estimates with its interval, and why there is none."""
    column = grid.column(metric)
    used = weights != 0.0
    value = float(column.estimates[used] @ weights[used])
    if grid.blocks.total < MIN_BLOCKS:
        return Difference(value, None, None), f"{TOO_SMALL}: {grid.blocks.words} of {MIN_BLOCKS}"
    with np.errstate(invalid="ignore"):
        drawn = column.drawn[:, used] @ weights[used]
    found = difference(0.0, value, drawn, grid.blocks.total, confidence)
    return found, "" if found.low is not None else "most resamples are past the deadline"


def _columns(name: str, found: Difference, have: NDArray[np.bool_], note: str) -> dict[str, Any]:
    ends = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return ends | {"n_settings": int(have.sum()), "note": note}


def _frame(rows: Sequence[Mapping[str, Any]], first: Sequence[str], name: str) -> pd.DataFrame:
    names = [*first, name, f"{name}_low", f"{name}_high", "n_settings", "note"]
    data = pd.DataFrame({column: [row[column] for row in rows] for column in names})
    numbers = dict.fromkeys(("mean", name, f"{name}_low", f"{name}_high"), "Float64")
    numbers = {column: kind for column, kind in numbers.items() if column in names}
    return data.astype(numbers | {"n_settings": "Int64", "note": "string"})
