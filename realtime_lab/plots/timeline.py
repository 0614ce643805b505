"""The timeline of a session, in lanes: what was said, what was heard, what was answered, and when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from realtime_lab.analysis.rows.asked import turn_detection_in, what_was_asked
from realtime_lab.analysis.rows.facts import gather_facts
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, Interval
from realtime_lab.errors import RecordingError
from realtime_lab.plots.style import GREY, INK, LIGHT, name_axes, new_axes, plain, show_literally
from realtime_lab.protocol import events as ev
from realtime_lab.recording.events import Recording
from realtime_lab.session.replay_audio import AudioReplay, Scripted, find_script, played_pieces, turn_window

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


_SPOKEN = "#1f5fa8"
_ANSWERED = "#d9602b"
_HEARD = "#2f8f5b"
_LANES = ("caller", "speech probability", "detected speech", "answer", "events")
_HEIGHTS = (1.5, 1.0, 0.5, 1.0, 0.7)
_GAP = 0.28
_MARKERS = {
    "speech started": ("^", _HEARD),
    "speech stopped": ("v", _HEARD),
    "transcript": ("D", GREY),
    "response begun": ("o", _ANSWERED),
    "response done": ("s", _ANSWERED),
    "response cut short": ("X", _ANSWERED),
}
_OTHER = ("P", "#8a5bab")
_MOST_KINDS = 9


def timeline(
    recording: Recording,
    replay: AudioReplay | Scripted | None = None,
    ax: Axes | None = None,
    *,
    turn: int | None = None,
    max_answer_ms: float = math.inf,
) -> Axes:
    """Plot a session over time.

    Args:
        recording: The session.
        replay: Its sound, or the plan it is of; None: without waveforms and without the detector's probabilities.
        ax: Where to draw; None: a new figure.
        turn: One turn and its answer; None: the whole session.
        max_answer_ms: How much of that answer is shown at most.

    Returns:
        The axes.

    Raises:
        RecordingError: If there is no such turn, the log has no clocks, or the plan does not have its script.
    """
    info = timeline_info(recording, replay, turn, max_answer_ms)
    return draw_timeline(info, new_axes(10.0, 4.4) if ax is None else ax)


def draw_timeline(info: TimelineInfo, ax: Axes) -> Axes:
    """Draw what `timeline_info` gathered; seconds along the bottom."""
    info, base = _from_origin(info), _bases()
    ax.set_facecolor("none")
    for part in info.reference_ms:
        _box(part.start_ms, part.end_ms, base["caller"], _HEIGHTS[0], ax, color=_SPOKEN, alpha=0.13)
    _waveform(info.caller, base["caller"], _HEIGHTS[0], _SPOKEN, ax)
    _draw_probability(info, base["speech probability"], ax)
    for heard in info.detected:
        _box(heard.onset_ms, heard.heard_ms, base["detected speech"], _HEIGHTS[2], ax, color=_HEARD, alpha=0.85)
        _box(heard.heard_ms, heard.end_ms, base["detected speech"], _HEIGHTS[2], ax, color=_HEARD, alpha=0.25)
    for played in info.played_ms:
        _box(played.start_ms, played.end_ms, base["answer"], _HEIGHTS[3], ax, color=_ANSWERED, alpha=0.13)
    _waveform(info.answer, base["answer"], _HEIGHTS[3], _ANSWERED, ax)
    _draw_events(info, base["events"], ax)
    _frame(info, base, ax)
    return ax


def _from_origin(info: TimelineInfo) -> TimelineInfo:
    """The same, its times counted from its origin."""
    by_ms = -info.origin_ms
    waves = [
        None if wave is None else wave._replace(at_ms=tuple(ms + by_ms for ms in wave.at_ms))
        for wave in (info.caller, info.answer)
    ]
    return info._replace(
        window=info.window.shifted(by_ms),
        caller=waves[0],
        answer=waves[1],
        reference_ms=tuple(part.shifted(by_ms) for part in info.reference_ms),
        probability=tuple((ms + by_ms, value) for ms, value in info.probability),
        detected=tuple(type(part)(*(ms + by_ms for ms in part)) for part in info.detected),
        played_ms=tuple(part.shifted(by_ms) for part in info.played_ms),
        events=tuple(event._replace(at_ms=event.at_ms + by_ms) for event in info.events),
    )


def _bases() -> dict[str, float]:
    """Bottom of each lane, the first lane on top."""
    found, bottom = {}, 0.0
    for name, height in zip(_LANES[::-1], _HEIGHTS[::-1], strict=True):
        found[name] = bottom
        bottom += height + _GAP
    return found


def _box(start_ms: float, end_ms: float, bottom: float, height: float, ax: Axes, **style: Any) -> None:
    ax.fill_between([start_ms / 1000, end_ms / 1000], bottom, bottom + height, linewidth=0, zorder=1.5, **style)


def _waveform(envelope: Envelope | None, bottom: float, height: float, colour: str, ax: Axes) -> None:
    middle = bottom + height / 2
    if envelope is None or not envelope.at_ms:
        return
    # Quiet speech is shown as tall as loud speech.
    loudest = max(0.05, max(envelope.high), -min(envelope.low))
    scale = 0.48 * height / loudest
    at = [ms / 1000 for ms in envelope.at_ms]
    low, high = ([middle + scale * value for value in side] for side in (envelope.low, envelope.high))
    ax.fill_between(at, low, high, color=colour, linewidth=0.4, zorder=2)


def _draw_probability(info: TimelineInfo, bottom: float, ax: Axes) -> None:
    height = _HEIGHTS[1]
    edges = [info.window.start_ms / 1000, info.window.end_ms / 1000]
    ax.plot(edges, [bottom, bottom], color=LIGHT, linewidth=0.8, zorder=1)
    ax.plot(edges, [bottom + height] * 2, color=LIGHT, linewidth=0.8, zorder=1)
    if info.probability:
        at, values = zip(*info.probability, strict=True)
        ax.step(
            [ms / 1000 for ms in at],
            [bottom + height * value for value in values],
            where="post",
            color=INK,
            linewidth=1.1,
            zorder=3,
        )
    if info.threshold is not None:
        ax.plot(
            edges, [bottom + height * info.threshold] * 2, color=_HEARD, linewidth=1.0, linestyle=(0, (4, 2)), zorder=2
        )


def _draw_events(info: TimelineInfo, bottom: float, ax: Axes) -> None:
    height = _HEIGHTS[4]
    kinds = list(dict.fromkeys([*_MARKERS, *(event.kind for event in info.events)]))
    there = [kind for kind in kinds if any(event.kind == kind for event in info.events)][:_MOST_KINDS]
    names = []
    for kind in there:
        marker, colour = _MARKERS.get(kind, _OTHER)
        at = [event.at_ms / 1000 for event in info.events if event.kind == kind]
        y = bottom + height * (0.75 if kind.startswith("speech") else 0.25)
        label = plain(kind, 40)
        ax.plot(
            at,
            [y] * len(at),
            marker,
            color=colour,
            markersize=6,
            markeredgecolor="white",
            markeredgewidth=0.6,
            zorder=4,
            label=label,
        )
        names.append(label)
        if kind in ("speech stopped", "response begun"):
            ax.vlines(at, bottom, _top(), color=colour, linewidth=0.8, alpha=0.55, linestyle=(0, (1, 2)), zorder=1.2)
    if names:
        legend = ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=min(6, len(names)), frameon=False,
                           fontsize=8.5, labelcolor=INK, handletextpad=0.2, columnspacing=1.4)  # fmt: skip
        show_literally(*legend.get_texts())


def _top() -> float:
    return sum(_HEIGHTS) + _GAP * (len(_HEIGHTS) - 1)


def _frame(info: TimelineInfo, base: dict[str, float], ax: Axes) -> None:
    ax.set_xlim(info.window.start_ms / 1000, max(info.window.end_ms, info.window.start_ms + 1.0) / 1000)
    ax.set_ylim(-0.1, _top() + 0.1)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(GREY)
    ax.set_axisbelow(True)
    ax.grid(True, axis="x", color=LIGHT, linewidth=0.8)
    ax.set_yticks([base[name] + height / 2 for name, height in zip(_LANES, _HEIGHTS, strict=True)], _lane_names(info))
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=9)
    ax.tick_params(axis="x", colors=GREY, labelcolor=INK, labelsize=9, length=3, width=0.8)
    name_axes(ax, f"seconds from the start of the {'turn' if info.origin_ms else 'session'}")
    show_literally(
        *ax.get_yticklabels(),
        ax.set_title(plain(info.title, 90), color=INK, fontsize=10, loc="left"),
    )


def _lane_names(info: TimelineInfo) -> Sequence[str]:
    missing = {"caller": info.caller is None, "speech probability": not info.probability}
    return [f"{name}\n(no audio)" if missing.get(name) else name for name in _LANES]
