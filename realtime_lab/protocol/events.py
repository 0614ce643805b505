"""The Realtime protocol's events, one class each; the class's tag is the wire's `type`.

Client events first, then server events, in the order a session meets them. An id that a server
may leave out is "" then; the client gives it a name. The codec that reads and writes them is in
`codec`, the order they may come in is in `order`. Events of a type this version does not know become UnknownEvent.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from realtime_lab.protocol.items import (
    AudioRef,
    ContentPart,
    ErrorDetail,
    Item,
    RateLimit,
    Response,
    TokenLogprob,
    TranscriptionLanguage,
    TranscriptionUsage,
)


class Event(Struct, kw_only=True, tag_field="type"):
    """Base of every event."""

    event_id: str | UnsetType = UNSET


class UnknownEvent(Struct, kw_only=True):
    """A frame whose type is not known here, or whose fields are not as documented; kept whole."""

    type: str
    raw: bytes
    problem: str = ""
    """Why it was not read as the type it claims to be; empty for an unknown type."""


# --- client ---------------------------------------------------------------------------------------------------------


class SessionUpdate(Event, kw_only=True, tag="session.update"):
    session: dict[str, Any]


class InputAudioAppend(Event, kw_only=True, tag="input_audio_buffer.append"):
    audio: str | AudioRef


class InputAudioCommit(Event, kw_only=True, tag="input_audio_buffer.commit"):
    pass


class InputAudioClear(Event, kw_only=True, tag="input_audio_buffer.clear"):
    pass


class ItemCreate(Event, kw_only=True, tag="conversation.item.create"):
    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ItemRetrieve(Event, kw_only=True, tag="conversation.item.retrieve"):
    item_id: str


class ItemDelete(Event, kw_only=True, tag="conversation.item.delete"):
    item_id: str


class ItemTruncate(Event, kw_only=True, tag="conversation.item.truncate"):
    item_id: str
    content_index: int
    audio_end_ms: int


class ResponseCreate(Event, kw_only=True, tag="response.create"):
    response: dict[str, Any] | UnsetType = UNSET


class ResponseCancel(Event, kw_only=True, tag="response.cancel"):
    response_id: str | UnsetType = UNSET


class OutputAudioClear(Event, kw_only=True, tag="output_audio_buffer.clear"):
    pass


# --- server ---------------------------------------------------------------------------------------------------------


class SessionCreated(Event, kw_only=True, tag="session.created"):
    session: dict[str, Any] = {}


class SessionUpdated(Event, kw_only=True, tag="session.updated"):
    session: dict[str, Any]


class ConversationCreated(Event, kw_only=True, tag="conversation.created"):
    conversation: dict[str, Any]


class ErrorEvent(Event, kw_only=True, tag="error"):
    error: ErrorDetail


class SpeechStarted(Event, kw_only=True, tag="input_audio_buffer.speech_started"):
    item_id: str = ""
    audio_start_ms: int | float | None = None
    """Audio time; includes prefix_padding_ms, so it lies before the detected onset. None: the server did not say."""


class SpeechStopped(Event, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str = ""
    audio_end_ms: int | float | None = None
    """Audio time; includes silence_duration_ms in whole frames of 32 ms. None: the server did not say."""


class InputAudioCommitted(Event, kw_only=True, tag="input_audio_buffer.committed"):
    item_id: str = ""
    previous_item_id: str | None = None


class InputAudioCleared(Event, kw_only=True, tag="input_audio_buffer.cleared"):
    pass


class DtmfReceived(Event, kw_only=True, tag="input_audio_buffer.dtmf_event_received"):
    """A key of a telephone, over SIP."""

    event: str
    received_at: int | float | UnsetType = UNSET
    """Seconds since 1970."""


class TimeoutTriggered(Event, kw_only=True, tag="input_audio_buffer.timeout_triggered"):
    item_id: str
    audio_start_ms: int | float
    audio_end_ms: int | float


class ItemAdded(Event, kw_only=True, tag="conversation.item.added"):
    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ItemDone(Event, kw_only=True, tag="conversation.item.done"):
    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ItemCreated(Event, kw_only=True, tag="conversation.item.created"):
    """The older wire shape's single event for an item."""

    item: Item
    previous_item_id: str | None | UnsetType = UNSET


class ItemRetrieved(Event, kw_only=True, tag="conversation.item.retrieved"):
    item: Item


class ItemDeleted(Event, kw_only=True, tag="conversation.item.deleted"):
    item_id: str


class ItemTruncated(Event, kw_only=True, tag="conversation.item.truncated"):
    item_id: str
    content_index: int
    audio_end_ms: int


class TranscriptionDelta(Event, kw_only=True, tag="conversation.item.input_audio_transcription.delta"):
    item_id: str = ""
    content_index: int | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    obfuscation: str | UnsetType = UNSET
    logprobs: list[TokenLogprob] | None | UnsetType = UNSET


class TranscriptionCompleted(Event, kw_only=True, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str = ""
    content_index: int = 0
    transcript: str
    usage: TranscriptionUsage | None | UnsetType = UNSET
    logprobs: list[TokenLogprob] | None | UnsetType = UNSET
    languages: list[TranscriptionLanguage] | None | UnsetType = UNSET
    """What gpt-transcribe took it for; empty when it could not tell."""


class TranscriptionSegment(Event, kw_only=True, tag="conversation.item.input_audio_transcription.segment"):
    item_id: str
    content_index: int = 0
    id: str
    start: float
    end: float
    text: str
    speaker: str | UnsetType = UNSET


class TranscriptionFailed(Event, kw_only=True, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str = ""
    content_index: int = 0
    error: dict[str, Any] = {}


class ResponseCreated(Event, kw_only=True, tag="response.created"):
    response: Response


class ResponseDone(Event, kw_only=True, tag="response.done"):
    response: Response


class OutputItemAdded(Event, kw_only=True, tag="response.output_item.added"):
    response_id: str = ""
    output_index: int = 0
    item: Item


class OutputItemDone(Event, kw_only=True, tag="response.output_item.done"):
    response_id: str = ""
    output_index: int = 0
    item: Item


class _PartEvent(Event, kw_only=True):
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_PartEvent, kw_only=True, tag="response.content_part.added"):
    part: ContentPart


class ContentPartDone(_PartEvent, kw_only=True, tag="response.content_part.done"):
    part: ContentPart


class TextDelta(_PartEvent, kw_only=True, tag="response.output_text.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET
    """Filler that makes frames alike in length, here and in other deltas."""


class TextDone(_PartEvent, kw_only=True, tag="response.output_text.done"):
    text: str = ""


class AudioDelta(_PartEvent, kw_only=True, tag="response.output_audio.delta"):
    delta: str | AudioRef


class AudioDone(_PartEvent, kw_only=True, tag="response.output_audio.done"):
    pass


class AudioTranscriptDelta(_PartEvent, kw_only=True, tag="response.output_audio_transcript.delta"):
    delta: str
    obfuscation: str | UnsetType = UNSET


class AudioTranscriptDone(_PartEvent, kw_only=True, tag="response.output_audio_transcript.done"):
    transcript: str = ""


class FunctionArgumentsDelta(Event, kw_only=True, tag="response.function_call_arguments.delta"):
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    call_id: str = ""
    delta: str
    obfuscation: str | UnsetType = UNSET


class FunctionArgumentsDone(Event, kw_only=True, tag="response.function_call_arguments.done"):
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0
    call_id: str = ""
    name: str | UnsetType = UNSET
    arguments: str


class RateLimitsUpdated(Event, kw_only=True, tag="rate_limits.updated"):
    rate_limits: list[RateLimit]


class _McpEvent(Event, kw_only=True):
    """Of a call that the service itself makes, or of its asking a server for its tools."""

    item_id: str = ""
    output_index: int | UnsetType = UNSET


class McpToolsInProgress(_McpEvent, kw_only=True, tag="mcp_list_tools.in_progress"):
    pass


class McpToolsCompleted(_McpEvent, kw_only=True, tag="mcp_list_tools.completed"):
    pass


class McpToolsFailed(_McpEvent, kw_only=True, tag="mcp_list_tools.failed"):
    pass


class McpArgumentsDelta(_McpEvent, kw_only=True, tag="response.mcp_call_arguments.delta"):
    response_id: str = ""
    delta: str
    obfuscation: str | UnsetType = UNSET


class McpArgumentsDone(_McpEvent, kw_only=True, tag="response.mcp_call_arguments.done"):
    response_id: str = ""
    arguments: str


class McpCallInProgress(_McpEvent, kw_only=True, tag="response.mcp_call.in_progress"):
    pass


class McpCallCompleted(_McpEvent, kw_only=True, tag="response.mcp_call.completed"):
    pass


class McpCallFailed(_McpEvent, kw_only=True, tag="response.mcp_call.failed"):
    pass


class _PlayedEvent(Event, kw_only=True):
    """Of the audio that the service itself plays, over WebRTC and SIP."""

    response_id: str = ""


class OutputAudioStarted(_PlayedEvent, kw_only=True, tag="output_audio_buffer.started"):
    pass


class OutputAudioStopped(_PlayedEvent, kw_only=True, tag="output_audio_buffer.stopped"):
    pass


class OutputAudioCleared(_PlayedEvent, kw_only=True, tag="output_audio_buffer.cleared"):
    pass


class _TranslationDelta(Event, kw_only=True):
    """Of a translation session, which has neither turns nor responses."""

    delta: str
    elapsed_ms: int | float | None | UnsetType = UNSET
    """Audio time it belongs to, in steps of 200 ms."""


class TranslationHeardDelta(_TranslationDelta, kw_only=True, tag="session.input_transcript.delta"):
    pass


class TranslationSaidDelta(_TranslationDelta, kw_only=True, tag="session.output_transcript.delta"):
    pass


class TranslationAudioDelta(_TranslationDelta, kw_only=True, tag="session.output_audio.delta"):
    sample_rate: int | UnsetType = UNSET
    channels: int | UnsetType = UNSET
    format: str | UnsetType = UNSET


class SessionClosed(Event, kw_only=True, tag="session.closed"):
    pass


ClientEvent: TypeAlias = (
    SessionUpdate
    | InputAudioAppend
    | InputAudioCommit
    | InputAudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | ResponseCreate
    | ResponseCancel
    | OutputAudioClear
)

ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ErrorEvent
    | SpeechStarted
    | SpeechStopped
    | InputAudioCommitted
    | InputAudioCleared
    | TimeoutTriggered
    | DtmfReceived
    | ItemAdded
    | ItemDone
    | ItemCreated
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionSegment
    | TranscriptionFailed
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | TextDelta
    | TextDone
    | AudioDelta
    | AudioDone
    | AudioTranscriptDelta
    | AudioTranscriptDone
    | FunctionArgumentsDelta
    | FunctionArgumentsDone
    | RateLimitsUpdated
    | McpToolsInProgress
    | McpToolsCompleted
    | McpToolsFailed
    | McpArgumentsDelta
    | McpArgumentsDone
    | McpCallInProgress
    | McpCallCompleted
    | McpCallFailed
    | OutputAudioStarted
    | OutputAudioStopped
    | OutputAudioCleared
    | TranslationHeardDelta
    | TranslationSaidDelta
    | TranslationAudioDelta
    | SessionClosed
)

AnyEvent: TypeAlias = Event | UnknownEvent


def event_type(event: AnyEvent) -> str:
    """The wire's `type` of an event, such as "response.done"."""
    if isinstance(event, UnknownEvent):
        return event.type
    return str(event.__struct_config__.tag)


def filler(delta: str) -> str:
    """A delta's `obfuscation`: text that brings the two to whole sixteens of characters, as in recorded sessions."""
    return "x" * (16 - len(delta) % 16)
