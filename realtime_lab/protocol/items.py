"""The nested values of Realtime events: items, content, responses, usage, log-probabilities. No events, no state."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Annotated[int, Meta(ge=0, le=1 << 40)]
"""Samples, as a file may claim them."""
RateHz = Annotated[int, Meta(ge=1, le=1_000_000)]


class AudioRef(Struct, frozen=True, kw_only=True):
    """Stands in a recording where the wire has base64 audio."""

    sha256: str
    """Hash of the audio blob the samples lie in."""
    offset_samples: Count
    """First sample of this piece in the blob."""
    samples: Annotated[int, Meta(ge=0, le=1 << 24)]
    """Length of this piece, in samples at the blob's rate (24 kHz, or 8 kHz for G.711); no frame holds more."""
    rate_hz: RateHz = 24_000
    """Sample rate of the piece."""
    audible_sample: Count | None = None
    """First audible sample within this piece; None when it is silent throughout."""


class TokenLogprob(Struct, kw_only=True):
    """One transcription token: its text, natural-log probability and UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TranscriptionLanguage(Struct, kw_only=True):
    """One of the languages that a recogniser found."""

    code: str = ""


class ContentPart(Struct, kw_only=True):
    """One part of an item's content."""

    type: str
    text: str | UnsetType = UNSET
    audio: str | AudioRef | UnsetType = UNSET
    transcript: str | None | UnsetType = UNSET
    image_url: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Item(Struct, kw_only=True):
    """A conversation item: a message, a function call, its output, or a kind this version does not know."""

    type: str
    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    content: list[ContentPart] | UnsetType = UNSET
    call_id: str | None | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    output: str | UnsetType = UNSET
    phase: str | UnsetType = UNSET
    """final_answer in what a model says after it has reasoned."""
    server_label: str | UnsetType = UNSET
    """The MCP server of an mcp_call or mcp_list_tools."""


class InputTokenDetails(Struct, kw_only=True):
    """Input tokens by modality; cached tokens are a subset of them."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: dict[str, Any] | None = None
    cache_write_tokens: int | UnsetType = UNSET


class OutputTokenDetails(Struct, kw_only=True):
    """Output tokens by modality."""

    text_tokens: int = 0
    audio_tokens: int = 0
    reasoning_tokens: int | UnsetType = UNSET
    """Of the text tokens, those of a model's reasoning; unset where the model does not reason."""


class Usage(Struct, kw_only=True):
    """What one response was billed for."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails | None = None
    output_token_details: OutputTokenDetails | None = None


class TranscriptionUsage(Struct, kw_only=True):
    """What one transcription was billed for: tokens, or seconds of audio."""

    type: str = ""
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    total_tokens: int | UnsetType = UNSET
    input_token_details: InputTokenDetails | None | UnsetType = UNSET
    seconds: float | UnsetType = UNSET


class ErrorDetail(Struct, kw_only=True):
    """What went wrong, in the service's words."""

    type: str = ""
    message: str = ""
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class StatusDetails(Struct, kw_only=True):
    """Why a response ended as it did."""

    type: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    error: dict[str, Any] | None | UnsetType = UNSET


class Response(Struct, kw_only=True):
    """A response resource, as response.created and response.done carry it."""

    id: str = ""
    object: str = "realtime.response"
    status: Literal["in_progress", "completed", "cancelled", "failed", "incomplete"] | str = "in_progress"
    status_details: StatusDetails | None = None
    output: list[Item] = []
    conversation_id: str | None = None
    output_modalities: list[str] | UnsetType = UNSET
    modalities: list[str] | UnsetType = UNSET
    """The same under its name in the older wire shape."""
    max_output_tokens: int | str | None | UnsetType = UNSET
    audio: dict[str, Any] | None | UnsetType = UNSET
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


class RateLimit(Struct, kw_only=True):
    """One of the limits in rate_limits.updated."""

    name: str
    limit: int
    remaining: int
    reset_seconds: float
