"""Making sound of a script under a condition: passages, the uninterrupted stretches a microphone plays.

The speech of a turn begins at a fixed point of its passage, holds have their length to the sample, and one loop of
noise, drawn once for each script and condition, runs under everything: lead-ins, holds, tails and the idle passage
between turns. Where speech is, the passage says itself (`speech_ms`), from where the segments were put.

Anchor rule: the first grid frame of every passage of one script and condition is the same, bit for bit, and no
other frame equals it. A listener that restarts at that frame hears each passage as a function of its samples alone.

Speech on a timeline: cutting segments out of clips and joining them with pauses of exact length.

A pause is measured from the last sample of speech before it to the first after it, so it has its length to the
sample whatever the segments sound like at their edges.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio import noise
from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.files import read_audio
from realtime_lab.audio.pcm import (
    GRID_SAMPLES,
    SAMPLES_PER_MS,
    Interval,
    as_float,
    as_pcm16,
    level_dbfs,
    ms_to_samples,
    pcm_key,
    samples_to_ms,
)
from realtime_lab.audio.script import Clip, Script, Segment
from realtime_lab.audio.sets import shipped_clips
from realtime_lab.errors import ScriptError

FADE_SAMPLES = 10 * SAMPLES_PER_MS
"""Length of the fade outside each edge of a segment's speech: 10 ms, so that nothing clicks and nothing is lost."""


class ClipAudio(NamedTuple):
    """A clip's samples at 24 kHz, or of a long clip the stretch that is needed."""

    pcm: NDArray[np.int16]
    first: int = 0
    """Position in the clip of the first of them."""


@dataclass(frozen=True, eq=False)
class Speech:
    """Sound whose speech begins at position 0."""

    samples: NDArray[np.float64]
    """The sound, from position -FADE_SAMPLES on, in its clips' own loudness."""
    stretches: tuple[tuple[int, int], ...]
    """First position inside and first after each stretch of speech; the first stretch begins at 0."""

    @property
    def end(self) -> int:
        """First position after the last stretch of speech."""
        return self.stretches[-1][1]

    def only(self) -> NDArray[np.float64]:
        """The samples of speech alone, pauses left out."""
        return np.concatenate([self.samples[a + FADE_SAMPLES : b + FADE_SAMPLES] for a, b in self.stretches])


def segment_speech(clip: ClipAudio, segment: Segment) -> Speech:
    """Cut a segment out of its clip, faded outside the edges of its speech.

    Args:
        clip: The clip's samples.
        segment: Which stretch; it must hold speech.
    """
    spoken = [(ms_to_samples(part.start_ms), ms_to_samples(part.end_ms)) for part in segment.speech_ms]
    first, after = spoken[0][0], spoken[-1][1]
    samples = np.zeros(after - first + 2 * FADE_SAMPLES)
    low, high = max(clip.first, first - FADE_SAMPLES), min(clip.first + len(clip.pcm), after + FADE_SAMPLES)
    heard = as_float(clip.pcm[low - clip.first : high - clip.first])
    samples[low - first + FADE_SAMPLES : high - first + FADE_SAMPLES] = heard
    ramp = np.sin(np.linspace(0, np.pi / 2, FADE_SAMPLES, endpoint=False)) ** 2
    samples[:FADE_SAMPLES] *= ramp
    samples[-FADE_SAMPLES:] *= ramp[::-1]
    return Speech(samples, tuple((a - first, b - first) for a, b in spoken))


def joined(parts: Sequence[Speech], pauses: Sequence[int]) -> Speech:
    """Put parts in a row.

    Args:
        parts: At least one.
        pauses: Samples from the speech of each part to the speech of the next; one fewer than parts.
    """
    starts = np.cumsum([0, *(part.end + pause for part, pause in zip(parts[:-1], pauses, strict=True))]).tolist()
    samples = np.zeros(max(start + len(part.samples) for start, part in zip(starts, parts, strict=True)))
    for start, part in zip(starts, parts, strict=True):
        samples[start : start + len(part.samples)] += part.samples
    spoken = [(a + start, b + start) for start, part in zip(starts, parts, strict=True) for a, b in part.stretches]
    return Speech(samples, tuple(spoken))


LEAD_IN_FRAMES = 8
"""Grid frames of noise before a passage's first speech: 256 ms."""
TAIL_FRAMES = 24
"""Whole grid frames of noise after its last speech: 768 ms. In noise a detector needs most of that to give up, and it
would give up early if it had to start afresh on the next passage."""
IDLE_FRAMES = 64
"""Grid frames of the idle passage, played again and again between turns: 2.048 s."""
SPEECH_DBFS = -26.0
"""Level every script's speech is brought to: RMS over its reference intervals."""
FLOOR_DBFS = (-75.0, -55.0)
"""Bounds for the noise floor, which is otherwise at the quiet level of the script's own clips, dBFS."""

_PEAK = 0.97
_QUIET_PERCENTILE = 5
_QUIET_WINDOW_SAMPLES = 10 * SAMPLES_PER_MS
_QUIET_BLOCK_WINDOWS = 6_000
_CLIP_MARGIN_MS = 10_000.0
_ONSET_SAMPLES = LEAD_IN_FRAMES * GRID_SAMPLES
_CHANNEL_MARGIN = GRID_SAMPLES


@dataclass(frozen=True, eq=False)
class Passage:
    """One uninterrupted stretch of sound."""

    key: str
    """SHA-256 (hex) of the samples as little-endian bytes."""
    pcm: NDArray[np.int16]
    """Read-only samples at 24 kHz, a multiple of the grid frame."""
    speech_ms: tuple[Interval, ...]
    """Where speech is, ms from the first sample; the pauses between are the holds. Empty when idle."""

    @cached_property
    def n_frames(self) -> int:
        """Length in grid frames of 32 ms."""
        return len(self.pcm) // GRID_SAMPLES


class Renderer:
    """Makes the passages of one script under one condition; each is made once and kept.

    Args:
        script: What is said.
        condition: What it sounds like.
        pool: Clips babble is made from; default: the shipped speech. The script's own clips are never used.

    Raises (when a passage is first made):
        AudioError: If a clip cannot be read.
        ScriptError: If babble is asked for and the pool has too few other clips.
    """

    def __init__(self, script: Script, condition: Condition, pool: Sequence[Clip] | None = None) -> None:
        self.script = script
        self.condition = condition
        self._pool = pool
        self._turns: dict[int, Passage] = {}

    def turn(self, index: int) -> Passage:
        """The passage of turn `index`, from 0: its first speech begins at 256 ms exactly."""
        if index not in self._turns:
            # Turns lie one after another on the noise loop, behind the idle passage.
            before = IDLE_FRAMES + sum(_n_frames(speech) for speech in self._spoken[:index])
            self._turns[index] = self._passage(self._spoken[index], before)
            if len(self._turns) == len(self.script.turns):
                self._let_go()
        return self._turns[index]

    def idle(self) -> Passage:
        """The passage played, again and again, while nobody speaks."""
        return self._idle

    def fixed(self) -> tuple[Passage, tuple[tuple[Interval, ...], ...]]:
        """The whole script in one passage, each turn `gap_ms` after the speech of the one before.

        A recording whose turns are as far apart as they were recorded keeps its own sound between them.

        Returns:
            The passage, and for each turn its speech in it, ms.
        """
        return self._fixed

    def _let_go(self) -> None:
        """Forget what passages are made from, which takes much room; it is made again should `fixed` be asked for."""
        self.idle()
        for name in ("_clips", "_spoken", "_loop", "_loop_before_gain"):
            self.__dict__.pop(name, None)

    @cached_property
    def _idle(self) -> Passage:
        return self._passage(None, 0)

    @cached_property
    def _fixed(self) -> tuple[Passage, tuple[tuple[Interval, ...], ...]]:
        whole = _as_recorded(self.script)
        if whole is not None:
            speech = segment_speech(self._clips[whole.clip], whole)
        else:
            speech = joined(self._spoken, [ms_to_samples(turn.gap_ms) for turn in self.script.turns[1:]])
        passage = self._passage(speech, IDLE_FRAMES)
        stretches = iter(passage.speech_ms)
        return passage, tuple(tuple(next(stretches) for _ in speech.stretches) for speech in self._spoken)

    @cached_property
    def _clips(self) -> dict[Clip, ClipAudio]:
        """The script's clips; of a long one, what the script plays and a little around it."""
        spans: dict[Clip, list[Interval]] = {}
        for segment in (segment for turn in self.script.turns for segment in turn.segments):
            spans.setdefault(segment.clip, []).append(segment.span_ms)
        return {clip: _clip_audio(clip, played) for clip, played in spans.items()}

    @cached_property
    def _spoken(self) -> tuple[Speech, ...]:
        """Each turn's speech, in its clips' own loudness."""
        return tuple(
            joined(
                [segment_speech(self._clips[segment.clip], segment) for segment in turn.segments],
                [ms_to_samples(hold) for hold in turn.hold_ms],
            )
            for turn in self.script.turns
        )

    @cached_property
    def _active_dbfs(self) -> float:
        """Level of the script's speech in its clips' own loudness."""
        return level_dbfs(np.concatenate([speech.only() for speech in self._spoken]))

    @cached_property
    def _loop_before_gain(self) -> NDArray[np.float64]:
        """The noise loop at the clips' own loudness: a quiet floor, and the condition's noise over it."""
        rng = np.random.default_rng(_seed(self.script, self.condition))
        lift_db = SPEECH_DBFS - self._active_dbfs
        quiet_dbfs = float(np.median([_quiet_dbfs(clip.pcm) for clip in self._clips.values()]))
        floor_dbfs = min(max(quiet_dbfs + lift_db, FLOOR_DBFS[0]), FLOOR_DBFS[1]) - lift_db
        loop = _ratio(floor_dbfs) * noise.pink_loop(rng)
        if self.condition.snr_db is not None:
            loop += _ratio(self._active_dbfs - self.condition.snr_db) * self._condition_noise(rng)
        return loop

    def _condition_noise(self, rng: np.random.Generator) -> NDArray[np.float64]:
        if self.condition.kind in noise.LOOPS:
            return noise.LOOPS[self.condition.kind](rng)
        own = {clip.sha256 for clip in self.script.clips}
        pool = shipped_clips() if self._pool is None else self._pool
        others = [clip for clip in pool if clip.sha256 not in own]
        if len(others) < noise.MIN_TALKERS:
            raise ScriptError(
                f"babble under script {self.script.id!r} needs at least {noise.MIN_TALKERS} clips that the script "
                f"does not use, and the pool has {len(others)}: give Renderer a larger pool, or use pink noise"
            )
        whole = [segment_speech(ClipAudio(read_audio(clip.path, clip.channel)), Segment(clip)) for clip in others]
        return noise.babble_loop(rng, [speech.only() for speech in whole])

    @cached_property
    def _gain(self) -> float:
        """One gain for speech and noise of every passage, so that none is louder than another and none clips."""
        peak = max(float(np.abs(speech.samples).max()) for speech in self._spoken)
        loudest = peak + float(np.abs(self._loop_before_gain).max())
        return min(_ratio(SPEECH_DBFS - self._active_dbfs), _PEAK / loudest)

    @cached_property
    def _loop(self) -> NDArray[np.float64]:
        return self._gain * self._loop_before_gain

    @cached_property
    def _anchor(self) -> NDArray[np.int16]:
        """The frame every passage opens with: the loop's first."""
        return self._coded(self._loop[:GRID_SAMPLES], self._loop[GRID_SAMPLES:])

    def _passage(self, speech: Speech | None, frames_before: int) -> Passage:
        """Noise from where `frames_before` frames of it have been played, and `speech` over it."""
        frames = IDLE_FRAMES if speech is None else _n_frames(speech)
        mix = self._background(frames, frames_before)
        if speech is not None:
            start = _ONSET_SAMPLES - FADE_SAMPLES
            mix[start : start + len(speech.samples)] += self._gain * speech.samples
        pcm = self._coded(mix, self._loop)
        pcm[:GRID_SAMPLES] = self._anchor
        pcm.setflags(write=False)
        stretches = () if speech is None else speech.stretches
        at = [(samples_to_ms(a + _ONSET_SAMPLES), samples_to_ms(b + _ONSET_SAMPLES)) for a, b in stretches]
        return Passage(pcm_key(pcm), pcm, tuple(Interval(a, b) for a, b in at))

    def _background(self, frames: int, frames_before: int) -> NDArray[np.float64]:
        """Noise of a passage: the anchor, then the loop from a place of its own, ending on what precedes the anchor."""
        # The loop is a multiple of 256 samples long, so frames that lie 128 off that grid never repeat its first.
        place = frames_before * GRID_SAMPLES + 128
        samples = self._loop.take(np.arange(place, place + frames * GRID_SAMPLES), mode="wrap")
        angle = np.linspace(0, np.pi / 2, FADE_SAMPLES)
        rising, falling = np.sin(angle), np.cos(angle)
        after = slice(GRID_SAMPLES, GRID_SAMPLES + FADE_SAMPLES)
        samples[:GRID_SAMPLES] = self._loop[:GRID_SAMPLES]
        samples[after] = rising * samples[after] + falling * self._loop[after]
        samples[-FADE_SAMPLES:] = falling * samples[-FADE_SAMPLES:] + rising * self._loop[-FADE_SAMPLES:]
        return samples

    def _coded(self, samples: NDArray[np.float64], following: NDArray[np.float64]) -> NDArray[np.int16]:
        """Floats as PCM16 through the condition's channel, heard between the loop's end and `following`."""
        channel = noise.CHANNELS.get(self.condition.kind)
        if channel is None:
            return as_pcm16(samples)
        wide = np.concatenate([self._loop[-_CHANNEL_MARGIN:], samples, following[:_CHANNEL_MARGIN]])
        return as_pcm16(channel(wide)[_CHANNEL_MARGIN:-_CHANNEL_MARGIN])


def _n_frames(speech: Speech) -> int:
    """Grid frames of the passage of `speech`: lead-in, speech, what is left of its last frame, tail."""
    return LEAD_IN_FRAMES + -(-speech.end // GRID_SAMPLES) + TAIL_FRAMES


def _ratio(db: float) -> float:
    return float(10.0 ** (db / 20.0))


def _as_recorded(script: Script) -> Segment | None:
    """The stretch of one clip that all turns of a script make up, if they make up one."""
    turns = script.turns
    if any(len(turn.segments) != 1 for turn in turns) or len(script.clips) != 1:
        return None
    spans = [turn.segments[0].span_ms for turn in turns]
    gaps_ms = [after.start_ms - before.end_ms for before, after in pairwise(spans)]
    if gaps_ms != [turn.gap_ms for turn in turns[1:]]:
        return None
    return Segment(turns[0].segments[0].clip, spans[0].start_ms, spans[-1].end_ms)


def _clip_audio(clip: Clip, played_ms: Sequence[Interval]) -> ClipAudio:
    first = max(0, ms_to_samples(min(part.start_ms for part in played_ms) - _CLIP_MARGIN_MS))
    last = ms_to_samples(max(part.end_ms for part in played_ms) + _CLIP_MARGIN_MS)
    return ClipAudio(read_audio(clip.path, clip.channel, span=(first, last)), first)


def _quiet_dbfs(clip: NDArray[np.int16]) -> float:
    """Level of a clip's quiet moments: a low percentile over windows of 10 ms."""
    count = len(clip) // _QUIET_WINDOW_SAMPLES
    if not count:
        return FLOOR_DBFS[1]
    windows = clip[: count * _QUIET_WINDOW_SAMPLES].reshape(count, -1)
    blocks = np.array_split(windows, -(-count // _QUIET_BLOCK_WINDOWS))
    power = np.concatenate([np.mean(np.square(as_float(block)), axis=1) for block in blocks])
    return 10.0 * float(np.log10(max(float(np.percentile(power, _QUIET_PERCENTILE)), 1e-12)))


def _seed(script: Script, condition: Condition) -> int:
    content = json.dumps([script.content_hash, condition.to_dict()], sort_keys=True)
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:16], "big")
