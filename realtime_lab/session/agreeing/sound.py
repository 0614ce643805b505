"""What a recorded session's appends sounded like: the log's own audio, the clip that was spoken, or what it tells.

Where a log has no audio and nobody has the clip, the service's own offsets say where it heard speech; then loud samples
stand there, and a detector that takes them for speech hears what the service heard. What the service heard is then
given, so offsets say nothing; order, fields and tokens do.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.causal import resample_causally
from realtime_lab.audio.g711 import encode_alaw, encode_ulaw
from realtime_lab.audio.own.speech import padded_to_grid
from realtime_lab.audio.pcm import GRID_MS, GRID_SAMPLES, SAMPLE_RATE_HZ, Interval
from realtime_lab.recording.importing.clip import appends_of, spoken_in
from realtime_lab.server.hearing.semantic import PAUSE_MS
from realtime_lab.session.agreeing.log import Logged, Step, inner

_LOUD = 8_000
_G711 = {"audio/pcmu": encode_ulaw, "audio/pcma": encode_alaw}
_APPEND = "input_audio_buffer.append"
_STARTED, _STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
_GUESSED_MS = 100.0
"""What an append is taken for that nothing is known of: the least that can be committed."""


class LoudListener:
    """A detector that takes loud frames for speech."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame."""
        return 1.0 if len(frame) and int(frame.max()) >= _LOUD // 2 else 0.0


@dataclass
class Sound:
    """The audio of a session's appends."""

    source: Literal["log", "clip", "offsets", "none"]
    """Where it comes from; none: nothing is said in the session."""
    pieces: dict[int, NDArray[np.int16]] = field(default_factory=dict)
    """By place among the session's events: samples of an append, at the rate of the session's input format."""
    speech: list[Interval] = field(default_factory=list)
    """Where the service heard speech, in audio time."""
    until_ms: dict[int, float] = field(default_factory=dict)
    """By place among the session's events: audio that was sent before it, at least."""
    clip: NDArray[np.int16] | None = None
    """What was spoken, 24 kHz, where it was given."""
    problem: str = ""
    """What makes it less than certain."""

    @property
    def heard(self) -> bool:
        """Whether the mocked server hears what the service heard."""
        return self.source in ("log", "clip")


def sound_of(session: Logged, clip: NDArray[np.int16] | None) -> Sound:
    """The audio of a recorded session.

    Args:
        session: What was recorded.
        clip: What was spoken, 24 kHz, where the log does not hold it.
    """
    appends = appends_of(step.kind for step in session.steps)
    places = appends.places
    held = [_has_audio(session.steps[place]) for place in places]
    if places and all(held):
        return Sound("log")
    if places and clip is not None:
        heard = [inner(step.fields, "audio_start_ms") for step in session.steps if step.kind == _STARTED]
        spoken = spoken_in(appends, clip, [at for at in map(milliseconds, heard) if at is not None])
        each_ms = spoken.each * 1000 / SAMPLE_RATE_HZ
        problem = "" if spoken.whole else f"{len(places)} appends of {each_ms:g} ms do not hold the whole clip"
        pieces = [*spoken.pieces()]
        pieces = _narrowed(pieces) if _is_narrow(session) else pieces
        return Sound("clip", dict(zip(places, pieces, strict=True)), clip=clip, problem=problem)
    return replace(_told(session), clip=clip)


def _has_audio(step: Step) -> bool:
    audio = inner(step.fields, "audio")
    try:
        return isinstance(audio, str) and len(base64.b64decode(audio, validate=True)) > 0
    except (binascii.Error, ValueError):
        return False


def milliseconds(value: object) -> float | None:
    """An offset in audio time; None where it is none, or none of a session's."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 86_400_000
    return float(value) if known else None  # type: ignore[arg-type]


def _told(session: Logged) -> Sound:
    """Speech where the service heard it, and enough audio before every event that speaks of some."""
    sound = Sound("none")
    detection: Mapping[str, Any] = {}
    reached_ms, guessed, begun_ms = 0.0, 0, None
    for place, step in enumerate(session.steps):
        reported = inner(step.fields, "session", "audio", "input", "turn_detection")
        if step.kind in ("session.created", "session.updated"):
            detection = reported if isinstance(reported, Mapping) else {}
        guessed += step.kind == _APPEND
        at_ms = None
        if step.kind == _STARTED and (start_ms := milliseconds(inner(step.fields, "audio_start_ms"))) is not None:
            # One that was held back at the session's first sample began somewhere inside its padding.
            padding_ms = milliseconds(detection.get("prefix_padding_ms")) or 0.0
            begun_ms = _on_grid(start_ms + padding_ms) if start_ms else 0.0
            at_ms = begun_ms + GRID_MS
        elif step.kind in (_STOPPED, "input_audio_buffer.timeout_triggered"):
            at_ms = milliseconds(inner(step.fields, "audio_end_ms"))
            if step.kind == _STOPPED and at_ms is not None and begun_ms is not None:
                silence_ms = milliseconds(detection.get("silence_duration_ms")) or PAUSE_MS
                end_ms = at_ms - GRID_MS * math.ceil(silence_ms / GRID_MS)
                sound.speech.append(Interval(begun_ms, max(_on_grid(end_ms), begun_ms + GRID_MS)))
                begun_ms = None
        elif step.kind == "input_audio_buffer.commit":
            at_ms, guessed = reached_ms + _GUESSED_MS * max(guessed, 1), 0
        if at_ms is not None:
            sound.source, guessed = "offsets", 0
            reached_ms = max(reached_ms, GRID_MS * math.ceil(at_ms / GRID_MS))
            sound.until_ms[place] = reached_ms
    if begun_ms is not None:
        sound.speech.append(Interval(begun_ms, math.inf))
    return sound


def _on_grid(ms: float) -> float:
    return float(GRID_MS * round(ms / GRID_MS))


def told_pcm(speech: list[Interval], start_ms: float, end_ms: float, rate_hz: int) -> NDArray[np.int16]:
    """Samples of [start_ms, end_ms) of audio time, whole grid frames: loud where there was speech."""
    frames = np.arange(round(start_ms / GRID_MS), round(end_ms / GRID_MS)) * GRID_MS
    loud = np.zeros(len(frames), dtype=bool)
    for part in speech:
        loud |= (frames >= part.start_ms) & (frames < part.end_ms)
    return np.repeat(np.where(loud, _LOUD, 0).astype(np.int16), rate_hz * GRID_MS // 1000)


def encoded(pcm: NDArray[np.int16], format_type: str) -> bytes:
    """Samples as a client sends them in one of the service's formats."""
    return _G711[format_type](pcm) if format_type in _G711 else pcm.astype("<i2").tobytes()


def _is_narrow(session: Logged) -> bool:
    """Whether the session's input is telephone audio, as the service last reported it."""
    formats = [inner(step.fields, "session", "audio", "input", "format", "type") for step in session.server()]
    return next((name for name in reversed(formats) if name is not None), None) in _G711


def _narrowed(pieces: list[NDArray[np.int16]]) -> list[NDArray[np.int16]]:
    """The same at 8 kHz, filtered as one stream."""
    ends = np.cumsum([len(piece) for piece in pieces]) // 3
    stream = padded_to_grid(np.concatenate(pieces))
    return np.split(resample_causally(stream, SAMPLE_RATE_HZ, 8_000, GRID_SAMPLES)[: ends[-1]], ends[:-1])
