"""What a session is asked to be: its fields, their ranges and meanings, three wire shapes, every mistake at once.

`SessionConfig` is the value that is built, swept, sent and compared; `Session` is what a server answers; `FIELDS` is
the table behind panels and documentation. Nothing here talks to a server or knows how one behaves.
"""

from __future__ import annotations

from realtime_lab.config.difference import Difference
from realtime_lab.config.fields import FIELDS, FieldInfo
from realtime_lab.config.frozen_json import FrozenDict
from realtime_lab.config.model_parts import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    Prompt,
    Reasoning,
    RetentionRatio,
    TokenLimits,
    Tracing,
)
from realtime_lab.config.part import Part
from realtime_lab.config.parts import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    CustomVoice,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    Transcription,
)
from realtime_lab.config.paths import field_info, resolve_path, short_path, treatment, treatment_reason
from realtime_lab.config.problems import ConfigWarning
from realtime_lab.config.rules import tracing_change
from realtime_lab.config.session import Session
from realtime_lab.config.session_config import SessionConfig
from realtime_lab.config.shape import LOGPROBS
from realtime_lab.config.treatment import NEEDS_RECOGNISER, Treatment
from realtime_lab.config.wire import Shape

__all__ = [
    "FIELDS",
    "LOGPROBS",
    "NEEDS_RECOGNISER",
    "Audio",
    "AudioFormat",
    "AudioInput",
    "AudioOutput",
    "ConfigWarning",
    "CustomVoice",
    "Difference",
    "FieldInfo",
    "FrozenDict",
    "FunctionChoice",
    "FunctionTool",
    "McpChoice",
    "McpTool",
    "NoiseReduction",
    "Part",
    "Prompt",
    "Reasoning",
    "RetentionRatio",
    "SemanticVad",
    "ServerVad",
    "Session",
    "SessionConfig",
    "Shape",
    "TokenLimits",
    "Tracing",
    "Transcription",
    "Treatment",
    "field_info",
    "resolve_path",
    "short_path",
    "tracing_change",
    "treatment",
    "treatment_reason",
]
