"""The table of fields: path, type, range, default, meaning and treatment; panels and documents are made of it.

A field is named by any unambiguous ending of its path.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from realtime_lab.config.masking import masked
from realtime_lab.config.problems import nearest, spec_of
from realtime_lab.config.shape import SessionShape
from realtime_lab.config.specs import Nested, Spec
from realtime_lab.config.treatments import KINDS, TREATED, UNKNOWN_KIND, Treated, Treatment
from realtime_lab.config.wire import NOT_CARRIED, SHAPES
from realtime_lab.errors import ConfigError, Problem

_CLOSED = ("audio.output.voice", "tool_choice")
"""Fields whose objects are taken as one value, not entered."""
_USUAL = {
    "audio.input.turn_detection.prefix_padding_ms": (0.0, 1_000.0),
    "audio.input.turn_detection.silence_duration_ms": (100.0, 2_000.0),
    "audio.input.noise_reduction.strength": (0.0, 2.0),
    "truncation.token_limits.post_instructions": (1_000.0, 32_000.0),
}
_GROUPS = ("audio", "audio.input", "audio.output")


@dataclass(frozen=True)
class FieldInfo:
    """What is known of one field."""

    path: str
    """Full dotted path, such as `audio.input.turn_detection.threshold`."""
    type: str
    """number, integer, boolean, string, choice, list or object."""
    allowed: str
    """What is accepted, in words."""
    choices: tuple[str, ...]
    """The only texts accepted; beside integers or objects where `type` says so; empty when not limited."""
    suggestions: tuple[str, ...]
    """Texts to offer where any is accepted."""
    minimum: float | None
    """Smallest number accepted, in the unit the path's name carries."""
    maximum: float | None
    """Largest number accepted."""
    usual: tuple[float, float] | None
    """Range worth a slider, for numbers."""
    nullable: bool
    """Whether null may be sent."""
    default: object
    """Documented default of the service as a JSON value; None when it is null or not documented."""
    default_note: str
    """What to say of the default beyond its value."""
    doc: str
    """Meaning, in one sentence or two."""
    treatment: Treatment
    """How the mocked server treats it."""
    reason: str
    """Why it treats it so."""
    applies_to: tuple[str, ...]
    """Kinds of turn detection that have the field; empty for fields outside turn detection."""
    shapes: tuple[str, ...]
    """Wire shapes that carry it."""


def _walk(model: type[BaseModel], place: str = "", kind: str = "") -> Iterator[tuple[str, str, type[BaseModel]]]:
    """(path, kind of turn detection, class) of every field."""
    for name in model.model_fields:
        path = f"{place}.{name}" if place else name
        if path == "extra":
            continue
        if path not in _GROUPS:
            yield path, kind, model
        spec = spec_of(model, name)
        if isinstance(spec, Nested) and path not in _CLOSED:
            for part in spec.parts:
                inner = str(part.model_fields["type"].default) if len(spec.parts) > 1 else ""
                yield from _walk(part, path, inner)


def _info(path: str, model: type[BaseModel], kinds: tuple[str, ...]) -> FieldInfo:
    name = path.rpartition(".")[2]
    spec = spec_of(model, name) or Spec()
    # Several kinds share one `type` field, each with its own single choice.
    choices = kinds if name == "type" and kinds else spec.choices
    default = list(spec.default) if isinstance(spec.default, tuple) else spec.default
    top = path.partition(".")[0]
    bounded = spec.minimum is not None and spec.maximum is not None
    span = (float(spec.minimum or 0), float(spec.maximum or 0)) if bounded else None
    return FieldInfo(
        path=path,
        type="string" if isinstance(spec, Nested) and spec.any_text else spec.type,
        allowed=", ".join(f'"{kind}"' for kind in kinds) if name == "type" and kinds else spec.words(),
        choices=choices,
        suggestions=spec.suggestions,
        minimum=spec.minimum,
        maximum=spec.maximum,
        usual=_USUAL.get(path, span),
        nullable=spec.nullable,
        default=default,
        default_note=spec.default_note,
        doc=model.model_fields[name].description or "",
        treatment=TREATED[path].treatment,
        reason=TREATED[path].reason,
        applies_to=kinds,
        shapes=tuple(shape for shape in SHAPES if top not in NOT_CARRIED[shape]),
    )


def _table() -> tuple[FieldInfo, ...]:
    kinds: dict[str, tuple[str, ...]] = {}
    owners: dict[str, type[BaseModel]] = {}
    for path, kind, model in _walk(SessionShape):
        kinds[path] = (*kinds.get(path, ()), kind) if kind else ()
        owners.setdefault(path, model)
    return tuple(_info(path, owner, kinds[path]) for path, owner in owners.items())


FIELDS: tuple[FieldInfo, ...] = _table()
"""Every field but the groups `audio`, `audio.input` and `audio.output`, in declaration order; an object stands before
its own fields."""


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
    return KINDS.get(kind, UNKNOWN_KIND) if isinstance(kind, Hashable) else UNKNOWN_KIND
