"""The two sides of a recorded session against each other: order, transcripts, counts, offsets and tokens.

What the model said is its own affair and is never compared; nor is how deltas of several streams interleave. The
mocked server is held to a log only as far as the log goes: what it says after the log's last event is named, no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.vad import FrameVad
from realtime_lab.protocol.codec import SERVER_TYPES
from realtime_lab.server.engine.profile import Profile
from realtime_lab.session.agreeing.fields import field_rows, setting_rows
from realtime_lab.session.agreeing.log import TRANSCRIPTION, Chain, Logged, Step, inner
from realtime_lab.session.agreeing.replay import Ears, play
from realtime_lab.session.agreeing.rows import NOT_SENT, Row, Verdict, held
from realtime_lab.session.agreeing.sound import LoudListener, Sound, sound_of
from realtime_lab.session.agreeing.times import time_rows

_STARTED, _STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
_TIMED_OUT = "input_audio_buffer.timeout_triggered"
_DRAWS = 20
"""What happens in one of ten sessions is seen in so many with a probability of .88."""
_COUNTED = (
    _STARTED,
    _STOPPED,
    _TIMED_OUT,
    "input_audio_buffer.committed",
    "conversation.item.added",
    "response.created",
    "response.done",
    "error",
)
_OFFSETS = (
    (_STARTED, "audio_start_ms", "speech"),
    (_STOPPED, "audio_end_ms", "speech"),
    (_TIMED_OUT, "audio_start_ms", "timeout"),
    (_TIMED_OUT, "audio_end_ms", "timeout"),
)
_HEARING = (_STARTED, _STOPPED, "input_audio_buffer.committed")
_ANSWERING = {
    "response.created": "response.created",
    "response.output_item.added": "response.output_item.added",
    "response.output_audio.delta": "the answer's first delta",
    "response.output_text.delta": "the answer's first delta",
}
"""Milestones of a turn after its commit; what comes later depends on the client, whose haste a log may not tell."""
_INPUT = {
    "input text": ("input_token_details", "text_tokens"),
    "input audio": ("input_token_details", "audio_tokens"),
    "input image": ("input_token_details", "image_tokens"),
    "cached": ("input_token_details", "cached_tokens"),
}
_OUTPUT = {
    "output text": ("output_token_details", "text_tokens"),
    "output audio": ("output_token_details", "audio_tokens"),
}
_BILLED = {
    "type": ("type",),
    "seconds": ("seconds",),
    "input tokens": ("input_tokens",),
    "output tokens": ("output_tokens",),
}
_HEARD_FROM = {
    "log": "the log's own audio",
    "clip": "the clip, by the number of appends",
    "offsets": "told by the service's own offsets",
    "none": "none: nothing is said in this session",
}


def compare(session: Logged, clip: NDArray[np.int16] | None, profile: Profile) -> list[Row]:
    """Hold a recorded session against the mocked server.

    Args:
        session: What was recorded.
        clip: What was spoken, 24 kHz, where the log does not hold it.
        profile: The mocked server's.
    """
    sound = sound_of(session, clip)
    ears = Ears(FrameVad if sound.heard else LoudListener)
    theirs, (ours, refused) = session.server(), play(session, sound, profile, ears)
    rows = [Row("audio", "of the caller", _HEARD_FROM[sound.source], None, "not compared", sound.problem)]
    if session.flat:
        why = "the mocked server speaks today's: names of events and fields were translated"
        rows.append(Row("field", "names", "the older dialect", "today's", "not compared", why))
    rows += [Row("audio", "of the log", problem, None, "not compared") for problem in session.problems[:5]]
    if len(theirs) == len(session.steps):
        why = "what it asked for is told from the answers"
        rows.append(Row("audio", "of the client", "none of its events is in the log", None, "not compared", why))
    rows += [Row("setting", f"session.update: {path}", "taken", "refused", "differs") for path in refused]
    rows += setting_rows(theirs, ours)
    order = _Order.of(theirs, ours)
    rows += order.rows()
    if any(step.kind.startswith(TRANSCRIPTION) for step in theirs):
        drawn = [_transcripts(play(session, sound, profile, ears, seed).said) for seed in range(_DRAWS)]
        rows += _transcript_rows(_transcripts(theirs), _transcripts(ours), drawn)
    rows += _count_rows(theirs, order)
    rows += _offset_rows(theirs, ours, sound, _listening(theirs))
    rows += _token_rows(theirs, ours, exact=_knows_commits(session, sound))
    rows += field_rows(theirs, ours)
    rows += time_rows(session.steps, ours, profile)
    return rows


def _knows_commits(session: Logged, sound: Sound) -> bool:
    """Whether the mocked server commits as much audio as the service did; an idle timeout's is a matter of delays."""
    kinds = {step.kind for step in session.steps}
    return _TIMED_OUT not in kinds and (sound.heard or "input_audio_buffer.commit" not in kinds)


@dataclass(frozen=True)
class _Order:
    """The two chains of events, and which of their events are each other's counterparts."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    """As far as the log goes."""
    after: tuple[str, ...]
    """What the mocked server said after the counterpart of the log's last event."""
    matched: tuple[tuple[int, int], ...]
    limits: tuple[str, str]
    """Where each side's rate limits stand."""

    @classmethod
    def of(cls, service: Sequence[Step], mocked: Sequence[Step]) -> _Order:
        chains = Chain.of(service), Chain.of(mocked)
        theirs, ours = chains[0].labels, chains[1].labels
        if "session.created" not in theirs:  # the log begins later than the session
            ours = ours[1:] if ours[:1] == ["session.created"] else ours
        blocks = SequenceMatcher(None, theirs, ours, autojunk=False).get_matching_blocks()
        matched = [(block.a + step, block.b + step) for block in blocks for step in range(block.size)]
        ends = bool(matched) and matched[-1][0] == len(theirs) - 1
        end = matched[-1][1] + 1 if ends else len(ours)
        here, there = chains[0].limits, chains[1].limits
        told = there is not None and (here is not None or there[0] < end)
        limits = here[1] if here else NOT_SENT, there[1] if there and told else NOT_SENT
        return cls(tuple(theirs), tuple(ours[:end]), tuple(ours[end:]), tuple(matched), limits)

    def rows(self) -> Iterator[Row]:
        """What is in another place, what only one side says, and how many are in their place."""
        lost = _others(self.theirs, {pair[0] for pair in self.matched})
        extra = _others(self.ours, {pair[1] for pair in self.matched})
        found: Counter[tuple[str, str, str]] = Counter()
        for label in dict.fromkeys([*lost, *extra]):
            for here, there in zip_longest(lost.get(label, ()), extra.get(label, ()), fillvalue=NOT_SENT):
                found[label, here, there] += 1
        for (label, here, there), times in found.items():
            notes = [f"{times} times"] if times > 1 else []
            notes += [] if _kind(label) in SERVER_TYPES else ["type unknown here"]
            yield Row("order", label, here, there, "differs", ", ".join(notes))
        if self.limits != (NOT_SENT, NOT_SENT):
            same: Verdict = "agrees" if self.limits[0] == self.limits[1] else "differs"
            yield Row("order", "rate_limits.updated", *self.limits, same)
        yield Row("order", "events in their place", len(self.matched), len(self.matched), "agrees")
        if self.after:
            yield Row("order", "after the log's end", None, ", ".join(dict.fromkeys(self.after)), "not compared")


def _kind(label: str) -> str:
    return label.partition(" (")[0].partition(",")[0]


def _others(labels: Sequence[str], matched: set[int]) -> dict[str, list[str]]:
    """Where those without a counterpart stand, by label."""
    places: dict[str, list[str]] = {}
    for place, label in enumerate(labels):
        if place not in matched:
            places.setdefault(label, []).append(f"after {labels[place - 1]}" if place else "first")
    return places


class _Transcript(NamedTuple):
    """The transcription of one item, as one side told of it."""

    deltas: int
    first: str | None
    """Where its first delta stands; None without one."""
    end: str | None
    """Where it ended, and how; None when it did not."""
    usage: Any


def _transcripts(steps: Sequence[Step]) -> list[_Transcript]:
    """In the order of the items they are of."""
    found: dict[str, _Transcript] = {}
    reached: dict[str, str] = {}
    """By item, the last milestone of its turn."""
    committed = answered = ""
    for step in steps:
        name = str(inner(step.fields, "item_id"))
        if step.kind in _HEARING:
            reached[name] = step.kind
        elif step.kind in _ANSWERING:
            answered = committed if step.kind == "response.created" else answered
            committed = "" if step.kind == "response.created" else committed
            reached[answered] = _ANSWERING[step.kind]
        if step.kind == "input_audio_buffer.committed":
            committed = name
            found[name] = found.pop(name, _Transcript(0, None, None, None))
        if not step.kind.startswith(TRANSCRIPTION):
            continue
        known = found.setdefault(name, _Transcript(0, None, None, None))
        what, place = step.kind.removeprefix(TRANSCRIPTION), f"after {reached.get(name, 'the beginning')}"
        if what == "delta":
            found[name] = known._replace(deltas=known.deltas + 1, first=known.first or place)
        elif what in ("completed", "failed"):
            found[name] = known._replace(end=f"{what} {place}", usage=inner(step.fields, "usage"))
    return list(found.values())


def _transcript_rows(
    theirs: Sequence[_Transcript], ours: Sequence[_Transcript], drawn: Sequence[Sequence[_Transcript]]
) -> Iterator[Row]:
    for number, (here, there) in enumerate(zip(theirs, ours, strict=False), 1):
        chance = [transcripts[number - 1] for transcripts in drawn if len(transcripts) >= number]
        if here.end is None and there.end is None:
            continue
        if here.end is None:
            yield Row("transcript", f"end of transcript {number}", None, there.end, "not compared", "the log has none")
            continue
        ends, firsts = ([getattr(one, name) for one in chance] for name in ("end", "first"))
        yield _by_chance(f"end of transcript {number}", here.end, there.end, ends)
        if here.deltas or there.deltas:
            yield held("transcript", f"deltas of transcript {number}", _some(here.deltas), _some(there.deltas))
        if here.first and there.first:
            yield _by_chance(f"first delta of transcript {number}", here.first, there.first, firsts)
        for name, path in _BILLED.items():
            billed = inner(here.usage, *path), inner(there.usage, *path)
            if billed != (None, None):
                yield held("token", f"{name} of transcript {number}", *(NOT_SENT if n is None else n for n in billed))


def _by_chance(what: str, recorded: str, mocked: str | None, drawn: Sequence[str | None]) -> Row:
    """A place that delays decide: it agrees where the mocked server's own can bring it about."""
    times = drawn.count(recorded)
    row = held("transcript", what, recorded, mocked or NOT_SENT)
    note = f"so in {times} of {len(drawn)} draws of the mocked server's delays"
    return row if row.verdict == "agrees" else row._replace(verdict="agrees" if times else "differs", note=note)


def _some(count: int) -> str:
    return {0: "none", 1: "one"}.get(count, "several")


def _count_rows(theirs: Sequence[Step], order: _Order) -> Iterator[Row]:
    here, there = Counter(step.kind for step in theirs), Counter(map(_kind, order.ours))
    for kind in _COUNTED:
        if here[kind] or there[kind]:
            yield held("count", kind, here[kind], there[kind])


def _listening(theirs: Sequence[Step]) -> str:
    """What is to be known of turn detection that the mocked server does not have as the service has it."""
    kinds = [inner(step.fields, "session", "audio", "input", "turn_detection", "type") for step in theirs]
    kind = next((name for name in reversed(kinds) if isinstance(name, str)), "server_vad")
    if kind == "semantic_vad":
        return "semantic_vad is approximated here, and takes every pause for an end"
    return "" if kind == "server_vad" else f"{kind} is not known here: server_vad listened"


def _offset_rows(theirs: Sequence[Step], ours: Sequence[Step], sound: Sound, note: str) -> Iterator[Row]:
    for kind, name, of in _OFFSETS:
        here, there = ([inner(step.fields, name) for step in side if step.kind == kind] for side in (theirs, ours))
        for number, (recorded, mocked) in enumerate(zip(here, there, strict=False), 1):
            row = held("offset", f"{name} of {of} {number}", recorded, mocked, note)
            why = "" if sound.heard else "the mocked server heard what the service heard: give the audio"
            why = "it moves with the answer's delay" if kind == _TIMED_OUT else why
            yield row._replace(verdict="not compared", note=why) if why else row


def _token_rows(theirs: Sequence[Step], ours: Sequence[Step], *, exact: bool) -> Iterator[Row]:
    here, there = (
        [inner(step.fields, "response", "usage") for step in side if step.kind == "response.done"]
        for side in (theirs, ours)
    )
    for number, (recorded, mocked) in enumerate(zip(here, there, strict=False), 1):
        for name, path in (_INPUT | _OUTPUT).items():
            counts = inner(recorded, *path), inner(mocked, *path)
            if None in counts:
                continue
            row = held("token", f"{name} of response {number}", *counts)
            if name in _OUTPUT:
                row = row._replace(verdict="not compared", note="the mocked answer is as long as the log's")
            elif name in ("input text", "cached") and number > 1:
                row = row._replace(verdict="not compared", note="in it are the words of the answers before")
            elif name == "input audio" and not exact:
                row = row._replace(verdict="not compared", note="how much audio was committed is not known")
            yield row
        cached = [inner(usage, *_INPUT["cached"]) for usage in (recorded, mocked)]
        if all(isinstance(count, int) for count in cached):
            yield held("token", f"cached of response {number} in blocks of 64", *(count % 64 == 0 for count in cached))
