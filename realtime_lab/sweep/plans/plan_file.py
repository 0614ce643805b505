"""The TOML form of a plan, read and written.

`[config]` in the shape of the session object, `[space]` with `[when]`, zipped and draw, scripts, `[[conditions]]`,
repeats, seed, metrics, oracle, `[control]`, `[target]` or `[[targets]]`, `[confirm]`; null is spelled as `toml_text`
says, and callables of a user's own are names, which run only when they are given again.
Scripts are named by a shipped set or by a folder, relative to the plan's own file; `{set = "orders", ids = ["..."]}`
takes some of them. The file is hostile text: every mistake in it is reported, all at once, with the nearest name.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from realtime_lab.audio import Condition, Script, load_scripts, script_sets
from realtime_lab.config import SessionConfig
from realtime_lab.config.masking import masked
from realtime_lab.errors import ConfigError, PlanError, Problem, ScriptError, nearest_hint
from realtime_lab.sweep.plans.checks import checked_axes, condition_problems, number_problems, script_problems
from realtime_lab.sweep.plans.plan_file_targets import (
    confirm_entry,
    read_confirm,
    read_target,
    read_targets,
    target_entry,
)
from realtime_lab.sweep.plans.records import plain_value
from realtime_lab.sweep.plans.toml_text import from_toml, to_toml, toml_text

if TYPE_CHECKING:
    from realtime_lab.sweep.plans.plan import SweepPlan

T = TypeVar("T")

_SHAPE = ("when", "zipped", "draw", "control", "metrics", "oracle")
_KEYS = (
    *("config", "space", "scripts", "conditions", "repeats", "seed", "target", "settings"),
    *("targets", *_SHAPE, "confirm"),
)
_MAX_BYTES = 4_000_000
_DEEPEST = 100


def save_plan(plan: SweepPlan, path: Path) -> Path:
    """Write `plan` to `path`; see `SweepPlan.save`."""
    config = plain_value(plan.base.to_dict())
    space = {name: plain_value(values) for name, values in plan.space.items()}
    if masked([config, space], depth=-_DEEPEST) != [config, space]:
        raise PlanError([Problem("config", "***", "no secrets in a plan file", "set them after loading the plan")])
    document: dict[str, object] = {
        "scripts": list(_script_entries(plan.scripts, path.parent)),
        "repeats": plan.repeats,
        "seed": plan.seed,
        "config": to_toml(config),
        "space": to_toml(space),
        "conditions": [condition.to_dict() for condition in plan.conditions],
    }
    if plan.chosen is not None:
        document["settings"] = [to_toml(plain_value(setting)) for setting in plan.settings]
    if plan.target is not None:
        document["target"] = target_entry(plan.target)
    document |= {name: to_toml(value) for name, value in plan.extras.items()}
    if plan.targets:
        document["targets"] = [target_entry(target) for target in plan.targets]
    if plan.confirm is not None:
        document["confirm"] = confirm_entry(plan.confirm)
    path.write_text(toml_text(document), encoding="utf-8")
    return path


def _script_entries(scripts: Sequence[Script], beside: Path) -> Iterator[object]:
    problems: list[Problem] = []
    for source, group in groupby(scripts, key=_source):
        wanted = list(group)
        try:
            whole = {script.id: script for script in load_scripts(source)} if source else {}
        except ScriptError:
            whole = {}
        missing = [s.id for s in wanted if s.id not in whole or whole[s.id].content_hash != s.content_hash]
        if missing:
            problems.append(Problem("scripts", missing, "scripts of a shipped set or of a folder", _UNFILED))
            continue
        name = source if isinstance(source, str) else _relative(source, beside)
        ids = [script.id for script in wanted]
        yield name if ids == list(whole) else {"set": name, "ids": ids}
    if problems:
        raise PlanError(problems)


_UNFILED = "a plan file names the folder that scripts come from"


def _source(script: Script) -> str | Path:
    """The shipped set or the folder a script was read from, as far as can be told: "" when it cannot."""
    if not script.private and script.set_name in script_sets():
        return script.set_name
    clip = script.clips[0]
    folder = clip.path
    for _ in PurePosixPath(clip.file).parts:
        folder = folder.parent
    return folder if folder.name == script.set_name else ""


def _relative(folder: Path | str, beside: Path) -> str:
    try:
        shown = os.path.relpath(folder, beside)
    except ValueError:  # another drive
        shown = str(folder)
    shown = shown.replace(os.sep, "/")
    # A folder that has a shipped set's name stays a folder.
    return f"./{shown}" if shown in script_sets() else shown


def read_plan(path: Path) -> dict[str, Any]:
    """What `SweepPlan` takes, from the plan in `path`; see `SweepPlan.load`."""
    document = _document(path)
    problems: list[Problem] = [
        Problem(key, document[key], ", ".join(_KEYS), nearest_hint(key, _KEYS), "unknown_parameter")
        for key in document
        if key not in _KEYS
    ]
    base = _guarded(problems, "config", lambda: _config(document.get("config", {})))
    space: Any = from_toml(document.get("space", {}))
    scripts = _scripts(document.get("scripts"), path.parent, problems)
    conditions = _conditions(document.get("conditions", [{"kind": "clean"}]), problems)
    target = _guarded(problems, "target", lambda: read_target(document.get("target")))
    targets = _guarded(problems, "targets", lambda: read_targets(document.get("targets")))
    confirm = _guarded(problems, "confirm", lambda: read_confirm(document.get("confirm")))
    shape: dict[str, Any] = {name: from_toml(document[name]) for name in _SHAPE if name in document}
    settings: Any = from_toml(document.get("settings")) if "settings" in document else None
    repeats, seed = document.get("repeats", 1), document.get("seed", 0)
    if problems:
        # The plan itself cannot be built: find what else is wrong with its parts.
        problems += checked_axes(base or SessionConfig(), space, shape.get("when"))[1]
        problems += number_problems(repeats, seed)
        places = {problem.path.partition("[")[0] for problem in problems}
        problems += [] if "scripts" in places else script_problems(scripts)
        problems += [] if "conditions" in places else condition_problems(conditions)
        raise PlanError(problems)
    return {
        "base": base or SessionConfig(),
        "space": space,
        "scripts": scripts,
        "conditions": conditions,
        "repeats": repeats,
        "seed": seed,
        "target": target,
        "targets": targets or (),
        "chosen": settings,
        "confirm": confirm,
        **shape,
    }


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PlanError([Problem("plan", str(path), f"a file of at most {_MAX_BYTES:,} bytes")])
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError([Problem("plan", str(path), "a plan file", str(error.strerror))]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlanError([Problem("plan", str(path), "TOML", str(error))]) from None


def _guarded(problems: list[Problem], place: str, read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ConfigError as error:
        problems += [
            Problem(
                f"{place}.{problem.path.removeprefix('condition.').removeprefix('confirm.')}",
                problem.value,
                problem.allowed,
                problem.hint,
                problem.code,
            )
            for problem in error.errors
        ]
        return None


def _config(table: object) -> SessionConfig:
    plain = from_toml(table)
    if not isinstance(plain, dict):
        raise ConfigError([Problem("session", plain, "a table", code="invalid_type")])
    if {"type", "object", "id"} & plain.keys():  # a session as a server or a colleague's log writes it
        return SessionConfig.from_wire(plain)
    return SessionConfig.model_validate(plain)


def _conditions(given: object, problems: list[Problem]) -> tuple[Condition, ...]:
    if not isinstance(given, list):
        problems.append(Problem("conditions", given, "[[conditions]] tables", code="invalid_type"))
        return ()
    found = []
    for number, entry in enumerate(given):
        if not isinstance(entry, dict):
            problems.append(
                Problem(f"conditions[{number}]", entry, "a table with kind and snr_db", code="invalid_type")
            )
            continue
        condition = _guarded(problems, f"conditions[{number}]", lambda entry=entry: Condition.from_dict(entry))  # type: ignore[misc]
        found += [] if condition is None else [condition]
    return tuple(found)


def _scripts(given: object, beside: Path, problems: list[Problem]) -> tuple[Script, ...]:
    entries = given if isinstance(given, list) else [given]
    found: list[Script] = []
    for number, entry in enumerate(entries):
        place = "scripts" if len(entries) == 1 else f"scripts[{number}]"
        try:
            found += _script_set(place, entry, beside, problems)
        except ScriptError as error:
            name = entry.get("set") if isinstance(entry, dict) else entry
            allowed = f"{', '.join(script_sets())}, or a folder beside the plan"
            problems.append(Problem(place, name, allowed, str(error)))
    return tuple(found)


def _script_set(place: str, entry: object, beside: Path, problems: list[Problem]) -> list[Script]:
    allowed = 'the name of a set or folder, or {set = "...", ids = ["..."]}'
    table: dict[str, object] = entry if isinstance(entry, dict) else {"set": entry}
    problems += [
        Problem(f"{place}.{key}", table[key], "set, ids", nearest_hint(key, ("set", "ids")), "unknown_parameter")
        for key in table
        if key not in ("set", "ids")
    ]
    name, ids = table.get("set"), table.get("ids")
    if not isinstance(name, str) or not (ids is None or isinstance(ids, list)):
        problems.append(Problem(place, name, allowed, code="invalid_type"))
        return []
    whole = {script.id: script for script in load_scripts(name if name in script_sets() else _folder(name, beside))}
    names = list(whole) if ids is None else list(map(str, ids))
    problems += [
        Problem(f"{place}.ids", name, "ids of the set", nearest_hint(name, whole))
        for name in names
        if name not in whole
    ]
    return [whole[name] for name in names if name in whole]


def _folder(entry: str, beside: Path) -> str | Path:
    folder = beside / entry
    # Without such a folder, the name goes on as it is, so that the nearest shipped set can be named.
    return folder if folder.is_dir() else entry
