"""Hiding what looks like a secret before a value is shown in an error, a repr or a page; nothing is decided here."""

from __future__ import annotations

import re
from collections.abc import Mapping

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"authori[sz]ation|api[-_]?key|secret|password|passwd|access[-_]?token|bearer|credential|^headers$|^token$", re.I
)
_SECRET_TEXT = re.compile(r"\b(?:sk|ek)[-_][A-Za-z0-9_-]{6,}|\bbearer\s+\S+", re.I)
_DEEPEST = 100


def masked(value: object, name: str = "", depth: int = 0) -> object:
    """A copy of a value with everything that looks like a secret replaced by `***`.

    Args:
        value: Any value; mappings, lists and tuples are searched.
        name: The key it stands under; `authorization`, `api_key` and their like hide the whole value.
        depth: Levels already descended.
    """
    if _SECRET_NAME.search(name) and value is not None and not isinstance(value, bool):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(HIDDEN, value)
    if depth >= _DEEPEST and isinstance(value, (Mapping, list, tuple)):
        return "..."
    if isinstance(value, Mapping):
        return {key: masked(item, str(key), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, name, depth + 1) for item in value]
    return value


def shortened(value: object, limit: int = 60) -> object:
    """A copy of a value whose texts are cut to `limit` characters."""
    if isinstance(value, str):
        return value if len(value) <= limit else value[: limit - 3] + "..."
    if isinstance(value, Mapping):
        return {key: shortened(item, limit) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shortened(item, limit) for item in value]
    return value
