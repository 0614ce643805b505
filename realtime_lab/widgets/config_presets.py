"""Named starting points for a configuration panel: a few sessions worth beginning with, none of them recommended."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from realtime_lab.config import NoiseReduction, SemanticVad, ServerVad, SessionConfig, Transcription

__all__ = ["PRESETS"]

_HEARD = Transcription(model="gpt-4o-transcribe")

PRESETS: Mapping[str, SessionConfig] = MappingProxyType(
    {
        "nothing set: the server's own defaults": SessionConfig(),
        "server_vad, documented defaults": SessionConfig(
            turn_detection=ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
        ),
        "server_vad with transcript and log-probabilities": SessionConfig(
            turn_detection=ServerVad(), transcription=_HEARD, logprobs=True
        ),
        "answer soon: 250 ms of silence": SessionConfig(turn_detection=ServerVad(silence_duration_ms=250)),
        "let people think: 900 ms of silence": SessionConfig(turn_detection=ServerVad(silence_duration_ms=900)),
        "noisy room: higher threshold, far-field noise reduction": SessionConfig(
            turn_detection=ServerVad(threshold=0.7, silence_duration_ms=600),
            noise_reduction=NoiseReduction(type="far_field"),
        ),
        "telephone line: mu-law both ways": SessionConfig(
            turn_detection=ServerVad(), input_format="audio/pcmu", output_format="audio/pcmu"
        ),
        "semantic_vad, patient": SessionConfig(turn_detection=SemanticVad(eagerness="low")),
        "push to talk: no turn detection": SessionConfig(turn_detection=None),
    }
)
"""Sessions by what they are for."""
