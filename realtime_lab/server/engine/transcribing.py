"""Transcription as a session sees it: what is asked of a recogniser, and the events that carry its answer.

A recogniser is anything that is a `Transcriber`; which one, and where it gets the sound from, is the shell's business.
Nothing here looks at audio. Most recognisers are asked once, when an item is committed; one that streams is asked again
and again while the caller speaks, and what it is sure of is sent: all but the last word, which may be half spoken.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import InputTokenDetails, TokenLogprob, TranscriptionLanguage, TranscriptionUsage
from realtime_lab.server.engine.conversation import Conversation, heard_tokens
from realtime_lab.server.engine.outbox import Draws, Outbox, Ticket
from realtime_lab.server.engine.settings import Settings

LOGPROBS = "item.input_audio_transcription.logprobs"
"""What `include` holds when log-probabilities are wanted."""
_STREAMED_SHARE = 0.4
"""Part of the delay over which deltas arrive, a prior: recordings with deltas show them in its last half."""
_AGAIN_MS = 10.0
"""A recogniser that is not ready is asked again after this."""
STREAMING = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Recognisers that send text while the caller speaks: 5 of 7 deltas in a recorded public session sent in real time."""
_STEP_MS, _GROWTH = 960.0, 1.25
"""How much more audio a streaming one hears before it is asked again, at least and as a factor: a prior, coarse so that
long turns stay cheap."""
_LATE_MS = 240.0
"""Audio that does not come is waited for in such steps."""


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
    _stream: _Stream | None = None

    @property
    def name(self) -> str:
        """What transcribes, with its version."""
        return "none" if self.transcriber is None else self.transcriber.name

    @property
    def streams(self) -> bool:
        """Whether the session's recogniser sends text while the caller speaks."""
        asked = self._asked()
        return self.transcriber is not None and asked is not None and asked.model in STREAMING

    def listen(self, t_ms: float, item_id: str, start_ms: float, heard: Callable[[], float]) -> None:
        """An item begins at `start_ms` of audio time: a recogniser that streams is asked about it from now on.

        Args:
            t_ms: When that is known.
            item_id: What the item is going to be called.
            start_ms: Audio time at which it begins.
            heard: Tells the audio time that was heard by now.
        """
        asked = self._asked()
        if asked is None or not self.streams:
            return
        self.leave()
        self._stream = _Stream(item_id, start_ms, asked, t_ms - heard(), heard)
        self._ask_at(self._stream, heard() + _STEP_MS, t_ms)

    def leave(self) -> None:
        """What was listened to is thrown away, or committed."""
        self._stream = None

    def begin(self, t_ms: float, item_id: str, start_ms: float, end_ms: float) -> None:
        """Transcribe [start_ms, end_ms) of audio time, committed at `t_ms` as `item_id`, when the session asks for it.

        What is asked is what the session asks now: later updates change later items.
        """
        said = self._stream.said if self._stream is not None and self._stream.item_id == item_id else []
        self.leave()
        asked = self._asked()
        if asked is None:
            return
        delay_ms = self.settings.pace().transcription.draw(self.draws.rng("transcription"))
        item = _Item(item_id, (end_ms - start_ms), asked, self._asks_logprobs(), t_ms + delay_ms, len(said))
        if self.transcriber is None:
            self._send_failed(item, "transcription_unavailable", "This server has nothing that can transcribe audio.")
            return
        pending = self.transcriber.begin(start_ms, end_ms, asked)
        streamed_from_ms = t_ms + delay_ms * (1.0 - _STREAMED_SHARE)
        self.outbox.alarm(streamed_from_ms, lambda now_ms: self._collect(item, pending, now_ms), self._ticket)

    def _asked(self) -> Asked | None:
        wire = self.settings.effective["audio"]["input"]["transcription"]
        return None if wire is None else Asked(wire.get("model"), wire.get("language"), wire.get("prompt") or "")

    def _ask_at(self, stream: _Stream, end_ms: float, now_ms: float) -> None:
        """Ask about the audio up to `end_ms` once that was heard."""
        due_ms = max(now_ms, end_ms + stream.wall_ms)
        self.outbox.alarm(due_ms, lambda late_ms: self._ask(stream, end_ms, late_ms), self._ticket)

    def _ask(self, stream: _Stream, end_ms: float, now_ms: float) -> None:
        if stream is not self._stream:
            return
        if stream.heard() < end_ms:
            self.outbox.alarm(now_ms + _LATE_MS, lambda late_ms: self._ask(stream, end_ms, late_ms), self._ticket)
        elif self.transcriber is not None:
            self._follow(stream, end_ms, self.transcriber.begin(stream.start_ms, end_ms, stream.asked), now_ms)

    def _follow(self, stream: _Stream, end_ms: float, pending: Pending, now_ms: float) -> None:
        """Send what is new in what a streaming recogniser understands by now, and ask again later."""
        if stream is not self._stream:
            return
        result = pending()
        if result is None:
            again_ms = now_ms + _AGAIN_MS
            self.outbox.alarm(again_ms, lambda late_ms: self._follow(stream, end_ms, pending, late_ms), self._ticket)
            return
        sure, said = (result.text or "").split()[:-1], stream.said
        if sure[: len(said)] == said:  # what was sent cannot be taken back
            for piece in _streamed(sure, len(said)):
                self._send_delta(now_ms, stream.item_id, piece, None if self._asks_logprobs() else UNSET)
            stream.said = max(sure, said, key=len)
        length_ms = end_ms - stream.start_ms
        self._ask_at(stream, stream.start_ms + max(length_ms + _STEP_MS, length_ms * _GROWTH), now_ms)

    def _collect(self, item: _Item, pending: Pending, now_ms: float) -> None:
        result = pending()
        if result is None:
            again = _AGAIN_MS + now_ms
            self.outbox.alarm(again, lambda later_ms: self._collect(item, pending, later_ms), self._ticket)
        elif result.text is None:
            self._send_failed(item, result.code or "transcription_unavailable", result.message)
        else:
            self._send(item, result, result.text, now_ms)

    def _asks_logprobs(self) -> bool:
        return LOGPROBS in (self.settings.effective["include"] or ())

    def _send_failed(self, item: _Item, code: str, message: str) -> None:
        error: dict[str, Any] = {"type": "server_error", "code": code, "message": message, "param": None}
        self.outbox.send(item.due_ms, ev.TranscriptionFailed(item_id=item.item_id, error=error))

    def _send(self, item: _Item, result: Recognition, text: str, now_ms: float) -> None:
        due_ms = max(item.due_ms, now_ms)
        pieces = list(_deltas(item, result, text))
        for index, (delta, tokens) in enumerate(pieces):
            at_ms = now_ms + (due_ms - now_ms) * index / len(pieces)
            self._send_delta(at_ms, item.item_id, delta, _given(item, tokens))
        done = ev.TranscriptionCompleted(
            item_id=item.item_id,
            transcript=text,
            usage=_usage(item, result, text),
            logprobs=_given(item, result.logprobs),
            languages=_languages(item, result),
        )
        self.outbox.send(due_ms, done)
        self.conversation.transcribe(item.item_id, text, due_ms)

    def _send_delta(
        self, t_ms: float, item_id: str, delta: str, logprobs: list[TokenLogprob] | None | UnsetType
    ) -> None:
        event = ev.TranscriptionDelta(
            item_id=item_id, content_index=0, delta=delta, obfuscation=ev.filler(delta), logprobs=logprobs
        )
        self.outbox.send(t_ms, event)


@dataclass(eq=False)
class _Stream:
    """An item that is listened to while it is spoken."""

    item_id: str
    start_ms: float
    asked: Asked
    wall_ms: float
    """Wall time less audio time."""
    heard: Callable[[], float]
    said: list[str] = field(default_factory=list)
    """Words sent so far."""


@dataclass(frozen=True)
class _Item:
    """A committed item that is to be transcribed."""

    item_id: str
    length_ms: float
    asked: Asked
    asks_logprobs: bool
    due_ms: float
    said: int = 0
    """Words of it that were sent while it was spoken."""


def _is_whisper(model: str | None) -> bool:
    """Whether the service documents that this model gives a duration as usage, and no log-probabilities."""
    return model is not None and "whisper" in model


def _is_billed_by_time(model: str | None) -> bool:
    return _is_whisper(model) or model == "gpt-live-transcribe"


def _usage(item: _Item, result: Recognition, text: str) -> TranscriptionUsage:
    """What the service would bill: whole seconds of audio, none for silence; or tokens, the audio's one per 100 ms.

    Recorded public sessions (pydantic-ai's test cassettes): 3 s for 2,796 and for 2,668 ms with gpt-realtime-whisper,
    26 tokens for 2,668 ms with gpt-4o-transcribe.
    """
    if _is_billed_by_time(item.asked.model):
        return TranscriptionUsage(type="duration", seconds=math.ceil(item.length_ms / 1000) if text else 0)
    heard = heard_tokens(item.length_ms)
    said = len(text.split()) if result.logprobs is None else len(result.logprobs)
    return TranscriptionUsage(
        type="tokens",
        input_tokens=heard + result.prompt_tokens,
        output_tokens=said,
        total_tokens=heard + result.prompt_tokens + said,
        input_token_details=InputTokenDetails(text_tokens=result.prompt_tokens, audio_tokens=heard),
    )


def _languages(item: _Item, result: Recognition) -> list[TranscriptionLanguage] | UnsetType:
    """What gpt-transcribe alone tells, as documented."""
    if item.asked.model != "gpt-transcribe":
        return UNSET
    return [] if result.language is None else [TranscriptionLanguage(code=result.language)]


_Tokens = tuple[TokenLogprob, ...] | None


def _given(item: _Item, tokens: Sequence[TokenLogprob] | None) -> list[TokenLogprob] | None | UnsetType:
    """As the service sends them: left out where nobody asked (recorded so, n = 2), null where the engine has none."""
    if not item.asks_logprobs:
        return UNSET
    return None if tokens is None or _is_whisper(item.asked.model) else list(tokens)


def _deltas(item: _Item, result: Recognition, text: str) -> Iterator[tuple[str, _Tokens]]:
    """What is sent of a transcript after its commit, each delta with its tokens; joined, it is the transcript."""
    if item.asked.model == "whisper-1":  # one delta with the whole transcript: documented, and 1 of 1 recorded
        yield from [(text, result.logprobs)] if text else ()
    elif item.asked.model in STREAMING:
        yield from ((piece, None) for piece in _streamed(text.split(), item.said))
    elif result.logprobs is None:
        yield from ((piece, None) for piece in _PIECE.findall(text))
    else:
        yield from _of_tokens(result.logprobs)


_PIECE = re.compile(r"\s?\S*\w|\s?[^\w\s]")
"""A word with the space before it, or one mark of punctuation: what one delta holds in recorded public sessions."""


def _streamed(words: list[str], start: int) -> list[str]:
    """The words from `start` on as a streaming recogniser's deltas have them, which begin with a space."""
    return _PIECE.findall("".join(f" {word}" for word in words[start:]))


def _of_tokens(tokens: tuple[TokenLogprob, ...]) -> Iterator[tuple[str, _Tokens]]:
    word: list[TokenLogprob] = []
    for token in tokens:
        mark = token.token.isascii() and not any(map(str.isalnum, token.token))
        if word and (mark or token.token.startswith(" ")):
            yield _joined(word), tuple(word)
            word = []
        word.append(token)
    if word:
        yield _joined(word), tuple(word)


def _joined(tokens: list[TokenLogprob]) -> str:
    """Text of tokens that may each hold part of a character."""
    data = b"".join(token.token.encode() if token.bytes is None else bytes(token.bytes) for token in tokens)
    return data.decode("utf-8", "replace")
