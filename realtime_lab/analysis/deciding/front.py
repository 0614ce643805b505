"""Which settings nobody beats, and how sure that is: the Pareto front, and operating points on it.

A setting is on the front when no other is at least as good in every metric and better in one. Estimates put some
settings there by luck, so each stands with the share of resamples that have it there; with too few blocks to resample
there is no such share. An operating point is the best latency among the settings that keep a limit; its interval
holds the luck of having been picked, because each resample picks anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.deciding.limits import parse_where
from realtime_lab.analysis.stats.intervals import CONFIDENCE
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.sample import MIN_BLOCKS
from realtime_lab.analysis.summary.source import HasFrames

FRONT = ("response_latency_ms_p50", "cutoff_rate", "wer", "usd_per_turn")
"""What a front is over, as far as a study has it."""
_INSTEAD = {"response_latency_ms_p50": "endpoint_delay_ms_p50", "usd_per_turn": "output_tokens_per_turn"}
"""What stands in where a study has no such figure."""
Floats = NDArray[np.float64]


def front_metrics(grid: Grid) -> tuple[str, ...]:
    """Those of `FRONT`, or what stands in for them, that the settings have and differ in.

    Cost counts where the price of every setting is known: else those without would be on no front.
    """
    found = []
    for name in FRONT:
        for metric in filter(None, (name, _INSTEAD.get(name))):
            values = grid.column(metric).estimates.tolist() if metric in grid.columns else []
            if name == metric == "usd_per_turn" and any(map(math.isnan, values)):
                continue
            if len({*filter(math.isfinite, values)}) > 1:
                found.append(metric)
                break
    return tuple(found)


def pareto(
    source: HasFrames | Grid | pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    condition: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Each setting with the probability of being on the Pareto front.

    Args:
        source: A study or a turns frame.
        metrics: Columns of the summary; None: latency, cutoff rate, WER and cost, as far as there are any.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Returns:
        One row per setting, the surest first: its swept values, each metric, `on_front` by the estimates, and
        `p_front`, the share of resamples that have it there (NA below six blocks, and for settings without estimates).

    Raises:
        ConfigError: If a metric or condition is not there.
        RealtimeLabError: If there are no turns.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    names = front_metrics(grid) if metrics is None else tuple(metrics)
    columns = [grid.losses(name) for name in names]
    count = len(grid.settings)
    estimates = np.stack([found.estimates for found in columns], axis=-1) if columns else np.zeros((count, 0))
    unknown: NDArray[np.bool_] = np.isnan(estimates)
    known: NDArray[np.bool_] = ~np.any(unknown, axis=1)
    on_front = _front(np.where(known[:, None], estimates, np.inf)[None])[0] & known
    share = np.full(count, np.nan)
    if columns and grid.blocks.total >= MIN_BLOCKS:
        drawn = np.stack([found.drawn for found in columns], axis=-1)
        # A resample without a sample of a setting says nothing about it: there it loses.
        share[known] = _front(np.where(np.isnan(drawn) | ~known[None, :, None], np.inf, drawn))[:, known].mean(axis=0)
    data: dict[str, Any] = {name: [setting[name] for setting in grid.settings] for name in grid.groups.names}
    data |= {name: _float(grid.column(name).estimates) for name in names}
    data |= {"on_front": pd.array(on_front, dtype="boolean"), "p_front": _float(share)}
    frame = pd.DataFrame(data)
    order = np.lexsort((np.arange(count), ~on_front, -np.nan_to_num(share, nan=-1.0)))
    return frame.iloc[order].reset_index(drop=True)


def _front(values: Floats) -> NDArray[np.bool_]:
    """Which settings no other beats, shape (replicates, settings); values of shape (replicates, settings, metrics)."""
    found = np.ones(values.shape[:2], dtype=bool)
    if not values.shape[2]:
        return found
    for number in range(values.shape[1]):
        own = values[:, [number]]
        beaten = np.all(values <= own, axis=2) & np.any(values < own, axis=2)
        found[:, number] = ~np.any(beaten, axis=1) & np.all(np.isfinite(own), axis=2)[:, 0]
    return found


def _float(values: Floats) -> Any:
    return pd.arrays.FloatingArray(np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf), np.isnan(values))


def operating_points(
    source: HasFrames | Grid | pd.DataFrame,
    *,
    at: Sequence[float] = (0.02, 0.05, 0.1, 0.2),
    latency: str = "response_latency_ms_p50",
    limit: str = "cutoff_rate",
    where: str | None = None,
    condition: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """The best latency among settings that keep a limit, for several limits.

    Args:
        source: A study or a turns frame.
        at: The limits.
        latency: Column of the summary that should be low.
        limit: Column of the summary that is limited.
        where: Limits on other columns that a setting's estimates must keep, as for `choose`.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Returns:
        One row per limit: the limit, the setting's swept values (NA when none keeps it), its latency and limited value
        with the summary's intervals, `best_low` and `best_high` (95 % interval of the best latency, each resample
        picking its own setting; NA below six blocks, or where fewer than 95 % of the resamples have one), `p_same`
        (share of resamples that pick the same) and `p_keeps` (share in which this setting keeps the limit).

    Raises:
        ConfigError: If a column or condition is not there, or `where` cannot be read.
        RealtimeLabError: If there are no turns.
    """
    grid = source if isinstance(source, Grid) else grid_of(source, condition, seed)
    rows, wait, held = grid.rows(), grid.column(latency), grid.column(limit)
    others = parse_where(where, list(rows[0]))
    fit = np.array([others.holds(row) for row in rows], dtype=bool)
    found = []
    for bound in at:
        loss = np.where(fit & (held.estimates <= bound) & np.isfinite(wait.estimates), wait.estimates, np.inf)
        best = int(np.argmin(loss)) if bool(np.any(np.isfinite(loss))) else None
        row: dict[str, Any] = {"limit": bound}
        row |= {name: None if best is None else grid.settings[best][name] for name in grid.groups.names}
        for name in (latency, limit):
            for end in ("", "_low", "_high"):
                row[name + end] = None if best is None else rows[best].get(name + end)
        drawn = np.where(fit & (held.drawn <= bound) & np.isfinite(wait.drawn), wait.drawn, np.inf)
        row |= _spread(drawn, held.drawn, best, bound, grid.blocks.total)
        found.append(row)
    frame = pd.DataFrame({name: [row[name] for row in found] for name in (found[0] if found else {})})
    numbers = [name for name in frame.columns if name not in grid.groups.names]
    return frame.astype(dict.fromkeys(numbers, "Float64"))


def _spread(drawn: Floats, held: Floats, best: int | None, bound: float, blocks: int) -> dict[str, float | None]:
    nothing: dict[str, float | None] = dict.fromkeys(("best_low", "best_high", "p_same", "p_keeps"))
    if best is None or blocks < MIN_BLOCKS:
        return nothing
    lowest, tail = drawn.min(axis=1), (1.0 - CONFIDENCE) / 2.0
    has = np.isfinite(lowest)
    nothing["p_same"] = float(((drawn[:, best] == lowest) & has).mean())
    nothing["p_keeps"] = float((held[:, best] <= bound).mean())
    if has.mean() < CONFIDENCE:
        return nothing
    low, high = np.quantile(lowest[has], (tail, 1.0 - tail)).tolist()
    return nothing | {"best_low": low, "best_high": high}
