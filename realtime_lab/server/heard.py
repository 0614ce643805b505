"""What one session has heard, kept for those who listen again: transcription and the end-of-turn estimate."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_MS
from realtime_lab.server.spans import HeardSpan, sample_at

__all__ = ["KEPT_MS", "HeardFrames"]

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
