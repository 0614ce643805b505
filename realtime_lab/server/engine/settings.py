"""The session as the server holds it: what session.update changes, and what it refuses.

Updates follow the service: only the fields present change, null clears, an update with any mistake changes nothing.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from realtime_lab.config import SessionConfig, tracing_change
from realtime_lab.config.problems import ConfigWarning
from realtime_lab.config.wire import FLAT
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.engine.conversation import UNSUPPORTED_CODE
from realtime_lab.server.engine.priors import paced
from realtime_lab.server.engine.profile import VAD_FIELDS, Profile
from realtime_lab.server.engine.tool_calls import unknown_choice
from realtime_lab.server.hearing.endpointing import EndpointRule
from realtime_lab.server.hearing.semantic import PAUSE_MS

SESSION_TYPES = ("realtime", "transcription")
_FIELDS = (
    "type model output_modalities instructions max_output_tokens audio include tools tool_choice tracing truncation "
    "prompt reasoning parallel_tool_calls"
).split()
_OLDER = {place.name: ".".join(place.path) for place in FLAT}
"""The beta's names of fields, and where they are today."""
"""What an update may name at its top; the older names, which configurations read too, are refused."""
NO_VAD_MODELS = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Recognisers that refuse turn detection in a transcription session: the client commits."""
_SEMANTIC_DEFAULTS = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_THRESHOLD = 0.5
_SEMANTIC_PADDING_MS = 300
"""semantic_vad has no such fields; the documented defaults of server_vad stand in."""


@dataclass(frozen=True)
class TurnDetection:
    """The effective turn detection."""

    rule: EndpointRule
    prefix_padding_ms: float
    create_response: bool
    interrupt_response: bool
    idle_timeout_ms: float | None
    eagerness: str | None = None
    """low, medium, high or auto where turns end by an estimate; None where silence alone ends them."""


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
        kind: "realtime", or "transcription" for a session that only transcribes.
        estimates: Whether there is an end-of-turn estimate, without which semantic_vad is refused.
    """

    profile: Profile
    model: str | None = None
    kind: str = "realtime"
    estimates: bool = False
    spoken: bool = field(default=False, init=False)
    """Whether the model's voice has been heard, which fixes it."""
    effective: dict[str, Any] = field(init=False)
    """The full session, in today's wire shape."""
    _detection: TurnDetection | None = field(init=False)

    def __post_init__(self) -> None:
        self.effective = self.profile.defaults(self.model)
        if self.kind == "transcription":
            self.effective = _transcription_defaults(self.effective)
        elif self.model is not None:
            self.effective["model"] = self.model
        self._detection = self._read_turn_detection()

    def update(self, session: Mapping[str, Any]) -> Problem | None:
        """Apply a session.update; the first mistake in it, or None when it was applied."""
        problem = checked_session(session) or self._fixed(session) or unsupported(session) or self._semantic(session)
        if problem is not None:
            return problem
        merged = _merged(self.effective, session, self.profile)
        problem = _contradiction(merged, session)
        if problem is None:
            self.effective = merged
            self._detection = self._read_turn_detection()
        return problem

    def _fixed(self, session: Mapping[str, Any]) -> Problem | None:
        """What cannot be changed any more."""
        if session["type"] != self.kind:
            return Problem("type", session["type"], f"'{self.kind}'", "the kind is chosen when the session is opened")
        model = self.effective.get("model")
        if self.model is not None and session.get("model", model) != model:
            hint = "the model is chosen when the session is opened"
            return Problem("model", session["model"], f"{model!r} in this session", hint)
        tracing = self.effective.get("tracing")
        return tracing_change(tracing, session.get("tracing", tracing)) or self._fixed_voice(session)

    def _fixed_voice(self, session: Mapping[str, Any]) -> Problem | None:
        asked = (session.get("audio") or {}).get("output") or {}
        voice = self.effective["audio"].get("output", {}).get("voice")
        if not self.spoken or asked.get("voice", voice) == voice:
            return None
        hint = "a voice cannot change once it has been heard"
        return Problem("audio.output.voice", asked["voice"], f"{voice!r} in this session", hint, "cannot_update_voice")

    def _semantic(self, session: Mapping[str, Any]) -> Problem | None:
        detection = ((session.get("audio") or {}).get("input") or {}).get("turn_detection") or {}
        if detection.get("type") != "semantic_vad" or self.estimates:
            return None
        hint = "semantic_vad needs a speech recogniser: install realtime_lab[whisper]"
        return Problem("audio.input.turn_detection.type", "semantic_vad", "server_vad or null", hint)

    def open_as(self, session: Mapping[str, Any]) -> None:
        """Take over a session that was reported before; a model that was chosen for this connection stays."""
        own = {"type", "model"} if self.model is not None else {"type"}
        for name in self.effective.keys() - own:
            self.effective[name] = copy.deepcopy(session.get(name, self.effective[name]))
        self._detection = self._read_turn_detection()

    def pace(self) -> Profile:
        """The profile with the figures of the session's models, which an update may change."""
        asked = self.effective["audio"]["input"]["transcription"] or {}
        return paced(self.profile, self.effective.get("model"), asked.get("model"))

    def turn_detection(self) -> TurnDetection | None:
        """The effective turn detection; None when it is off."""
        return self._detection

    def _read_turn_detection(self) -> TurnDetection | None:
        wire = self.effective["audio"]["input"]["turn_detection"]
        if wire is None:
            return None
        answers = self.kind == "realtime"
        semantic = wire["type"] == "semantic_vad"
        threshold = _SEMANTIC_THRESHOLD if semantic else wire["threshold"]
        silence_ms = PAUSE_MS if semantic else wire["silence_duration_ms"]
        return TurnDetection(
            endpoint_rule(self.profile, threshold, silence_ms),
            _SEMANTIC_PADDING_MS if semantic else wire["prefix_padding_ms"],
            answers and wire.get("create_response", True),
            answers and wire.get("interrupt_response", True),
            wire.get("idle_timeout_ms") if answers else None,
            wire["eagerness"] if semantic else None,
        )

    def input_format(self) -> str:
        """Encoding of the audio the client appends, such as audio/pcm."""
        return str(self.effective["audio"]["input"]["format"]["type"])

    def noise_reduction(self) -> str | None:
        """near_field or far_field; None when it is off."""
        reduction = self.effective["audio"]["input"]["noise_reduction"]
        return None if reduction is None else reduction.get("type")

    def input_rate_hz(self) -> int:
        """Sample rate of the audio the client appends."""
        return _rate_hz(self.effective["audio"]["input"]["format"])


def _rate_hz(audio_format: Mapping[str, Any]) -> int:
    return 24_000 if audio_format["type"] == "audio/pcm" else 8_000


def _transcription_defaults(realtime: dict[str, Any]) -> dict[str, Any]:
    audio_in = realtime["audio"]["input"]
    detection = audio_in["turn_detection"]
    heard = {name: detection[name] for name in ("type", *VAD_FIELDS)}
    return {"type": "transcription", "include": None, "audio": {"input": {**audio_in, "turn_detection": heard}}}


def checked_session(session: Mapping[str, Any]) -> Problem | None:
    """The first mistake in a session object by the rules of the configuration; None when there is none."""
    return _first_problem(json.dumps(session, sort_keys=True))


@lru_cache(maxsize=1024)
def _first_problem(session_json: str) -> Problem | None:
    session = json.loads(session_json)
    if "type" not in session:
        return Problem("type", None, "'realtime'", "session.type is required", "missing_required_parameter")
    foreign = next((name for name in session if name not in _FIELDS), None)
    if foreign is not None:
        hint = f"Today it is 'session.{_OLDER[foreign]}'." if foreign in _OLDER else ""
        return Problem(foreign[:100], "...", f"one of {', '.join(_FIELDS)}", hint, code="unknown_parameter")
    if session["type"] not in SESSION_TYPES:
        return Problem("type", session["type"], " or ".join(map(repr, SESSION_TYPES)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConfigWarning)  # a service says nothing either
            SessionConfig.from_wire(session, strict=True)
    except ConfigError as error:
        return error.errors[0]
    return None


def unsupported(session: Mapping[str, Any]) -> Problem | None:
    """What the service has and this server does not; None when nothing of it is asked for."""
    for position, tool in enumerate(session.get("tools") or ()):
        if tool.get("type") == "mcp":
            hint = "this server calls no remote servers"
            return Problem(f"tools[{position}].type", "mcp", "function", hint, UNSUPPORTED_CODE)
    choice = session.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "mcp":
        return Problem("tool_choice.type", "mcp", "function", "this server calls no remote servers", UNSUPPORTED_CODE)
    return None


def _contradiction(merged: Mapping[str, Any], session: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the session as a whole, though each field may be right."""
    missing = unknown_choice(merged.get("tools") or (), merged.get("tool_choice"))
    if missing is not None:
        return Problem("tool_choice.name", missing, "the name of one of the tools")
    audio_in = merged["audio"]["input"]
    model = (audio_in["transcription"] or {}).get("model")
    if merged["type"] == "transcription" and model in NO_VAD_MODELS and audio_in["turn_detection"] is not None:
        if ((session.get("audio") or {}).get("input") or {}).get("turn_detection") is None:
            audio_in["turn_detection"] = None  # nobody asked for it: it is off, as nothing else is possible
            return None
        hint = f"{model} has no turn detection: the client commits the audio"
        return Problem("audio.input.turn_detection", audio_in["turn_detection"], "null", hint)
    return None


def _merged(effective: Mapping[str, Any], session: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    merged = copy.deepcopy(dict(effective))
    detection = profile.defaults(merged.get("model"))["audio"]["input"]["turn_detection"]
    for name, value in session.items():
        if name == "audio":
            for side, fields in value.items():
                for key, inner in fields.items():
                    merged["audio"][side][key] = _merged_part(merged["audio"][side].get(key), inner, key, detection)
        elif name != "type":
            merged[name] = value
    return merged


def _merged_part(old: Any, new: Any, key: str, detection: Mapping[str, Any]) -> Any:
    if not isinstance(new, Mapping):
        return new
    if key == "turn_detection":
        if old is not None and old["type"] == new["type"]:
            return {**old, **new}
        semantic = new["type"] == "semantic_vad"
        return {**(_SEMANTIC_DEFAULTS if semantic else detection), **new}
    if key == "transcription":
        return {"language": None, "prompt": None, **(old or {}), **new}  # as session.updated says it back
    # Documented: an update without a strength keeps the session's.
    return {**old, **new} if key == "noise_reduction" and old else dict(new)
