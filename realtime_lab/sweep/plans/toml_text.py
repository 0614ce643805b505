"""Writing TOML, as far as plans need it: plain values to a text that `tomllib` reads back equal.

TOML has no null. Where null may stand, the text `"null"` means it; a text that really says null is written with
single quotes inside, `"'null'"`, and so on inward, so that every value comes back as it was.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NULL = re.compile(r"('*)null\1")


def to_toml(value: object) -> object:
    """A plain JSON-like value with null spelled as TOML can say it."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"'{value}'" if _NULL.fullmatch(value) else value
    if isinstance(value, Mapping):
        return {str(key): to_toml(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_toml(item) for item in value]
    return value


def from_toml(value: object) -> object:
    """What `to_toml` was given, from what `tomllib` read."""
    if isinstance(value, str):
        if value == "null":
            return None
        return value[1:-1] if _NULL.fullmatch(value) else value
    if isinstance(value, dict):
        return {key: from_toml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_toml(item) for item in value]
    return value


def toml_text(document: Mapping[str, object]) -> str:
    """A document as TOML text: plain values first, then `[tables]`, then `[[lists of tables]]`, each in its order.

    Args:
        document: Text, booleans, whole and finite numbers, lists and mappings of these.

    Raises:
        TypeError: If another kind of value stands in it.
    """
    lines: list[str] = []
    _write_table(lines, (), document)
    return "\n".join(lines).lstrip("\n") + "\n"


def _write_table(lines: list[str], name: tuple[str, ...], table: Mapping[str, object]) -> None:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping) and value}
    lists = {key: value for key, value in table.items() if not name and _is_list_of_tables(value)}
    plain = {key: value for key, value in table.items() if key not in inner and key not in lists}
    if name and (plain or not inner):
        lines += ["", f"[{_dotted(name)}]"]
    lines += [f"{_key(key)} = {_inline(value)}" for key, value in plain.items()]
    for key, entries in inner.items():
        _write_table(lines, (*name, key), entries)
    for key, value in lists.items():
        assert isinstance(value, Sequence)
        for entry in value:
            lines += ["", f"[[{_dotted((*name, key))}]]", *(f"{_key(k)} = {_inline(v)}" for k, v in entry.items())]


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _dotted(name: tuple[str, ...]) -> str:
    return ".".join(_key(part) for part in name)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # JSON's text is TOML's but for DEL, which TOML wants escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_inline, value)) + "]"
    raise TypeError(f"{type(value).__name__} cannot be written as TOML: {value!r:.80}")
