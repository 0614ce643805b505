"""The session a server reports, made whole: today's wire shape, with what it left out taken from what was asked.

What a server leaves unnamed is named here, so that its events can be told apart: unnamed_response_1, unnamed_item_1.

A response without an id is named when it is created, and what comes without a response's id belongs to the one under
way; an input item without an id is named when its speech starts or, failing that, when it is committed. No clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from realtime_lab.config import Session
from realtime_lab.config.wire import NOT_CARRIED
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.protocol import events as ev

_ENDED = ("completed", "cancelled", "failed", "incomplete")


@dataclass
class Names:
    """The names given in one session."""

    _response: str = ""
    """The response under way."""
    _item: str = ""
    """The input item whose speech is open."""
    _taken: str = ""
    """The input item that was committed last."""
    _responses: int = 0
    _items: int = 0

    def completed(self, event: ev.AnyEvent) -> ev.AnyEvent:
        """The event, with a name wherever it has none and needs one."""
        match event:
            case ev.ResponseCreated() | ev.ResponseDone():
                return self._of_response(event)
            case ev.SpeechStarted() | ev.SpeechStopped() | ev.InputAudioCommitted():
                return self._of_input(event)
            case ev.TranscriptionDelta() | ev.TranscriptionCompleted() | ev.TranscriptionFailed():
                if not event.item_id:
                    return msgspec.structs.replace(event, item_id=self._taken or self._item)
        if getattr(event, "response_id", None) == "":
            event = msgspec.structs.replace(event, response_id=self._response)
        if getattr(event, "item_id", None) == "":
            event = msgspec.structs.replace(event, item_id=f"{self._response}_item")
        return event

    def _of_response(self, event: ev.ResponseCreated | ev.ResponseDone) -> ev.AnyEvent:
        begins = isinstance(event, ev.ResponseCreated)
        if not event.response.id and (begins or event.response.status in _ENDED):
            if begins:
                self._responses += 1
            name = f"unnamed_response_{self._responses}" if begins else self._response
            event = msgspec.structs.replace(event, response=msgspec.structs.replace(event.response, id=name))
        if begins:
            self._response = event.response.id
        return event

    def _of_input(self, event: ev.SpeechStarted | ev.SpeechStopped | ev.InputAudioCommitted) -> ev.AnyEvent:
        if not event.item_id:
            if not self._item or isinstance(event, ev.SpeechStarted):
                self._items += 1
                self._item = f"unnamed_item_{self._items}"
            event = msgspec.structs.replace(event, item_id=self._item)
        self._item = event.item_id
        if isinstance(event, ev.InputAudioCommitted):
            self._item, self._taken = "", event.item_id
        return event


_PCM = {"type": "audio/pcm", "rate": 24_000}
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")
_RATES_HZ = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}


def effective_session(reported: dict[str, Any], requested: dict[str, Any]) -> dict[str, Any]:
    """What a session is, as far as the server says; formats are filled in, and turn detection where it is silent.

    Args:
        reported: What session.updated carried, in any of the three shapes.
        requested: What was asked for, in today's.

    Raises:
        ConfigError: If it cannot be read, or names an audio format that is not known or whose rate is another.
    """
    said = _in_todays_shape(reported)
    audio = _object(said, "audio")
    asked = requested.get("audio") or {}
    sides: dict[str, dict[str, Any]] = {}
    for side in ("input", "output"):
        fields = {**_object(audio, side)}
        wanted = asked.get(side) or {}
        fields["format"] = fields.get("format") or wanted.get("format") or _PCM
        _check_format(f"audio.{side}.format", fields["format"])
        sides[side] = fields
    if "turn_detection" not in sides["input"]:
        default = {"type": "server_vad"}
        sides["input"]["turn_detection"] = (asked.get("input") or {}).get("turn_detection", default)
    elif sides["input"]["turn_detection"] is not None:
        sides["input"]["turn_detection"] = _object(sides["input"], "turn_detection")
    return {**said, "audio": sides}


def believed_session(reported: dict[str, Any], requested: dict[str, Any]) -> dict[str, Any]:
    """What a server that confirms nothing is believed to have made of what was asked: all of it.

    Raises:
        ConfigError: If what it reported when the session began cannot be read.
    """
    return _over(_in_todays_shape(reported), requested)


def with_formats(update: dict[str, Any], reported: dict[str, Any], dialect: str) -> dict[str, Any]:
    """The session object to ask for: audio formats are added where neither it nor the server's own names them.

    Services differ in what they take for granted, and audio read at another rate is another speech.

    Args:
        update: What was asked for, in the dialect.
        reported: What the server said of the session so far, in any of the three shapes.
        dialect: "ga" or "flat".
    """
    named = [reported, update]
    for side in ("input", "output"):
        if any(_names_format(session, side) for session in named):
            continue
        if dialect == "flat":
            update = {**update, f"{side}_audio_format": "pcm16"}
        else:
            update = _over(update, {**_kind(update), "audio": {side: {"format": _PCM}}})
    return update


def _kind(session: dict[str, Any]) -> dict[str, Any]:
    return {"type": session["type"]} if "type" in session else {}


def _names_format(session: dict[str, Any], side: str) -> bool:
    audio = session.get("audio")
    fields = audio.get(side) if isinstance(audio, dict) else None
    return bool((isinstance(fields, dict) and fields.get("format")) or session.get(f"{side}_audio_format"))


def _over(said: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    if said.get("type", asked.get("type")) != asked.get("type"):
        return asked
    merged = dict(said)
    for name, value in asked.items():
        old = said.get(name)
        merged[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _in_todays_shape(reported: dict[str, Any]) -> dict[str, Any]:
    """Settings of older services that today's shape has no place for stay where the server put them."""
    older = {name: reported[name] for name in NOT_CARRIED["ga"] if name in reported}
    rest = {name: value for name, value in reported.items() if name not in older}
    return {**Session.from_wire(rest).to_wire("ga"), **older}


def _check_format(path: str, value: object) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind not in _FORMATS:
        raise ConfigError([Problem(path, value, ", ".join(_FORMATS))])
    rate_hz = value.get("rate", _RATES_HZ[kind])
    if rate_hz not in (None, _RATES_HZ[kind]):
        raise ConfigError([Problem(f"{path}.rate", rate_hz, f"{_RATES_HZ[kind]} for {kind}")])


def _object(within: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within another; empty when it is absent or null."""
    found = within.get(name) or {}
    if not isinstance(found, dict):
        raise ConfigError([Problem(name, found, "an object", code="invalid_type")])
    return found
