"""What a session was asked to do, as far as its metrics depend on it. Reads wire mappings of any shape, trusts none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from realtime_lab.audio.pcm import GRID_MS, grid_frames
from realtime_lab.protocol.events import ResponseCreate
from realtime_lab.recording.events import Recording

DOCUMENTED_PREFIX_PADDING_MS = 300.0
"""Used where the server does not say: the documented default. Semantic VAD has no field for it."""
_LOGPROBS = "item.input_audio_transcription.logprobs"


class Asked(NamedTuple):
    """The part of a session's configuration that decides which metrics can exist."""

    finds_endpoints: bool
    """The server detects turns; otherwise the client commits."""
    silence_ms: float | None
    """Silence inside audio_end_ms, whole frames of 32 ms; None when unknown (semantic VAD, or nobody said)."""
    prefix_ms: float
    """Padding inside audio_start_ms."""
    responds: bool
    """Responses are created."""
    speaks: bool
    """Responses are spoken."""
    transcribes: bool
    """Input is transcribed."""
    gives_logprobs: bool
    """Transcripts were asked to come with log-probabilities."""
    language: str | None = None
    """Language of the transcription, such as `en`; None when nobody says."""


def what_was_asked(recording: Recording) -> Asked:
    """Read it from the configuration the server reported, or else from the one that was sent."""
    header = recording.header
    config: Mapping[str, Any] = header.effective if header.effective is not None else header.requested
    heard = _mapping(_mapping(config.get("audio")).get("input"))
    detection = turn_detection_in(config)
    by_client = any(isinstance(entry.event, ResponseCreate) for entry in recording.events)
    automatic = detection is not None and detection.get("create_response") is not False
    modalities = config.get("output_modalities", config.get("modalities"))
    transcription = heard.get("transcription", config.get("input_audio_transcription"))
    include = config.get("include")
    return Asked(
        finds_endpoints=detection is not None,
        silence_ms=_silence_ms(detection),
        prefix_ms=_number((detection or {}).get("prefix_padding_ms"), DOCUMENTED_PREFIX_PADDING_MS),
        responds=automatic or by_client,
        speaks=(automatic or by_client) and (not isinstance(modalities, list) or "audio" in modalities),
        transcribes=isinstance(transcription, Mapping),
        gives_logprobs=isinstance(include, list) and _LOGPROBS in include,
        language=_text(_mapping(transcription).get("language")),
    )


def turn_detection_in(session: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The turn detection a session object holds, in either place; empty when unset, None when turned off."""
    for place in (_mapping(_mapping(session.get("audio")).get("input")), session):
        if "turn_detection" in place:
            value = place["turn_detection"]
            return value if isinstance(value, Mapping) else None
    return {}


def _silence_ms(detection: Mapping[str, Any] | None) -> float | None:
    if detection is None or detection.get("type", "server_vad") != "server_vad":
        return None
    silence_ms = _number(detection.get("silence_duration_ms"), math.nan)
    return None if math.isnan(silence_ms) else float(GRID_MS * grid_frames(silence_ms))


def _number(value: object, default: float) -> float:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if ok else default  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
