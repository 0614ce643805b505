"""What the mocked model answers: how long, in which words and tokens, and when each event of it is due.

`plan_response` draws a response from the profile; `schedule` lays its events out in time. Whether it is sent, and
what cancels it, is the engine's business. Lengths are priors of the profile: nothing here understands what was said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item
from realtime_lab.server.profile import Profile
from realtime_lab.server.voice import LEAD_MS, voice_ref

__all__ = ["AUDIO_TOKEN_MS", "TEXT_TOKENS_PER_WORD", "ResponsePlan", "plan_response", "schedule"]

AUDIO_TOKEN_MS = 50
"""The service bills assistant audio at one token per 50 ms."""
TEXT_TOKENS_PER_WORD = 1.3
"""English words to tokens, a common rule of thumb."""
_TAIL_MS = 5.0
_TEXT_WORDS_PER_DELTA = 3

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


def assistant_item(plan: ResponsePlan, item_id: str, status: str, share: float = 1.0) -> Item:
    """The assistant's item with the first `share` of its words."""
    text = " ".join(plan.words[: math.floor(len(plan.words) * share)])
    if plan.modality == "audio":
        part = ContentPart(type="output_audio", transcript=text)
    else:
        part = ContentPart(type="output_text", text=text)
    content = [] if status == "in_progress" else [part]
    return Item(id=item_id, object="realtime.item", type="message", status=status, role="assistant", content=content)


def generation_ms(profile: Profile, plan: ResponsePlan) -> float:
    """From the first delta to the last."""
    if plan.modality == "audio":
        chunks = max(0, math.ceil(plan.audio_ms / profile.audio_delta_ms) - 1)
        return chunks * profile.audio_delta_ms / profile.realtime_factor
    return plan.text_tokens * 1000 / profile.text_tokens_per_s


def schedule(
    profile: Profile, plan: ResponsePlan, response_id: str, item_id: str, previous_item_id: str | None, rate_hz: int
) -> Iterator[tuple[float, ev.Event]]:
    """The events between response.created and response.done, as (ms after response.created, event), in order."""
    ids: _Ids = {"response_id": response_id, "item_id": item_id}
    first = plan.first_byte_ms
    opened = assistant_item(plan, item_id, "in_progress")
    part_type = plan.modality
    blank = ContentPart(type=part_type, transcript="") if part_type == "audio" else ContentPart(type="text", text="")
    yield first, ev.OutputItemAdded(response_id=response_id, output_index=0, item=opened)
    yield first, ev.ItemAdded(item=opened, previous_item_id=previous_item_id)
    yield first, ev.ContentPartAdded(**ids, part=blank)
    deltas = _audio_deltas if plan.modality == "audio" else _text_deltas
    for offset_ms, event in deltas(profile, plan, ids, rate_hz):
        yield first + offset_ms, event
    end = first + generation_ms(profile, plan) + _TAIL_MS
    text = " ".join(plan.words)
    if plan.modality == "audio":
        yield end, ev.AudioDone(**ids)
        yield end, ev.AudioTranscriptDone(**ids, transcript=text)
        yield end, ev.ContentPartDone(**ids, part=ContentPart(type="audio", transcript=text))
    else:
        yield end, ev.TextDone(**ids, text=text)
        yield end, ev.ContentPartDone(**ids, part=ContentPart(type="text", text=text))
    closed = assistant_item(plan, item_id, "incomplete" if plan.truncated else "completed")
    yield end, ev.OutputItemDone(response_id=response_id, output_index=0, item=closed)
    yield end, ev.ItemDone(item=closed, previous_item_id=previous_item_id)


def _audio_deltas(profile: Profile, plan: ResponsePlan, ids: _Ids, rate_hz: int) -> Iterator[tuple[float, ev.Event]]:
    chunk_ms = profile.audio_delta_ms
    chunks = math.ceil(plan.audio_ms / chunk_ms)
    said = 0
    for chunk in range(chunks):
        due = chunk * chunk_ms / profile.realtime_factor
        upto = math.ceil(len(plan.words) * (chunk + 1) / chunks)
        if upto > said:
            yield due, ev.AudioTranscriptDelta(**ids, delta=_join(plan.words, said, upto))
            said = upto
        length_ms = min(chunk_ms, plan.audio_ms - chunk * chunk_ms)
        piece = voice_ref(LEAD_MS - plan.leading_ms + chunk * chunk_ms, length_ms, rate_hz)
        yield due, ev.AudioDelta(**ids, delta=piece)


def _text_deltas(profile: Profile, plan: ResponsePlan, ids: _Ids, rate_hz: int) -> Iterator[tuple[float, ev.Event]]:
    word_ms = TEXT_TOKENS_PER_WORD * 1000 / profile.text_tokens_per_s
    for start in range(0, len(plan.words), _TEXT_WORDS_PER_DELTA):
        stop = min(start + _TEXT_WORDS_PER_DELTA, len(plan.words))
        yield start * word_ms, ev.TextDelta(**ids, delta=_join(plan.words, start, stop))


def _join(words: tuple[str, ...], start: int, stop: int) -> str:
    text = " ".join(words[start:stop])
    return text if start == 0 else " " + text
