"""What the timeline of a session shows, as values: sound, reference, detector, detected speech, answers and events."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.analysis.asked import turn_detection_in, what_was_asked
from realtime_lab.analysis.facts import gather_facts
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, Interval
from realtime_lab.errors import RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.recording.events import Recording
from realtime_lab.session.replay_audio import AudioReplay, Scripted, find_script, played_pieces, turn_window

__all__ = ["DetectedSpeech", "Envelope", "TimelineEvent", "TimelineInfo", "timeline_info"]

_POINTS = 900
"""Columns of a waveform."""
_MOST_EVENTS = 400


class Envelope(NamedTuple):
    """A waveform as the eye sees it."""

    at_ms: tuple[float, ...]
    low: tuple[float, ...]
    """Smallest sample in each column, -1 to 1."""
    high: tuple[float, ...]
    """Largest."""


class DetectedSpeech(NamedTuple):
    """What the server took for speech, audio time."""

    onset_ms: float
    """Where it heard speech begin."""
    heard_ms: float
    """Where it heard speech end."""
    end_ms: float
    """Its endpoint: the silence it waited for lies before it."""


class TimelineEvent(NamedTuple):
    """One event that is marked."""

    at_ms: float
    """Wall time."""
    kind: str
    """speech started, speech stopped, transcript, response begun, response done, response cut short, or the type of
    an error or an unknown event."""


class TimelineInfo(NamedTuple):
    """Everything the plot shows. Mocked sessions have one clock for both kinds of time."""

    window: Interval
    origin_ms: float
    """From when time is counted along the bottom: the start of the turn, or of the session."""
    caller: Envelope | None
    """None: its audio is not at hand."""
    answer: Envelope | None
    reference_ms: tuple[Interval, ...]
    probability: tuple[tuple[float, float], ...]
    """(start of frame, probability of speech)."""
    threshold: float | None
    detected: tuple[DetectedSpeech, ...]
    played_ms: tuple[Interval, ...]
    """Answers as played."""
    events: tuple[TimelineEvent, ...]
    title: str


def timeline_info(
    recording: Recording,
    replay: AudioReplay | Scripted | None = None,
    turn: int | None = None,
    max_answer_ms: float = math.inf,
) -> TimelineInfo:
    """Gather what a timeline shows.

    Args:
        recording: The session.
        replay: Its sound, or the plan it is of; None: without waveforms and without the detector's probabilities.
        turn: One turn and its answer; None: the whole session.
        max_answer_ms: How much of that answer is shown at most.

    Raises:
        RecordingError: If there is no such turn, the log has no clocks, or the plan does not have its script.
    """
    if any(entry.t_ms is None for entry in recording.events):
        raise RecordingError("this log does not say when its events were received, so it has no timeline")
    if replay is not None and not isinstance(replay, AudioReplay):
        replay = AudioReplay(recording, *find_script(replay, recording))
    window = Interval(0.0, recording.audio_ms) if turn is None else turn_window(recording, turn, max_answer_ms)
    this = next((entry for entry in recording.reference if entry.index == turn), None)
    header = recording.header
    which = "" if turn is None else f", turn {turn}"
    return TimelineInfo(
        window=window,
        origin_ms=0.0 if this is None else this.speech_ms[0].start_ms,
        caller=None if replay is None else _envelope(replay.caller(window), window),
        answer=None if replay is None else _envelope(replay.answer(window), window),
        reference_ms=tuple(_inside((part for turn in recording.reference for part in turn.speech_ms), window)),
        probability=_probability(replay, window),
        threshold=_threshold(recording),
        detected=tuple(_detected(recording, window)),
        played_ms=tuple(_inside(_played(recording), window)),
        events=tuple(_events(recording, window))[:_MOST_EVENTS],
        title=f"{header.script_id}{which}, {header.condition}",
    )


def _envelope(pcm: NDArray[np.int16], window: Interval) -> Envelope:
    columns = min(_POINTS, len(pcm))
    if not columns:
        return Envelope((), (), ())
    edges = np.linspace(0, len(pcm), columns, endpoint=False).astype(np.int64)
    at = window.start_ms + 1000.0 * edges / SAMPLE_RATE_HZ
    low, high = (extreme.reduceat(pcm, edges) / 32_768.0 for extreme in (np.minimum, np.maximum))
    return Envelope(tuple(at.tolist()), tuple(low.tolist()), tuple(high.tolist()))


def _inside(parts: Iterator[Interval], window: Interval) -> Iterator[Interval]:
    for part in parts:
        if part.start_ms < window.end_ms and part.end_ms > window.start_ms:
            yield Interval(max(part.start_ms, window.start_ms), min(part.end_ms, window.end_ms))


def _probability(replay: AudioReplay | None, window: Interval) -> tuple[tuple[float, float], ...]:
    if replay is None:
        return ()
    at, found = replay.probabilities(window)
    return tuple(zip(at.tolist(), found.tolist(), strict=True))


def _threshold(recording: Recording) -> float | None:
    config = recording.header.effective or recording.header.requested
    value: Any = (turn_detection_in(config) or {}).get("threshold")
    return float(value) if type(value) in (int, float) and 0 <= value <= 1 else None


def _detected(recording: Recording, window: Interval) -> Iterator[DetectedSpeech]:
    asked = what_was_asked(recording)
    for item in gather_facts(recording).items.values():
        if item.audio_start_ms is None or item.timed_out:
            continue
        end_ms = recording.audio_ms if item.audio_end_ms is None else item.audio_end_ms
        onset_ms = item.audio_start_ms + asked.prefix_ms
        silence_ms = 0.0 if not item.detected or item.audio_end_ms is None else asked.silence_ms or 0.0
        if onset_ms < window.end_ms and end_ms > window.start_ms:
            yield DetectedSpeech(onset_ms, max(onset_ms, end_ms - silence_ms), end_ms)


def _played(recording: Recording) -> Iterator[Interval]:
    """Answers, pieces that follow one another as one."""
    start_ms = end_ms = -math.inf
    for piece in played_pieces(recording):
        if piece.start_ms > end_ms + 1.0:
            if end_ms > start_ms:
                yield Interval(start_ms, end_ms)
            start_ms = piece.start_ms
        end_ms = piece.start_ms + piece.length_ms
    if end_ms > start_ms:
        yield Interval(start_ms, end_ms)


def _events(recording: Recording, window: Interval) -> Iterator[TimelineEvent]:
    for entry in recording.events:
        kind = _kind(entry.event) if entry.direction == "server" else None
        if kind is not None and entry.t_ms is not None and window.start_ms <= entry.t_ms <= window.end_ms:
            yield TimelineEvent(entry.t_ms, kind)


def _kind(event: ev.AnyEvent) -> str | None:
    match event:
        case ev.SpeechStarted():
            return "speech started"
        case ev.SpeechStopped():
            return "speech stopped"
        case ev.TranscriptionCompleted():
            return "transcript"
        case ev.ResponseCreated():
            return "response begun"
        case ev.ResponseDone():
            return "response done" if event.response.status == "completed" else "response cut short"
        case ev.ErrorEvent():
            return "error"
        case ev.UnknownEvent():
            return f"unknown: {event.type}"
        case _:
            return None
