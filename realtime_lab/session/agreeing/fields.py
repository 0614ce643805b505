"""Which fields each side sends, and what a session is reported to be: settings by value, other fields by their kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from realtime_lab.errors import ProtocolError
from realtime_lab.protocol.codec import decode_server, event_to_builtins
from realtime_lab.recording.importing.log import scrubbed
from realtime_lab.server.engine.profile import OWN_INSTRUCTIONS
from realtime_lab.session.agreeing.log import Step, group, inner
from realtime_lab.session.agreeing.rows import NOT_SENT, Row

_SESSIONS = ("session.created", "session.updated")
_GIVEN = ("id", "object", "expires_at", "model")
"""Fields of a session that differ each time, or that the connection decided."""
_WORDS = frozenset({"type", "object", "status", "role", "phase"})
"""Fields whose values are words of the protocol, and compared as such."""
_OPAQUE = frozenset({"delta", "audio", "metadata", "arguments"})
"""What lies inside is no field of the protocol; a mocked answer's audio is a reference, a recorded one's text."""
_DEEPEST = 12
_SHOWN = 60

Shape = dict[str, set[str]]
"""By path, the kinds of values that were seen there."""


def setting_rows(theirs: Sequence[Step], ours: Sequence[Step]) -> Iterator[Row]:
    """Every setting that a session was reported to have."""
    for kind in _SESSIONS:
        here, there = ([inner(step.fields, "session") for step in side if step.kind == kind] for side in (theirs, ours))
        for number, (recorded, mocked) in enumerate(zip(here, there, strict=False), 1):
            if not isinstance(recorded, Mapping) or not isinstance(mocked, Mapping):
                continue
            which = kind if number == 1 else f"{kind} {number}"
            pairs = [*_pairs(recorded, mocked)]
            same = sum(left == right for _, left, right in pairs)
            for path, left, right in pairs:
                if left != right:
                    name = path.rpartition(".")[2]
                    yield Row("setting", f"{which}: {path}", _shown(left, name), _shown(right, name), "differs")
            yield Row("setting", f"{which}: equal values", same, same, "agrees")


def _pairs(left: Mapping[str, Any], right: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Both sides' values, field by field."""
    for name in dict.fromkeys([*left, *right]):
        if not path and name in _GIVEN:
            continue
        here, there = left.get(name, NOT_SENT), right.get(name, NOT_SENT)
        if there == OWN_INSTRUCTIONS and isinstance(here, str) and here:
            here = there  # known by their presence: the text is the service's
        if isinstance(here, Mapping) and isinstance(there, Mapping) and path.count(".") < _DEEPEST:
            yield from _pairs(here, there, f"{path}{name}.")
        else:
            yield f"{path}{name}", here, there


def _shown(value: Any, name: str) -> object:
    value = scrubbed(value, name)
    if value is None:
        return "null"
    return value if isinstance(value, (bool, int, float, str)) else msgspec.json.encode(value).decode()


def field_rows(theirs: Iterable[Step], ours: Iterable[Step]) -> Iterator[Row]:
    """The fields of each kind of event that both sides sent: which only one sends, and which are of another kind."""
    here, there = _shapes(theirs), _shapes(ours)
    lost = _unread(theirs)
    found: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for name in (name for name in here if name in there):
        left, right, same = here[name], there[name], 0
        for path in dict.fromkeys([*left, *right]):
            if not all(_inside_object(shape, path) for shape in (left, right)):
                continue  # what holds it is there on one side only, which is said of that
            kinds = left.get(path, set()), right.get(path, set())
            if kinds[0] & kinds[1]:
                same += 1
                continue
            note = "unknown here" if (name, path) in lost else ""
            told = [", ".join(sorted(kind)) if kind else NOT_SENT for kind in kinds]
            found[path, told[0], told[1], note].append(name)
        yield Row("field", f"{name}: fields alike", same, same, "agrees")
    for (path, recorded, mocked, note), names in found.items():
        of = names[0] if len(names) == 1 else f"{len(names)} kinds of events"
        listed = [note, ", ".join(names) if len(names) > 1 else ""]
        yield Row("field", f"{path} of {of}", recorded, mocked, "differs", "; ".join(filter(None, listed)))


def _shapes(steps: Iterable[Step]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for step in steps:
        if step.kind not in _SESSIONS:
            _add(shapes.setdefault(group(step), defaultdict(set)), "", step.fields, 0)
    return shapes


def _add(shape: Shape, path: str, value: Any, depth: int) -> None:
    name = path.rpartition(".")[2]
    shape[path].add(_kind(name, value))
    if depth > _DEEPEST or name in _OPAQUE:
        return
    if isinstance(value, Mapping):
        for key, part in value.items():
            _add(shape, f"{path}.{key}" if path else str(key), part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _add(shape, f"{path}[]", part, depth + 1)


def _kind(name: str, value: Any) -> str:
    if value is None:
        return "null"
    if name in _OPAQUE or not name:
        return "a value"
    if isinstance(value, str):
        return f"'{value[:_SHOWN]}'" if name in _WORDS else "text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else "a number"


def _inside_object(shape: Shape, path: str) -> bool:
    """Whether what a path lies in was there at all."""
    outer = path[:-2] if path.endswith("[]") else path.rpartition(".")[0]
    if path.endswith("[]"):
        return f"{outer}[]" in shape
    return not outer or "an object" in shape.get(outer, ())


def _unread(steps: Iterable[Step]) -> set[tuple[str, str]]:
    """The fields that this version does not know: what is lost when an event is read, by kind of event."""
    lost: set[tuple[str, str]] = set()
    for step in steps:
        try:
            read = event_to_builtins(decode_server(msgspec.json.encode(step.fields)))
        except (ProtocolError, msgspec.MsgspecError, UnicodeError, ValueError):
            continue
        said: Shape = defaultdict(set)
        kept: Shape = defaultdict(set)
        _add(said, "", step.fields, 0)
        _add(kept, "", read, 0)
        lost |= {(group(step), path) for path in said.keys() - kept.keys()}
    return lost
