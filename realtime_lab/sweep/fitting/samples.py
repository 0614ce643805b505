"""The samples a profile is fitted to: every delay, length and rate that recorded sessions show, as plain numbers.

What was broken off before its end (a cancelled answer, one cut at its token limit) is kept apart, as longer than what
was seen of it. Sessions whose clocks were disturbed give no delays,
unless that is most of them: then all do, and the resolution says how little that means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from realtime_lab.analysis.rows.facts import AudioPiece, InputItem, ResponseFacts
from realtime_lab.analysis.rows.reading import SessionView, difference, received_ms
from realtime_lab.analysis.rows.turns import response_clocks
from realtime_lab.protocol import events as ev
from realtime_lab.recording import Recording
from realtime_lab.server.hearing.endpointing import FRAME_MS

_TIMED = (
    *("connect", "event_ms", "create", "first_byte", "transcript_lead", "transcription"),
    *("realtime_factor", "text_tokens_per_s"),
)
"""What only clocks can tell."""


_NO_LEAD_MS = 0.5
"""What stands for no lead at all, in a distribution of positive numbers."""


@dataclass
class Sample:
    """Values of one quantity."""

    seen: list[float] = field(default_factory=list)
    longer_than: list[float] = field(default_factory=list)
    """How far those had got that were broken off."""
    why_none: str = ""
    """Why there can be none; empty where there could have been."""

    def add(self, value: float | None, whole: bool = True) -> None:
        """Note a value, unless it is missing or no positive number."""
        if value is not None and math.isfinite(value) and value > 0:
            (self.seen if whole else self.longer_than).append(value)


@dataclass
class Samples:
    """Every sample, named as the profile's fields are."""

    connect: Sample = field(default_factory=Sample)
    event_ms: Sample = field(default_factory=Sample)
    create: Sample = field(default_factory=Sample)
    first_byte: Sample = field(default_factory=Sample)
    transcript_lead: Sample = field(default_factory=Sample)
    transcription: Sample = field(default_factory=Sample)
    leading_silence: Sample = field(default_factory=Sample)
    response_s: Sample = field(default_factory=Sample)
    text_tokens: Sample = field(default_factory=Sample)
    words_per_s: Sample = field(default_factory=Sample)
    realtime_factor: Sample = field(default_factory=Sample)
    text_tokens_per_s: Sample = field(default_factory=Sample)
    audio_delta_ms: Sample = field(default_factory=Sample)
    resolution_ms: float = 0.0
    """What the clocks of these sessions can tell apart: how late appends left, 90th percentile; a median is not moved
    by what is rarer than that. 0 on the virtual clock."""


def gather_samples(views: Sequence[SessionView]) -> Samples:
    """Read the samples out of sessions."""
    samples = Samples()
    clocked = [view for view in views if view.has_clocks]
    sound = [view for view in clocked if not view.recording.header.tainted]
    if 2 * len(sound) < len(clocked):
        sound = clocked
    for view in views:
        for response in view.responses:
            _lengths(view, response, samples)
    for view in sound:
        samples.connect.add(view.recording.header.connect_ms)
        _event_delays(view, samples)
        for item in view.items.values():
            if item.transcribed is not None:
                samples.transcription.add(difference(received_ms(item.transcribed), received_ms(item.committed)))
        for response in view.responses:
            _delays(view, response, samples)
    late = [late_ms for view in sound for late_ms in _lateness_ms(view.recording)]
    samples.resolution_ms = max(0.0, float(np.quantile(late, 0.9))) if late else 0.0
    _say_why_none(views, sound, samples)
    return samples


def _lateness_ms(recording: Recording) -> Iterator[float]:
    """How much later than its last sample each append left; none where appends are stamped exactly."""
    for run in recording.appends:
        due = math.floor(round(run.start_ms / run.frame_ms, 6)) + 1
        yield from (sent_ms - (due + number) * run.frame_ms for number, sent_ms in enumerate(run.sent_ms or ()))


def _say_why_none(views: Sequence[SessionView], sound: Sequence[SessionView], samples: Samples) -> None:
    asked = [view.asked for view in views]
    failed = any(item.transcription_failed for view in views for item in view.items.values())
    reasons = {
        "transcription": (
            any(a.transcribes for a in asked) and not (failed and not samples.transcription.seen),
            "every transcription failed" if failed else "no session asked for transcription",
        ),
        "response_s": (any(a.speaks for a in asked), "no session asked for spoken answers"),
        "text_tokens": (any(a.responds and not a.speaks for a in asked), "no session asked for text answers"),
        "event_ms": (any(a.finds_endpoints for a in asked), "no session let the server find turns"),
        "connect": (any(v.recording.header.connect_ms is not None for v in sound), "no session timed its connection"),
    }
    reasons["text_tokens_per_s"] = reasons["text_tokens"]
    for name in ("transcript_lead", "leading_silence", "words_per_s", "realtime_factor", "audio_delta_ms"):
        reasons[name] = reasons["response_s"]
    for name in (entry for entry in vars(samples) if entry != "resolution_ms"):
        possible, why = reasons.get(name, (True, ""))
        if not sound and name in _TIMED:
            possible, why = False, "the logs have no clocks"
        getattr(samples, name).why_none = "" if possible else why


def _event_delays(view: SessionView, samples: Samples) -> None:
    """From the frame that decided an endpoint to its event: the rule says which frame that was."""
    for item in view.items.values():
        if item.audio_end_ms is None or item.client_commit or item.timed_out:
            continue
        decided_ms = FRAME_MS * math.ceil(round(item.audio_end_ms / FRAME_MS, 6))
        samples.event_ms.add(difference(received_ms(item.stopped), view.sent_at(decided_ms)))


def _delays(view: SessionView, response: ResponseFacts, samples: Samples) -> None:
    item = None if response.cause is None else view.items.get(response.cause)
    created_ms, done_ms = received_ms(response.created), received_ms(response.done)
    if item is not None and _first_of(view, item, response):
        samples.create.add(difference(created_ms, received_ms(item.committed)))
    first_ms = received_ms(response.first_output)
    if first_ms is not None:
        samples.first_byte.add(difference(first_ms, created_ms))
    elif response.status == "cancelled":
        samples.first_byte.add(difference(done_ms, created_ms), whole=False)
    if response.pieces:
        pieces = response.ordered_pieces()
        samples.realtime_factor.add(_factor(pieces))
        lead_ms = difference(pieces[0].at_ms, first_ms)
        samples.transcript_lead.add(None if lead_ms is None else max(lead_ms, _NO_LEAD_MS))
    elif response.first_text is not None:
        samples.text_tokens_per_s.add(_text_rate(view, response))


def _first_of(view: SessionView, item: InputItem, response: ResponseFacts) -> bool:
    """Only the first response to an item began at its commit."""
    begun = view.begun_by(item)
    return bool(begun) and begun[0] is response


def _lengths(view: SessionView, response: ResponseFacts, samples: Samples) -> None:
    if response.pieces:
        _speech(view, response, samples)
    elif response.first_text is not None:
        tokens = _said_tokens(response)
        samples.text_tokens.add(None if tokens is None else float(tokens), response.status == "completed")


def _said_tokens(response: ResponseFacts) -> int | None:
    """Text tokens of an answer without those of reasoning."""
    usage = None if response.final is None else response.final.usage
    spent = None if usage is None else usage.output_token_details
    if spent is None:
        return None
    return spent.text_tokens - (spent.reasoning_tokens if isinstance(spent.reasoning_tokens, int) else 0)


def _speech(view: SessionView, response: ResponseFacts, samples: Samples) -> None:
    pieces, whole = response.ordered_pieces(), response.status == "completed"
    leading_ms = response_clocks(None, response)["leading_silence_ms"]
    samples.leading_silence.add(leading_ms)
    heard_ms = sum(piece.length_ms for piece in pieces)
    spoken_s = (heard_ms - (leading_ms or 0.0)) / 1000.0
    samples.response_s.add(spoken_s * _speed(view), whole)
    for piece in pieces[:-1]:
        samples.audio_delta_ms.add(piece.length_ms)
    words = sum(len(text.split()) for text in _transcripts(response))
    if whole and words and spoken_s > 0:
        samples.words_per_s.add(words / (spoken_s * _speed(view)))


def _speed(view: SessionView) -> float:
    config = view.recording.header.effective or view.recording.header.requested
    speed = ((config.get("audio") or {}).get("output") or {}).get("speed")
    return float(speed) if isinstance(speed, (int, float)) and speed > 0 else 1.0


def _factor(pieces: Sequence[AudioPiece]) -> float | None:
    """Seconds of audio received per second, over the pieces before the last."""
    first, last = pieces[0].at_ms, pieces[-1].at_ms
    if first is None or last is None or last <= first:
        return None
    return sum(piece.length_ms for piece in pieces[:-1]) / (last - first)


def _transcripts(response: ResponseFacts) -> Iterator[str]:
    for item in response.final.output if response.final is not None else []:
        for part in item.content if isinstance(item.content, list) else []:
            if isinstance(part.transcript, str):
                yield part.transcript


def _text_rate(view: SessionView, response: ResponseFacts) -> float | None:
    """Tokens per second between the first and the last delta of a whole text response."""
    tokens = _said_tokens(response)
    if not tokens or response.status != "completed":
        return None
    deltas = [
        (entry.t_ms, len(entry.event.delta))
        for entry in view.recording.events
        if isinstance(entry.event, ev.TextDelta)
        and entry.event.response_id == response.response_id
        and entry.t_ms is not None
    ]
    characters = sum(length for _, length in deltas)
    if len(deltas) < 2 or deltas[-1][0] <= deltas[0][0] or not characters:
        return None
    share = 1.0 - deltas[-1][1] / characters  # what the last delta holds came after it
    return float(1000.0 * tokens * share / (deltas[-1][0] - deltas[0][0]))
