"""What the study found, one sentence each with its interval, and the table below that it can be checked in.

The best operating point under a limit of cut-offs, what the other conditions do to it, whether log-probabilities
predict wrong words, which settings nobody beats, and what each setting moves. Texts only; the page escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from realtime_lab.analysis.choice_compare import compare_frames
from realtime_lab.analysis.choice_groups import ALL_CONDITIONS, in_condition, of_setting, plain_row
from realtime_lab.analysis.choice_words import (
    amount,
    compact,
    compact_interval,
    interval,
    label_of,
    plural,
    setting_words,
)
from realtime_lab.analysis.dose import DoseResponse, dose_response
from realtime_lab.analysis.front import front_metrics, operating_points, pareto
from realtime_lab.analysis.grid import Grid, grid_of
from realtime_lab.errors import RealtimeLabError

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep import Study

__all__ = ["LIMIT", "Finding", "findings"]

LIMIT = 0.05
"""Cut-off rate of the operating point."""
_LIMITS = (0.02, LIMIT, 0.1, 0.2)
_MOST_ROWS = 8
_COMPARED = ("cutoff_rate", "answered_rate", "truncated_rate", "wer")


class Finding(NamedTuple):
    """One sentence and its table."""

    title: str
    sentence: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """How to read the table."""


def findings(study: Study, condition: str, wait: str, closest: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Everything that was found.

    Args:
        study: The study.
        condition: The acoustic condition that settings are chosen in.
        wait: Column of the summary that waiting is.
        closest: Swept values (as frames hold them) of the setting to look at where none keeps the limit.
    """
    grid = grid_of(study, condition)
    found = [_operating_point(grid, wait)]
    point = _setting_at(grid, wait) or closest
    found += _noise(study.turns_df(), study.responses_df(), condition, wait, point)
    found += _logprobs(study)
    if grid.groups.names:
        found.append(_front(grid))
        found += _doses(dose_response(study, condition=condition))
    return tuple(found)


def _setting_at(grid: Grid, wait: str) -> dict[str, Any] | None:
    row = plain_row(operating_points(grid, at=(LIMIT,), latency=wait).to_dict("records")[0])
    return {name: row[name] for name in grid.groups.names} if row[wait] is not None else None


def _operating_point(grid: Grid, wait: str) -> Finding:
    rows = [plain_row(row) for row in operating_points(grid, at=_LIMITS, latency=wait).to_dict("records")]
    best = next(row for row in rows if row["limit"] == LIMIT)
    at = amount("cutoff_rate", LIMIT)
    if best[wait] is None:
        sentence = f"No setting cuts off at most {at} of pauses in {grid.condition}{_fewest(grid, wait)}."
    else:
        setting = setting_words({name: best[name] for name in grid.groups.names})
        around = interval(wait, best["best_low"], best["best_high"])
        luck = f" (95 % interval {around}, the luck of having been picked included)" if around else " (no interval)"
        sentence = (
            f"With at most {at} of pauses cut off, the best {label_of(wait)} in {grid.condition} is "
            f"{amount(wait, best[wait])}{luck}, at {setting}."
        )
    head = ("at most cut off", *grid.groups.names, label_of(wait), "best, 95 %", "cut off", "same setting")
    cells = tuple(
        (
            amount("cutoff_rate", row["limit"]),
            *(setting_words({"": row[name]}).strip() if row[wait] is not None else "–" for name in grid.groups.names),
            _cell(wait, row),
            compact_interval(wait, row["best_low"], row["best_high"]) or "–",
            _cell("cutoff_rate", row),
            "–" if row["p_same"] is None else f"{100 * row['p_same']:.0f} %",
        )
        for row in rows
    )
    note = "“Same setting”: in how many resamples of the speech the same setting is picked."
    return Finding("The best operating point", sentence, head, cells, note)


def _fewest(grid: Grid, wait: str) -> str:
    """The setting that cuts off the fewest, of equal ones the fastest, in words."""
    known = [row for row in grid.rows() if row["cutoff_rate"] is not None and row.get(wait) is not None]
    if not known:
        return ""
    row = min(known, key=lambda row: (row["cutoff_rate"], row[wait]))
    figures = (
        f"{label_of(name)} {amount(name, row[name])} ({interval(name, row[f'{name}_low'], row[f'{name}_high'])})"
        for name in ("cutoff_rate", wait)
    )
    setting = setting_words({name: row[name] for name in grid.groups.names})
    return f"; the fewest has {' and '.join(figures)}, at {setting}"


def _cell(name: str, row: Mapping[str, Any]) -> str:
    around = compact_interval(name, row.get(f"{name}_low"), row.get(f"{name}_high"))
    return compact(name, row.get(name)) + (f" ({around})" if around else "")


def _noise(
    turns: pd.DataFrame, responses: pd.DataFrame, condition: str, wait: str, setting: Mapping[str, Any]
) -> Iterator[Finding]:
    """The same turns at the same setting, in each other condition."""
    if condition == ALL_CONDITIONS:
        return
    for other in [name for name in turns["condition"].dropna().unique() if name != condition]:
        here, there = (_both((turns, responses), name, setting) for name in (condition, str(other)))
        try:
            compared = compare_frames(here, there, (condition, str(other)), metrics=(*_COMPARED, wait))
        except RealtimeLabError:
            continue
        rows = compared.rows()
        clauses = [_change(row) for row in rows if row["metric"] in ("cutoff_rate", "answered_rate", wait)]
        sentence = f"At {setting_words(setting)}, {other} instead of {condition} changes: {'; '.join(clauses)}."
        cells = tuple(
            (
                label_of(row["metric"]),
                compact(row["metric"], row["first"]),
                compact(row["metric"], row["second"]),
                "–" if row["difference"] is None else amount(row["metric"], row["difference"], signed=True),
                interval(row["metric"], row["difference_low"], row["difference_high"], signed=True) or str(row["note"]),
                f"{row['n_turns']:,}",
            )
            for row in rows
        )
        head = ("", condition, str(other), "difference", "95 %", "turns")
        yield Finding(f"What {other} does to it", sentence, head, cells, "On the same turns, spoken the same way.")


def _both(
    frames: tuple[pd.DataFrame, pd.DataFrame], condition: str, setting: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One setting in one condition, as if there were no others: so that its turns pair with those of another."""
    turns, responses = (of_setting(in_condition(frame, condition), setting) for frame in frames)
    return turns.assign(condition="both"), responses.assign(condition="both")


def _change(row: Mapping[str, Any]) -> str:
    name = row["metric"]
    if row["difference"] is None:
        return f"{label_of(name)}: {row['note'] or 'unknown'}"
    around = interval(name, row["difference_low"], row["difference_high"], signed=True)
    return f"{label_of(name)} {amount(name, row['difference'], signed=True)} ({around or row['note']})"


def _logprobs(study: Study) -> Iterator[Finding]:
    """Whether a word's log-probability says that it is wrong, in each condition, settings pooled."""
    title = "Do log-probabilities predict wrong words?"
    if not study.turns_df()["transcript"].notna().any():
        return
    table = [plain_row(row) for row in study.calibration_df("condition").to_dict("records")]
    known = [row for row in table if row["auroc"] is not None]
    if not known:
        why = next((row["note"] for row in table if row["note"]), "no transcript came with log-probabilities")
        yield Finding(title, f"Nothing can be said about log-probabilities: {why}.", (), ())
        return
    clauses = []
    for row in known:
        around = "" if row["auroc_low"] is None else f" ({row['auroc_low']:.2f} to {row['auroc_high']:.2f})"
        told = "no interval" if not around else "they do" if row["auroc_low"] > 0.5 else "it may be chance"
        clauses.append(f"in {row['condition']} {100 * row['auroc']:.0f} times in 100{around}: {told}")
    sentence = f"A wrong word is less sure than a right one {'; '.join(clauses)}."
    head = ("condition", "words", "wrong", "AUROC, 95 %", "calibration error", "by chance alone", "interval over")
    cells = tuple(
        (
            str(row["condition"]),
            f"{row['n_words']:,}",
            f"{row['n_wrong']:,}",
            *(_ends(row, "auroc", "auroc_low", "auroc_high"), _two(row["ece"])),
            _ends(row, None, "ece_null_low", "ece_null_high"),
            plural(int(row["n_blocks"] or 0), str(row["block"] or "block")),
        )
        for row in table
    )
    yield Finding(title, sentence, head, cells, "AUROC: .5 is chance. Words heard several times count once.")


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ends(row: Mapping[str, Any], name: str | None, low: str, high: str) -> str:
    around = "" if row[low] is None or row[high] is None else f"{_two(row[low])}–{_two(row[high])}"
    return around or "–" if name is None else _two(row[name]) + (f" ({around})" if around else "")


def _front(grid: Grid) -> Finding:
    names = front_metrics(grid)
    table = [plain_row(row) for row in pareto(grid, metrics=names).to_dict("records")]
    sure = sum((row["p_front"] or 0.0) > 0.95 for row in table)
    what = " and ".join([", ".join(map(label_of, names[:-1])), label_of(names[-1])] if len(names) > 1 else names)
    sentence = (
        f"{sum(bool(row['on_front']) for row in table)} of {len(table)} settings are on the front of {what}; "
        f"{sure} of them in more than 95 % of resamples."
        if names
        else "No figure differs between the settings, so none is better than another."
    )
    cells = tuple(
        (
            *(setting_words({"": row[name]}).strip() for name in grid.groups.names),
            *(compact(name, row[name]) for name in names),
            "–" if row["p_front"] is None else f"{100 * row['p_front']:.0f} %",
        )
        for row in table[:_MOST_ROWS]
    )
    head = (*grid.groups.names, *map(label_of, names), "on the front")
    note = "The surest first. On the front: no other setting is as good in everything and better in something."
    return Finding("Which settings nothing beats", sentence, head, cells if names else (), note)


def _doses(found: DoseResponse) -> Iterator[Finding]:
    if not found.doses:
        return
    doses: Sequence[Any] = found.doses
    working = dict.fromkeys(entry.setting for entry in doses if entry.verdict in ("works", "other slope"))
    ignored = dict.fromkeys(entry.setting for entry in doses if entry.verdict == "ignored")
    idle = [name for name in dict.fromkeys(entry.setting for entry in doses) if name not in {**working, **ignored}]
    parts = [f"{', '.join(working)} {'moves' if len(working) == 1 else 'move'} what it should"] if working else []
    parts += [f"the server did not take {', '.join(ignored)}"] if ignored else []
    parts += [f"no effect of {', '.join(idle)} is shown"] if idle else []
    sentence = f"{'; '.join(parts)}."
    cells = tuple((entry.setting, label_of(entry.metric), entry.verdict, entry.sentence) for entry in doses)
    head = ("setting", "should move", "verdict", "in words")
    yield Finding("Does each setting work?", sentence, head, cells, "Inside the same turns.")
