"""Everything that can be wrong with a plan, found in one pass; nothing here runs or writes anything."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from realtime_lab.analysis.columns import KEYS, RESPONSES, TOKENS, TRIALS, TURNS
from realtime_lab.audio import Condition, Script
from realtime_lab.config import SessionConfig, resolve_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.sweep.records import plain_value

__all__ = [
    "TRIAL_COLUMNS",
    "Axis",
    "checked_axes",
    "checked_settings",
    "condition_problems",
    "nearest_hint",
    "number_problems",
    "script_problems",
]

TRIAL_COLUMNS = ("state", "tainted", "block", "seed", "error")
"""Columns that a study adds to its table of trials."""
MAX_SEED = 2**63 - 1
_SHOWN = 5

Axis = tuple[str, str, tuple[Any, ...]]
"""Name as given, full path, values in the configuration's own form."""


def nearest_hint(name: object, known: Iterable[str]) -> str:
    """The question which known name was meant by a wrong one, empty when none is alike."""
    near = difflib.get_close_matches(str(name)[:80], list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def checked_axes(base: SessionConfig, space: object) -> tuple[list[Axis], list[Problem]]:
    """Resolve every axis and put its values into the configuration's own form.

    Args:
        base: The configuration that is varied.
        space: Values by the name of an axis, as given.

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
    for name, values in space.items():
        path = _path(name, problems)
        if path is None:
            continue
        if path in owner:
            hint = f"{owner[path]} and {name} are the same field: keep one"
            problems.append(Problem(f"space.{name}", path, "each field once", hint))
            continue
        owner[path] = name
        checked = _values(base, name, path, values, problems)
        if checked is not None:
            axes.append((name, path, checked))
    return axes, problems


def _path(name: object, problems: list[Problem]) -> str | None:
    try:
        path = resolve_path(name)  # type: ignore[arg-type]
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


def _inside(place: str, problem: Problem) -> Problem:
    return Problem(place, problem.value, problem.allowed, problem.hint, problem.code)


def _values(
    base: SessionConfig, name: str, path: str, values: object, problems: list[Problem]
) -> tuple[Any, ...] | None:
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
    before = len(problems)
    checked: dict[str, Any] = {}
    for value in given:
        try:
            kept = base.with_values({path: value}).get(path)
        except ConfigError as error:
            problems += [_inside(place, problem) for problem in error.errors]
            continue
        text = canonical_text(plain_value(kept))
        if text in checked:
            problems.append(Problem(place, value, "each value once", "the value stands twice"))
        checked[text] = kept
    return tuple(checked.values()) if len(problems) == before else None


def checked_settings(
    base: SessionConfig, axes: Sequence[Axis]
) -> tuple[list[tuple[dict[str, Any], SessionConfig]], list[Problem]]:
    """Build every combination of the axes' values.

    Returns:
        (swept values by name, configuration) in the grid's order, and every combination that is not allowed.
    """
    found: list[tuple[dict[str, Any], SessionConfig]] = []
    problems: list[Problem] = []
    seen: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*(values for _, _, values in axes)):
        setting = {name: value for (name, _, _), value in zip(axes, values, strict=True)}
        try:
            config = base.with_values({path: value for (_, path, _), value in zip(axes, values, strict=True)})
        except ConfigError as error:
            problems += [_inside("space", problem) for problem in error.errors]
            continue
        text = config.to_json()
        if text in seen:
            hint = f"it is the same session as {_shown(seen[text])}"
            problems.append(Problem("space", _shown(setting), "settings that differ", hint))
        seen[text] = setting
        found.append((setting, config))
    if len(problems) > _SHOWN:
        rest = Problem("space", f"{len(problems) - _SHOWN} more combinations", "combinations that a session can have")
        problems = [*problems[:_SHOWN], rest]
    return found, problems


def _shown(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in setting.items())


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
