"""JSON values that cannot change, and the one text that stands for them in hashes; no field is known here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import NoReturn

MAX_DEPTH = 100
"""Deepest nesting accepted anywhere in a configuration; beyond it a value is taken for an attack or a cycle."""
_MAX_INTEGER = 10**300


class NotJsonError(ValueError):
    """A value cannot stand in a JSON document.

    Attributes:
        where: Keys and indexes that lead to the value.
        value: The value.
        reason: Why not, in words.
    """

    def __init__(self, where: tuple[str | int, ...], value: object, reason: str) -> None:
        super().__init__(reason)
        self.where = where
        self.value = value
        self.reason = reason


class FrozenDict(dict[str, object]):
    """A dict that refuses every change, so that a configuration which holds one keeps its hash."""

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError("a configuration does not change: make another with with_values()")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(canonical_text(self))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, object]]]:
        return type(self), (dict(self),)


def freeze(value: object, where: tuple[str | int, ...] = ()) -> object:
    """Copy a JSON value into one that cannot change: objects become FrozenDict, lists become tuples.

    Args:
        value: Mappings, lists, tuples, text, numbers, booleans and None, nested at most MAX_DEPTH deep.
        where: Keys that led here, for the error.

    Raises:
        NotJsonError: Something else stands in it, a number is not finite, or it nests too deep.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if len(where) > MAX_DEPTH:
        raise NotJsonError(where[:3], "...", f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, (int, float)):
        return _finite(value, where)
    if isinstance(value, Mapping):
        return FrozenDict({_key(key, where): freeze(item, (*where, key)) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item, (*where, index)) for index, item in enumerate(value))
    raise NotJsonError(where, value, f"{type(value).__name__} is not a JSON type")


def thaw(value: object) -> object:
    """Copy a frozen JSON value into plain dicts and lists, the caller's to change."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


def canonical_text(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parsed(text: str | bytes | bytearray) -> object:
    """The value of a JSON text; what is not JSON becomes None, so that no error keeps a copy of the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return None


def overlaid(base: Mapping[str, object], layer: Mapping[str, object]) -> dict[str, object]:
    """A copy of `base` in which the values of `layer` stand on top, object by object."""
    merged = dict(base)
    for key, item in layer.items():
        below = merged.get(key)
        merged[key] = overlaid(below, item) if isinstance(below, Mapping) and isinstance(item, Mapping) else item
    return merged


def _finite(value: int | float, where: tuple[str | int, ...]) -> int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJsonError(where, value, "JSON has no number that is not finite")
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        raise NotJsonError(where, "a huge integer", "more than 300 digits")
    return value


def _key(key: object, where: tuple[str | int, ...]) -> str:
    if not isinstance(key, str):
        raise NotJsonError(where, key, "a JSON object has text keys only")
    return key
