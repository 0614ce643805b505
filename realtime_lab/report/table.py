"""The table of settings: one row each, what matters most first, every figure with its interval and its n."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from realtime_lab.analysis.deciding.values import Best
from realtime_lab.analysis.summary.columns import RATE_COUNTS, sample_size
from realtime_lab.analysis.summary.wording import compact, compact_interval, plural, setting_words
from realtime_lab.sweep.studies.chosen import Swept

SHOWN_ROWS = 10
"""Rows that are shown at once, unless more are pointed out; the others are folded."""
MOST_ROWS = 30
_SIDE_CONDITIONS = 2


class Cell(NamedTuple):
    """One figure."""

    value: str
    around: str
    """Its interval in words."""
    sample: str
    """Its n in words."""


class SettingRow(NamedTuple):
    """One setting."""

    marks: tuple[str, ...]
    """new, old or cannot be told apart."""
    values: tuple[str, ...]
    """Its swept values, in the order of the table's axes."""
    main: tuple[Cell, ...]
    side: tuple[tuple[Cell, ...], ...]
    """The other conditions' figures."""


class SettingTable(NamedTuple):
    """Every setting."""

    axes: tuple[str, ...]
    condition: str
    heads: tuple[str, ...]
    side_conditions: tuple[str, ...]
    side_heads: tuple[str, ...]
    rows: tuple[SettingRow, ...]
    folded: tuple[SettingRow, ...]
    all_answered: bool
    """Then there is no column of it."""


def setting_table(
    swept: Sequence[Swept],
    rows: Mapping[tuple[str, str], Mapping[str, Any]],
    best: Best,
    old: Swept,
    new: Swept,
    latency: str = "response_latency_ms",
) -> SettingTable:
    """Lay out the table: the settings that are pointed out first, then by cut-offs and waiting.

    Args:
        swept: Every setting, in the plan's order.
        rows: Rows of the summary by (words of the setting, condition).
        best: The choice.
        old: The old setting.
        new: The new one.
        latency: What waiting is measured by.
    """
    first_columns = (("cutoff_rate", "cut off"), (f"{latency}_p50", "wait, median"))
    rates = (("answered_rate", "answered"), ("truncated_rate", "answer broken off"))
    heard = (("wer", "wrong words"), ("mean_logprob", "mean log-probability"))
    all_columns = (*first_columns, (f"{latency}_p95", "wait, p95"), *rates, *heard)
    conditions = list(dict.fromkeys(condition for _, condition in rows))
    others = tuple(name for name in conditions if name != best.condition)[:_SIDE_CONDITIONS]
    main = {words: row for (words, condition), row in rows.items() if condition == best.condition}
    answered = {row.get("answered_rate") for row in main.values()} == {1.0}
    columns = tuple(
        entry
        for entry in all_columns
        if any(row.get(entry[0]) is not None for row in main.values()) and not (answered and entry == rates[0])
    )
    side_columns = (*first_columns, *(entry for entry in heard if entry in columns))
    placed: list[tuple[tuple[float, ...], SettingRow]] = []
    for one in swept:
        words = setting_words(one.cells)
        row = main.get(words, {})
        marks = tuple(_marks(one, best, old, new))
        sides = tuple(_cells(rows.get((words, name), {}), side_columns) for name in others)
        values = tuple(setting_words({"": value}).strip() for value in one.cells.values())
        figures = (row.get("cutoff_rate"), row.get(f"{latency}_p50"))
        order = (_place(marks), *(math.inf if value is None else float(value) for value in figures))
        placed.append((order, SettingRow(marks, values, _cells(row, columns), sides)))
    ordered = [row for _, row in sorted(placed, key=lambda entry: entry[0])]
    shown = len(ordered) if len(ordered) <= SHOWN_ROWS + 2 else max(SHOWN_ROWS, sum(bool(row.marks) for row in ordered))
    shown = min(shown, MOST_ROWS)
    axes = tuple(swept[0].cells) if swept else ()
    heads, side_heads = (tuple(head for _, head in entries) for entries in (columns, side_columns))
    split = tuple(ordered[:shown]), tuple(ordered[shown:])
    return SettingTable(axes, best.condition, heads, others, side_heads, *split, answered)


_ORDER = ("new", "closest", "old", "not told apart")


def _marks(one: Swept, best: Best, old: Swept, new: Swept) -> Iterator[str]:
    if one.setting == new.setting and best.outcome != "n too small":
        yield "new" if best.setting is not None else "closest"
    if one.setting == old.setting:
        yield "old"
    if any(one.setting == dict(rival.setting) for rival in best.rivals):
        yield "not told apart"


def _place(marks: Sequence[str]) -> int:
    return min((_ORDER.index(mark) for mark in marks), default=len(_ORDER))


def _cells(row: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> tuple[Cell, ...]:
    return tuple(_cell(row, name) for name, _ in columns)


def _cell(row: Mapping[str, Any], name: str) -> Cell:
    if name not in row:
        return Cell("–", "", "")
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if name in RATE_COUNTS:
        above, below = (int(row.get(part) or 0) for part in RATE_COUNTS[name])
        sample = f"{above:,} of {below:,}" if below else "none played"
    else:
        sample = plural(sample_size(row, name) or 0, "token" if name == "mean_logprob" else "turn")
    around = compact_interval(name, low, high) if value is not None else "n too small" if sample[0].isdigit() else ""
    return Cell(compact(name, value), around, sample)
