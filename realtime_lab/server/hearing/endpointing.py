"""The endpointing rule: speech probabilities in, starts and stops of speech out.

The rule (frames of 32 ms): speech starts at the first frame with p >= threshold and goes on while
p >= threshold - hysteresis; it stops at the first frame whose silent run is at least silence_duration_ms long. So the
endpoint, audio_end_ms, lies whole frames after the last speech frame, 224 ms at 200: as in recorded public sessions
(pydantic-ai's test cassettes: seven of seven endpoints of OpenAI, Azure OpenAI and Azure Voice Live).
A server that hears beginnings or ends of speech later than our detector is had by filtering the probabilities first
(`heard_late`).
There is a scalar form (`Endpointer.step`, one probability) and a form over whole stretches (`Endpointer.scan`, which
jumps from transition to transition); a test proves them equal. Whoever decides turns may ask to wait longer in one
pause (`Endpointer.wait_longer`). Offsets and events are the engine's business.

`TrackStore` says where passages have speech, once for every rule, from remembered probabilities.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realtime_lab.audio.pcm import GRID_MS, grid_frames

FRAME_MS = GRID_MS
"""Length of a VAD frame. Ends of speech in recorded public sessions are multiples of it (13 of 14)."""
MAX_LATE_FRAMES = 31
"""How late a server can be taken to hear, in frames: just under a second."""
MAX_SOON_FRAMES = 1
"""How many frames sooner it may put ends: more could put the end of a single frame of speech before its start."""


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
    onset_late_frames: int = 0
    """How much later than the detector the rule hears speech begin."""
    offset_late_frames: int = 0
    """How much later it hears speech end. Below 0 it decides at the same frame and reports the end so much sooner."""

    @cached_property
    def keep_threshold(self) -> float:
        """Probability down to which speech goes on."""
        return max(self.threshold - self.hysteresis, self.floor)

    @cached_property
    def late_frames(self) -> int:
        """How many frames before the current one still matter."""
        return max(self.onset_late_frames, self.offset_late_frames, 0)

    @cached_property
    def silent_frames(self) -> int:
        """Frames in the shortest silent run that ends speech; at least one."""
        return grid_frames(self.silence_duration_ms)

    def end_ms(self, end_frame: int, silent_frames: int | None = None) -> int:
        """audio_end_ms of speech.

        Args:
            end_frame: The frame after the last speech frame.
            silent_frames: Frames of silence that ended it; None: those of the rule.
        """
        silent = self.silent_frames if silent_frames is None else silent_frames
        return FRAME_MS * (end_frame + silent + min(0, self.offset_late_frames))


def heard_late(probabilities: NDArray[np.float64], rule: EndpointRule) -> NDArray[np.float64]:
    """Probabilities whose rises come `onset_late_frames` later and whose falls come `offset_late_frames` later.

    The greatest of a sliding window lets a fall come later than a rise, the least lets it come sooner; before the
    first frame there was silence. Where falls come sooner, stretches of speech shorter than the difference go unheard.

    Args:
        probabilities: Shape (n_frames,), from the session's first frame.
        rule: Says how late.
    """
    low, high = sorted((rule.onset_late_frames, max(0, rule.offset_late_frames)))
    if not high or not len(probabilities):
        return probabilities
    padded = np.concatenate([np.zeros(high), probabilities[: max(0, len(probabilities) - low)]])
    windows = np.lib.stride_tricks.sliding_window_view(padded, high - low + 1)[: len(probabilities)]
    chosen: NDArray[np.float64] = windows.max(1) if rule.offset_late_frames == high else windows.min(1)
    return chosen


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
    def of(cls, probabilities: NDArray[np.floating[Any]], rule: EndpointRule, before: ArrayLike = ()) -> Track:
        """Summarise `probabilities`, shape (n_frames,), under `rule`; `before` are those of the frames before them."""
        past = np.asarray(before, dtype=np.float64)
        exact = np.concatenate([past, probabilities.astype(np.float64)])  # in float32 the threshold would be rounded
        exact = heard_late(exact, rule)[len(past) :]
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
        self._past: list[float] = []
        self._patience: tuple[int, int] | None = None

    def wait_longer(self, silent_frames: int) -> None:
        """Take back the stop just found: the pause it was found in ends speech after `silent_frames` only."""
        # The stop was found at its frame; only the pause behind this very last speech frame is given more time.
        self.speaking = True
        self._patience = (self._last_speech, silent_frames)

    def stop_now(self) -> None:
        """Leave the speaking state without a transition, as a manual clear does."""
        self.speaking = False

    def step(self, probability: float) -> Transition | None:
        """Take the next frame's probability; the transition it completes, if any."""
        frame, self.frame = self.frame, self.frame + 1
        probability = self._heard_late(probability)
        if not self.speaking:
            return self._start(frame) if probability >= self.rule.threshold else None
        # Hysteresis: speech goes on at a lower probability than it began with, as in Silero's own iterator.
        if probability >= self.rule.keep_threshold:
            self._last_speech = frame
            return None
        return self._stop(frame) if frame - self._last_speech >= self._silent_frames() else None

    def _heard_late(self, probability: float) -> float:
        low, high = sorted((self.rule.onset_late_frames, max(0, self.rule.offset_late_frames)))
        if not high:
            return probability
        self._past = [*self._past, probability][-high - 1 :]
        padded = [0.0] * (high + 1 - len(self._past)) + self._past
        window = padded[: high - low + 1]
        return max(window) if self.rule.offset_late_frames == high else min(window)

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
        # Runs are by passage, frames by session: `base` is what lies between the two.
        run = bisect_right(track.run_ends, start)
        while True:
            # A rule may have been made shorter while it was silent: then it fires now and not in the past.
            fires = max(self._last_speech - base + self._silent_frames(), start)
            resumes = max(track.run_starts[run], start) if run < len(track.run_starts) else stop
            if fires < resumes or resumes >= stop:
                return fires if fires < stop and fires < resumes else None
            self._last_speech = base + min(track.run_ends[run], stop) - 1
            run += 1

    def _silent_frames(self) -> int:
        """Frames of silence after the last speech frame that end speech."""
        waits = self._patience is not None and self._patience[0] == self._last_speech
        return self._patience[1] if waits and self._patience is not None else self.rule.silent_frames

    def _start(self, frame: int) -> Transition:
        self.speaking, self._last_speech = True, frame
        return Transition("started", frame, frame)

    def _stop(self, frame: int) -> Transition:
        self.speaking = False
        return Transition("stopped", frame, self._last_speech)


class ProbabilityStore(Protocol):
    """Somewhere that remembers a passage's probabilities."""

    def probabilities(self, key: str, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
        """Probabilities of the passage `key`, whose samples are `pcm` at `rate_hz`."""
        ...


class TrackStore:
    """Tracks of passages, made once per pair of thresholds and lateness.

    Args:
        store: Where the probabilities come from.
    """

    def __init__(self, store: ProbabilityStore) -> None:
        self._store = store
        self._tracks: dict[tuple[str, int, float, float, int, int], Track] = {}

    def probabilities(self, key: str, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
        """The passage's probabilities."""
        return self._store.probabilities(key, pcm, rate_hz)

    def track(self, key: str, pcm: NDArray[np.int16], rate_hz: int, rule: EndpointRule) -> Track:
        """The passage's track under `rule`'s thresholds."""
        late = (rule.onset_late_frames, rule.offset_late_frames)
        name = (key, rate_hz, rule.threshold, rule.keep_threshold, *late)
        found = self._tracks.get(name)
        if found is None:
            found = Track.of(self._store.probabilities(key, pcm, rate_hz), rule)
            self._tracks[name] = found
        return found
