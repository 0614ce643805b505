"""What the mocked model answers: how long, in which words and tokens, and when each event of it is due.

`plan_response` draws a response from the profile; `schedule` lays its events out in time. Whether it is sent, and
what cancels it, is the engine's business. Lengths are priors of the profile: nothing here understands what was said.
A response is one item: speech, text, or the call of a function. Text comes token by token, the transcript of speech
ahead of its audio, so what was given by any moment is known exactly. Order and figures are those of recorded public
sessions (pydantic-ai's test cassettes), where nothing else is said.

The mocked model's voice: one fixed stretch of speech-like sound behind two seconds of silence. No words in it.

Every response is a piece of this one blob: it begins in the silence, as far before the sound as the response's
leading silence is long. So a client measures the first audible sample for itself, and one blob serves all.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypedDict

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef, ContentPart, Item
from realtime_lab.server.engine.conversation import Output
from realtime_lab.server.engine.profile import Profile
from realtime_lab.server.engine.tool_calls import CHARACTERS_PER_TOKEN, ToolCall

LEAD_MS = 2_000
"""Silence before the sound: the longest leading silence a response can have."""


@lru_cache(maxsize=2)
def _second(rate_hz: int) -> NDArray[np.int16]:
    t = np.arange(rate_hz) / rate_hz
    pitch = 2 * np.pi * np.cumsum(130 + 15 * np.sin(2 * np.pi * t)) / rate_hz
    buzz = np.sum([np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 12)], axis=0)
    syllables = 0.55 + 0.45 * np.cos(2 * np.pi * 4 * t)
    sound: NDArray[np.int16] = np.rint(3500 * syllables * buzz).astype(np.int16)
    return sound


@lru_cache(maxsize=2)
def _key(rate_hz: int) -> str:
    return hashlib.sha256(b"mocked voice" + _second(rate_hz).tobytes()).hexdigest()


def voice_piece(offset_samples: int, samples: int, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.int16]:
    """A piece of the voice blob, int16, shape (samples,); after the silence the sound repeats every second."""
    position = offset_samples - LEAD_MS * rate_hz // 1000 + np.arange(samples)
    second = _second(rate_hz)
    return np.where(position < 0, 0, second[position % rate_hz]).astype(np.int16)


def voice_ref(offset_ms: int, length_ms: int, rate_hz: int = SAMPLE_RATE_HZ) -> AudioRef:
    """A reference to a piece of the voice blob, with its first audible sample measured."""
    # Behind the silence, which is whole seconds, the sound repeats every second: so does what is measured.
    per_ms = rate_hz // 1000
    return AudioRef(
        sha256=_key(rate_hz),
        offset_samples=offset_ms * per_ms,
        samples=length_ms * per_ms,
        rate_hz=rate_hz,
        audible_sample=_audible(min(offset_ms, LEAD_MS + offset_ms % 1000), length_ms, rate_hz),
    )


@lru_cache(maxsize=4096)
def _audible(offset_ms: int, length_ms: int, rate_hz: int) -> int | None:
    heard = first_audible_sample(voice_piece(offset_ms * 24, length_ms * 24))
    return None if heard is None else heard * rate_hz // SAMPLE_RATE_HZ


AUDIO_TOKEN_MS = 50
"""The service bills assistant audio at one token per 50 ms."""
_SPOKEN_TOKENS = (6.5, 1.37)
"""Text tokens of a spoken answer, and of each delta of its transcript: a line through 17 public answers."""
_WRITTEN_TOKENS = (2.0, 1.0)
"""The same of a written one: 13 tokens for 11 deltas, n 1."""
_AHEAD = 3
"""Deltas of the transcript before the first audio: 3 or 4 in 4 of 4 sessions."""
_TAIL_MS = 26.0
"""From the last delta to response.done: 26 ms in 2 of 2 responses."""
LIMITS_MS = 31.0
"""From response.done to rate_limits.updated: 29 and 33 ms, n 2."""
_CALL_CHARACTERS_PER_DELTA = 4

_PROSE = re.findall(
    r" \w+|[^\w\s]",
    " Sure, I can help with that. Let me check what we have for you right now. I found it, and everything looks fine "
    "on my side. The order is on its way and should arrive before the end of the week. If you would like to change "
    "anything, just tell me and I will update it. You will get a short message as soon as it has been sent. "
    "Is there anything else you would like to know about it?",
)
"""Tokens as the service's deltas cut them: words with the space before them, punctuation alone."""
_STARTS = [position for position, piece in enumerate(_PROSE) if piece[-1].isalnum()]


class _Ids(TypedDict):
    response_id: str
    item_id: str


@dataclass(frozen=True)
class ResponsePlan:
    """One response as the model would give it, cut at its token limit."""

    modality: str
    """audio or text."""
    pieces: tuple[str, ...]
    """What it says, one delta each."""
    leading_ms: int
    """Silence before the first audible sample; a multiple of 10 ms."""
    audio_ms: int
    """All audio, leading silence included; 0 in text mode. A multiple of 50 ms."""
    output: Output
    truncated: bool
    """True when max_output_tokens cut it."""
    create_ms: float
    """From the commit to response.created."""
    first_byte_ms: float
    """From response.created to the first delta."""
    lead_ms: float = 0.0
    """From the first delta to the first audio."""
    call: ToolCall | None = None
    """The function it calls, in place of words."""


class Given(NamedTuple):
    """What of a response had been given by some moment."""

    pieces: int
    audio_ms: int
    output: Output
    characters: int
    """Of a call's arguments."""


def plan_response(
    profile: Profile,
    rng: np.random.Generator,
    modality: str,
    max_output_tokens: float,
    speed: float,
    reasons: bool = False,
) -> ResponsePlan:
    """Draw one response.

    Args:
        profile: Where the distributions come from.
        rng: The response's own generator.
        modality: audio or text.
        max_output_tokens: The limit; inf for none.
        speed: audio.output.speed; faster speech is shorter.
        reasons: Whether the model reasons first, which costs tokens.
    """
    create_ms, first_byte_ms = profile.create.draw(rng), profile.first_byte.draw(rng)
    leading_ms = min(LEAD_MS, 10 * round(profile.leading_silence.draw(rng) / 10))
    spoken = modality == "audio"
    drawn = (profile.response_s if spoken else profile.text_tokens).draw(rng)
    spoken_s = min(drawn, 240.0)
    start = _STARTS[int(rng.integers(len(_STARTS)))]
    lead_ms = profile.transcript_lead.draw(rng) if spoken else 0.0
    reasoning = round(profile.reasoning_tokens.draw(rng)) if reasons else 0
    pieces = _words(start, max(1, round(spoken_s * profile.words_per_s))) if spoken else _tokens(start, drawn)
    text_tokens = _text_tokens(modality, len(pieces))
    audio_tokens = max(1, math.ceil((leading_ms + spoken_s * 1000 / speed) / AUDIO_TOKEN_MS)) if spoken else 0
    total = reasoning + text_tokens + audio_tokens
    truncated = total > max_output_tokens
    if truncated:
        limit = int(max_output_tokens)
        reasoning = min(reasoning, limit)
        audio_tokens = (limit - reasoning) * audio_tokens // (text_tokens + audio_tokens)
        text_tokens = limit - reasoning - audio_tokens
        pieces = pieces[: _pieces_within(modality, text_tokens)]
    output = Output(reasoning + text_tokens, audio_tokens, reasoning if reasons else None)
    audio_ms = audio_tokens * AUDIO_TOKEN_MS
    return ResponsePlan(modality, pieces, leading_ms, audio_ms, output, truncated, create_ms, first_byte_ms, lead_ms)


def _tokens(start: int, drawn: float) -> tuple[str, ...]:
    """As much of the prose as makes a written answer of `drawn` tokens."""
    count = max(1, round(drawn - _WRITTEN_TOKENS[0]))
    return _begun(_PROSE[(start + position) % len(_PROSE)] for position in range(count))


def _words(start: int, count: int) -> tuple[str, ...]:
    """`count` words of the prose, with the punctuation between them."""
    pieces: list[str] = []
    position = start
    while count:
        piece = _PROSE[position % len(_PROSE)]
        pieces.append(piece)
        count -= piece[-1].isalnum()
        position += 1
    return _begun(pieces)


def _begun(pieces: Iterable[str]) -> tuple[str, ...]:
    """The pieces as an answer has them: no space before the first."""
    first, *others = pieces
    return (first.lstrip(), *others)


def _text_tokens(modality: str, pieces: int) -> int:
    base, each = _SPOKEN_TOKENS if modality == "audio" else _WRITTEN_TOKENS
    return round(base + each * pieces) if pieces else 0


def _pieces_within(modality: str, tokens: int) -> int:
    """How many deltas so many text tokens are enough for."""
    base, each = _SPOKEN_TOKENS if modality == "audio" else _WRITTEN_TOKENS
    return max(0, math.floor((tokens - base) / each))


def plan_call(
    profile: Profile,
    rng: np.random.Generator,
    modality: str,
    max_output_tokens: float,
    call: ToolCall,
    reasons: bool = False,
) -> ResponsePlan:
    """Draw a response that calls a function; arguments as `plan_response`."""
    create_ms, first_byte_ms = profile.create.draw(rng), profile.first_byte.draw(rng)
    reasoning = round(profile.reasoning_tokens.draw(rng)) if reasons else 0
    truncated = reasoning + call.tokens > max_output_tokens
    tokens = int(max_output_tokens) if truncated else reasoning + call.tokens
    reasoning = min(reasoning, tokens)
    kept = call.cut_to(tokens - reasoning) if truncated else call
    output = Output(tokens, 0, reasoning if reasons else None)
    return ResponsePlan(modality, (), 0, 0, output, truncated, create_ms, first_byte_ms, call=kept)


def _told(profile: Profile, plan: ResponsePlan) -> Iterator[tuple[float, int]]:
    """The deltas of text: ms from the first delta, and how many pieces (a call's characters) are given with it."""
    token_ms = 1000 / profile.text_tokens_per_s
    if plan.call is not None:
        for start in range(0, len(plan.call.arguments), _CALL_CHARACTERS_PER_DELTA):
            upto = min(start + _CALL_CHARACTERS_PER_DELTA, len(plan.call.arguments))
            yield start / CHARACTERS_PER_TOKEN * token_ms, upto
    elif plan.modality == "audio":
        for piece in range(len(plan.pieces)):
            ahead_ms = plan.lead_ms * min(piece, _AHEAD) / _AHEAD
            yield ahead_ms + max(0, piece - _AHEAD) * token_ms, piece + 1
    else:
        piece_ms = plan.output.said_tokens / max(len(plan.pieces), 1) * token_ms
        yield from ((piece * piece_ms, piece + 1) for piece in range(len(plan.pieces)))


def _sounded(profile: Profile, plan: ResponsePlan) -> Iterator[tuple[float, int, int]]:
    """The deltas of audio: ms from the first delta, where it begins in the audio, and its length."""
    chunk_ms = profile.audio_delta_ms
    for from_ms in range(0, plan.audio_ms, chunk_ms):
        yield plan.lead_ms + from_ms / profile.realtime_factor, from_ms, min(chunk_ms, plan.audio_ms - from_ms)


def given_by(profile: Profile, plan: ResponsePlan, created_ms: float, t_ms: float) -> Given | None:
    """What of a response created at `created_ms` had been given by `t_ms`; None before its first delta."""
    if created_ms + plan.first_byte_ms > t_ms:
        return None

    def past(offset_ms: float) -> bool:
        return created_ms + (plan.first_byte_ms + offset_ms) <= t_ms

    upto = max((upto for offset_ms, upto in _told(profile, plan) if past(offset_ms)), default=0)
    audio_ms = sum(length_ms for offset_ms, _, length_ms in _sounded(profile, plan) if past(offset_ms))
    reasoning, most = plan.output.reasoning_tokens, plan.output.said_tokens
    if plan.call is not None:
        said = min(most, plan.call.cut_to(0).tokens + upto // CHARACTERS_PER_TOKEN)
        return Given(0, 0, Output(said + (reasoning or 0), 0, reasoning), upto)
    said = min(most, _text_tokens(plan.modality, upto))
    return Given(upto, audio_ms, Output(said + (reasoning or 0), audio_ms // AUDIO_TOKEN_MS, reasoning), 0)


def response_item(plan: ResponsePlan, item_id: str, status: str, given: Given | None = None) -> Item:
    """The response's one item, whole, or with what of it was given; empty while it is in progress."""
    started = status == "in_progress"
    if plan.call is not None:
        arguments = plan.call.arguments[: None if given is None else given.characters]
        return Item(
            id=item_id,
            type="function_call",
            status=status,
            call_id=_call_id(item_id),
            name=plan.call.name,
            arguments="" if started else arguments,
        )
    text = "".join(plan.pieces[: None if given is None else given.pieces])
    if plan.modality == "audio":
        part = ContentPart(type="output_audio", transcript=text)
    else:
        part = ContentPart(type="output_text", text=text)
    phase = UNSET if plan.output.reasoning_tokens is None else "final_answer"
    content = [] if started else [part]
    return Item(id=item_id, type="message", status=status, role="assistant", phase=phase, content=content)


def _call_id(item_id: str) -> str:
    return item_id.replace("item_", "call_", 1)


def _generation_ms(profile: Profile, plan: ResponsePlan) -> float:
    """From the first delta to the last; to the end of a text, whose last tokens are no delta."""
    if plan.call is None and plan.modality == "text":
        return plan.output.said_tokens * 1000 / profile.text_tokens_per_s
    offsets = [step[0] for step in (*_told(profile, plan), *_sounded(profile, plan))]
    return max(offsets, default=0.0)


def schedule(
    profile: Profile,
    plan: ResponsePlan,
    response_id: str,
    item_id: str,
    previous_item_id: str | None,
    rate_hz: int,
    *,
    second: bool = False,
) -> Iterator[tuple[float, ev.Event]]:
    """The events between response.created and response.done, as (ms after response.created, event), in order.

    The conversation.item events among them are for the conversation; a response outside it leaves them out. `second`
    says that the item is the conversation's second.
    """
    ids: _Ids = {"response_id": response_id, "item_id": item_id}
    first = plan.first_byte_ms
    opened = response_item(plan, item_id, "in_progress")
    yield first, ev.OutputItemAdded(response_id=response_id, output_index=0, item=opened)
    yield first, ev.ItemAdded(item=opened, previous_item_id=previous_item_id)
    deltas = _call_deltas if plan.call is not None else _audio_deltas if plan.modality == "audio" else _text_deltas
    end = first + _generation_ms(profile, plan) + _TAIL_MS
    for offset_ms, event in deltas(profile, plan, ids, rate_hz):
        yield end if offset_ms is None else first + offset_ms, event
    closed = response_item(plan, item_id, "incomplete" if plan.truncated else "completed")
    # Recorded so in 4 of 4 conversations: behind the first item null, and behind a later one (n 1) its id.
    yield end, ev.ItemDone(item=closed, previous_item_id=None if second else previous_item_id)
    yield end, ev.OutputItemDone(response_id=response_id, output_index=0, item=closed)


_Deltas = Iterator[tuple[float | None, ev.Event]]
"""(ms after the first delta, event); None: when all is given."""


def _audio_deltas(profile: Profile, plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    yield 0.0, ev.ContentPartAdded(**ids, part=ContentPart(type="audio", transcript=""))
    words: _Deltas = ((at_ms, _transcript(plan.pieces[upto - 1], ids)) for at_ms, upto in _told(profile, plan))
    sounds: _Deltas = (
        (at_ms, ev.AudioDelta(**ids, delta=voice_ref(LEAD_MS - plan.leading_ms + from_ms, length_ms, rate_hz)))
        for at_ms, from_ms, length_ms in _sounded(profile, plan)
    )
    yield from heapq.merge(sounds, words, key=itemgetter(0))
    text = "".join(plan.pieces)
    yield None, ev.AudioDone(**ids)
    yield None, ev.AudioTranscriptDone(**ids, transcript=text)
    yield None, ev.ContentPartDone(**ids, part=ContentPart(type="audio", transcript=text))


def _transcript(piece: str, ids: _Ids) -> ev.Event:
    return ev.AudioTranscriptDelta(**ids, delta=piece, obfuscation=ev.filler(piece))


def _text_deltas(profile: Profile, plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    yield 0.0, ev.ContentPartAdded(**ids, part=ContentPart(type="text", text=""))
    for offset_ms, upto in _told(profile, plan):
        piece = plan.pieces[upto - 1]
        yield offset_ms, ev.TextDelta(**ids, delta=piece, obfuscation=ev.filler(piece))
    text = "".join(plan.pieces)
    yield None, ev.TextDone(**ids, text=text)
    yield None, ev.ContentPartDone(**ids, part=ContentPart(type="text", text=text))


def _call_deltas(profile: Profile, plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    assert plan.call is not None
    call_id, said = _call_id(ids["item_id"]), 0
    for offset_ms, upto in _told(profile, plan):
        piece, said = plan.call.arguments[said:upto], upto
        yield offset_ms, ev.FunctionArgumentsDelta(**ids, call_id=call_id, delta=piece, obfuscation=ev.filler(piece))
    done = ev.FunctionArgumentsDone(**ids, call_id=call_id, name=plan.call.name, arguments=plan.call.arguments)
    yield None, done
