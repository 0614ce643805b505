"""The rows of a configuration panel, made of the table of fields: what is shown of each, and in which section.

A row is a *group* (an object with rows of its own), a *choice* out of a few values, a *slider* over a usual range, a
*line* or a *block* of text. Reading and writing what stands in a row is here too; what a session makes of it is not.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from realtime_lab.config import FIELDS, FieldInfo, SessionConfig
from realtime_lab.config.masking import HIDDEN, masked
from realtime_lab.errors import ConfigError, Problem

Control = Literal["group", "choice", "slider", "line", "block"]
UNSET, NULL, SET = "unset", "null", "set"
"""States of a row beside its values: not sent, sent as null, sent as what stands in it."""
SECTIONS = ("Turn detection", "Listening", "Answering", "Tools", "More")
"""Sections in the order in which they are shown."""
_BEGINNINGS = (
    ("audio.input.turn_detection", "Turn detection"),
    ("audio.input", "Listening"),
    ("include", "Listening"),
    ("audio.output", "Answering"),
    ("model", "Answering"),
    ("output_modalities", "Answering"),
    ("instructions", "Answering"),
    ("max_output_tokens", "Answering"),
    ("tool", "Tools"),
    ("parallel_tool_calls", "Tools"),
)
_LONG = ("instructions", "audio.input.transcription.prompt")
_BY_PATH = {field.path: field for field in FIELDS}
_GROUPS = frozenset(path.rpartition(".")[0] for path in _BY_PATH) & _BY_PATH.keys()


@dataclass(frozen=True)
class Row:
    """One field, or one object with its kind, in a panel."""

    field: FieldInfo
    control: Control
    modes: tuple[str, ...]
    """What may be chosen: `unset`, `null` where it may be sent, then values (as JSON), texts, kinds or `set`."""
    section: str
    parent: str | None
    """Path of the group it stands in."""

    @property
    def path(self) -> str:
        """Full path of its field."""
        return self.field.path

    @property
    def label(self) -> str:
        """Last step of the path."""
        return self.path.rpartition(".")[2]

    @property
    def depth(self) -> int:
        """How many groups it stands in."""
        return 0 if self.parent is None else 1 + _row_depth(self.parent)

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The modes with what stands for them in a list."""
        return tuple((self._named(mode), mode) for mode in self.modes)

    def _named(self, mode: str) -> str:
        if mode == NULL:
            return "none (null)" if self.control == "group" else NULL
        return _plain(json.loads(mode)) if self.control == "choice" and mode != UNSET else mode

    @property
    def fallback(self) -> str:
        """What the server does when the field is not sent, as far as the documentation says."""
        notes = [] if self.field.default is None else [_plain(self.field.default)]
        notes += [self.field.default_note] if self.field.default_note else []
        return f"default: {', '.join(notes)}" if notes else ""

    @property
    def tip(self) -> str:
        """Path, meaning, range and default, for hovering."""
        lines = (self.path, self.field.doc, f"Allowed: {self.field.allowed}.", self.fallback.capitalize())
        return "\n".join(line for line in lines if line)

    def belongs_to(self, mode: str) -> bool:
        """Whether it is shown when its group's mode is `mode`."""
        if mode in (UNSET, NULL) or mode in _BY_PATH[self.parent or self.path].choices:
            return False
        return not self.field.applies_to or mode in self.field.applies_to


def _row_depth(path: str) -> int:
    above = path.rpartition(".")[0]
    return 1 + _row_depth(above) if above in _GROUPS else 0


def _row(field: FieldInfo) -> Row:
    above = field.path.rpartition(".")[0]
    control = _control(field)
    states = [UNSET, *([NULL] if field.nullable else [])]
    if control == "group":
        states += [*field.choices, *(kinds_of(field.path) or (SET,))]
    elif control == "choice":
        states += [_json(value) for value in _values(field)]
    else:
        states.append(SET)
    return Row(field, control, tuple(states), _section(field.path), above if above in _GROUPS else None)


def _control(field: FieldInfo) -> Control:
    if field.path in _GROUPS:
        return "group"
    if field.type in ("choice", "boolean") or (field.type == "list" and field.choices):
        return "choice"
    if field.usual is not None and not field.choices:
        return "slider"
    if field.path in _LONG or field.path == "tools" or (field.type == "object" and not field.choices):
        return "block"
    return "line"


def kinds_of(path: str) -> tuple[str, ...]:
    """Kinds of object a group can be, when its `type` field tells only that; that field has no row of its own."""
    kind = _BY_PATH.get(f"{path}.type")
    return kind.choices if kind is not None and (kind.applies_to or len(kind.choices) == 1) else ()


def _values(field: FieldInfo) -> Iterator[object]:
    if field.type == "boolean":
        yield from (True, False)
    elif field.type == "list":
        lists: list[list[str]] = [[text] for text in field.choices] + [[]]
        yield from (value for value in lists if _accepted(field.path, value))
    else:
        whole = isinstance(field.default, int)
        yield from (int(text) if whole else text for text in field.choices)


def _accepted(path: str, value: object) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a list may be allowed and yet not enough by itself
            SessionConfig.model_validate({path: value})
    except ConfigError:
        return False
    return True


def _section(path: str) -> str:
    return next((section for beginning, section in _BEGINNINGS if path.startswith(beginning)), SECTIONS[-1])


def _is_kind(field: FieldInfo) -> bool:
    above, _, name = field.path.rpartition(".")
    return name == "type" and bool(kinds_of(above))


def _in_sections(rows: list[Row]) -> Iterator[Row]:
    for section in SECTIONS:
        yield from (row for row in rows if row.section == section)


def written(row: Row, value: object) -> str:
    """What stands in a line or block for a value; secrets are hidden."""
    shown = masked(value, row.label)
    if isinstance(shown, str):
        return shown
    if row.control == "block":
        return json.dumps(shown, indent=2, ensure_ascii=False)
    if row.field.type == "list" and isinstance(shown, list) and all(map(_stands_between_commas, shown)):
        return ", ".join(map(str, shown))
    return _json(shown)


def _stands_between_commas(item: object) -> bool:
    text = str(item)
    return bool(text) and text == text.strip() and "," not in text and not text.startswith("[")


def read(row: Row, raw: str) -> object:
    """The value that a line or block says.

    Raises:
        ConfigError: If it is not JSON where JSON is needed, or holds what looks like a secret.
    """
    value = _read(row, raw)
    if hides(row, value) or HIDDEN in raw:
        hint = "what is typed here is saved with the notebook: add it in a cell, with config.with_values({...})"
        raise ConfigError([Problem(row.path, HIDDEN, "no secrets", hint)])
    return value


def hides(row: Row, value: object) -> bool:
    """Whether something in a value looks like a secret."""
    return _json(masked(value, row.label)) != _json(value)


def harmless(row: Row, raw: str) -> str:
    """What may stand in a line or block, and so in a saved notebook: the text without what looks like a secret."""
    try:
        value = _read(row, raw)
    except ConfigError:
        return str(masked(raw))
    return written(row, value) if hides(row, value) else raw


def _read(row: Row, raw: str) -> object:
    field, text = row.field, raw.strip()
    if field.type in ("number", "integer"):
        return text if text in field.choices else _number(row, text)
    if field.type == "list" and row.control == "line" and not text.startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    if field.type == "string":
        return _custom_voice(text) or raw if field.path.endswith(".voice") else raw
    needs_json = field.type == "list" or (field.type == "object" and not field.choices)
    return _parsed(row, text) if needs_json or text.startswith("{") else raw


def _custom_voice(text: str) -> dict[str, object] | None:
    """A voice of one's own, {"id": ...}; None when the text is just a name."""
    try:
        value = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _number(row: Row, text: str) -> object:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError([Problem(row.path, text, row.field.allowed, code="invalid_type")])
    return number


def _parsed(row: Row, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        hint = f"line {error.lineno}, column {error.colno}: {error.msg}"
        problem = Problem(row.path, _excerpt(text), "JSON", hint, "invalid_type")
    except (ValueError, RecursionError):
        problem = Problem(row.path, _excerpt(text), "JSON that is not nested so deep", code="invalid_type")
    raise ConfigError([problem])


def _excerpt(text: str) -> str:
    return str(masked(text))[:40]


def _plain(value: object) -> str:
    """A value without the marks of JSON."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "empty list"
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


ROWS: tuple[Row, ...] = tuple(_in_sections([_row(field) for field in FIELDS if not _is_kind(field)]))
"""A row for every field, by section; a group stands before its rows."""
