"""Servers that are Realtime-compatible in their own way: the listening server, with what it says rewritten.

A way is a function from one server event, as a mapping, to the mappings to send in its place.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from live_servers import ToneServer

from realtime_lab.config import SessionConfig
from realtime_lab.protocol import events as ev
from realtime_lab.server.serving.serve import SocketSession

OLDER = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}


def as_it_is(event):
    return [event]


def older_names(event):
    """The events of the older protocol, one for an item among them."""
    if event["type"] == "conversation.item.done":
        return []
    return [{**event, "type": OLDER.get(event["type"], event["type"])}]


def older_session(event):
    """The older protocol, and its session object."""
    if "session" in event:
        reported = {name: value for name, value in event["session"].items() if name not in NOT_OLDER}
        event = {**event, "session": SessionConfig.from_wire(reported, strict=False).to_wire("flat")}
    return older_names(event)


NOT_OLDER = ("truncation", "reasoning", "parallel_tool_calls", "id", "object", "expires_at", "type")


def without(*names):
    """Leave fields out, at any depth."""

    def way(event):
        return [_without(event, names)]

    return way


def _without(value, names):
    if isinstance(value, dict):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def dropping(*beginnings):
    """Leave events out, by the beginnings of their types."""

    def way(event):
        return [] if event["type"].startswith(beginnings) else [event]

    return way


def with_more_fields(event):
    return [_with_more(event)]


def _with_more(value):
    if isinstance(value, dict):
        return {**{name: _with_more(inner) for name, inner in value.items()}, "x_vendor": {"deep": [1, None]}}
    return [_with_more(inner) for inner in value] if isinstance(value, list) else value


def whole_numbers_as_floats(event):
    return [event if "session" in event else _floats(event)]


def _floats(value):
    if isinstance(value, dict):
        return {name: _floats(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_floats(inner) for inner in value]
    return float(value) if type(value) is int else value


NULLABLE = ("audio", "text", "transcript", "image_url", "detail", "object", "call_id", "arguments", "output", "name")


def nulls_for_absent(event):
    """Every field an item or a part could have, null where it has none; and null ids, indexes and deltas."""
    for name in ("item", "part"):
        if name in event:
            event = {**event, name: _filled(event[name])}
    if "response" in event:
        output = [_filled(item) for item in event["response"]["output"]] or None
        event = {**event, "response": {**event["response"], "output": output, "modalities": None}}
    return [{**event, "content_index": event.get("content_index"), "event_id": None}]


def _filled(thing):
    parts = [_filled(part) for part in thing["content"]] if "content" in thing else None
    return {**dict.fromkeys(NULLABLE), **thing, "content": parts}


def odd_pieces(event):
    """Audio in pieces of 1,001 bytes, so that samples are torn."""
    if event["type"] != "response.output_audio.delta":
        return [event]
    raw = base64.b64decode(event["delta"])
    pieces = [raw[start : start + 1001] for start in range(0, len(raw), 1001)]
    named = [(f"{event['event_id']}_{number}", base64.b64encode(piece)) for number, piece in enumerate(pieces)]
    return [{**event, "event_id": name, "delta": delta.decode()} for name, delta in named]


def erring(event):
    """Errors that end nothing, each said in a poorer way; and news of the server's own."""
    if event["type"] != "input_audio_buffer.speech_stopped":
        return [event]
    poor = [{"error": {"message": "no code, no type"}}, {"message": "no error object"}, {"error": "a string"}, {}]
    return [*({"type": "error", **said} for said in poor), {"type": "vendor.heartbeat"}, event]


def session_says_nothing(event):
    return [{**event, "session": {}} if "session" in event else event]


def another_rate(event):
    if "session" not in event:
        return [event]
    audio = event["session"]["audio"]
    odd = {**audio, "input": {**audio["input"], "format": {"type": "audio/pcm", "rate": 16_000}}}
    return [{**event, "session": {**event["session"], "audio": odd}}]


class CreatedLate:
    """session.created comes after session.updated."""

    def __init__(self):
        self._held = []

    def __call__(self, event):
        if event["type"] == "session.created":
            self._held = [event]
            return []
        held, self._held = self._held, []
        return [event, *held]


@dataclass
class DialectServer(ToneServer):
    """A server with a way of its own."""

    way: Callable[[dict], Sequence[dict]] = as_it_is
    binary: bool = False
    heard: list[dict] = field(default_factory=list)
    """Session objects that were asked for."""

    def session(self, reader, writer, engine, request):
        session = DialectSession(reader, writer, engine, request, self.key)
        session.server = self
        receive = engine.receive
        engine.receive = lambda event, t_ms: receive(self.understood(event), t_ms)
        return session

    def understood(self, event):
        if isinstance(event, ev.SessionUpdate):
            self.heard.append(event.session)
            if self.way is older_session:
                return ev.SessionUpdate(session=SessionConfig.from_wire(event.session).to_wire("ga") | TYPE)
        return event


TYPE = {"type": "realtime"}


class DialectSession(SocketSession):
    async def deliver(self, event):
        fields = msgspec.to_builtins(self._with_audio(event))
        for said in self.server.way(fields):
            frame = json.dumps(said).encode()
            if self.server.binary:
                self._protocol.send_binary(frame)
            else:
                self._protocol.send_text(frame)
