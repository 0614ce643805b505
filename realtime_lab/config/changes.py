"""Changing a session by paths: each change finds its place, and every one that cannot be made is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from realtime_lab.config.masking import masked
from realtime_lab.config.part import plain
from realtime_lab.config.paths import BY_PATH, TURN_DETECTION, find_path, short_path
from realtime_lab.config.places import MISSING, Tree, lookup, remove, store
from realtime_lab.errors import ConfigError, Problem


def change(tree: Tree, changes: Mapping[str, object]) -> list[Problem]:
    """Set values by path in a plain session tree.

    A field inside an object that is not set makes the object: `silence_duration_ms` makes a server_vad. Objects are
    set before the fields inside them, whatever the order given.

    Args:
        tree: A plain session, changed in place.
        changes: New values by any unambiguous ending of a path.

    Returns:
        What could not be changed, and why; the other changes are made.
    """
    problems: list[Problem] = []
    wanted: dict[str, object] = {}
    for path, value in changes.items():
        full = find_path(path)
        if isinstance(full, Problem):
            problems.append(replace(full, value=masked(value, str(path))))
        elif full in wanted and wanted[full] != value:
            hint = "two of the paths given mean this field: keep one"
            problems.append(Problem(full, masked(value), "one value for one field", hint, "conflicting_values"))
        else:
            wanted[full] = value
    for full in sorted(wanted, key=lambda path: path.count(".")):
        problem = _set(tree, full, wanted[full])
        if problem:
            problems.append(problem)
    return problems


def clear(tree: Tree, path: str) -> None:
    """Make one field unset in a plain session tree."""
    full = find_path(path)
    if isinstance(full, Problem):
        raise ConfigError([full])
    remove(tree, tuple(full.split(".")))
    _uncover(tree, full)


def _set(tree: Tree, full: str, value: object) -> Problem | None:
    steps = tuple(full.split("."))
    try:
        new = plain(value)
    except ConfigError as error:
        return error.errors[0]
    blocked = _blocked(tree, steps)
    if blocked:
        return Problem(full, masked(value, steps[-1]), *blocked)
    parent = ".".join(steps[:-1])
    if parent in BY_PATH and lookup(tree, steps[:-1]) is MISSING:
        kind = _kind_that_has(parent, steps[-1])
        if kind:
            store(tree, (*steps[:-1], "type"), kind)
    store(tree, steps, new)
    _uncover(tree, full)
    return None


def _blocked(tree: Tree, steps: tuple[str, ...]) -> tuple[str, str] | None:
    """What is allowed and what to do, when something else than an object stands where the field's object would."""
    for end in range(1, len(steps)):
        node = lookup(tree, steps[:end])
        if node is not MISSING and not isinstance(node, dict):
            owner = ".".join(steps[:end])
            now = "null" if node is None else repr(masked(node))
            name = short_path(owner) if owner in BY_PATH else owner
            return f"only where {name} is an object; it is {now}", f"set {name} as well"
    return None


def _kind_that_has(parent: str, name: str) -> str:
    """The `type` a new object needs for one of its fields to exist, "" when it needs none."""
    if parent == TURN_DETECTION:
        return "semantic_vad" if name == "eagerness" else "server_vad"
    if parent == "truncation":
        return "retention_ratio"
    return ""


def _uncover(tree: Tree, full: str) -> None:
    """Drop what `extra` holds for a field that now has its own value."""
    extra = tree.get("extra")
    if not isinstance(extra, dict):
        return
    steps = tuple(full.split("."))
    covering = (steps[:end] for end in range(1, len(steps) + 1))
    found = next((path for path in covering if not isinstance(lookup(extra, path), dict)), steps)
    if remove(extra, found) is MISSING:
        return
    for end in range(len(found) - 1, 0, -1):
        if lookup(extra, found[:end]) == {}:
            remove(extra, found[:end])
    if not extra:
        del tree["extra"]
