"""The endpointing rule: speech probabilities in, starts and stops of speech out.

The rule (frames of 32 ms): speech starts at the first frame with p >= threshold and goes on while
p >= threshold - hysteresis; it stops at the first frame whose silent run is at least silence_duration_ms long.
There is a scalar form (`Endpointer.step`, one probability) and a form over whole stretches (`Endpointer.scan`, which
jumps from transition to transition); a test proves them equal. Offsets and events are the engine's business.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_MS", "EndpointRule", "Endpointer", "Track", "Transition"]

FRAME_MS = 32
"""Length of a VAD frame. Captured offsets of the service are multiples of it, which suggests the same there."""


@dataclass(frozen=True)
class EndpointRule:
    """The settings the rule works with."""

    threshold: float
    """Probability from which speech starts."""
    silence_duration_ms: float
    """Silence that ends it."""
    hysteresis: float = 0.15
    """Speech goes on down to threshold - hysteresis (Silero VAD's published default)."""
    floor: float = 0.01
    """Lowest probability that keeps speech going, whatever the threshold."""

    @property
    def keep_threshold(self) -> float:
        """Probability down to which speech goes on."""
        return max(self.threshold - self.hysteresis, self.floor)

    @property
    def silent_frames(self) -> int:
        """Frames in the shortest silent run that ends speech; at least one."""
        return max(1, math.ceil(self.silence_duration_ms / FRAME_MS))


class Transition(NamedTuple):
    """Speech started or stopped."""

    kind: Literal["started", "stopped"]
    frame: int
    """The frame at whose arrival this is known, counted from the session's first."""
    edge_frame: int
    """Started: the first speech frame. Stopped: the last speech frame."""


@dataclass(frozen=True)
class Track:
    """Where one stretch of probabilities starts and keeps speech, for one pair of thresholds."""

    onsets: tuple[int, ...]
    """Frames with p >= threshold."""
    run_starts: tuple[int, ...]
    """First frames of the runs with p >= keep_threshold."""
    run_ends: tuple[int, ...]
    """Frames just after those runs."""

    @classmethod
    def of(cls, probabilities: NDArray[np.float32], rule: EndpointRule) -> Track:
        """Summarise `probabilities`, shape (n_frames,), under `rule`'s thresholds."""
        exact = probabilities.astype(np.float64)  # in float32 the threshold itself would be rounded
        keep = np.concatenate([[False], exact >= rule.keep_threshold, [False]])
        edges = np.flatnonzero(keep[1:] != keep[:-1])
        onsets = np.flatnonzero(exact >= rule.threshold)
        return cls(tuple(onsets.tolist()), tuple(edges[::2].tolist()), tuple(edges[1::2].tolist()))


class Endpointer:
    """The state of the rule in one session.

    Args:
        rule: The settings; `rule` may be replaced between frames, as session.update does.
    """

    def __init__(self, rule: EndpointRule) -> None:
        self.rule = rule
        self.frame = 0
        self.speaking = False
        self._last_speech = -1

    def stop_now(self) -> None:
        """Leave the speaking state without a transition, as a manual clear does."""
        self.speaking = False

    def skip(self, frames: int) -> None:
        """Let `frames` frames pass unheard, as while turn detection is off."""
        self.frame += frames

    def step(self, probability: float) -> Transition | None:
        """Take the next frame's probability; the transition it completes, if any."""
        frame, self.frame = self.frame, self.frame + 1
        if not self.speaking:
            return self._start(frame) if probability >= self.rule.threshold else None
        if probability >= self.rule.keep_threshold:
            self._last_speech = frame
            return None
        return self._stop(frame) if frame - self._last_speech >= self.rule.silent_frames else None

    def scan(self, track: Track, start: int, stop: int) -> Transition | None:
        """Take frames [start, stop) of a stretch, up to and including the first transition.

        Args:
            track: The stretch, summarised under this endpointer's thresholds.
            start: First frame within the stretch; it is the session's frame `self.frame`.
            stop: Frame within the stretch to stop before.

        Returns:
            The transition, with `self.frame` just after it; None when all frames passed without one.
        """
        base = self.frame - start
        found = self._scan_speech(track, start, stop, base) if self.speaking else self._scan_silence(track, start, stop)
        self.frame = base + (stop if found is None else found + 1)
        if found is None:
            return None
        return self._stop(base + found) if self.speaking else self._start(base + found)

    def _scan_silence(self, track: Track, start: int, stop: int) -> int | None:
        position = bisect_left(track.onsets, start)
        return track.onsets[position] if position < len(track.onsets) and track.onsets[position] < stop else None

    def _scan_speech(self, track: Track, start: int, stop: int, base: int) -> int | None:
        run = bisect_right(track.run_ends, start)
        while True:
            fires = max(self._last_speech - base + self.rule.silent_frames, start)
            resumes = max(track.run_starts[run], start) if run < len(track.run_starts) else stop
            if fires < resumes or resumes >= stop:
                return fires if fires < stop and fires < resumes else None
            self._last_speech = base + min(track.run_ends[run], stop) - 1
            run += 1

    def _start(self, frame: int) -> Transition:
        self.speaking, self._last_speech = True, frame
        return Transition("started", frame, frame)

    def _stop(self, frame: int) -> Transition:
        self.speaking = False
        return Transition("stopped", frame, self._last_speech)
