"""What the mocked model answers: how long, in which words and tokens, and when each event of it is due.

`plan_response` draws a response from the profile; `schedule` lays its events out in time. Whether it is sent, and
what cancels it, is the engine's business. Lengths are priors of the profile: nothing here understands what was said.
A response is one item: speech, text, or the call of a function. It is given in steps, one delta each (in audio mode one
of the transcript and one of audio), so what was given by any moment is known exactly.

The mocked model's voice: one fixed stretch of speech-like sound behind two seconds of silence. No words in it.

Every response is a piece of this one blob: it begins in the silence, as far before the sound as the response's
leading silence is long. So a client measures the first audible sample for itself, and one blob serves all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef, ContentPart, Item
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
TEXT_TOKENS_PER_WORD = 1.3
"""English words to tokens, a common rule of thumb."""
_TAIL_MS = 5.0
_TEXT_WORDS_PER_DELTA = 3
_CALL_CHARACTERS_PER_DELTA = 16

_PROSE = (
    "Sure, I can help with that. Let me check what we have for you right now. I found it, and everything looks fine "
    "on my side. The order is on its way and should arrive before the end of the week. If you would like to change "
    "anything, just tell me and I will update it. You will get a short message as soon as it has been sent. "
    "Is there anything else you would like to know about it?"
).split()


class _Ids(TypedDict):
    response_id: str
    item_id: str


@dataclass(frozen=True)
class ResponsePlan:
    """One response as the model would give it, cut at its token limit."""

    modality: str
    """audio or text."""
    words: tuple[str, ...]
    leading_ms: int
    """Silence before the first audible sample; a multiple of 10 ms."""
    audio_ms: int
    """All audio, leading silence included; 0 in text mode. A multiple of 50 ms."""
    text_tokens: int
    audio_tokens: int
    truncated: bool
    """True when max_output_tokens cut it."""
    create_ms: float
    """From the commit to response.created."""
    first_byte_ms: float
    """From response.created to the first delta."""
    call: ToolCall | None = None
    """The function it calls, in place of words."""


class Given(NamedTuple):
    """What of a response had been given by some moment."""

    words: int
    audio_ms: int
    text_tokens: int
    audio_tokens: int
    characters: int
    """Of a call's arguments."""


def plan_response(
    profile: Profile, rng: np.random.Generator, modality: str, max_output_tokens: float, speed: float
) -> ResponsePlan:
    """Draw one response.

    Args:
        profile: Where the distributions come from.
        rng: The response's own generator.
        modality: audio or text.
        max_output_tokens: The limit; inf for none.
        speed: audio.output.speed; faster speech is shorter.
    """
    create_ms, first_byte_ms = profile.create.draw(rng), profile.first_byte.draw(rng)
    leading_ms = min(LEAD_MS, 10 * round(profile.leading_silence.draw(rng) / 10))
    length = profile.response_s if modality == "audio" else profile.text_tokens
    drawn = length.draw(rng)
    spoken_s = min(drawn, 240.0)
    start = int(rng.integers(len(_PROSE)))
    wanted_words = max(
        1, round(spoken_s * profile.words_per_s if modality == "audio" else drawn / TEXT_TOKENS_PER_WORD)
    )
    text_tokens = math.ceil(wanted_words * TEXT_TOKENS_PER_WORD)
    audio_tokens = 0
    if modality == "audio":
        audio_tokens = max(1, math.ceil((leading_ms + spoken_s * 1000 / speed) / AUDIO_TOKEN_MS))
    total = text_tokens + audio_tokens
    truncated = total > max_output_tokens
    if truncated:
        audio_tokens = int(max_output_tokens * audio_tokens // total)
        text_tokens = int(max_output_tokens) - audio_tokens
    n_words = min(wanted_words, math.floor(text_tokens / TEXT_TOKENS_PER_WORD)) if truncated else wanted_words
    words = tuple(_PROSE[(start + position) % len(_PROSE)] for position in range(n_words))
    audio_ms = audio_tokens * AUDIO_TOKEN_MS
    return ResponsePlan(
        modality, words, leading_ms, audio_ms, text_tokens, audio_tokens, truncated, create_ms, first_byte_ms
    )


def plan_call(
    profile: Profile, rng: np.random.Generator, modality: str, max_output_tokens: float, call: ToolCall
) -> ResponsePlan:
    """Draw a response that calls a function; arguments as `plan_response`."""
    create_ms, first_byte_ms = profile.create.draw(rng), profile.first_byte.draw(rng)
    truncated = call.tokens > max_output_tokens
    kept = call.cut_to(int(max_output_tokens)) if truncated else call
    tokens = int(max_output_tokens) if truncated else call.tokens
    return ResponsePlan(modality, (), 0, 0, tokens, 0, truncated, create_ms, first_byte_ms, kept)


class _Step(NamedTuple):
    """One delta, and what was given with it."""

    offset_ms: float
    """From the first delta."""
    upto: int
    """Words given by then, or characters of a call's arguments."""
    audio_from_ms: int = 0
    audio_ms: int = 0


def _steps(profile: Profile, plan: ResponsePlan) -> Iterator[_Step]:
    if plan.call is not None:
        token_ms = 1000 / profile.text_tokens_per_s
        for start in range(0, len(plan.call.arguments), _CALL_CHARACTERS_PER_DELTA):
            upto = min(start + _CALL_CHARACTERS_PER_DELTA, len(plan.call.arguments))
            yield _Step(start / CHARACTERS_PER_TOKEN * token_ms, upto)
    elif plan.modality == "audio":
        chunk_ms = profile.audio_delta_ms
        chunks = math.ceil(plan.audio_ms / chunk_ms)
        for chunk in range(chunks):
            upto = math.ceil(len(plan.words) * (chunk + 1) / chunks)
            from_ms = chunk * chunk_ms
            yield _Step(from_ms / profile.realtime_factor, upto, from_ms, min(chunk_ms, plan.audio_ms - from_ms))
    else:
        word_ms = TEXT_TOKENS_PER_WORD * 1000 / profile.text_tokens_per_s
        for start in range(0, len(plan.words), _TEXT_WORDS_PER_DELTA):
            yield _Step(start * word_ms, min(start + _TEXT_WORDS_PER_DELTA, len(plan.words)))


def given_by(profile: Profile, plan: ResponsePlan, created_ms: float, t_ms: float) -> Given | None:
    """What of a response created at `created_ms` had been given by `t_ms`; None before its first delta."""
    if created_ms + plan.first_byte_ms > t_ms:
        return None
    upto = audio_ms = 0
    for step in _steps(profile, plan):
        if created_ms + (plan.first_byte_ms + step.offset_ms) > t_ms:
            break
        upto, audio_ms = step.upto, step.audio_from_ms + step.audio_ms
    if plan.call is not None:
        return Given(0, 0, min(plan.text_tokens, plan.call.cut_to(0).tokens + upto // CHARACTERS_PER_TOKEN), 0, upto)
    text_tokens = min(plan.text_tokens, math.ceil(upto * TEXT_TOKENS_PER_WORD))
    return Given(upto, audio_ms, text_tokens, audio_ms // AUDIO_TOKEN_MS, 0)


def response_item(plan: ResponsePlan, item_id: str, status: str, given: Given | None = None) -> Item:
    """The response's one item, whole, or with what of it was given; empty while it is in progress."""
    started = status == "in_progress"
    if plan.call is not None:
        arguments = plan.call.arguments[: None if given is None else given.characters]
        return Item(
            id=item_id,
            object="realtime.item",
            type="function_call",
            status=status,
            call_id=_call_id(item_id),
            name=plan.call.name,
            arguments="" if started else arguments,
        )
    text = " ".join(plan.words[: None if given is None else given.words])
    if plan.modality == "audio":
        part = ContentPart(type="output_audio", transcript=text)
    else:
        part = ContentPart(type="output_text", text=text)
    content = [] if started else [part]
    return Item(id=item_id, object="realtime.item", type="message", status=status, role="assistant", content=content)


def _call_id(item_id: str) -> str:
    return item_id.replace("item_", "call_", 1)


def _generation_ms(profile: Profile, plan: ResponsePlan, steps: Sequence[_Step]) -> float:
    """From the first delta to the last."""
    if plan.call is None and plan.modality == "text":
        return plan.text_tokens * 1000 / profile.text_tokens_per_s
    return steps[-1].offset_ms if steps else 0.0


def schedule(
    profile: Profile, plan: ResponsePlan, response_id: str, item_id: str, previous_item_id: str | None, rate_hz: int
) -> Iterator[tuple[float, ev.Event]]:
    """The events between response.created and response.done, as (ms after response.created, event), in order.

    The conversation.item events among them are for the conversation; a response outside it leaves them out.
    """
    ids: _Ids = {"response_id": response_id, "item_id": item_id}
    first = plan.first_byte_ms
    opened = response_item(plan, item_id, "in_progress")
    yield first, ev.OutputItemAdded(response_id=response_id, output_index=0, item=opened)
    yield first, ev.ItemAdded(item=opened, previous_item_id=previous_item_id)
    deltas = _call_deltas if plan.call is not None else _audio_deltas if plan.modality == "audio" else _text_deltas
    steps = tuple(_steps(profile, plan))
    end = first + _generation_ms(profile, plan, steps) + _TAIL_MS
    for offset_ms, event in deltas(steps, plan, ids, rate_hz):
        yield end if offset_ms is None else first + offset_ms, event
    closed = response_item(plan, item_id, "incomplete" if plan.truncated else "completed")
    yield end, ev.OutputItemDone(response_id=response_id, output_index=0, item=closed)
    yield end, ev.ItemDone(item=closed, previous_item_id=previous_item_id)


_Deltas = Iterator[tuple[float | None, ev.Event]]
"""(ms after the first delta, event); None: when all is given."""


def _audio_deltas(steps: Sequence[_Step], plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    yield 0.0, ev.ContentPartAdded(**ids, part=ContentPart(type="audio", transcript=""))
    said = 0
    for step in steps:
        if step.upto > said:
            yield step.offset_ms, ev.AudioTranscriptDelta(**ids, delta=_join(plan.words, said, step.upto))
            said = step.upto
        piece = voice_ref(LEAD_MS - plan.leading_ms + step.audio_from_ms, step.audio_ms, rate_hz)
        yield step.offset_ms, ev.AudioDelta(**ids, delta=piece)
    text = " ".join(plan.words)
    yield None, ev.AudioDone(**ids)
    yield None, ev.AudioTranscriptDone(**ids, transcript=text)
    yield None, ev.ContentPartDone(**ids, part=ContentPart(type="audio", transcript=text))


def _text_deltas(steps: Sequence[_Step], plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    yield 0.0, ev.ContentPartAdded(**ids, part=ContentPart(type="text", text=""))
    said = 0
    for step in steps:
        yield step.offset_ms, ev.TextDelta(**ids, delta=_join(plan.words, said, step.upto))
        said = step.upto
    text = " ".join(plan.words)
    yield None, ev.TextDone(**ids, text=text)
    yield None, ev.ContentPartDone(**ids, part=ContentPart(type="text", text=text))


def _call_deltas(steps: Sequence[_Step], plan: ResponsePlan, ids: _Ids, rate_hz: int) -> _Deltas:
    assert plan.call is not None
    call_id, said = _call_id(ids["item_id"]), 0
    for step in steps:
        piece = plan.call.arguments[said : step.upto]
        yield step.offset_ms, ev.FunctionArgumentsDelta(**ids, call_id=call_id, delta=piece)
        said = step.upto
    done = ev.FunctionArgumentsDone(**ids, call_id=call_id, name=plan.call.name, arguments=plan.call.arguments)
    yield None, done


def _join(words: tuple[str, ...], start: int, stop: int) -> str:
    text = " ".join(words[start:stop])
    return text if start == 0 else " " + text
