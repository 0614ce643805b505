"""What the server answers to what it cannot take: a mistake in the service's own words, codes and parameters."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from realtime_lab.errors import Problem
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import CLIENT_TYPES

_MAX_TYPE_CHARACTERS = 200
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_BELOW = re.compile(r"Expected `(int|float)` >= ")


class Refusal(NamedTuple):
    """An error event in the making."""

    code: str
    message: str
    param: str | None
    event_id: str | None


class _Named(msgspec.Struct):
    event_id: str | None = None


_named = msgspec.json.Decoder(_Named)


def in_words(problem: Problem, where: str) -> str:
    """The mistake in the service's manner; `where` is the object that its path starts below."""
    path = f"{where}.{problem.path}"
    if problem.code == "missing_required_parameter":
        return f"Missing required parameter: '{path}'."
    if problem.code == "unknown_parameter":
        return f"Unknown parameter: '{path}'.{f' {problem.hint}' if problem.hint else ''}"
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"Invalid '{path}': allowed: {problem.allowed}.{hint}"


def refusal_of(event: ev.UnknownEvent) -> Refusal:
    """Why a frame could not be read as an event, from what its decoder said."""
    kind, event_id = event.type[:_MAX_TYPE_CHARACTERS], _event_id(event.raw)
    if not event.problem or event.type not in CLIENT_TYPES:
        return Refusal("invalid_value", f"Unsupported event type: '{kind}'.", "type", event_id)
    place = _PLACE.search(event.problem)
    path = "" if place is None else place[1]
    missing = _MISSING.search(event.problem)
    if missing is not None:
        param = f"{path}.{missing[1]}" if path else missing[1]
        return Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param, event_id)
    what = _PLACE.sub("", event.problem)[:300]
    code = "integer_below_min_value" if _BELOW.search(what) else "invalid_type"
    return Refusal(code, f"Invalid '{path or kind}': {what}.", path or None, event_id)


def _event_id(raw: bytes) -> str | None:
    try:
        return _named.decode(raw).event_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
