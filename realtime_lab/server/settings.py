"""The session as the server holds it: what session.update changes, and what it refuses.

Updates follow the service: only the fields present change, null clears, an update with any mistake changes nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.endpointing import EndpointRule
from realtime_lab.server.profile import Profile

__all__ = ["Settings", "TurnDetection", "endpoint_rule"]

UNSUPPORTED_TURN_DETECTION = "semantic_vad"


@dataclass(frozen=True)
class TurnDetection:
    """The effective server_vad settings."""

    rule: EndpointRule
    prefix_padding_ms: float
    create_response: bool
    interrupt_response: bool
    idle_timeout_ms: float | None


def endpoint_rule(profile: Profile, threshold: float, silence_duration_ms: float) -> EndpointRule:
    """How a server of this profile hears at the settings asked for."""
    return EndpointRule(
        min(max(threshold + profile.threshold_bias, 0.0), 1.0) if profile.threshold_bias else threshold,
        silence_duration_ms,
        profile.hysteresis,
        onset_late_frames=profile.onset_late_frames,
        offset_late_frames=profile.offset_late_frames,
    )


@dataclass
class Settings:
    """One session's effective configuration.

    Args:
        profile: Whose defaults it starts from.
        model: The model in the connection's URL, if any.
    """

    profile: Profile
    model: str | None = None
    effective: dict[str, Any] = field(init=False)
    """The full session, in today's wire shape."""

    def __post_init__(self) -> None:
        self.effective = self.profile.defaults()
        if self.model is not None:
            self.effective["model"] = self.model

    def update(self, session: Mapping[str, Any]) -> Problem | None:
        """Apply a session.update; the first mistake in it, or None when it was applied."""
        problem = _first_problem(json.dumps(session, sort_keys=True))
        problem = problem or self._model_change(session) or _unsupported(session)
        if problem is None:
            self.effective = _merged(self.effective, session, self.profile)
        return problem

    def _model_change(self, session: Mapping[str, Any]) -> Problem | None:
        asked = session.get("model", self.effective["model"])
        if asked == self.effective["model"] or self.model is None:
            return None
        hint = "the model is chosen when the session is opened"
        return Problem("model", asked, f"{self.effective['model']!r} in this session", hint)

    def turn_detection(self) -> TurnDetection | None:
        """The effective turn detection; None when it is off."""
        wire = self.effective["audio"]["input"]["turn_detection"]
        if wire is None:
            return None
        rule = endpoint_rule(self.profile, wire["threshold"], wire["silence_duration_ms"])
        return TurnDetection(
            rule,
            wire["prefix_padding_ms"],
            wire["create_response"],
            wire["interrupt_response"],
            wire.get("idle_timeout_ms"),
        )

    def input_rate_hz(self) -> int:
        """Sample rate of the audio the client appends."""
        return _rate_hz(self.effective["audio"]["input"]["format"])

    def output_rate_hz(self) -> int:
        """Sample rate of the audio the server sends."""
        return _rate_hz(self.effective["audio"]["output"]["format"])

    def max_output_tokens(self) -> float:
        """The limit per response; inf for none."""
        limit = self.effective["max_output_tokens"]
        return float("inf") if limit in ("inf", None) else float(limit)


def _rate_hz(audio_format: Mapping[str, Any]) -> int:
    return 24_000 if audio_format["type"] == "audio/pcm" else 8_000


@lru_cache(maxsize=1024)
def _first_problem(session_json: str) -> Problem | None:
    session = json.loads(session_json)
    if "type" not in session:
        return Problem("type", None, "'realtime'", "session.type is required", "missing_required_parameter")
    try:
        SessionConfig.from_wire(session, strict=True)
    except ConfigError as error:
        return error.errors[0]
    return None


def _unsupported(session: Mapping[str, Any]) -> Problem | None:
    detection = (session.get("audio") or {}).get("input", {}).get("turn_detection")
    if not detection or detection.get("type") != UNSUPPORTED_TURN_DETECTION:
        return None
    hint = "semantic_vad needs a speech recogniser, which this mocked server does not have"
    return Problem("audio.input.turn_detection.type", "semantic_vad", "server_vad or null", hint)


def _merged(effective: Mapping[str, Any], session: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    merged = copy.deepcopy(dict(effective))
    for name, value in session.items():
        if name == "audio":
            for side, fields in value.items():
                for key, inner in fields.items():
                    merged["audio"][side][key] = _merged_part(merged["audio"][side].get(key), inner, key, profile)
        elif name != "type":
            merged[name] = value
    return merged


def _merged_part(old: Any, new: Any, key: str, profile: Profile) -> Any:
    if not isinstance(new, Mapping):
        return new
    if key == "turn_detection":
        defaults = profile.defaults()["audio"]["input"]["turn_detection"]
        return {**(old or defaults), **new}
    return {**old, **new} if key == "transcription" and old else dict(new)
