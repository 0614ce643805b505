"""What a server is like: its defaults and how long it takes. Priors here; fitted profiles come from recordings.

Every figure of the shipped profiles is a prior chosen to land inside publicly reported bands for
gpt-realtime-class models (median response latency 1.2 to 1.5 s at 500 ms of silence, final transcript about 0.6 s
after the commit); none is a measurement of a service, and reports say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["PROFILES", "LogNormal", "Profile", "documented_defaults"]


@dataclass(frozen=True)
class LogNormal:
    """A log-normal distribution by its median and the standard deviation of its logarithm."""

    median: float
    sigma: float

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return math.exp(math.log(self.median) + self.sigma * rng.standard_normal())


def documented_defaults() -> dict[str, Any]:
    """The effective session of the public documentation, in today's wire shape."""
    return {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": None,
                "transcription": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                    "idle_timeout_ms": None,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
        },
    }


@dataclass(frozen=True)
class Profile:
    """How a server behaves in time. All times in ms, all distributions are of one event's delay."""

    name: str
    """Its name, which stands in every row."""
    note: str = "priors, not measured on a live service"
    """Where the figures come from."""
    silence_duration_ms: float = 500
    """Default of turn_detection.silence_duration_ms: 500 in the documentation, 200 in observed sessions."""
    hysteresis: float = 0.15
    """See EndpointRule."""
    event_ms: float = 10.0
    """From the server's decision to its event at the client."""
    create: LogNormal = field(default=LogNormal(35.0, 0.35))
    """From the commit to response.created."""
    first_byte: LogNormal = field(default=LogNormal(600.0, 0.30))
    """From response.created to the first output delta."""
    transcription: LogNormal = field(default=LogNormal(560.0, 0.27))
    """From the commit to transcription.completed."""
    leading_silence: LogNormal = field(default=LogNormal(60.0, 0.5))
    """Silence the model speaks before its first audible sample."""
    response_s: LogNormal = field(default=LogNormal(3.2, 0.6))
    """Length of a spoken response at speed 1, seconds."""
    words_per_s: float = 2.6
    """Words a response speaks per second."""
    realtime_factor: float = 4.0
    """Seconds of audio the server sends per second."""
    text_tokens_per_s: float = 60.0
    """Output tokens per second of a text response."""
    audio_delta_ms: int = 200
    """Audio in one output_audio.delta."""

    def defaults(self) -> dict[str, Any]:
        """The session a client finds at session.created."""
        session = documented_defaults()
        session["audio"]["input"]["turn_detection"]["silence_duration_ms"] = self.silence_duration_ms
        return session


_DOCUMENTED = Profile(name="documented")

PROFILES = {
    "documented": _DOCUMENTED,
    "observed": replace(_DOCUMENTED, name="observed", silence_duration_ms=200),
}
"""The shipped profiles by name; they differ in the silence default only."""
