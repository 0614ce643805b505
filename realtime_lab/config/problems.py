"""Turning what pydantic found into the package's own list of mistakes; pydantic's texts stay inside."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from realtime_lab.config.masking import masked
from realtime_lab.config.specs import TAG, Items, Nested, Spec
from realtime_lab.errors import Problem

_FLAT_KEYWORDS = (
    "turn_detection",
    "transcription",
    "noise_reduction",
    "voice",
    "speed",
    "input_format",
    "output_format",
    "logprobs",
)
"""Keywords of a session's constructor that are no fields of the session itself."""
Where = tuple[str | int, ...]


class ConfigWarning(UserWarning):
    """A session configuration is allowed but will probably not do what was meant."""


class Flaw(NamedTuple):
    """A mistake and the place in the given values that it is about."""

    where: Where
    problem: Problem


_CODES = {
    "extra_forbidden": "unknown_parameter",
    "missing": "missing_required_parameter",
    "model_type": "invalid_type",
    "invalid_key": "invalid_type",
}
_OLD_NAMES = {
    "modalities": "output_modalities",
    "max_response_output_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
}


def spec_of(model: type[BaseModel], name: str) -> Spec | None:
    """The spec that stands in the annotation of a field."""
    field = model.model_fields.get(name)
    return next((entry for entry in field.metadata if isinstance(entry, Spec)), None) if field else None


def problems_of(error: ValidationError, model: type[BaseModel], place: str = "") -> list[Flaw]:
    """Translate a validation error.

    Args:
        error: What pydantic raised.
        model: The class that was validated.
        place: Dotted path under which that class stands in a session, "" for the session itself.
    """
    return [_flaw(details, model, place) for details in error.errors(include_url=False)]


def _flaw(details: Mapping[str, object], model: type[BaseModel], place: str) -> Flaw:
    location = details["loc"]
    assert isinstance(location, tuple)
    context = details.get("ctx")
    context = context if isinstance(context, Mapping) else {}
    at = context.get("at")
    where: Where = tuple(step for step in location if not str(step).startswith(TAG)) + ((str(at),) if at else ())
    given = details.get("input")
    if at:
        given = given.get(at) if isinstance(given, Mapping) else None
    kind = str(details["type"])
    if kind == "extra_forbidden":
        allowed, hint = _unknown(model, location)
    else:
        spec = _spec_at(model, (*location, at) if at else location)
        allowed = str(context.get("allowed") or (spec.words() if spec else "a JSON object"))
        hint = str(context.get("hint", ""))
    if kind == "missing":
        given, hint = None, hint or "it is required here"
    name = str(where[-1]) if where else ""
    code = _CODES.get(kind, kind)
    return Flaw(where, Problem(spell(where, place), masked(given, name), allowed, hint, code))


def spell(where: Iterable[str | int], place: str = "") -> str:
    """Write a place as a dotted path; names that are not plain words are quoted and cut."""
    path = place
    for step in where:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            plain = step if re.fullmatch(r"[A-Za-z0-9_\-]{1,60}", step) else repr(str(masked(step))[:40])
            path = f"{path}.{plain}" if path else plain
    return path


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like a wrong one, "" when none is alike."""
    found = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def known_names(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, str]]:
    """Every field at or below a class as (name, dotted path), in field order."""
    for name in model.model_fields:
        full = f"{place}.{name}" if place else name
        yield name, full
        spec = spec_of(model, name)
        for part in _parts(spec):
            yield from known_names(part, full)


def in_field_order(flaws: Iterable[Flaw], model: type[BaseModel]) -> list[Problem]:
    """The problems, sorted as the fields are declared; unknown names come last at their level."""
    return [flaw.problem for flaw in sorted(flaws, key=lambda flaw: _rank(model, flaw.where))]


def _rank(model: type[BaseModel], where: Where) -> tuple[int, ...]:
    ranks: list[int] = []
    models: tuple[type[BaseModel], ...] = (model,)
    for step in where:
        if isinstance(step, int):
            ranks.append(step)
            continue
        owner = next((part for part in models if step in part.model_fields), None)
        ranks.append(list(owner.model_fields).index(step) if owner else 10_000)
        models = _parts(spec_of(owner, step)) if owner else ()
    return tuple(ranks)


def _parts(spec: Spec | None) -> tuple[type[BaseModel], ...]:
    if isinstance(spec, Items):
        return spec.item.parts
    return spec.parts if isinstance(spec, Nested) else ()


def _spec_at(model: type[BaseModel], location: Where) -> Spec | None:
    """The spec of the value at a location, following the branch names pydantic left in it."""
    spec: Spec | None = None
    models: tuple[type[BaseModel], ...] = (model,)
    for step in location:
        if isinstance(step, int):
            spec = spec.item if isinstance(spec, Items) else spec
        elif step.startswith(TAG):
            models = _chosen(spec, step, models)
        else:
            owner = next((part for part in models if step in part.model_fields), None)
            spec = spec_of(owner, step) if owner else None
            models = _parts(spec)
    return spec


def _chosen(spec: Spec | None, tag: str, models: tuple[type[BaseModel], ...]) -> tuple[type[BaseModel], ...]:
    nested = spec.item if isinstance(spec, Items) else spec
    if isinstance(nested, Nested) and tag[len(TAG) :] in nested.kinds():
        return (nested.kinds()[tag[len(TAG) :]],)
    return models


def _unknown(model: type[BaseModel], location: Where) -> tuple[str, str]:
    """What to say of a name that no field has: the names there are, and the one probably meant."""
    name = str(location[-1])
    owner, siblings = _owner(model, location[:-1])
    names = list(owner.model_fields)
    kind = str(owner.model_fields["type"].default) if "type" in owner.model_fields else ""
    for other in siblings:
        if other is not owner and name in other.model_fields:
            only = other.model_fields["type"].default
            return f"{name} only with type {only}", f"{kind} has {', '.join(names)}"
    if "session_type" not in names:
        return f"one of {', '.join(names)}", _meant(model, name, names)
    names = [*(entry for entry in names if entry != "extra"), *_FLAT_KEYWORDS]
    meant = _meant(model, name, names)
    return "a field of a session" if meant else f"one of {', '.join(names)}", meant


def _meant(model: type[BaseModel], name: str, names: list[str]) -> str:
    if name in _OLD_NAMES:
        return f"today's name is {_OLD_NAMES[name]}"
    elsewhere = next((path for known, path in known_names(model) if known == name), "")
    if elsewhere:
        return f"its place is {elsewhere}"
    here = nearest(name, names)
    if here:
        return f"did you mean {here}?"
    paths = dict(known_names(model))
    there = nearest(name, paths)
    return f"did you mean {paths[there]}?" if there else ""


def _owner(model: type[BaseModel], location: Where) -> tuple[type[BaseModel], tuple[type[BaseModel], ...]]:
    """The class whose fields stand at a location, and the kinds it could have been."""
    owner = model
    siblings: tuple[type[BaseModel], ...] = (model,)
    spec: Spec | None = None
    for step in location:
        if isinstance(step, int):
            continue
        if step.startswith(TAG):
            owner = _chosen(spec, step, (owner,))[0]
            continue
        spec = spec_of(owner, step)
        siblings = _parts(spec)
        owner = next(iter(siblings), owner)
    return owner, siblings
