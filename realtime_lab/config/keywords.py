"""What the constructor of a session takes, for type checkers and for the signature notebooks show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from realtime_lab.config.model_parts import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    Prompt,
    Reasoning,
    RetentionRatio,
    Tracing,
)
from realtime_lab.config.parts import (
    Audio,
    AudioFormat,
    CustomVoice,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    Transcription,
)

Given = Mapping[str, object]


class SessionKeywords(TypedDict, total=False):
    """What the constructor takes; every object may be given as a mapping."""

    session_type: Literal["realtime", "transcription"]
    model: str
    output_modalities: Sequence[str]
    instructions: str
    audio: Audio | Given
    include: Sequence[str] | None
    max_output_tokens: int | float | Literal["inf"]
    tools: Sequence[FunctionTool | McpTool | Given]
    tool_choice: str | FunctionChoice | McpChoice | Given
    tracing: Literal["auto"] | Tracing | Given | None
    truncation: Literal["auto", "disabled"] | RetentionRatio | Given
    prompt: Prompt | Given | None
    reasoning: Reasoning | Given
    parallel_tool_calls: bool
    temperature: float
    extra: Given
    turn_detection: ServerVad | SemanticVad | Given | None
    transcription: Transcription | Given | None
    noise_reduction: NoiseReduction | Given | None
    voice: str | CustomVoice | Given
    speed: float
    input_format: str | AudioFormat | Given
    output_format: str | AudioFormat | Given
    logprobs: bool
