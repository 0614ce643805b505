"""What dose-response gives back: one setting and what it moves, with its verdict and the sentence that says it.

How they are computed is `dose`.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from realtime_lab.analysis.stats.inference import Difference
from realtime_lab.analysis.stats.intervals import TOO_SMALL
from realtime_lab.analysis.summary.sample import Blocks
from realtime_lab.analysis.summary.wording import amount, label_of, number, plural
from realtime_lab.audio.pcm import GRID_MS, grid_frames

_SMALL = {"cutoff_rate": 0.005, "truncated_rate": 0.005, "output_tokens": 0.5}
"""A shift from the first to the last value whose whole interval is below these, or below 1 ms, is called none."""


def as_used(setting: str, value: float) -> float:
    """A number of a setting as a server uses it: a silence in whole frames, any other as it is."""
    silence = setting.rpartition(".")[2] == "silence_duration_ms" and math.isfinite(value)
    return float(GRID_MS * grid_frames(value)) if silence else value


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
        return f"{shown(first)} to {shown(last)}"


def shown(value: Any) -> str:
    """A setting's value in a sentence."""
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
