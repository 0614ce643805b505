"""Every setting of a grid against one of them, on the same turns, corrected for how many comparisons that are.

Each comparison is one of `choice_compare`: ratios of medians or differences of rates, latencies over turns that neither
of the two cut. The p-value belongs to the interval, so that both say the same; Holm's correction decides, Benjamini and
Hochberg's stands beside it. The leader of a grid is not compared so: it was picked because it leads, and `choice` holds
it against the widest difference there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from realtime_lab.analysis.deciding.compare import compare_frames
from realtime_lab.analysis.stats.inference import ALPHA, benjamini_hochberg, holm
from realtime_lab.analysis.summary.grid import grid_of
from realtime_lab.analysis.summary.source import HasFrames, of_setting
from realtime_lab.analysis.summary.wording import column_of, setting_words
from realtime_lab.errors import ArgumentError, Problem, RealtimeLabError


def versus(
    source: HasFrames | pd.DataFrame,
    control: Mapping[str, Any],
    metric: str = "response_latency_ms_p50",
    *,
    condition: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every setting with a control.

    Args:
        source: A study or a turns frame.
        control: Swept values of the one to compare with, as the frames hold them.
        metric: Column of the summary.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Returns:
        One row per other setting: its swept values, both values, `difference` and `ratio` (to the control) with their
        95 % intervals, `p`, `p_holm`, `p_bh`, and `verdict`: better, worse or not told apart, by Holm at 5 %.

    Raises:
        ConfigError: If the control, the metric or the condition is not there.
        RealtimeLabError: If there are no turns.
    """
    grid = grid_of(source, condition, seed)
    if metric not in grid.columns:
        raise ArgumentError([Problem("metric", metric, f"one of {', '.join(grid.columns)}")])
    if dict(control) not in grid.settings:
        some = "; ".join(map(setting_words, grid.settings[:4]))
        raise ArgumentError([Problem("control", setting_words(control), f"a setting of the grid, such as {some}")])
    kept = (grid.turns.assign(condition=grid.condition), grid.responses)
    said = None if kept[1] is None else kept[1].assign(condition=grid.condition)
    old = of_setting(kept[0], control), None if said is None else of_setting(said, control)
    rows = []
    for setting in grid.settings:
        if setting == dict(control):
            continue
        new = of_setting(kept[0], setting), None if said is None else of_setting(said, setting)
        try:
            found = compare_frames(old, new, ("control", "setting"), metrics=(metric,), seed=seed).rows()[0]
        except RealtimeLabError:
            found = dict.fromkeys(_COLUMNS) | {"note": "no turn in common"}
        rows.append({**setting, **{name: found[name] for name in _COLUMNS}, "p": _p_value(found)})
    return _corrected(rows, grid.groups.names, metric)


_COLUMNS = (
    *("first", "second", "difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "n_turns", "n_blocks", "note"),
)


def _p_value(row: Mapping[str, Any]) -> float:
    """The two-sided p-value that goes with an interval: below 5 % exactly when the 95 % interval leaves nothing out."""
    kind = "ratio" if row["ratio_low"] is not None else "difference"
    value, low, high = (row[f"{kind}{end}"] for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return float("nan")
    if kind == "ratio":
        value, low, high = (float(np.log(part)) for part in (value, low, high))
    reach = value - low if value > 0 else high - value
    if reach <= 0.0:
        return 1.0 if value == 0.0 else 0.0
    freedom = max(int(row["n_blocks"]) - 1, 1)
    t = abs(value) / reach * float(special.stdtrit(freedom, 1.0 - ALPHA / 2.0))
    return float(2.0 * special.stdtr(freedom, -t))


def _corrected(rows: list[dict[str, Any]], names: list[str], metric: str) -> pd.DataFrame:
    p_values = np.array([row["p"] for row in rows], dtype=float)
    corrected, discovered = holm(p_values), benjamini_hochberg(p_values)
    entry = column_of(metric)
    sign = -1.0 if entry is not None and entry.lower_is_better is False else 1.0
    verdicts = []
    for row, p in zip(rows, corrected, strict=True):
        told = not np.isnan(p) and p <= ALPHA
        verdicts.append("not told apart" if not told else "worse" if sign * row["difference"] > 0 else "better")
    numbers = [name for name in _COLUMNS if name not in ("note", "n_turns", "n_blocks")]
    data = pd.DataFrame({name: [row[name] for row in rows] for name in (*names, *_COLUMNS)})
    data = data.astype(dict.fromkeys(numbers, "Float64") | {"n_turns": "Int64", "n_blocks": "Int64", "note": "string"})
    for name, values in (("p", p_values), ("p_holm", corrected), ("p_bh", discovered)):
        data[name] = pd.arrays.FloatingArray(np.nan_to_num(values), np.isnan(values))
    data["verdict"] = pd.array(verdicts, dtype="string")
    return data
