"""Where the settings of a study stand between cutting callers off and letting them wait, and which nothing beats.

Points without intervals: they say what is worth more sessions. What to take is for `Study.best`, with its intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from realtime_lab.errors import RealtimeLabError

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep.studies.study import Study

_WAITS = ("response_latency_ms", "endpoint_delay_ms")
"""What a caller waits, the better measure first."""


class Point(NamedTuple):
    """One setting's place."""

    setting: dict[str, Any]
    cutoff_rate: float
    """Cut holds over holds, conditions pooled."""
    wait_ms: float
    """Plain median, a missed turn waiting for ever."""


def front_settings(study: Study) -> tuple[dict[str, Any], ...]:
    """Settings that no other beats in both the cut-off rate and the median wait, conditions pooled; quickest first.

    The wait is the response latency, or the endpoint delay where a study has no responses.

    Raises:
        RealtimeLabError: If no setting has both.
    """
    points = sorted(front_points(study), key=lambda point: (point.wait_ms, point.cutoff_rate))
    if not points:
        raise RealtimeLabError(f"{study.path} has no front: no setting has both a cut-off rate and a latency")
    least, found = np.inf, []
    for point in points:
        if point.cutoff_rate < least:
            least = point.cutoff_rate
            found.append(point.setting)
    return tuple(found)


def front_points(study: Study) -> list[Point]:
    """Every setting that may be chosen and has both a cut-off rate and a wait, in the plan's order."""
    from realtime_lab.analysis.summary.source import plain_cell, without_oracle
    from realtime_lab.sweep.studies.chosen import candidates

    known = candidates(study)
    names = list(known[0].cells)
    rows = _places(without_oracle(study.turns_df()), names).to_dict("records")
    places = {str({name: plain_cell(row[name]) for name in names}): row for row in rows}
    found = ((one.setting, places.get(str(one.cells))) for one in known)
    return [Point(setting, row["cutoff_rate"], row["wait_ms"]) for setting, row in found if row is not None]


def _places(turns: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Cut-off rate and wait of every group that has both; a few turns are enough for a plain median."""
    wait = next((name for name in _WAITS if turns[name].notna().any()), _WAITS[-1])
    waited = turns[wait].astype("Float64").mask(turns["outcome"] == "missed", np.inf)
    rows = turns[[*names, "n_holds", "n_cut_holds"]].assign(wait_ms=waited)
    groups = rows.groupby(names, dropna=False, sort=False)
    totals = groups[["n_holds", "n_cut_holds"]].sum()
    points = totals.assign(wait_ms=groups["wait_ms"].median())
    points["cutoff_rate"] = points["n_cut_holds"] / points["n_holds"].where(points["n_holds"] > 0)
    known = points["cutoff_rate"].notna() & (points["wait_ms"] < np.inf).fillna(False)
    return points[known].reset_index()
