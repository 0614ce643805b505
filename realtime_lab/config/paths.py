"""Naming a field by any unambiguous ending of its path, and asking how the mocked server treats it."""

from __future__ import annotations

from collections.abc import Mapping

from realtime_lab.config.fields import FIELDS, FieldInfo
from realtime_lab.config.masking import masked
from realtime_lab.config.problems import nearest
from realtime_lab.config.treatment import SEMANTIC_VAD, Treated, Treatment
from realtime_lab.errors import ConfigError, Problem

BY_PATH: dict[str, FieldInfo] = {field.path: field for field in FIELDS}
TURN_DETECTION = "audio.input.turn_detection"
_KEYWORDS = {"input_format": "audio.input.format", "output_format": "audio.output.format"}
_NOT_GIVEN = object()


def _endings() -> dict[str, tuple[str, ...]]:
    endings: dict[str, tuple[str, ...]] = {}
    for path in BY_PATH:
        steps = path.split(".")
        for start in range(len(steps)):
            ending = ".".join(steps[start:])
            endings[ending] = (*endings.get(ending, ()), path)
    return endings


_ENDINGS = _endings()


def resolve_path(path: str) -> str:
    """The full path of a field.

    Args:
        path: Any unambiguous ending of it: `silence_duration_ms`, `turn_detection.threshold`, `transcription.model`.
            A full path always means itself; a leading `session.`, as in the service's errors, is dropped.

    Raises:
        ConfigError: No field ends so (the nearest is named), or several do (all are named).
    """
    found = find_path(path)
    if isinstance(found, Problem):
        raise ConfigError([found])
    return found


def find_path(path: object) -> str | Problem:
    """Like `resolve_path`, but the mistake is returned."""
    if not isinstance(path, str):
        return Problem("path", masked(path), "the path of a field, as text", code="invalid_type")
    name = path.removeprefix("session.")
    if name in BY_PATH:
        return name
    if name in _KEYWORDS:
        return _KEYWORDS[name]
    candidates = _ENDINGS.get(name, ())
    if len(candidates) == 1:
        return candidates[0]
    shown = str(masked(path))[:120]
    if candidates:
        choices = ", ".join(short_path(candidate) for candidate in candidates)
        return Problem(shown, path[:120], f"a path with one meaning: {choices}", "several fields end so")
    guess = nearest(name.rpartition(".")[2], _ENDINGS) if "." in name else ""
    guess = nearest(name, _ENDINGS) or guess
    hint = f"did you mean {guess}?" if guess else ""
    return Problem(shown, shown, "the path of a field", hint, "unknown_parameter")


def short_path(path: str) -> str:
    """The shortest ending that still means this field alone."""
    full = resolve_path(path)
    steps = full.split(".")
    endings = (".".join(steps[start:]) for start in range(len(steps) - 1, -1, -1))
    return next(ending for ending in endings if means(ending, full))


def means(ending: str, full: str) -> bool:
    """Whether an ending means one given field."""
    return ending == full or (ending not in BY_PATH and _ENDINGS.get(ending) == (full,))


def field_info(path: str) -> FieldInfo:
    """Everything known of a field, named by any unambiguous ending of its path."""
    return BY_PATH[resolve_path(path)]


def treatment(path: str, value: object = _NOT_GIVEN) -> Treatment:
    """How the mocked server treats a field: "modelled", "approximated" or "ignored".

    Args:
        path: Any unambiguous ending of the field's path.
        value: The value it is to have, where that decides: turn detection is modelled for server_vad and null, not
            for semantic_vad.
    """
    return _treated(path, value).treatment


def treatment_reason(path: str, value: object = _NOT_GIVEN) -> str:
    """Why the mocked server treats a field as `treatment` says, in one line."""
    return _treated(path, value).reason


def _treated(path: str, value: object) -> Treated:
    field = field_info(path)
    known = Treated(field.treatment, field.reason)
    if value is _NOT_GIVEN or field.path not in (TURN_DETECTION, f"{TURN_DETECTION}.type"):
        return known
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", value)
    return SEMANTIC_VAD if kind == "semantic_vad" else Treated("modelled", BY_PATH[TURN_DETECTION].reason)
