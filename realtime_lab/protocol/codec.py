"""Frames to events and back: JSON text in, one event out; nothing a peer sends raises more than ProtocolError.

Servers are read with patience: older names, nulls where a field may be absent, whole numbers written as floats or
strings, an error said without its `error` object. What still is not as documented, or of an unknown type, becomes an
UnknownEvent that keeps the bytes. Only what is no JSON object with a `type` at all is a ProtocolError.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from realtime_lab.errors import ProtocolError
from realtime_lab.protocol.events import AnyEvent, AudioDelta, ClientEvent, Event, ServerEvent, UnknownEvent

MAX_FRAME_BYTES = 22 * 1024 * 1024
"""15 MiB of audio in base64, with room for the rest of the frame: the service's own limit."""

FLAT_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}
"""Event types of the older wire shape, and today's names for them."""

_encoder = msgspec.json.Encoder()
_server = msgspec.json.Decoder(ServerEvent)
_patient = msgspec.json.Decoder(ServerEvent, strict=False)
_client = msgspec.json.Decoder(ClientEvent)


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


_LONG_NUMBER = re.compile(rb"[0-9]{19}")
"""What a whole number beyond 64 bits begins with, and little else does."""


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head)


def encode(event: AnyEvent) -> bytes:
    """The event as one JSON text frame, UTF-8."""
    if isinstance(event, UnknownEvent):
        return event.raw
    return bytes(_encoder.encode(event))


def decode_server(frame: bytes | str) -> AnyEvent:
    """Read one frame that a server sent.

    Args:
        frame: The frame's text.

    Returns:
        The event; UnknownEvent when its type is not known, or its fields cannot be read with patience. Event types
        of the older wire shape are read as today's. Whole numbers beyond 64 bits, which no column can hold, are
        taken for left out; in a session they are floats.

    Raises:
        ProtocolError: If the frame is no JSON object with a string `type`, or larger than the protocol allows.
    """
    return _decode(frame, _server, patient=True)


def decode_client(frame: bytes | str) -> AnyEvent:
    """Read one frame that a client sent; as `decode_server` otherwise, but without patience."""
    return _decode(frame, _client, patient=False)


def _decode(frame: bytes | str, decoder: msgspec.json.Decoder[Event], *, patient: bool) -> AnyEvent:
    raw = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else bytes(frame)
    if len(raw) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {len(raw):,} bytes is over the protocol's {MAX_FRAME_BYTES:,}")
    try:
        event = decoder.decode(raw)
    except _UNREADABLE as error:
        return _salvage(raw, str(error), patient=patient)
    # Audio is not looked through for digits: it is most of what comes, and none of its numbers becomes a cell.
    if patient and not isinstance(event, AudioDelta) and _LONG_NUMBER.search(raw):
        return _salvage(raw, "a whole number beyond 64 bits", patient=True)
    return event


def _salvage(raw: bytes, problem: str, *, patient: bool) -> AnyEvent:
    try:
        kind = _head.decode(raw).type
    except _UNREADABLE as error:
        raise ProtocolError(f"a frame of {len(raw):,} bytes is no JSON object with a string 'type': {error}") from None
    known = kind in _KNOWN_TYPES or kind in FLAT_NAMES
    if patient and known:
        try:
            event: AnyEvent = _patient.decode(msgspec.json.encode(_mended(msgspec.json.decode(raw))))
            if not _holds_too_large(msgspec.to_builtins(event)):  # as digits in a text, which patience reads too
                return event
        except _UNREADABLE as error:
            problem = str(error)
    return UnknownEvent(type=kind, raw=raw, problem=problem if known else "")


def _mended(fields: dict[str, Any]) -> dict[str, Any]:
    """The same said as documented: today's name, no nulls, an error in an `error` object; a session as it is."""
    fields = {**fields, "type": FLAT_NAMES.get(fields["type"], fields["type"])}
    if fields["type"] == "error" and not isinstance(fields.get("error"), dict):
        fields["error"] = {"message": fields.get("error") or fields.get("message"), "code": fields.get("code")}
    session = {} if fields.get("session") is None else {"session": within_64_bits(fields.pop("session"))}
    return {**_without_nulls(fields), **session}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if not _is_missing(inner)}
    return [_without_nulls(inner) for inner in value if not _is_too_large(inner)] if isinstance(value, list) else value


def _is_missing(value: object) -> bool:
    return value is None or _is_too_large(value)


def _is_too_large(value: object) -> bool:
    return isinstance(value, int | float) and not _LEAST <= value <= _MOST


def _holds_too_large(value: object) -> bool:
    if isinstance(value, dict):
        return any(name != "session" and _holds_too_large(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(map(_holds_too_large, value))
    return _is_too_large(value)


_LEAST, _MOST = -(2**63), 2**63 - 1


def within_64_bits(value: Any) -> Any:
    """A JSON value with the whole numbers in it that no column can hold made floats, or text where those end too."""
    if isinstance(value, dict):
        return {name: within_64_bits(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [within_64_bits(inner) for inner in value]
    if not isinstance(value, int) or _LEAST <= value <= _MOST:
        return value
    try:
        return float(value)
    except OverflowError:
        return f"a whole number of {value.bit_length():,} bits"


def event_to_builtins(event: AnyEvent) -> dict[str, object]:
    """The event as a plain mapping, as it stands on the wire."""
    if isinstance(event, UnknownEvent):
        return {"type": event.type, "raw": event.raw.decode("utf-8", "replace"), "problem": event.problem}
    plain = msgspec.to_builtins(event)
    assert isinstance(plain, dict)
    return plain


def event_from_builtins(fields: object, *, from_server: bool) -> AnyEvent:
    """The inverse of `event_to_builtins`.

    Raises:
        ProtocolError: If they are no mapping with a string `type`.
    """
    if isinstance(fields, dict) and fields.keys() == {"type", "raw", "problem"}:
        return UnknownEvent(type=str(fields["type"]), raw=str(fields["raw"]).encode(), problem=str(fields["problem"]))
    raw = msgspec.json.encode(fields)
    return decode_server(raw) if from_server else decode_client(raw)


def _tags(union: object) -> set[str]:
    return {str(member.__struct_config__.tag) for member in getattr(union, "__args__", ())}


CLIENT_TYPES = frozenset(_tags(ClientEvent))
"""Types of the events a client may send."""
SERVER_TYPES = frozenset(_tags(ServerEvent))
"""Types of the events a server may send."""
_KNOWN_TYPES = SERVER_TYPES | CLIENT_TYPES
