"""Does the knob work: how much of what a setting should move it does move, with an interval, in one sentence each.

A setting's values are compared on the same turns: each (script, turn, condition, repeat) under the same values of all
other settings is a *unit*, and only differences inside units count. The slope is the least-squares line through them
with a level of its own per unit, so that hard turns do not pass for an effect, nor turns that only one value cut. The
interval comes from resampling blocks of speech, all values of a unit staying together (see `choice_sample`).

A latency counts in uncut turns that have it; a turn given up on has no value and is counted beside. Where the server's
effective value is not the one that was asked for, it ignored the setting, and that is the sentence.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.choice_groups import in_condition, plain_cell
from realtime_lab.analysis.choice_inference import NOTHING, Difference, difference
from realtime_lab.analysis.choice_sample import MIN_BLOCKS, Blocks, block_draws, find_blocks
from realtime_lab.analysis.choice_words import amount, label_of, number, plural
from realtime_lab.analysis.columns import LATENCY_METRICS, setting_names
from realtime_lab.analysis.source import HasFrames, first_condition, frames_of
from realtime_lab.analysis.stats import TOO_SMALL

__all__ = ["Dose", "DoseLevel", "DoseResponse", "dose_response"]


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
_SMALL = {"cutoff_rate": 0.005, "truncated_rate": 0.005, "output_tokens": 0.5}
"""A shift from the first to the last value whose whole interval is below these, or below 1 ms, is called none."""
Floats = NDArray[np.float64]


class DoseLevel(NamedTuple):
    """One value of a setting."""

    value: Any
    mean: float | None
    """Mean of the metric over the units that have every value; None without any."""
    change: Difference
    """The metric at this value minus that at the first, over the units that have both; nothing at the first."""
    n: int
    """Rows with this value."""


@dataclass(frozen=True)
class Dose:
    """One setting and one metric it should move."""

    setting: str
    metric: str
    step: float
    expected: float | None
    """The slope per step it should have, where that is known."""
    slope: Difference
    """Change of the metric per step; nothing where values are no finite numbers."""
    shift: Difference
    """The metric at the last value minus that at the first, in the same units."""
    levels: tuple[DoseLevel, ...]
    n_units: int
    """Units with two values or more."""
    n_missed: int
    """Rows without a value because the turn was given up on."""
    blocks: Blocks | None
    ignored: str
    """How the server's effective value differs from the asked one; empty where it does not, or nobody says."""
    note: str
    """Why there is no interval; empty when there is one."""

    @property
    def verdict(self) -> str:
        """works, other slope, no effect, no effect shown, ignored or n too small."""
        if self.ignored:
            return "ignored"
        found = self.slope if self.slope.low is not None else self.shift
        if found.low is None or found.high is None:
            return TOO_SMALL
        if self.expected and self.slope.low is not None and self.slope.high is not None:
            near = self.slope.low - 0.05 <= self.expected <= self.slope.high + 0.05
            return "works" if near and self.slope.low > 0 else "other slope" if found.low > 0 else "no effect"
        if found.low > 0 or found.high < 0:
            return "works" if self.expected is None else "other slope"
        low, high = self.shift.low, self.shift.high
        narrow = low is not None and high is not None and max(abs(low), abs(high)) <= _SMALL.get(self.metric, 1.0)
        return "no effect" if narrow else "no effect shown"

    @property
    def sentence(self) -> str:
        """What was found."""
        what, name = f"{self.setting}", label_of(self.metric)
        if self.ignored:
            return f"{what}: the server did not take it ({self.ignored})."
        if self.verdict == TOO_SMALL:
            return f"{what} on {name}: {self.note or TOO_SMALL}."
        if self.slope.value is not None:
            shown = f"{_change(self.metric, self.slope, self.step)} per {self._step}"
        else:
            shown = f"{_change(self.metric, self.shift, None)} from {self._ends}"
        wanted = "" if self.expected is None else f", expected {number(self.expected)}"
        told = {
            "works": f"{what} moves {name}: {shown}{wanted}.",
            "other slope": f"{what} moves {name} otherwise than expected: {shown}{wanted}.",
            "no effect": f"{what} has no effect on {name}: {shown}{wanted}.",
            "no effect shown": f"No effect of {what} on {name} is shown: {shown}{wanted}.",
        }[self.verdict]
        late = f" {plural(self.n_missed, 'missed turn')} left out." if self.n_missed else ""
        return told + late

    @property
    def _step(self) -> str:
        unit = "ms" if self.setting.endswith("_ms") else "tokens" if self.setting.endswith("tokens") else ""
        if self.step == 1.0 and unit:
            return unit.removesuffix("s") if unit == "tokens" else unit
        return f"{number(self.step)} {unit}".strip()

    @property
    def _ends(self) -> str:
        first, last = (self.levels[place].value for place in (0, -1))
        return f"{_shown(first)} to {_shown(last)}"


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)[:40]


def _change(metric: str, found: Difference, step: float | None) -> str:
    """A change with its interval; a slope of ms per ms as the plain number that it is."""
    if found.value is None:
        return "unknown"
    if metric.endswith("_rate"):
        words = [amount(metric, part, signed=True) for part in found if part is not None]
    elif step == 1.0:
        unit = "ms" if metric.endswith("_ms") else metric.rpartition("_")[2]
        form = "+.2f" if unit == "ms" else "+.3g"
        words = [f"{part:{form}} {unit}".replace("-", "−") for part in found if part is not None]
    else:
        words = [amount(metric, part, signed=True) for part in found if part is not None]
    if len(words) < 3:
        return words[0]
    unit = words[2].rpartition(" ")[2] if " " in words[2] else ""
    return f"{words[0]} ({words[1].removesuffix(f' {unit}')} to {words[2]})"


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """Every swept setting, and what it moves."""

    doses: tuple[Dose, ...]
    condition: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """One per setting and metric."""
        return tuple(entry.sentence for entry in self.doses)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per setting and metric."""
        rows = [
            {
                "setting": entry.setting,
                "metric": entry.metric,
                "verdict": entry.verdict,
                "step": entry.step,
                "expected": entry.expected,
                **_spelled("slope", entry.slope),
                **_spelled("shift", entry.shift),
                "n_units": entry.n_units,
                "n_missed": entry.n_missed,
                "n_blocks": None if entry.blocks is None else entry.blocks.total,
                "sentence": entry.sentence,
            }
            for entry in self.doses
        ]
        texts, counts = ("setting", "metric", "verdict", "sentence"), ("n_units", "n_missed", "n_blocks")
        types = dict.fromkeys(texts, "string") | dict.fromkeys(counts, "Int64")
        names = list(rows[0]) if rows else list(types)
        data = pd.DataFrame({name: [row[name] for row in rows] for name in names})
        return data.astype({name: types.get(name, "Float64") for name in names})

    def of(self, setting: str, metric: str | None = None) -> Dose | None:
        """One of them; None when there is none."""
        found = (entry for entry in self.doses if entry.setting == setting and metric in (None, entry.metric))
        return next(found, None)

    def __repr__(self) -> str:
        return f"<DoseResponse ({self.condition}): {' '.join(self.sentences)}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences)
        return f'<details open class="rl-dose"><summary>Does each setting work?</summary><ul>{lines}</ul></details>'


def _spelled(name: str, found: Difference) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


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
    numbers = np.array([_as_number(value) for value in levels])
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
    return f"asked {_shown(one)}, used {_shown(other)}; in {len(differing)} of {plural(len(known), 'session')}"
