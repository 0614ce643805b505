"""Does the knob work: how much of what a setting should move it does move, with an interval, in one sentence each.

A setting's values are compared on the same turns: each (script, turn, condition, repeat) under the same values of all
other settings is a *unit*, and only differences inside units count. The slope is the least-squares line through them
with a level of its own per unit, so that hard turns do not pass for an effect, nor turns that only one value cut. The
interval comes from resampling blocks of speech, all values of a unit staying together (see `choice_sample`).

A latency counts in uncut turns that have it; a turn given up on has no value and is counted beside. Where the server's
effective value is not the one that was asked for, it ignored the setting, and that is the sentence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import LATENCY_METRICS, setting_names
from realtime_lab.analysis.effects.dose_values import Dose, DoseLevel, DoseResponse, as_used, shown
from realtime_lab.analysis.stats.inference import NOTHING, Difference, difference
from realtime_lab.analysis.stats.intervals import TOO_SMALL
from realtime_lab.analysis.summary.sample import MIN_BLOCKS, Blocks, block_draws, find_blocks
from realtime_lab.analysis.summary.source import HasFrames, first_condition, frames_of, in_condition, plain_cell
from realtime_lab.analysis.summary.wording import plural


class Moves(NamedTuple):
    """What a setting should move."""

    metric: str
    step: float
    """What a slope is per, in the setting's own unit."""
    expected: float | None = None
    """The slope per step that it should have; None where only the sign or nothing is known."""


_MOVES: dict[str, tuple[Moves, ...]] = {
    "silence_duration_ms": (Moves("endpoint_delay_ms", 1.0, 1.0), Moves("cutoff_rate", 100.0)),
    "prefix_padding_ms": (Moves("onset_clip_ms", 1.0), Moves("endpoint_delay_ms", 100.0, 0.0)),
    "threshold": (Moves("endpoint_delay_ms", 0.1), Moves("cutoff_rate", 0.1), Moves("onset_clip_ms", 0.1)),
    "max_output_tokens": (Moves("truncated_rate", 100.0), Moves("output_tokens", 1.0)),
    "eagerness": (Moves("endpoint_delay_ms", 1.0), Moves("cutoff_rate", 1.0)),
}
"""By the last part of a setting's path."""
_OTHERS = (Moves("endpoint_delay_ms", 1.0), Moves("response_latency_ms", 1.0), Moves("cutoff_rate", 1.0))
_OF_CUT_TURNS_TOO = ("onset_clip_ms",)
_UNIT = ("script", "turn", "condition", "repeat")
Floats = NDArray[np.float64]


def dose_response(
    source: HasFrames | pd.DataFrame, *, condition: str | None = None, trials: pd.DataFrame | None = None, seed: int = 0
) -> DoseResponse:
    """Say of each swept setting whether it moves what it should move.

    Args:
        source: A study or a turns frame.
        condition: The acoustic condition; None: clean, else the first there is; "all": every one, each by itself.
        trials: The trials frame, for what the server made of what it was asked; a study's own by default.
        seed: Decides the resamples.

    Raises:
        RealtimeLabError: If there are no turns.
    """
    turns = frames_of(source)[0]
    condition = first_condition(turns) if condition is None else condition
    turns = in_condition(turns, condition)
    if trials is None and not isinstance(source, pd.DataFrame):
        trials = getattr(source, "trials_df", lambda: None)()
    settings = [name for name in setting_names(turns.columns) if len(_levels(turns, name)) > 1]
    return DoseResponse(tuple(_doses(turns, settings, trials, seed)), condition)


def _doses(turns: pd.DataFrame, settings: Sequence[str], trials: pd.DataFrame | None, seed: int) -> Iterator[Dose]:
    blocks = find_blocks(turns)
    draws = block_draws(blocks, len(turns), seed)
    for name in settings:
        ignored = "" if trials is None else _ignored(trials, name)
        for moves in _MOVES.get(name.rpartition(".")[2], _OTHERS):
            rows = _rows(turns, moves.metric)
            if rows is not None:
                yield _dose(turns, name, moves, rows, _Draw(blocks, draws), ignored)


def _levels(turns: pd.DataFrame, name: str) -> list[Any]:
    found = [plain_cell(value) for value in turns[name].drop_duplicates()]
    return sorted(found, key=lambda value: (value is None, isinstance(value, str), 0 if value is None else value))


class _Rows(NamedTuple):
    """A metric of turns."""

    value: Floats
    """NaN where the turn is not in the sample."""
    weight: Floats
    n_missed: NDArray[np.bool_]


class _Draw(NamedTuple):
    """What is drawn, and how often."""

    blocks: Blocks
    draws: NDArray[np.int64]


def _rows(turns: pd.DataFrame, metric: str) -> _Rows | None:
    outcome = turns["outcome"].astype("string").fillna("").to_numpy(dtype=object)
    decided = (outcome == "answered") | (outcome == "missed")
    cut = turns["cut"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    nothing = np.zeros(len(turns), dtype=bool)
    if metric == "cutoff_rate":
        holds = turns["n_holds"].to_numpy(dtype=float, na_value=0.0)
        counted = (outcome != "excluded") & (holds > 0)
        cuts = turns["n_cut_holds"].to_numpy(dtype=float, na_value=0.0)
        share = np.divide(cuts, holds, out=np.full(len(turns), np.nan), where=counted)
        return _Rows(share, np.where(counted, holds, 0.0), nothing) if counted.any() else None
    column = "truncated" if metric == "truncated_rate" else metric
    if column not in turns.columns:
        return None
    value = turns[column].to_numpy(dtype=float, na_value=np.nan)
    timed = metric in {entry.name for entry in LATENCY_METRICS}
    inside = decided & ~cut if timed else decided
    missed = inside & np.isnan(value) if timed else nothing
    return _Rows(np.where(inside, value, np.nan), np.ones(len(turns)), missed)


def _dose(turns: pd.DataFrame, name: str, moves: Moves, rows: _Rows, draw: _Draw, ignored: str) -> Dose:
    levels = _levels(turns, name)
    level = _level_numbers(turns, name, levels)
    others = [other for other in setting_names(turns.columns) if other != name]
    keys = [key for key in (*_UNIT, *others) if key in turns.columns]
    unit = turns.groupby(keys, dropna=False, observed=True).ngroup().to_numpy()
    there = ~np.isnan(rows.value)
    numbers = np.array([as_used(name, _as_number(value)) for value in levels])
    finite = np.isfinite(numbers)
    slope = NOTHING
    if np.count_nonzero(finite) > 1:
        kept = there & finite[level]
        slope = _line(numbers[level] / moves.step, rows, unit, kept, draw)
    changes = [NOTHING]
    for place in range(1, len(levels)):
        both = there & ((level == 0) | (level == place))
        changes.append(_line((level == place).astype(float), rows, unit, both, draw))
    complete = _complete(unit, there, len(levels))
    told = tuple(
        DoseLevel(
            value, _mean(rows, complete & (level == place)), changes[place], int((there & (level == place)).sum())
        )
        for place, value in enumerate(levels)
    )
    sizes = np.bincount(unit[there]) if there.any() else np.zeros(0)
    units = int(np.count_nonzero(sizes > 1))
    few = draw.blocks.total < MIN_BLOCKS
    note = f"{TOO_SMALL}: {draw.blocks.words} of {MIN_BLOCKS}" if few else "" if units else "no turn has two values"
    missed = int(np.count_nonzero(rows.n_missed))
    return Dose(
        name,
        moves.metric,
        moves.step,
        moves.expected,
        slope,
        changes[-1],
        told,
        units,
        missed,
        draw.blocks,
        ignored,
        note,
    )


def _level_numbers(turns: pd.DataFrame, name: str, levels: Sequence[Any]) -> NDArray[np.int64]:
    place = {repr(value): number for number, value in enumerate(levels)}
    codes, known = pd.factorize(turns[name], use_na_sentinel=False)
    numbers = np.array([place[repr(plain_cell(value))] for value in known], dtype=np.int64)
    found: NDArray[np.int64] = numbers[codes]
    return found


def _as_number(value: Any) -> float:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if ok else math.nan


def _complete(unit: NDArray[Any], there: NDArray[np.bool_], levels: int) -> NDArray[np.bool_]:
    """Rows of units that have every value."""
    count = np.bincount(unit, there, int(unit.max(initial=-1)) + 1)
    full: NDArray[np.bool_] = there & (count[unit] == levels)
    return full


def _mean(rows: _Rows, mask: NDArray[np.bool_]) -> float | None:
    weight = rows.weight[mask]
    return float((rows.value[mask] * weight).sum() / weight.sum()) if weight.sum() > 0 else None


def _line(x: Floats, rows: _Rows, unit: NDArray[Any], kept: NDArray[np.bool_], draw: _Draw) -> Difference:
    """Slope of the metric over `x` inside units, with its interval over blocks."""
    x, y, weight, of = x[kept], rows.value[kept], rows.weight[kept], unit[kept]
    block = draw.blocks.of_turns[kept]
    size = np.bincount(of, weight)
    middle = [
        np.divide(np.bincount(of, part * weight), size, out=np.zeros(len(size)), where=size > 0) for part in (x, y)
    ]
    dx, dy = x - middle[0][of], y - middle[1][of]
    total = draw.blocks.total
    above, below = np.bincount(block, weight * dx * dy, total), np.bincount(block, weight * dx * dx, total)
    if not below.sum() > 0:
        return NOTHING
    drawn_below = draw.draws @ below
    drawn = np.divide(draw.draws @ above, drawn_below, out=np.full(len(draw.draws), np.nan), where=drawn_below > 0)
    value = float(above.sum() / below.sum())
    if total < MIN_BLOCKS:
        return Difference(value, None, None)
    return difference(0.0, value, drawn, total)


def _ignored(trials: pd.DataFrame, name: str) -> str:
    """How the effective values of a setting differ from the asked ones, in words."""
    leaf = name.rpartition(".")[2]
    found = [column for column in map(str, trials.columns) if column.startswith("effective.") and column.endswith(leaf)]
    found = [column for column in found if column.removeprefix("effective.").rpartition(".")[2] == leaf]
    if name not in trials.columns or not found:
        return ""
    asked, given = trials[name], trials[found[0]]
    known = [(plain_cell(one), plain_cell(other)) for one, other in zip(asked, given, strict=True)]
    known = [(one, other) for one, other in known if one is not None and other is not None]
    differing = [(one, other) for one, other in known if one != other]
    if not differing:
        return ""
    one, other = differing[0]
    return f"asked {shown(one)}, used {shown(other)}; in {len(differing)} of {plural(len(known), 'session')}"
