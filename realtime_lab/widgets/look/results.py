"""A study being looked through: filters, a row per setting, and the turns behind a row, worst first. No widgets.

The numbers are those of `Study.summary` and the order that of `Study.worst`; here they are only kept together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import pandas as pd

from realtime_lab.analysis.deciding.worst import worst_turns
from realtime_lab.analysis.summary.settings import default_by, summary
from realtime_lab.errors import RealtimeLabError

ALL = "all"
"""A filter that lets everything through."""
MOST_TURNS = 200
_ALSO = ("script", "repeat")
"""What can be filtered by besides what rows are made of."""
_LATENCY, _CUT = "response_latency_ms_p50", "cutoff_rate"


class HasTurns(Protocol):
    """What is asked of a study here."""

    def turns_df(self) -> pd.DataFrame:
        """One row per turn of every complete trial."""
        ...


class ResultRow(NamedTuple):
    """One setting in one condition on one target."""

    cells: Mapping[str, Any]
    """What sets it apart: values by column, as frames hold them."""
    numbers: Mapping[str, Any]
    """Its row of the summary."""

    @property
    def place(self) -> tuple[float, float] | None:
        """(median latency ms, cutoff rate), where the trade-off plot has it; None where it has no point."""
        at = tuple(self.number(name) for name in (_LATENCY, _CUT))
        return None if at[0] is None or at[1] is None else (at[0], at[1])

    def number(self, name: str) -> float | None:
        """A finite number of the summary; None where there is none."""
        value = self.numbers.get(name)
        known = value is not None and not pd.isna(value) and math.isfinite(value)
        return float(value) if known else None  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """Its values in words."""
        return ", ".join(f"{name} {shown(value)}" for name, value in self.cells.items()) or "all turns"


class TurnFound(NamedTuple):
    """One turn to look at."""

    trial: str
    turn: int
    why: str
    where: str
    """Script, turn, condition and repeat in words."""


class Results:
    """What a results panel knows.

    Args:
        study: The study; it may still grow.

    Raises:
        RealtimeLabError: If no session is complete.
    """

    def __init__(self, study: HasTurns) -> None:
        self._study = study
        self.chosen: dict[str, str] = {}
        """Filters that are set: the shown value by column."""
        self.read()

    def read(self) -> None:
        """Read the study again, as after more trials have come in; filters stay.

        Raises:
            RealtimeLabError: If no session is complete.
        """
        turns = self._study.turns_df()
        if not len(turns):
            raise RealtimeLabError("no session is complete yet: run the sweep first, or read the study again later")
        self._all = turns
        self.by = tuple(name for name in default_by(turns.columns) if _varies(turns[name]))
        """Columns that set rows apart."""
        names = [*self.by, *(name for name in _ALSO if name in turns and _varies(turns[name]))]
        self.filters = {name: (ALL, *_values(turns[name])) for name in names}
        """What can be chosen of each column that varies."""
        self.chosen = {name: value for name, value in self.chosen.items() if value in self.filters.get(name, ())}
        self._narrow()

    def choose(self, name: str, value: str) -> None:
        """Set a filter.

        Raises:
            RealtimeLabError: If there is no such column or value.
        """
        if value not in self.filters.get(name, ()):
            raise RealtimeLabError(f"{name} = {value!r:.60}: allowed: {', '.join(self.filters.get(name, ()))[:200]}")
        self.chosen[name] = value
        self._narrow()

    def _narrow(self) -> None:
        turns = self._all
        for name, value in self.chosen.items():
            if value != ALL:
                turns = turns[turns[name].map(shown) == value]
        self.turns = turns
        """The turns that the filters let through."""
        self.frame = summary(turns, by=self._row_columns) if len(turns) else None
        """Their summary; None where nothing is left."""
        records = [] if self.frame is None else self.frame.to_dict("records")
        self.rows = tuple(
            ResultRow({name: row[name] for name in self.by}, {str(name): row[name] for name in row}) for row in records
        )
        """One per setting, condition and target."""

    @property
    def _row_columns(self) -> list[str]:
        """Condition and target are kept where they are the same in all rows, as plots name them."""
        settled = [name for name in ("condition", "target") if name in self._all and name not in self.by]
        return [*self.by, *settled]

    def worst(self, row: int | None, most: int = MOST_TURNS) -> list[TurnFound]:
        """The turns of a row, worst first; each spoken turn once, where it went worst.

        Args:
            row: Position of the row; None: of all of them.
            most: How many at most.
        """
        turns = self.turns
        for name, value in ({} if row is None else self.rows[row].cells).items():
            turns = turns[turns[name].isna() if pd.isna(value) else turns[name] == value]
        found = worst_turns(turns, most).to_dict("records") if len(turns) else []
        return [
            TurnFound(str(one["trial"]), int(one["turn"]), str(one["why"]), _where(one, row is None, self.by))
            for one in found
        ]


def shown(value: object) -> str:
    """A value of a frame as a person writes it."""
    if value is None or (not isinstance(value, (list, tuple, dict)) and pd.isna(value)):  # type: ignore[call-overload]
        return "not set"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _varies(column: pd.Series[Any]) -> bool:
    return column.map(shown).nunique() > 1


def _values(column: pd.Series[Any]) -> Sequence[str]:
    found = column.drop_duplicates()
    try:
        found = found.sort_values()
    except TypeError:  # numbers and texts in one column: in the order of the plan
        pass
    return tuple(dict.fromkeys(found.map(shown)))


def _where(row: Mapping[Any, Any], with_setting: bool, by: Sequence[str]) -> str:
    parts = [f"{row['script']}, turn {row['turn']}"]
    if with_setting:
        parts += [f"{name} {shown(row[name])}" for name in by if name in row and name != "condition"]
    parts.append(str(row["condition"]))
    if row.get("repeat"):
        parts.append(f"repeat {row['repeat']}")
    return ", ".join(parts)
