"""What was found about transcripts: what each setting does to them, and what log-probabilities say of wrong words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from realtime_lab.analysis.effects.effects import end_effects
from realtime_lab.analysis.summary.grid import Grid
from realtime_lab.analysis.summary.source import plain_row
from realtime_lab.analysis.summary.wording import amount, compact, compact_interval, interval, label_of, plural
from realtime_lab.analysis.summary.wording import setting_words as in_words
from realtime_lab.analysis.words.confidence import calibration_df
from realtime_lab.plots.levels import LevelsInfo, levels_info
from realtime_lab.report.pictures import Finding, heard_pictures, levels_picture, reliability_picture

_HEARD = ("wer", "mean_logprob")
Shifts = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]


def transcripts(grids: Sequence[Grid], turns: pd.DataFrame, near: pd.DataFrame) -> Iterator[Finding]:
    """What each setting does to word errors and to log-probabilities, in each condition.

    Args:
        grids: The settings in each condition.
        turns: All turns.
        near: Turns of the settings that figures tell one by one.
    """
    known = {(grid.condition, name): grid for grid in grids for name in _HEARD if _known(grid, name)}
    figure = levels_picture(grids)
    if not known or figure is None:
        return
    count = sum(_varying(grid) for grid in known.values())
    shifts = {key: _rows(end_effects(grid, key[1], comparisons=count)) for key, grid in known.items()}
    told = [_moved(*key, row) for key, rows in shifts.items() for row in rows if _apart(row)]
    if told:
        sentence = "; ".join([*told, "the other differences may be chance"])
    else:
        every = [(key, row) for key, rows in shifts.items() for row in rows]
        key, row = max(every, key=lambda entry: _clear(entry[1]))
        sentence = f"all {count} differences may be chance; the clearest: {_moved(*key, row)}"
    levels = {name: levels_info(grids, metric=name) for name in _HEARD if any(key[1] == name for key in known)}
    note = (
        "Values: mean over the other settings, with the interval drawn above. Last against first: the change, with "
        f"95 % intervals that hold for all {count} at once."
    )
    yield Finding(
        "What each setting does to transcripts",
        f"{sentence[0].upper()}{sentence[1:]}.",
        ("", *(f"{name}, {label_of(metric)}" for name, metric in known)),
        tuple(_table(list(known), levels, shifts)),
        note,
        figures=(figure,),
        folded=tuple(heard_pictures(turns, near)),
        folded_note="Settings one by one; what a clipped onset does to the first token",
    )


def _known(grid: Grid, name: str) -> bool:
    return name in grid.columns and bool(np.isfinite(grid.column(name).estimates).any())


def _varying(grid: Grid) -> int:
    """How many settings have two values or more."""
    return sum(len({repr(setting[name]) for setting in grid.settings}) > 1 for name in grid.groups.names)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [plain_row(row) for row in frame.to_dict("records")]


def _apart(row: Mapping[str, Any]) -> bool:
    return row["shift_low"] is not None and (row["shift_low"] > 0.0 or row["shift_high"] < 0.0)


def _clear(row: Mapping[str, Any]) -> float:
    """How large a change is beside its interval."""
    if row["shift_low"] is None or row["shift_high"] <= row["shift_low"]:
        return 0.0
    return float(abs(row["shift"]) / (row["shift_high"] - row["shift_low"]))


def _ends(row: Mapping[str, Any]) -> str:
    """Such as `threshold 0.7 instead of 0.3`."""
    last = in_words({row["setting"]: row["last"]})
    return f"{last} instead of {in_words({'': row['first']}).strip()}"


def _change(metric: str, row: Mapping[str, Any]) -> str:
    around = interval(metric, row["shift_low"], row["shift_high"], signed=True)
    return f"{amount(metric, row['shift'], signed=True)} ({around or row['note']})"


def _moved(condition: str, metric: str, row: Mapping[str, Any]) -> str:
    return f"in {condition}, {_ends(row)} changes the {label_of(metric)} by {_change(metric, row)}"


def _table(
    columns: Sequence[tuple[str, str]], levels: Mapping[str, LevelsInfo], shifts: Shifts
) -> Iterator[tuple[str, ...]]:
    """A row per value, then one per setting: last against first."""
    points = {
        (name, *info.rows[point.row], point.condition): point for name, info in levels.items() for point in info.points
    }
    for setting, value in next(iter(levels.values())).rows:
        cells = []
        for condition, metric in columns:
            point = points.get((metric, setting, value, condition))
            around = "" if point is None else compact_interval(metric, point.low, point.high)
            cells.append(compact(metric, None if point is None else point.mean) + (f" ({around})" if around else ""))
        yield in_words({setting: value}), *cells
    for place, row in enumerate(next(iter(shifts.values()))):
        yield _ends(row), *(_change(metric, shifts[condition, metric][place]) for condition, metric in columns)


def predicting_words(words: pd.DataFrame) -> Iterator[Finding]:
    """Whether a word's log-probability says that it is wrong, in each condition, settings pooled.

    Args:
        words: The words frame.
    """
    title = "Do log-probabilities predict wrong words?"
    table = _rows(calibration_df(words, "condition"))
    table.sort(key=lambda row: row["condition"] != "clean")
    known = [row for row in table if row["auroc"] is not None]
    if not known:
        why = next((row["note"] for row in table if row["note"]), "no transcript came with log-probabilities")
        yield Finding(title, f"Nothing can be said about log-probabilities: {why}.", (), ())
        return
    of_pairs = "; ".join(map(_predicts, known))
    sentence = f"Of a wrong and a right word, the wrong one has the lower log-probability {of_pairs}."
    head = ("condition", "words", "wrong", "AUROC, 95 %", "calibration error", "by chance alone", "interval over")
    cells = tuple(
        (
            str(row["condition"]),
            f"{row['n_words']:,}",
            f"{row['n_wrong']:,}",
            _two(row["auroc"]) + _around(row["auroc_low"], row["auroc_high"], " ({})"),
            _two(row["ece"]),
            _around(row["ece_null_low"], row["ece_null_high"]) or "–",
            plural(int(row["n_blocks"] or 0), str(row["block"] or "block")),
        )
        for row in table
    )
    note = "AUROC .79: 79 times in 100; .5 is chance. Words heard several times count once."
    figure = reliability_picture(words)
    folded = () if figure is None else (figure,)
    folded_note = "Are they as high as they should be?"
    yield Finding(title, sentence, head, cells, note, shown=True, folded=folded, folded_note=folded_note)


def _predicts(row: Mapping[str, Any]) -> str:
    said = f"{100 * row['auroc']:.0f} times in 100 in {row['condition']}"
    low, high = row["auroc_low"], row["auroc_high"]
    if low is None or high is None:
        return f"{said} (no interval)"
    told = "so they predict it" if low > 0.5 else "so they mislead" if high < 0.5 else "which may be chance"
    return f"{said} ({100 * low:.0f} to {100 * high:.0f}), {told}"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _around(low: float | None, high: float | None, form: str = "{}") -> str:
    return "" if low is None or high is None else form.format(f"{_two(low)}–{_two(high)}")
