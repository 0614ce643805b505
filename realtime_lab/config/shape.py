"""The fields of a session in the shape of the session object, declared once, and flat names to read them by.

What can be done with a session is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from realtime_lab.config.frozen_json import FrozenDict
from realtime_lab.config.parts.audio import (
    Audio,
    AudioFormat,
    CustomVoice,
    NoiseReduction,
    Transcription,
    TurnDetection,
)
from realtime_lab.config.parts.model import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    Prompt,
    Reasoning,
    RetentionRatio,
    Tracing,
)
from realtime_lab.config.parts.part import Part
from realtime_lab.config.specs import Choice, Flag, Items, JsonObject, Nested, Number, Text, TextList, Whole

LOGPROBS = "item.input_audio_transcription.logprobs"
"""The one extra output a session can ask for."""
MODELS = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5")


class SessionShape(Part):
    """Every field a session can be asked for; an attribute that is not set reads as None."""

    session_type: Annotated[
        Literal["realtime", "transcription"], Choice(options=("realtime", "transcription"), default="realtime")
    ] = "realtime"
    """Kind of session: a conversation, or transcription alone. The wire calls it `type`."""
    model: Annotated[str | None, Text(empty=False, suggestions=MODELS)] = None
    """Model that answers; it cannot change during a session."""
    output_modalities: Annotated[
        tuple[str, ...] | None,
        TextList(
            accepted=(("audio",), ("text",)),
            advice="never both: audio always carries its transcript",
            default=("audio",),
        ),
    ] = None
    """What the model answers with: audio, which always carries its transcript, or text."""
    instructions: Annotated[str | None, Text(default_note="the service's own text")] = None
    """System message of the model; the empty text clears it."""
    audio: Annotated[Audio | None, Nested(parts=(Audio,))] = None
    """Audio in and audio out."""
    include: Annotated[tuple[str, ...] | None, TextList(accepted=((LOGPROBS,), ()), nullable=True)] = None
    """Extra outputs: log-probabilities of the transcription's tokens."""
    max_output_tokens: Annotated[
        int | Literal["inf"] | None, Whole(minimum=1, maximum=4096, also=("inf",), default="inf")
    ] = None
    """Most tokens of one response, tool calls included."""
    tools: Annotated[tuple[FunctionTool | McpTool, ...] | None, Items(item=Nested(parts=(FunctionTool, McpTool)))] = (
        None
    )
    """Tools the model may call; an empty list clears them."""
    tool_choice: Annotated[
        str | FunctionChoice | McpChoice | None,
        Nested(parts=(FunctionChoice, McpChoice), also=("auto", "none", "required"), default="auto"),
    ] = None
    """How the model chooses tools."""
    tracing: Annotated[Literal["auto"] | Tracing | None, Nested(parts=(Tracing,), also=("auto",), nullable=True)] = None
    """The vendor's own log of the session, or null for none; it cannot change once it is on."""
    truncation: Annotated[
        Literal["auto", "disabled"] | RetentionRatio | None,
        Nested(parts=(RetentionRatio,), also=("auto", "disabled"), default="auto"),
    ] = None
    """What is dropped when the conversation outgrows the model."""
    prompt: Annotated[Prompt | None, Nested(parts=(Prompt,), nullable=True)] = None
    """A prompt stored with the vendor, or null for none."""
    reasoning: Annotated[Reasoning | None, Nested(parts=(Reasoning,))] = None
    """How much a reasoning model thinks."""
    parallel_tool_calls: Annotated[bool | None, Flag()] = None
    """Whether a reasoning model may call several tools at once."""
    temperature: Annotated[float | None, Number(minimum=0, maximum=2, default=0.8)] = None
    """Sampling temperature; only servers of the flat shape have it."""
    extra: Annotated[Mapping[str, object], JsonObject()] = FrozenDict()
    """Names and values beyond these fields, laid over the object that is sent; a server's own are kept here."""

    # What is in `audio`, flat.

    @property
    def turn_detection(self) -> TurnDetection | None:
        """How the end of a turn is found; None when null or not set."""
        return self.audio.input.turn_detection if self.audio and self.audio.input else None

    @property
    def transcription(self) -> Transcription | None:
        """Transcription of the caller; None when null or not set."""
        return self.audio.input.transcription if self.audio and self.audio.input else None

    @property
    def noise_reduction(self) -> NoiseReduction | None:
        """Noise reduction; None when null or not set."""
        return self.audio.input.noise_reduction if self.audio and self.audio.input else None

    @property
    def input_format(self) -> AudioFormat | None:
        """Encoding of the audio sent; None when not set."""
        return self.audio.input.format if self.audio and self.audio.input else None

    @property
    def output_format(self) -> AudioFormat | None:
        """Encoding of the audio received; None when not set."""
        return self.audio.output.format if self.audio and self.audio.output else None

    @property
    def voice(self) -> str | CustomVoice | None:
        """Voice of the model; None when not set."""
        return self.audio.output.voice if self.audio and self.audio.output else None

    @property
    def speed(self) -> float | None:
        """Speed of speech as a multiple of the normal one; None when not set."""
        return self.audio.output.speed if self.audio and self.audio.output else None

    @property
    def logprobs(self) -> bool:
        """Whether log-probabilities of the transcription are asked for."""
        return LOGPROBS in (self.include or ())
