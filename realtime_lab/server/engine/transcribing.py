"""Transcription as a session sees it: what is asked of a recogniser, and the events that carry its answer.

A recogniser is anything that is a `Transcriber`; which one, and where it gets the sound from, is the shell's business.
Nothing here looks at audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import InputTokenDetails, TokenLogprob, TranscriptionUsage
from realtime_lab.server.engine.conversation import USER_AUDIO_TOKEN_MS, Conversation
from realtime_lab.server.engine.outbox import Draws, Outbox, Ticket
from realtime_lab.server.engine.settings import Settings

LOGPROBS = "item.input_audio_transcription.logprobs"
"""What `include` holds when log-probabilities are wanted."""
_STREAMED_SHARE = 0.4
"""Part of the delay over which deltas arrive, a prior: recordings with deltas show them in its last half."""
_AGAIN_MS = 10.0
"""A recogniser that is not ready is asked again after this."""


@dataclass(frozen=True)
class Asked:
    """What the session asks of transcription, as `audio.input.transcription` has it."""

    model: str | None = None
    """The service's model; nothing here imitates one, it decides the kind of usage and of deltas."""
    language: str | None = None
    """Language spoken, as an ISO 639-1 code; None: not said."""
    prompt: str = ""
    """Text that guides the recogniser."""


@dataclass(frozen=True)
class Recognition:
    """What became of one span of audio."""

    engine: str
    """What transcribed it, with its version."""
    text: str | None
    """The transcript, "" when nothing was said; None when there is none, for the reason in `code`."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """The tokens that make up `text`, in order; None from an engine that has no true log-probabilities."""
    language: str | None = None
    """Language it was recognised in, as an ISO 639-1 code."""
    prompt_tokens: int = 0
    """Tokens of the prompt that guided it."""
    finished: float | None = None
    """Probability that the speaker's sentence ends there; None from an engine that cannot tell."""
    segment: str | None = None
    """Name of the audio and the question: equal names, equal answers. None from an engine that hears no audio."""
    code: str | None = None
    """Why there is no transcript, as a code; None when there is one."""
    message: str = ""
    """The same in a sentence."""


Pending = Callable[[], Recognition | None]
"""A transcription under way: what became of it, or None while it is not ready."""


class Transcriber(Protocol):
    """Turns a span of the session's audio into text."""

    @property
    def name(self) -> str:
        """What it is, with its version; stands in every row."""
        ...

    def begin(self, start_ms: float, end_ms: float, asked: Asked) -> Pending:
        """Begin to transcribe [start_ms, end_ms) of the session's audio time."""
        ...


@dataclass
class Transcribing:
    """The transcriptions of one session.

    Args:
        settings: The session's configuration.
        outbox: Where events go.
        draws: Random draws.
        conversation: Whose items get their transcripts.
        transcriber: What transcribes; None when nothing can.
    """

    settings: Settings
    outbox: Outbox
    draws: Draws
    conversation: Conversation
    transcriber: Transcriber | None = None
    _ticket: Ticket = field(default_factory=Ticket)

    @property
    def name(self) -> str:
        """What transcribes, with its version."""
        return "none" if self.transcriber is None else self.transcriber.name

    def begin(self, t_ms: float, item_id: str, start_ms: float, end_ms: float) -> None:
        """Transcribe [start_ms, end_ms) of audio time, committed at `t_ms` as `item_id`, when the session asks for it.

        What is asked is what the session asks now: later updates change later items.
        """
        effective = self.settings.effective
        wire = effective["audio"]["input"]["transcription"]
        if wire is None:
            return
        asked = Asked(wire.get("model"), wire.get("language"), wire.get("prompt") or "")
        delay_ms = self.settings.profile.transcription.draw(self.draws.rng("transcription"))
        give_logprobs = LOGPROBS in (effective["include"] or ()) and not _is_whisper(asked.model)
        item = _Item(item_id, (end_ms - start_ms), asked, give_logprobs, t_ms + delay_ms)
        if self.transcriber is None:
            self._send_failed(item, "transcription_unavailable", "This server has nothing that can transcribe audio.")
            return
        pending = self.transcriber.begin(start_ms, end_ms, asked)
        streamed_from_ms = t_ms + delay_ms * (1.0 - _STREAMED_SHARE)
        self.outbox.alarm(streamed_from_ms, lambda now_ms: self._collect(item, pending, now_ms), self._ticket)

    def _collect(self, item: _Item, pending: Pending, now_ms: float) -> None:
        result = pending()
        if result is None:
            again = _AGAIN_MS + now_ms
            self.outbox.alarm(again, lambda later_ms: self._collect(item, pending, later_ms), self._ticket)
        elif result.text is None:
            self._send_failed(item, result.code or "transcription_unavailable", result.message)
        else:
            self._send(item, result, result.text, now_ms)

    def _send_failed(self, item: _Item, code: str, message: str) -> None:
        error: dict[str, Any] = {"type": "server_error", "code": code, "message": message, "param": None}
        self.outbox.send(item.due_ms, ev.TranscriptionFailed(item_id=item.item_id, error=error))

    def _send(self, item: _Item, result: Recognition, text: str, now_ms: float) -> None:
        due_ms = max(item.due_ms, now_ms)
        pieces = list(_pieces(text, result.logprobs))
        if pieces and _is_whisper(item.asked.model):  # documented: one delta with the whole transcript
            pieces = [(text, result.logprobs)]
        for index, (delta, tokens) in enumerate(pieces):
            at_ms = now_ms + (due_ms - now_ms) * index / len(pieces)
            logprobs = list(tokens) if item.give_logprobs and tokens is not None else None
            event = ev.TranscriptionDelta(item_id=item.item_id, content_index=0, delta=delta, logprobs=logprobs)
            self.outbox.send(at_ms, event)
        given = list(result.logprobs) if item.give_logprobs and result.logprobs is not None else None
        usage = _usage(item, result, text)
        done = ev.TranscriptionCompleted(item_id=item.item_id, transcript=text, usage=usage, logprobs=given)
        self.outbox.send(due_ms, done)
        self.conversation.transcribe(item.item_id, text, due_ms)


@dataclass(frozen=True)
class _Item:
    """A committed item that is to be transcribed."""

    item_id: str
    length_ms: float
    asked: Asked
    give_logprobs: bool
    due_ms: float


def _is_whisper(model: str | None) -> bool:
    """Whether the service documents that this model gives one delta, a duration as usage, and no log-probabilities."""
    return model is not None and "whisper" in model


def _is_billed_by_time(model: str | None) -> bool:
    return _is_whisper(model) or model == "gpt-live-transcribe"


def _usage(item: _Item, result: Recognition, text: str) -> TranscriptionUsage:
    """What the service would bill: seconds of audio, or tokens, of which the audio's are one per 100 ms."""
    if _is_billed_by_time(item.asked.model):
        return TranscriptionUsage(type="duration", seconds=round(item.length_ms / 1000, 3))
    heard = math.ceil(item.length_ms / USER_AUDIO_TOKEN_MS)
    said = len(text.split()) if result.logprobs is None else len(result.logprobs)
    return TranscriptionUsage(
        type="tokens",
        input_tokens=heard + result.prompt_tokens,
        output_tokens=said,
        total_tokens=heard + result.prompt_tokens + said,
        input_token_details=InputTokenDetails(text_tokens=result.prompt_tokens, audio_tokens=heard),
    )


def _pieces(
    text: str, tokens: tuple[TokenLogprob, ...] | None
) -> Iterator[tuple[str, tuple[TokenLogprob, ...] | None]]:
    """A transcript word by word, each with its tokens; joined, they are the transcript."""
    if tokens is None:
        for index, spoken in enumerate(text.split(" ") if text else ()):
            yield (spoken if index == 0 else f" {spoken}"), None
        return
    word: list[TokenLogprob] = []
    for token in tokens:
        if word and token.token.startswith(" "):
            yield _joined(word), tuple(word)
            word = []
        word.append(token)
    if word:
        yield _joined(word), tuple(word)


def _joined(tokens: list[TokenLogprob]) -> str:
    """Text of tokens that may each hold part of a character."""
    data = b"".join(token.token.encode() if token.bytes is None else bytes(token.bytes) for token in tokens)
    return data.decode("utf-8", "replace")
