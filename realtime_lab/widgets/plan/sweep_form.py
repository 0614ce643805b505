"""What a sweep panel knows: axes, scripts, conditions and counts as they were typed, and the plan they make.

Texts are read here; what is wrong with a plan is said by the plan itself. Nothing is run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from realtime_lab.audio import Condition, Script, load_scripts, script_sets
from realtime_lab.audio.conditions import CONDITION_KINDS, NOISES, ConditionKind
from realtime_lab.config import FIELDS, FieldInfo, SessionConfig, field_info, short_path
from realtime_lab.errors import ConfigError, PlanError, Problem, ScriptError
from realtime_lab.server.plugged import Plugged, plugged
from realtime_lab.session import Target
from realtime_lab.sweep import SweepPlan
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, ENDPOINTER
from realtime_lab.sweep.plans.costs import lacking_model
from realtime_lab.sweep.plans.estimate import Estimate
from realtime_lab.widgets.markup import problem_text
from realtime_lab.widgets.plan.target_form import TargetForm

MOST_SETTINGS = 2_000
"""A panel checks its grid at every change; a larger one is built in a cell."""
USUAL_SPACE: Mapping[str, Sequence[Any]] = {"silence_duration_ms": [200, 350, 500, 700], "threshold": [0.3, 0.5, 0.7]}
"""The grid to start from."""
AXIS_NAMES = (
    *(short_path(field.path) for field in FIELDS if field.treatment != "ignored" and field.type != "object"),
    *CLIENT_AXES,
)
"""Axes to offer: the fields a mocked sweep can say something about, and the client's own. Any other can be typed."""
_CLIENT_WORDS = {
    "commit_delay_ms": "from the end of each turn until the client commits, ms, where turn_detection is null",
    ENDPOINTER: "names of callables given in space=, or module:name; they end turns where turn_detection is null",
}

AS_CHOSEN = "as chosen in the audio panel"
Scripts = str | Path | Script | Sequence[Script]
_CONDITION = re.compile(r"([a-z]+)(?:[\s_]+(-?\d+(?:\.\d+)?)\s*(?:db)?)?", re.I)


@runtime_checkable
class Chosen(Protocol):
    """Anything in which scripts are chosen, such as an AudioPanel."""

    @property
    def scripts(self) -> Sequence[Script]:
        """What is said."""
        ...


class Configured(Protocol):
    """Anything that has a configuration, such as a ConfigPanel."""

    @property
    def config(self) -> SessionConfig:
        """The session it says."""
        ...


@dataclass(frozen=True)
class Axis:
    """One axis as it was typed."""

    name: str = ""
    values: str = ""

    @property
    def field(self) -> FieldInfo | None:
        """The field it names; None when it names none."""
        try:
            return field_info(self.name.strip())
        except ConfigError:
            return None

    @property
    def meaning(self) -> str:
        """What it is, of an axis that is no field; "" of a field."""
        return _CLIENT_WORDS.get(self.name.strip(), "")


class SweepForm:
    """A plan being written.

    Args:
        base: What stays the same, or a panel that says it.
        scripts: What is said: a shipped set, a folder or scripts, or a panel in which they are chosen.
        space: Values of each axis.
        conditions: What the line sounds like.
        repeats: How often everything is done.
        seed: Decides the order.
        target: What answers; None: the mocked server.
        max_usd: Most that may be spent on a paid target.
        max_seconds: Most seconds of audio, where a price is not known.
        oracle: Whether the bound that no detector can beat is run too.

    Raises:
        ScriptError: If scripts are named and cannot be read.
    """

    def __init__(
        self,
        base: SessionConfig | Configured,
        scripts: Scripts | Chosen = "orders",
        space: Mapping[str, Sequence[Any]] | None = None,
        conditions: Sequence[Condition] | None = None,
        repeats: int = 1,
        seed: int = 0,
        target: Target | None = None,
        max_usd: float | None = None,
        max_seconds: float | None = None,
        oracle: bool = False,
    ) -> None:
        self._base = base
        self.answering = TargetForm(target, max_usd, max_seconds)
        """What it is held against."""
        self._priced: tuple[SweepPlan, Estimate] | None = None
        self._loaded: dict[str, tuple[Script, ...]] = {}
        self.sets = script_sets()
        """Names to choose scripts by: the shipped sets, and what was given."""
        self._chosen = scripts if isinstance(scripts, Chosen) else None
        self.script_set = AS_CHOSEN if isinstance(scripts, Chosen) else self._take(scripts)
        if self._chosen is not None:
            self.sets = (AS_CHOSEN, *self.sets)
        given = dict(USUAL_SPACE if space is None else space)
        endpointers = [plugged(ENDPOINTER, value) for value in given.get(ENDPOINTER, ())]
        self._endpointers = {str(one): one for one in endpointers}
        if endpointers:
            given[ENDPOINTER] = list(map(str, endpointers))
        self.axes = [Axis(str(name), _listed(values)) for name, values in given.items()]
        self.conditions = ", ".join(_spelled(condition) for condition in conditions or (Condition("clean"),))
        self.repeats, self.seed, self.oracle = repeats, seed, oracle
        self.check()

    def _take(self, scripts: Scripts) -> str:
        if isinstance(scripts, str) and scripts in self.sets:
            return scripts
        loaded = (scripts,) if isinstance(scripts, Script) else scripts
        found = load_scripts(loaded) if isinstance(loaded, (str, Path)) else tuple(loaded)
        name = f"{found[0].set_name if found else 'none'} ({len(found)} scripts)"
        self._loaded[name] = tuple(found)
        self.sets = (name, *self.sets)
        return name

    @property
    def plan(self) -> SweepPlan:
        """The plan.

        Raises:
            PlanError: With every mistake there is.
        """
        self.check()
        if self._plan is None:
            raise PlanError(self.problems)
        return self._plan

    def check(self) -> None:
        """Make the plan anew, as after a change of the configuration it starts from."""
        self._plan = None
        self.problems: list[Problem] = []
        """Every mistake."""
        base, scripts = self._read_base(), self._read_scripts()
        space, conditions = self._read_space(), self._read_conditions()
        self.problems += self.answering.problems()
        if base is None or scripts is None:
            return
        try:
            target = None if self.problems else self.answering.target()
            more: dict[str, Any] = {"target": target, "oracle": self.oracle}
            plan = SweepPlan(base, space, scripts, conditions, self.repeats, self.seed, **more)
        except ConfigError as error:
            said = {problem.path for problem in self.problems}
            self.problems += [problem for problem in error.errors if problem.path not in said]
        else:
            self.problems += [problem for one in plan.answering for problem in lacking_model(plan.configs, one)]
            self._plan = None if self.problems else plan

    def wrong(self, place: str) -> str:
        """What is wrong at one place: "base", "scripts", "conditions", "repeats", "seed", "space" or an axis's name."""
        paths = _paths_of(place)
        return problem_text(problem for problem in self.problems if problem.path in paths)

    def elsewhere(self) -> str:
        """What is wrong with the grid as a whole, and whatever has no place of its own."""
        placed = {path for axis in self.axes for path in _paths_of(axis.name.strip())}
        placed |= {"scripts", "conditions", "repeats", "seed", *self.answering.shown}
        return "\n".join(str(problem) for problem in self.problems if problem.path not in placed)

    @property
    def numbers(self) -> tuple[tuple[str, str], ...]:
        """What the plan will take: names and numbers; empty while it has mistakes."""
        plan = self._plan
        if plan is None:
            return ()
        counts = (("Trials", f"{len(plan.trials):,}"), ("Settings", f"{len(plan.settings):,}"))
        priced = self._priced[1] if self._priced is not None and self._priced[0] == plan else None
        if self.paid and priced is None:
            return (*counts, ("Cost", "not estimated"))
        found = priced or plan.estimate()
        minutes = ("Minutes of audio" + " or more" * (not found.paid), f"{found.audio_minutes:,.1f}")
        cost = "not known" if found.usd is None else f"{found.usd:,.2f} USD"
        return (*counts, minutes, ("Cost", cost if found.paid else "free"))

    @property
    def paid(self) -> bool:
        """Whether the plan's target costs money."""
        return self._plan is not None and any(target.paid for target in self._plan.answering)

    def price(self) -> None:
        """Estimate what a paid plan costs; it takes a few seconds, as sessions are held with the mocked server.

        Raises:
            PlanError: With every mistake there is.
        """
        self._priced = self.plan, self.plan.estimate()

    def _read_base(self) -> SessionConfig | None:
        try:
            return self._base if isinstance(self._base, SessionConfig) else self._base.config
        except ConfigError as error:
            count = len(error.errors)
            self._refuse("base", f"{count} mistake{'s' * (count != 1)}", "a configuration", "mend its panel first")
            return None

    def _read_scripts(self) -> tuple[Script, ...] | None:
        if self.script_set == AS_CHOSEN and self._chosen is not None:
            return tuple(self._chosen.scripts)
        if self.script_set not in self._loaded:
            try:
                self._loaded[self.script_set] = tuple(load_scripts(self.script_set))
            except ScriptError as error:
                self._refuse("scripts", self.script_set, "a set that can be read", str(error))
                return None
        return self._loaded[self.script_set]

    def _read_space(self) -> dict[str, list[Any]]:
        space: dict[str, list[Any]] = {}
        for axis in self.axes:
            name = axis.name.strip()
            if name in space:
                self._refuse(f"space.{name}", name, "each field once")
                continue
            try:
                values = _values(axis.values)
                space[name] = [self._endpointer(value) for value in values] if name == ENDPOINTER else values
            except ConfigError as error:
                space[name] = []
                self.problems += [Problem(f"space.{name}", one.value, one.allowed, one.hint) for one in error.errors]
            except (ValueError, RecursionError) as error:
                space[name] = []
                self._refuse(f"space.{name}", axis.values[:40], "values between commas, or a JSON list", str(error))
        count = math.prod(map(len, space.values()))
        if count > MOST_SETTINGS:
            hint = "build a larger SweepPlan in a cell"
            self._refuse("space", count, f"at most {MOST_SETTINGS:,} settings in a panel", hint)
            return {}
        return space

    def _endpointer(self, named: Any) -> Plugged:
        """One that was given, by its name; else one that is imported from where it is typed to be."""
        return self._endpointers.get(str(named)) or plugged(ENDPOINTER, named)

    def _read_conditions(self) -> list[Condition]:
        found: list[Condition] = []
        for item in filter(None, map(str.strip, self.conditions.split(","))):
            try:
                found.append(_condition(item))
            except ConfigError as error:
                problem = error.errors[0]
                self._refuse("conditions", item[:40], problem.allowed, problem.hint)
        return found

    def _refuse(self, path: str, value: object, allowed: str, hint: str = "") -> None:
        self.problems.append(Problem(path, value, allowed, hint))


def _paths_of(place: str) -> tuple[str, ...]:
    """How a plan may name a place; it cuts long names of axes."""
    return place, f"space.{place}", f"space.{place[:80]}"


def _values(typed: str) -> list[Any]:
    """Values between commas, each as JSON says or else as text; or one JSON list."""
    text = typed.strip()
    if text.startswith("["):
        return list(json.loads(text, parse_constant=str))
    return [_value(item.strip()) for item in text.split(",") if item.strip()]


def _value(item: str) -> Any:
    try:
        return json.loads(item, parse_constant=str)
    except (ValueError, RecursionError):
        return item


def _listed(values: Sequence[Any]) -> str:
    """Values as `_values` reads them."""
    plain = [getattr(value, "item", lambda value=value: value)() for value in values]
    if all(isinstance(value, (str, int, float)) and "," not in str(value) for value in plain):
        return ", ".join(value if isinstance(value, str) else json.dumps(value) for value in plain)
    return json.dumps(plain)


def _condition(item: str) -> Condition:
    match = _CONDITION.fullmatch(item)
    kinds = ", ".join(CONDITION_KINDS)
    if match is None or match[1].lower() not in CONDITION_KINDS:
        hint = f"{', '.join(NOISES)} with a level in dB, such as babble 3"
        raise ConfigError([Problem("conditions", item, kinds, hint)])
    return Condition(cast(ConditionKind, match[1].lower()), None if match[2] is None else float(match[2]))


def _spelled(condition: Condition) -> str:
    return condition.kind if condition.snr_db is None else f"{condition.kind} {condition.snr_db:g} dB"
