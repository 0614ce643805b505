"""The caller's audio of a log that kept its appends and lost their bytes, told from the clip that was spoken.

Test cassettes and privacy filters write `"audio": ""`. The clip begins with the first append and, once it has been sent
whole, perhaps anew: after an answer, after any event, or at once; appends beyond its end are silence. Which of these it
was, and how long an append is, is told from how many appends there are and how far apart the server heard speech begin.
Reading a log is the business of `importing`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_SAMPLES, SAMPLE_RATE_HZ, SAMPLES_PER_MS, samples_to_ms
from realtime_lab.errors import AudioError
from realtime_lab.recording.events import AppendRun, ReferenceTurn
from realtime_lab.recording.importing.reference import turns_at

USUAL_MS = (100, 20, 40, 50, 10, 30, 32, 60, 64, 80, 128, 160, 200, 250, 256, 500, 1000)
"""Lengths of an append that clients send, the likelier first."""
RAW_SUFFIXES = (".pcm", ".raw")
"""Files of samples without a header: 16 bit, little-endian, one channel, 24 kHz, as the service takes them."""
_OVER = ("response.done", "input_audio_buffer.commit", "input_audio_buffer.clear")
_MOST_RAW_BYTES = 2 * 3_600 * SAMPLE_RATE_HZ * 2
_PAUSED_MS = 500
"""Silence that a client adds is likelier a multiple of this than anything else."""


@dataclass(frozen=True)
class Spoken:
    """What each append of a session held."""

    clip: NDArray[np.int16]
    """The clip, 24 kHz."""
    each: int
    """Samples in an append."""
    counts: tuple[int, ...]
    """Samples of each append, in order."""
    begins: tuple[int, ...]
    """Appends with which the clip begins, by their place among the appends."""
    whole: bool
    """Whether the clip was sent to its end each time."""

    @property
    def audio_ms(self) -> float:
        """Audio appended in all."""
        return samples_to_ms(sum(self.counts))

    def starts_ms(self) -> list[float]:
        """Audio times at which the clip begins."""
        reached = np.concatenate([[0], np.cumsum(self.counts)])
        return [samples_to_ms(int(reached[begin])) for begin in self.begins]

    def pieces(self) -> Iterator[NDArray[np.int16]]:
        """The samples of each append, in order."""
        at = 0
        for place, count in enumerate(self.counts):
            at = 0 if place in self.begins else at
            piece = self.clip[at : at + count]
            at += count
            yield np.concatenate([piece, np.zeros(count - len(piece), dtype=np.int16)])

    def runs(self, sent_ms: Sequence[float | None]) -> tuple[AppendRun, ...]:
        """The same as a recording keeps it: each time the clip, then what silence follows.

        Args:
            sent_ms: Wall time of each append; None where the log has none.
        """
        runs: list[AppendRun] = []
        start_ms = 0.0
        for begin, end in zip(self.begins, [*self.begins[1:], len(self.counts)], strict=True):
            spoken = min(end, begin + math.ceil(len(self.clip) / self.each))
            for first, after, blob in ((begin, spoken, self.clip), (spoken, end, np.zeros(0, dtype=np.int16))):
                samples = sum(self.counts[first:after])
                if not samples:
                    continue
                held = blob[:samples] if len(blob) else np.zeros(samples, dtype=np.int16)
                sent = [at for at in sent_ms[first:after] if at is not None]
                runs.append(
                    AppendRun(
                        start_ms=start_ms,
                        samples=samples,
                        sha256=hashlib.sha256(held.astype("<i2").tobytes()).hexdigest(),
                        offset_samples=0,
                        frame_ms=samples_to_ms(self.each),
                        sent_ms=tuple(sent) if len(sent) == after - first else (),
                    )
                )
                start_ms += samples_to_ms(samples)
        return tuple(runs)


def read_clip(path: str | Path) -> NDArray[np.int16]:
    """A clip's samples at 24 kHz: a file of raw samples by its name (.pcm, .raw), or any audio file of one channel.

    Raises:
        AudioError: If it is missing, empty or no audio.
    """
    path = Path(path)
    if path.suffix.lower() not in RAW_SUFFIXES:
        from realtime_lab.audio.files import read_audio  # soundfile and soxr, which most logs do not need

        return read_audio(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_RAW_BYTES + 1)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}", path) from None
    if len(data) < 2 or len(data) > _MOST_RAW_BYTES:
        raise AudioError(f"{path}: {len(data):,} bytes are no clip: a sample to two hours of 16-bit audio", path)
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)


class Appends(NamedTuple):
    """The appends of a session, and what happened between them."""

    places: list[int]
    """Where they stand among the session's events."""
    rests: list[bool]
    """For each, whether a response was done or the client committed since the one before."""
    pauses: list[bool]
    """For each, whether anything at all happened since."""


def appends_of(kinds: Iterable[str]) -> Appends:
    """The appends of a session.

    Args:
        kinds: Types of the session's events, in order.
    """
    found = Appends([], [], [])
    rested = paused = False
    for place, kind in enumerate(kinds):
        if kind == "input_audio_buffer.append":
            found.places.append(place)
            found.rests.append(rested)
            found.pauses.append(paused)
            rested = paused = False
        else:
            rested, paused = rested or kind in _OVER, True
    return found


def spoken_in(appends: Appends, clip: NDArray[np.int16], heard_ms: Sequence[float] = ()) -> Spoken:
    """Tell what each append held.

    Args:
        appends: The session's.
        clip: What was spoken, 24 kHz.
        heard_ms: Where the server said that speech began, in audio time, in order.
    """
    lengths = [usual * SAMPLES_PER_MS for usual in USUAL_MS]
    count = len(appends.places)
    # Said anew after each answer; at once, as by a caller who interrupts; back to back; or once.
    anew = (appends.rests, appends.pauses, [True] * count, [False] * count)
    found = [_laid_out(places, clip, each) for places in anew for each in lengths]
    # Or whole in one append, with one of silence behind it at most.
    whole = [_laid_out(places, clip, len(clip)) for places in anew]
    found += [one for one in whole if count <= 2 * len(one.begins) <= 2 * max(1, len(heard_ms))]
    return min(found, key=lambda one: _unlikely(one, heard_ms))


def _laid_out(anew: Sequence[bool], clip: NDArray[np.int16], each: int) -> Spoken:
    counts: list[int] = []
    begins: list[int] = []
    due, at = True, len(clip)
    for place, again in enumerate(anew):
        due = due or again
        if due and at >= len(clip):
            begins.append(place)
            due, at = False, 0
        left = len(clip) - at
        counts.append(each if left <= 0 else min(each, left))
        at += counts[-1]
    return Spoken(clip, each, tuple(counts), tuple(begins), at >= len(clip))


def _unlikely(spoken: Spoken, heard_ms: Sequence[float]) -> tuple[object, ...]:
    """How little speaks for it: the first of these that differs decides."""
    starts = spoken.starts_ms()
    apart: float = math.inf
    if len(starts) == len(heard_ms):
        pairs = zip(starts, heard_ms, strict=True)
        apart = sum(abs((start - starts[0]) - (heard - heard_ms[0])) for start, heard in pairs)
    silent_ms = max(0.0, spoken.audio_ms - len(starts) * samples_to_ms(len(spoken.clip)))
    unheard = spoken.audio_ms < max(heard_ms, default=0.0)
    return (not spoken.whole, unheard, apart, silent_ms % _PAUSED_MS != 0, silent_ms)


def clip_turns(spoken: Spoken) -> tuple[ReferenceTurn, ...]:
    """What the caller said, by our own detector on the clip: turns in audio time, for labels that are automatic."""
    # The detector, which those who bring their own reference do not need.
    from realtime_lab.audio.own.recordings import MAX_HOLD_MS
    from realtime_lab.audio.own.speech import padded_to_grid, speech_intervals
    from realtime_lab.audio.own.turns import turns_by_pauses
    from realtime_lab.audio.vad import passage_probabilities

    if len(spoken.clip) < GRID_SAMPLES:
        return ()
    speech = speech_intervals(spoken.clip, passage_probabilities(padded_to_grid(spoken.clip)))
    said = [turn.speech_ms for turn in turns_by_pauses(speech, MAX_HOLD_MS)]
    placed = [tuple(part.shifted(start) for part in parts) for start in spoken.starts_ms() for parts in said]
    return turns_at(placed, spoken.audio_ms)
