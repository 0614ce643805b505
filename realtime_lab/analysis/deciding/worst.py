"""The turns to look at first: those that were cut, those that were missed, and the slowest of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from realtime_lab.analysis.columns import setting_names
from realtime_lab.analysis.summary.source import of_setting
from realtime_lab.analysis.summary.wording import amount, plural

_TOLD = ("outcome", "n_cut_holds", "n_holds", "response_latency_ms")


def worst_turns(turns: pd.DataFrame, n: int = 10, setting: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The turns to look at first.

    Args:
        turns: A turns frame.
        n: How many at most.
        setting: Swept values to keep to; None: every setting.

    Returns:
        One row per turn, kinds taking turns so that each is seen: why, trial, turn, the keys, the swept settings,
        outcome, cut holds, holds and response latency. A spoken turn is shown once, where it went worst.
    """
    rows = turns if setting is None else of_setting(turns, setting)
    cells = rows.reset_index(drop=True)
    chosen: dict[int, str] = {}
    spoken: set[tuple[str, ...]] = set()
    waiting = [_cut(cells), _missed(cells), _slowest(cells)]
    while waiting and len(chosen) < n:
        kind = waiting.pop(0)
        for place, why in kind:
            which = tuple(str(cells[name].iloc[place]) for name in ("script", "turn", "condition") if name in cells)
            if which not in spoken:
                spoken.add(which)
                chosen[place] = why
                waiting.append(kind)
                break
    found = cells.iloc[list(chosen)].reset_index(drop=True)
    names = ["script", "condition", "repeat", *setting_names(turns.columns), *_TOLD]
    # First, where it is seen: pandas shows the outer columns only of a frame as wide as this.
    data: dict[str, Any] = {"why": pd.array(list(chosen.values()), dtype="string")}
    return pd.DataFrame(data | {name: found[name] for name in ("trial", "turn", *names) if name in found})


def _ordered(cells: pd.DataFrame, mask: pd.Series[bool], by: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(place, row) of the rows in `mask`, highest first, ties in plan order."""
    part = cells[mask.astype("boolean").fillna(False).to_numpy(dtype=bool)]
    for place, row in part.sort_values(list(by), ascending=False, kind="stable", na_position="last").iterrows():
        yield int(str(place)), {str(name): value for name, value in row.items()}


def _cut(cells: pd.DataFrame) -> Iterator[tuple[int, str]]:
    for place, row in _ordered(cells, cells["cut"], ("n_cut_holds", "n_cuts")):
        cut, holds = int(row["n_cut_holds"]), int(row["n_holds"])
        yield place, f"cut off in {cut} of {plural(holds, 'pause')}" if cut else "cut off in the middle of speech"


def _missed(cells: pd.DataFrame) -> Iterator[tuple[int, str]]:
    mask = (cells["outcome"] == "missed") & ~cells["cut"].astype("boolean").fillna(False)
    for place, row in _ordered(cells, mask, ("end_ms",)):
        reason = row.get("outcome_reason")
        yield place, f"missed: {reason}" if isinstance(reason, str) and reason else "missed"


def _slowest(cells: pd.DataFrame) -> Iterator[tuple[int, str]]:
    name = "response_latency_ms"
    if name in cells:
        mask = (cells["outcome"] == "answered") & cells[name].notna()
        for place, row in _ordered(cells, mask, (name,)):
            yield place, f"answered after {amount(name, float(row[name]))}"
