"""What one session has heard, kept for those who listen again: transcription and the end-of-turn estimate.

A span is a value: what is handed to whoever listens again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_MS


@dataclass(frozen=True, eq=False)
class HeardSpan:
    """A stretch of a session's audio, as the server decoded it."""

    rate_hz: int
    """Sample rate: 24,000, or 8,000 for G.711."""
    pieces: tuple[NDArray[np.int16], ...]
    """Its samples, in order."""
    name: Hashable = None
    """Equal for spans whose samples are known to be equal, so that they need not be looked at; None: not known."""

    def samples(self) -> NDArray[np.int16]:
        """All samples, shape (n,)."""
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.pieces])


class HeardAudio(Protocol):
    """The audio a session has heard so far."""

    def span(self, start_ms: float, end_ms: float) -> HeardSpan | None:
        """Audio time [start_ms, end_ms); None when that is no longer kept."""
        ...


def sample_at(t_ms: float, rate_hz: int) -> int:
    """Number of the first sample at or after an audio time that is not before the session's start."""
    return math.ceil(round(max(0.0, t_ms) * rate_hz / 1000, 6))


KEPT_MS = 300_000
"""How far back audio is kept: 14 MB for PCM. A longer turn is not transcribed."""


class HeardFrames:
    """The last minutes of a session's audio, decoded, in frames of 32 ms."""

    def __init__(self) -> None:
        self._frames: deque[NDArray[np.int16]] = deque(maxlen=KEPT_MS // GRID_MS)
        self._heard = 0

    def append(self, frame: NDArray[np.int16]) -> None:
        """Take the next 32 ms."""
        if self._frames and len(self._frames[-1]) != len(frame):
            self._frames.clear()  # another sample rate: what was heard before cannot be joined to it
        self._frames.append(frame)
        self._heard += 1

    def span(self, start_ms: float, end_ms: float) -> HeardSpan | None:
        """Audio time [start_ms, end_ms), as far as it has been heard; None when its start is no longer kept."""
        first = self._heard - len(self._frames)
        if start_ms < first * GRID_MS or not self._frames:
            return None
        size = len(self._frames[0])
        rate_hz = size * 1000 // GRID_MS
        start, stop = sample_at(start_ms, rate_hz), sample_at(end_ms, rate_hz)
        pieces = []
        for place in range(start // size, min(-(-stop // size), self._heard)):
            frame = self._frames[place - first]
            pieces.append(frame[max(0, start - place * size) : stop - place * size])
        return HeardSpan(rate_hz, tuple(pieces))
