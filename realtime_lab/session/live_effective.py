"""The session a server reports, made whole: today's wire shape, with what it left out taken from what was asked."""

from __future__ import annotations

from typing import Any

from realtime_lab.config import Session
from realtime_lab.errors import ConfigError, Problem

__all__ = ["effective_session"]

_PCM = {"type": "audio/pcm", "rate": 24_000}
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma")


def effective_session(reported: dict[str, Any], requested: dict[str, Any]) -> dict[str, Any]:
    """What a session is, as far as the server says; formats are filled in, and turn detection where it is silent.

    Args:
        reported: What session.updated carried, in any of the three shapes.
        requested: What was asked for, in today's.

    Raises:
        ConfigError: If it cannot be read, or names an audio format that is not known.
    """
    said = Session.from_wire(reported).to_wire("ga")
    audio = said.get("audio") or {}
    asked = requested.get("audio") or {}
    sides: dict[str, dict[str, Any]] = {}
    for side in ("input", "output"):
        fields = {**(audio.get(side) or {})}
        wanted = asked.get(side) or {}
        fields["format"] = fields.get("format") or wanted.get("format") or _PCM
        if not isinstance(fields["format"], dict) or fields["format"].get("type") not in _FORMATS:
            raise ConfigError([Problem(f"audio.{side}.format", fields["format"], ", ".join(_FORMATS))])
        sides[side] = fields
    if "turn_detection" not in sides["input"]:
        default = {"type": "server_vad"}
        sides["input"]["turn_detection"] = (asked.get("input") or {}).get("turn_detection", default)
    return {**said, "audio": sides}
