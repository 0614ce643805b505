"""What the study found, one sentence each with its interval, and the table below that it can be checked in.

The best operating point under a limit of cut-offs, what the other conditions do to it, which settings nobody beats,
and what each setting moves; what was recognised is in `findings_heard`. Texts only; the page escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from realtime_lab.analysis.deciding.compare import compare_frames
from realtime_lab.analysis.deciding.front import front_metrics, operating_points, pareto
from realtime_lab.analysis.deciding.limits import parse_where
from realtime_lab.analysis.effects.dose import dose_response
from realtime_lab.analysis.effects.dose_values import DoseResponse
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.source import (
    ALL_CONDITIONS,
    frames_of,
    in_condition,
    of_setting,
    plain_row,
    without_oracle,
)
from realtime_lab.analysis.summary.wording import (
    amount,
    compact,
    compact_interval,
    interval,
    label_of,
    setting_words,
)
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.levels import grids_of
from realtime_lab.report.findings_heard import predicting_words, transcripts
from realtime_lab.report.pictures import Finding

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep import Study

LIMIT = 0.05
"""Cut-off rate of the operating point."""
_LIMITS = (0.02, LIMIT, 0.1, 0.2)
_MOST_ROWS = 8
_COMPARED = ("cutoff_rate", "answered_rate", "truncated_rate", "wer", "mean_logprob")
_TOLD = ("cutoff_rate", "wer", "mean_logprob")
"""What a sentence about noise holds, beside the wait."""


def findings(
    study: Study,
    condition: str,
    wait: str,
    closest: Mapping[str, Any],
    near: pd.DataFrame | None = None,
    recognised: bool = True,
    where: str | None = None,
) -> tuple[Finding, ...]:
    """Everything that was found.

    Args:
        study: The study.
        condition: The acoustic condition that settings are chosen in.
        wait: Column of the summary that waiting is.
        closest: Swept values (as frames hold them) of the setting to look at where none keeps the limit.
        near: Turns of the settings that figures tell one by one; None: of all.
        recognised: Transcripts are a recogniser's, not made of the reference.
        where: What an operating point must keep beside its limit of cut-offs.
    """
    (turns, responses), grids = frames_of(study), grids_of(study)
    grid = next((one for one in grids if one.condition == condition), None) or grid_of(study, condition)
    found = [_operating_point(grid, wait, where)]
    point = _setting_at(grid, wait, where) or closest
    found += _noise(turns, responses, condition, wait, point)
    if recognised and turns["transcript"].notna().any():
        found += transcripts(grids, turns, turns if near is None else near)
        found += predicting_words(without_oracle(study.words_df()))
    if grid.groups.names:
        found.append(_front(grid))
        found += _doses(dose_response(study, condition=condition))
    return tuple(found)


def _setting_at(grid: Grid, wait: str, where: str | None) -> dict[str, Any] | None:
    row = plain_row(operating_points(grid, at=(LIMIT,), latency=wait, where=where).to_dict("records")[0])
    return {name: row[name] for name in grid.groups.names} if row[wait] is not None else None


def _operating_point(grid: Grid, wait: str, where: str | None) -> Finding:
    rows = [plain_row(row) for row in operating_points(grid, at=_LIMITS, latency=wait, where=where).to_dict("records")]
    others = parse_where(where, list(grid.rows()[0]))
    also = f" and {others.words}" if others.limits else ""
    best = next(row for row in rows if row["limit"] == LIMIT)
    at = amount("cutoff_rate", LIMIT)
    if best[wait] is None:
        sentence = f"No setting cuts off at most {at} of pauses in {grid.condition}{also}{_fewest(grid, wait)}."
    else:
        setting = setting_words({name: best[name] for name in grid.groups.names})
        sentence = (
            f"With at most {at} of pauses cut off{also}, the best {label_of(wait)} in {grid.condition} is "
            f"{amount(wait, best[wait])} ({_luck(best, wait)}), at {setting}."
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
    if also:
        note += f" All keep {others.words}."
    return Finding("The best operating point", sentence, head, cells, note, shown=True)


def _luck(best: Mapping[str, Any], wait: str) -> str:
    """The interval of the best latency; where too few resamples keep the limit for one, that of its setting alone."""
    if around := interval(wait, best["best_low"], best["best_high"]):
        return f"95 % interval {around}, the luck of having been picked included"
    alone = interval(wait, best[f"{wait}_low"], best[f"{wait}_high"])
    return (
        f"95 % interval {alone} for this setting; in too many resamples none keeps the limit"
        if alone
        else "no interval"
    )


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
    turns: pd.DataFrame, responses: pd.DataFrame | None, condition: str, wait: str, setting: Mapping[str, Any]
) -> Iterator[Finding]:
    """The same turns at the same setting, in each other condition."""
    if condition == ALL_CONDITIONS:
        return
    for other in [name for name in turns["condition"].dropna().unique() if name != condition]:
        here, there = (
            (_both(turns, name, setting), None if responses is None else _both(responses, name, setting))
            for name in (condition, str(other))
        )
        try:
            compared = compare_frames(here, there, (condition, str(other)), metrics=(*_COMPARED, wait))
        except RealtimeLabError:
            continue
        rows = [row for row in compared.rows() if (row["first"], row["second"]) != (None, None)]
        clauses = [_change(row) for row in rows if row["metric"] in (*_TOLD, wait)]
        if not clauses:
            continue
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
        note = "On the same turns, spoken the same way."
        yield Finding(f"What {other} does to it", sentence, head, cells, note, shown=True)


def _both(frame: pd.DataFrame, condition: str, setting: Mapping[str, Any]) -> pd.DataFrame:
    """One setting in one condition, as if there were no others: so that its turns pair with those of another."""
    return of_setting(in_condition(frame, condition), setting).assign(condition="both")


def _change(row: Mapping[str, Any]) -> str:
    name = row["metric"]
    if row["difference"] is None:
        return f"{label_of(name)}: {row['note'] or 'unknown'}"
    around = interval(name, row["difference_low"], row["difference_high"], signed=True)
    return f"{label_of(name)} {amount(name, row['difference'], signed=True)} ({around or row['note']})"


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
    # What a setting is for comes first among what it should move.
    first = {entry.setting: entry for entry in reversed(doses)}
    sentence = " ".join(first[name].sentence for name in dict.fromkeys(entry.setting for entry in doses))
    cells = tuple((entry.setting, label_of(entry.metric), entry.verdict, entry.sentence) for entry in doses)
    head = ("setting", "should move", "verdict", "in words")
    yield Finding(
        "Does each setting work?", sentence, head, cells, "Everything each should move, inside the same turns."
    )
