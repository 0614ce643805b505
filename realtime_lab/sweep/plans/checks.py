"""Everything that can be wrong with a plan, found in one pass; nothing here runs or writes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from realtime_lab.analysis.columns import KEYS, RESPONSES, TOKENS, TRIALS, TURNS
from realtime_lab.audio import Condition, Script
from realtime_lab.config import SessionConfig, field_info, resolve_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.session import TARGETS
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, axis_path, client_axis_problems, client_values
from realtime_lab.sweep.plans.records import plain_value
from realtime_lab.sweep.plans.space import KIND, TURN_DETECTION, Axis, kinds_swept, retyped

TRIAL_COLUMNS = ("state", "tainted", "block", "seed", "error")
"""Columns that a study adds to its table of trials."""
MAX_SEED = 2**63 - 1
MAX_TRIALS = 10_000_000
"""A plan of more is a slip, or hostile: listing its trials alone would take gigabytes."""


def checked_axes(base: SessionConfig, space: object, when: object = None) -> tuple[list[Axis], list[Problem]]:
    """Resolve every axis and put its values into the configuration's own form.

    Args:
        base: The configuration that is varied.
        space: Values by the name of an axis, as given.
        when: What axes need, by their names, as given.

    Returns:
        The axes without mistakes, and every mistake.
    """
    allowed = "a mapping from at least one field to a list of its values"
    if not isinstance(space, Mapping):
        return [], [Problem("space", space, allowed, code="invalid_type")]
    if not space:
        return [], [Problem("space", {}, allowed, "the grid is empty: name what to vary")]
    axes: list[Axis] = []
    problems: list[Problem] = []
    owner: dict[str, str] = {}
    kinds = _kinds(space)
    for name, values in space.items():
        path = _path(name, problems)
        if path is None:
            continue
        if path in owner:
            hint = f"{owner[path]} and {name} are the same field: keep one"
            problems.append(Problem(f"space.{name}", path, "each field once", hint))
            continue
        owner[path] = name
        given = _listed(name, values, problems)
        if given is None:
            continue
        needs = when.get(name) if isinstance(when, Mapping) else None
        if path in CLIENT_AXES:
            checked, wrong = client_values(path, given)
        else:
            checked, wrong = _values(_ground(base, path, kinds, needs), name, path, given)
        problems += wrong
        axes += [] if wrong else [(name, path, checked)]
    return axes, problems + client_axis_problems(base, kinds, list(owner))


def _path(name: object, problems: list[Problem]) -> str | None:
    try:
        path = axis_path(name)
    except ConfigError as error:
        problems += [_inside(f"space.{str(name)[:80]}", problem) for problem in error.errors]
        return None
    columns = {entry.name for table in (KEYS, TURNS, RESPONSES, TOKENS, TRIALS) for entry in table}
    if str(name) in columns | set(TRIAL_COLUMNS):
        longer = ".".join(path.split(".")[-(str(name).count(".") + 2) :])
        hint = f"say {longer}" if longer != name else "it cannot be swept by that name"
        allowed = f"a name that is not a column of results already, as {name} is"
        problems.append(Problem(f"space.{name}", name, allowed, hint))
        return None
    return path


def _kinds(space: Mapping[Any, Any]) -> set[str | None]:
    """The kinds of turn detection that a space chooses between, as far as it makes sense."""
    found: list[tuple[str, list[Any]]] = []
    for name, values in space.items():
        try:
            path = resolve_path(name)
            if path in (KIND, TURN_DETECTION):
                found.append((path, [value for value in values if value is None or not isinstance(value, bool)]))
        except (ConfigError, TypeError):
            continue
    try:
        return kinds_swept(found)
    except (ConfigError, AttributeError, TypeError):
        return set()


def _ground(base: SessionConfig, path: str, kinds: set[str | None], needs: object) -> SessionConfig:
    """The base as it is where the axis `path` applies, to try the axis's values on."""
    changes: dict[str, Any] = {}
    fitting = sorted(kind for kind in kinds if kind in field_info(path).applies_to)
    if path == KIND:
        changes[TURN_DETECTION] = None
    elif fitting:
        changes[TURN_DETECTION] = retyped(base, fitting[0])
    if isinstance(needs, Mapping):
        changes |= {name: v[0] if isinstance(v, (list, tuple)) and v else v for name, v in needs.items()}
    try:
        return base.with_values(changes) if changes else base
    except ConfigError:
        return base


def _tried(ground: SessionConfig, path: str, value: object) -> SessionConfig:
    return ground.with_values({TURN_DETECTION: {"type": value}} if path == KIND else {path: value})


def _inside(place: str, problem: Problem) -> Problem:
    return Problem(place, problem.value, problem.allowed, problem.hint, problem.code)


def _listed(name: object, values: object, problems: list[Problem]) -> list[Any] | None:
    place = f"space.{name}"
    tolist = getattr(values, "tolist", None)
    values = tolist() if callable(tolist) else values
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        problems.append(Problem(place, values, "a list of values", "put it in a list", "invalid_type"))
        return None
    given = list(values)
    if not given:
        problems.append(Problem(place, [], "a list of at least one value", "leave the axis out to keep the base's"))
        return None
    return given


def _values(base: SessionConfig, name: str, path: str, given: Sequence[Any]) -> tuple[tuple[Any, ...], list[Problem]]:
    place = f"space.{name}"
    problems: list[Problem] = []
    checked: dict[str, Any] = {}
    for value in given:
        try:
            kept = _tried(base, path, value).get(path)
        except ConfigError as error:
            problems += [_inside(place, problem) for problem in error.errors]
            continue
        text = canonical_text(plain_value(kept))
        if text in checked:
            problems.append(Problem(place, value, "each value once", "the value stands twice"))
        checked[text] = kept
    return tuple(checked.values()), problems


def script_problems(scripts: Sequence[object]) -> list[Problem]:
    """What is wrong with a plan's scripts."""
    good = [script for script in scripts if isinstance(script, Script)]
    problems = _not_a(scripts, Script, "scripts", "a Script, as load_scripts gives them")
    problems += _twice("scripts", [script.id for script in good])
    hashes = [script.content_hash for script in good]
    for number, text in enumerate(hashes):
        twin = good[hashes.index(text)].id
        if twin != good[number].id:
            hint = f"it is the same speech as {twin}"
            problems.append(Problem("scripts", good[number].id, "scripts that differ", hint))
    return problems


def condition_problems(conditions: Sequence[object]) -> list[Problem]:
    """What is wrong with a plan's conditions."""
    names = [condition.name for condition in conditions if isinstance(condition, Condition)]
    allowed = "a condition, such as clean() or babble(3)"
    return _not_a(conditions, Condition, "conditions", allowed) + _twice("conditions", names)


def target_problems(target: object, targets: Sequence[object]) -> list[Problem]:
    """What is wrong with a plan's targets."""
    allowed = "a target, such as mocked()"
    given = targets if target is None else [*targets, target]
    problems = [Problem("target", one, allowed, code="invalid_type") for one in given if not isinstance(one, TARGETS)]
    if target is not None and targets:
        problems.append(Problem("target", target, "either target or targets", "put it among targets"))
    names = [one.name for one in targets if isinstance(one, TARGETS)]
    return problems + _twice("targets", names)


def number_problems(repeats: object, seed: object) -> list[Problem]:
    """What is wrong with a plan's numbers."""
    problems = []
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        problems.append(Problem("repeats", repeats, "a whole number, 1 or more"))
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        problems.append(Problem("seed", seed, f"a whole number from 0 to {MAX_SEED}"))
    return problems


def _not_a(entries: Sequence[object], kind: type, place: str, allowed: str) -> list[Problem]:
    if not entries:
        return [Problem(place, [], f"at least one: {allowed}")]
    return [Problem(place, entry, allowed, code="invalid_type") for entry in entries if not isinstance(entry, kind)]


def _twice(place: str, names: Sequence[str]) -> list[Problem]:
    hint = "results are told apart by its name"
    return [Problem(place, name, "each once", hint) for n, name in enumerate(names) if name in names[:n]]
