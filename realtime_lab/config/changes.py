"""Changing a session by paths: each change finds its place, and every one that cannot be made is named.

What was asked of a server is held against what it says it does, path by path, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from realtime_lab.config.fields import BY_PATH, TURN_DETECTION, find_path, short_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.parts.audio import TURN_DETECTIONS
from realtime_lab.config.parts.part import plain
from realtime_lab.config.wire import MISSING, Tree, lookup, remove, store
from realtime_lab.errors import ConfigError, Problem

_CLOSE = 1e-6
"""Relative difference below which two numbers are one: servers keep thresholds in single precision."""


@dataclass(frozen=True)
class Difference:
    """One field on which the two sides differ; printed, it is a sentence."""

    path: str
    """Full dotted path of the field."""
    asked: object
    """Value that was asked for, as plain JSON."""
    got: object
    """Value the server states; None when it states null or nothing."""
    stated: bool = True
    """Whether the server states the field at all."""

    def __str__(self) -> str:
        says = f"server says {_shown(self.got)}" if self.stated else "server does not say"
        return f"{short_path(self.path)} asked {_shown(self.asked)}, {says}"


def differences(asked: Mapping[str, object], got: Mapping[str, object]) -> Iterator[Difference]:
    """Compare two sessions field by field.

    Args:
        asked: Plain values by full path, only of fields that are set.
        got: The same of the other side, objects beside their fields included.
    """
    for path, value in asked.items():
        there = got.get(path, MISSING)
        if there is MISSING:
            if _inside_null(path, got):
                yield Difference(path, value, None)
            elif value is not None:  # null asked for and nothing stated is the same thing
                yield Difference(path, value, None, stated=False)
        elif not _same(value, there):
            yield Difference(path, value, there)


def _inside_null(path: str, got: Mapping[str, object]) -> bool:
    """Whether the other side states null for an object around a field."""
    steps = path.split(".")
    return any(got.get(".".join(steps[:end]), MISSING) is None for end in range(1, len(steps)))


def _same(asked: object, got: object) -> bool:
    numbers = (int, float)
    if isinstance(asked, numbers) and isinstance(got, numbers) and bool not in (type(asked), type(got)):
        return math.isclose(asked, got, rel_tol=_CLOSE)
    if isinstance(asked, Mapping) and isinstance(got, Mapping):
        # A server may add to an object; what was asked for must be there.
        return all(key in got and _same(value, got[key]) for key, value in asked.items())
    if isinstance(asked, list) and isinstance(got, list):
        return len(asked) == len(got) and all(_same(one, other) for one, other in zip(asked, got, strict=True))
    return type(asked) is type(got) and asked == got


def _shown(value: object) -> str:
    return canonical_text(shortened(masked(value))) if not isinstance(value, str) else str(shortened(masked(value)))


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
        return next(str(kind.model_fields["type"].default) for kind in TURN_DETECTIONS if name in kind.model_fields)
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
