"""From axes to settings: which combinations of values a plan holds. Scripts, order and targets are not known here.

Axes form a grid, the last one fastest. Axes that are `zipped` turn together as one. An axis under `when` is part of
those settings only in which another field has one of the values named; a field that some kinds of turn detection do
not have is so by itself, where the kind is swept. Combinations that say the same after that are one setting. `draw`
takes so many of them at random, the control among them. The oracle, where it is asked for, is one setting more.

Settings are found again by what somebody says of them: swept values, a result, a configuration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realtime_lab.config import SessionConfig, resolve_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ArgumentError, ConfigError, PlanError, Problem, nearest_hint
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, ORACLE, axis_kinds, axis_path, client_options
from realtime_lab.sweep.plans.records import plain_value

TURN_DETECTION = "audio.input.turn_detection"
KIND = f"{TURN_DETECTION}.type"
MAX_COMBINATIONS = 1_000_000
_SHOWN = 5

Axis = tuple[str, str, tuple[Any, ...]]
"""Name as given, full path, values in the configuration's own form."""
Built = tuple[dict[str, Any], SessionConfig]
"""Swept values by name, and the configuration they make."""


@dataclass(frozen=True)
class SpaceShape:
    """How axes combine."""

    when: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    """Name of an axis -> full path of another field -> the values of it that the axis needs."""
    zipped: tuple[tuple[str, ...], ...] = ()
    """Names of axes that turn together."""
    draw: int | None = None
    """How many settings to take at random; None: all."""
    control: Mapping[str, Any] | None = None
    """The setting that is never left out."""
    seed: int = 0
    """Decides the draw."""
    oracle: bool = False
    """Whether the oracle is one setting more, the last: the base without turn detection, committed at turns' ends."""


def checked_shape(axes: Sequence[Axis], when: object, zipped: object, draw: object) -> tuple[SpaceShape, list[Problem]]:
    """Resolve what is said of the axes, and find every mistake in it."""
    problems: list[Problem] = []
    lengths = {name: len(values) for name, _, values in axes}
    needs = _checked_when(lengths, when, problems)
    groups = _checked_groups(lengths, zipped, problems)
    if draw is not None and (type(draw) is not int or draw < 1):
        problems.append(Problem("draw", draw, "a whole number of settings, 1 or more, or None for all"))
    return SpaceShape(needs, groups, draw if type(draw) is int else None), problems


def _checked_when(
    known: Mapping[str, int], when: object, problems: list[Problem]
) -> dict[str, dict[str, tuple[Any, ...]]]:
    needs: dict[str, dict[str, tuple[Any, ...]]] = {}
    if not isinstance(when, Mapping):
        problems.append(Problem("when", when, "a mapping from an axis to what it needs", code="invalid_type"))
        return needs
    for name, wanted in when.items():
        if name not in known:
            problems.append(Problem(f"when.{str(name)[:80]}", name, f"an axis of the plan: {', '.join(known)}"))
        elif not isinstance(wanted, Mapping) or not wanted:
            allowed = "a mapping from a field to the value or values it must have"
            problems.append(Problem(f"when.{name}", wanted, allowed, code="invalid_type"))
        else:
            for field_name, values in wanted.items():
                path = _path(f"when.{name}", field_name, problems)
                listed = values if isinstance(values, (list, tuple)) else (values,)
                if path is not None:
                    needs.setdefault(name, {})[path] = tuple(listed)
    return needs


def _path(place: str, name: object, problems: list[Problem]) -> str | None:
    try:
        return resolve_path(name)  # type: ignore[arg-type]
    except ConfigError as error:
        problems += [Problem(place, found.value, found.allowed, found.hint, found.code) for found in error.errors]
        return None


def _checked_groups(known: Mapping[str, int], zipped: object, problems: list[Problem]) -> tuple[tuple[str, ...], ...]:
    groups: list[tuple[str, ...]] = []
    taken: set[str] = set()
    if not isinstance(zipped, (list, tuple)) or not all(isinstance(group, (list, tuple)) for group in zipped):
        allowed = "lists of axes that turn together, such as [['threshold', 'silence_duration_ms']]"
        problems.append(Problem("zipped", zipped, allowed, code="invalid_type"))
        return ()
    for group in zipped:
        names = tuple(map(str, group))
        unknown = [name for name in names if name not in known]
        if unknown:
            problems.append(Problem("zipped", unknown[0], f"axes of the plan: {', '.join(known)}"))
        elif len(names) < 2 or len(set(names)) < len(names) or taken & set(names):
            problems.append(Problem("zipped", list(names), "two axes or more, each in one group only"))
        elif len({known[name] for name in names}) > 1:
            lengths = ", ".join(f"{name} has {known[name]}" for name in names)
            problems.append(Problem("zipped", list(names), "axes with equally many values", lengths))
        else:
            groups.append(names)
            taken |= set(names)
    return tuple(groups)


def kinds_swept(axes: Sequence[tuple[str, Sequence[Any]]]) -> set[str | None]:
    """Kinds of turn detection that axes of (path, values) choose between; empty when none of them does."""
    found: set[str | None] = set()
    for path, values in axes:
        if path == KIND:
            found |= set(values)
        elif path == TURN_DETECTION:
            found |= {_kind_of(value) for value in values}
    return found


def _kind_of(detection: Any) -> str | None:
    told = plain_value(detection)
    return None if told is None else told.get("type")


def retyped(base: SessionConfig, kind: str | None) -> dict[str, Any] | None:
    """The base's turn detection as one of another kind: the fields that kind does not have are left out."""
    if kind is None:
        return None
    told = plain_value(base.get(TURN_DETECTION, None)) or {}
    kept = {name: value for name, value in told.items() if name != "type" and _applies(name, kind)}
    return {"type": kind, **kept}


def _applies(name: str, kind: str) -> bool:
    kinds = axis_kinds(f"{TURN_DETECTION}.{name}")
    return not kinds or kind in kinds


class _Space:
    """The combinations of a plan's axes, by number."""

    def __init__(self, base: SessionConfig, axes: Sequence[Axis], shape: SpaceShape) -> None:
        self.base, self.axes, self.shape = base, axes, shape
        grouped = {name: group for group in shape.zipped for name in group}
        self.groups: list[list[Axis]] = []
        for axis in axes:
            group = grouped.get(axis[0], (axis[0],))
            if axis[0] == next(name for name, _, _ in axes if name in group):
                self.groups.append([other for other in axes if other[0] in group])
        self.lengths = [len(group[0][2]) for group in self.groups]
        self.total = math.prod(self.lengths)
        self._chooses_kind = [axis for axis in axes if axis[1] in (KIND, TURN_DETECTION)]
        swept = kinds_swept([(path, values) for _, path, values in axes])
        # An axis that no swept kind has stays a mistake, which building its settings tells.
        self._of_kinds = {
            name: axis_kinds(path)
            for name, path, _ in axes
            if path not in (KIND, TURN_DETECTION) and set(axis_kinds(path)) & swept
        }

    def setting(self, number: int) -> Built:
        """The setting of one combination.

        Raises:
            ConfigError: If no session can have it.
        """
        values: dict[str, Any] = {}
        for group, length in zip(reversed(self.groups), reversed(self.lengths), strict=True):
            number, place = divmod(number, length)
            values |= {name: given[place] for name, _, given in group}
        return self.of_values(values)

    def of_values(self, values: Mapping[str, Any]) -> Built:
        """The setting of one value for each axis, without those that do not apply."""
        changes: dict[str, Any] = {}
        kept: set[str] = set()
        kind: str | None = None
        for name, path, _ in self._chooses_kind:
            value = values[name]
            kind = value if path == KIND else _kind_of(value)
            changes[TURN_DETECTION] = retyped(self.base, kind) if path == KIND else value
            kept.add(name)
        for name, path, _ in sorted(self.axes, key=lambda axis: axis[0] in self.shape.when):
            if name in kept or (name in self._of_kinds and kind not in self._of_kinds[name]):
                continue
            if self._met(self.shape.when.get(name, {}), changes):
                changes |= {} if path in CLIENT_AXES else {path: values[name]}
                kept.add(name)
        return {name: values[name] for name, _, _ in self.axes if name in kept}, self.base.with_values(changes)

    def _met(self, needs: Mapping[str, tuple[Any, ...]], changes: Mapping[str, Any]) -> bool:
        if not needs:
            return True
        now = self.base.with_values(changes)
        allowed = ((plain_value(now.get(path, None)), plain_value(values)) for path, values in needs.items())
        return all(value in values for value, values in allowed)

    def number_of(self, setting: Mapping[str, Any]) -> int | None:
        """The first combination with these values; None when there is none."""
        asked = {axis_path(name): canonical_text(plain_value(value)) for name, value in setting.items()}
        if set(asked) - {path for _, path, _ in self.axes}:
            return None
        number = 0
        for group, length in zip(self.groups, self.lengths, strict=True):
            places = (
                place
                for place in range(length)
                if all(
                    path not in asked or canonical_text(plain_value(values[place])) == asked[path]
                    for _, path, values in group
                )
            )
            place = next(places, None)
            if place is None:
                return None
            number = number * length + place
        return number


def build_settings(
    base: SessionConfig, axes: Sequence[Axis], shape: SpaceShape
) -> tuple[list[Built], dict[str, Any] | None, list[Problem]]:
    """Build the settings of a space.

    Returns:
        The settings in the grid's order; the control, None where none was named; every combination that no session
        can have.
    """
    space = _Space(base, axes, shape)
    if shape.draw is None and space.total > MAX_COMBINATIONS:
        hint = "draw=1000 takes a thousand of them at random"
        return [], None, [Problem("space", f"{space.total:,} combinations", f"{MAX_COMBINATIONS:,} at most", hint)]
    control, problems = _control(space)
    found: dict[int, Built] = {}
    settings: set[str] = set()
    sessions: dict[str, dict[str, Any]] = {}
    for number in _numbers(space, control):
        if shape.draw is not None and len(found) >= shape.draw:
            break
        try:
            setting, config = space.setting(number)
        except ConfigError as error:
            problems += [Problem("space", one.value, one.allowed, one.hint, one.code) for one in error.errors]
            continue
        text, session = canonical_text(plain_value(setting)), _session(setting, config)
        if text in settings:
            continue
        if session in sessions:
            hint = f"it is the same session as {_shown(sessions[session])}"
            problems.append(Problem("space", _shown(setting), "settings that differ", hint))
        settings.add(text)
        sessions[session] = setting
        found[number] = (setting, config)
    ordered = [found[number] for number in sorted(found)]
    ordered += [one for one in _oracle(space) if _session(*one) not in sessions]
    return ordered, found[control][0] if control in found else None, _few(problems)


def _session(setting: Mapping[str, Any], config: SessionConfig) -> str:
    """What is the same of two settings that hold the same session."""
    told = {name: value for name, value in client_options(setting).items() if value != ORACLE.get(name)}
    return config.to_json() + (canonical_text(plain_value(told)) if told else "")


def _oracle(space: _Space) -> Iterator[Built]:
    if space.shape.oracle:
        kinds = {name: None for name, _, _ in space.axes if axis_path(name) in (KIND, TURN_DETECTION)}
        yield kinds | dict(ORACLE), space.base.with_values({TURN_DETECTION: None})


def _control(space: _Space) -> tuple[int | None, list[Problem]]:
    asked = space.shape.control
    if asked is None:
        return None, []
    try:
        number = space.number_of(asked)
        setting = {} if number is None else space.setting(number)[0]
    except (ConfigError, AttributeError, TypeError):
        number, setting = None, {}
    whole = number is not None and {axis_path(n) for n in setting} == {axis_path(n) for n in asked}
    if whole:
        return number, []
    names = ", ".join(name for name, _, _ in space.axes)
    return None, [Problem("control", asked, f"one setting of the grid: a value for each of {names} that applies")]


def _numbers(space: _Space, control: int | None) -> Iterator[int]:
    """Combinations in the order in which they are taken, the control first."""
    if space.shape.draw is None:
        yield from range(space.total)
        return
    if control is not None:
        yield control
    rng = np.random.default_rng([space.shape.seed, 2])
    if space.total <= MAX_COMBINATIONS:
        yield from (number for number in rng.permutation(space.total).tolist() if number != control)
        return
    drawn = {control}
    while len(drawn) < MAX_COMBINATIONS:
        number = int(rng.integers(space.total))
        if number not in drawn:
            drawn.add(number)
            yield number


def _few(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= _SHOWN:
        return problems
    rest = Problem("space", f"{len(problems) - _SHOWN} more combinations", "combinations that a session can have")
    return [*problems[:_SHOWN], rest]


def _shown(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in setting.items())


def choose(grid: Sequence[Built], wanted: Sequence[object]) -> list[Built]:
    """The settings of `grid` that are wanted, in the grid's order.

    Raises:
        PlanError: If one of them is not in the grid.
    """
    kept: set[int] = set()
    problems: list[Problem] = []
    if not wanted:
        problems.append(Problem("only", [], "at least one setting of the grid"))
    for one in wanted:
        try:
            found = _matching(grid, one)
        except ConfigError as error:
            problems += error.errors
            continue
        if not found:
            problems.append(Problem("only", one, "a setting of the grid", f"such as {grid[0][0]}"))
        kept.update(found)
    if problems:
        raise PlanError(problems)
    return [grid[number] for number in sorted(kept)]


def _matching(grid: Sequence[Built], one: object) -> list[int]:
    if isinstance(one, SessionConfig):
        return [number for number, (_, config) in enumerate(grid) if config == one]
    values = getattr(one, "setting", one)
    if not isinstance(values, Mapping) or not values:
        raise ArgumentError([Problem("only", one, "swept values by name, or a configuration", code="invalid_type")])
    exact = [number for number, (setting, _) in enumerate(grid) if setting == dict(values)]
    if exact:
        return exact
    paths = {axis_path(name): name for setting, _ in grid for name in setting}
    given = {axis_path(name): value for name, value in values.items()}
    unknown = [path for path in given if path not in paths]
    if unknown:
        hint = nearest_hint(unknown[0], paths.values())
        raise ArgumentError([Problem("only", unknown[0], f"swept fields: {', '.join(paths.values())}", hint)])
    found = []
    for number, (setting, config) in enumerate(grid):
        try:
            has = all(paths[path] in setting for path in given)
            client = {path: value for path, value in given.items() if path in CLIENT_AXES}
            fields = [(path, value) for path, value in given.items() if path not in client]
            same = has and all(setting[path] == value for path, value in client.items())
            same = same and all(config.with_values({path: value}) == config for path, value in fields)
        except ConfigError:
            same = False
        if same:
            found.append(number)
    return found
