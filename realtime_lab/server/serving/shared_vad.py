"""One detector's work shared between sessions that hear the same audio, as those of a sweep do.

A probability is remembered under the hash of all audio since the detector last started afresh, so what is given back
is exactly what the detector would have said. A session whose audio nobody has heard before runs the detector.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.vad import FrameVad

_MAX_BEHIND = 512
"""Frames a session's own detector may fall behind before it catches up: 16 s of audio."""


class SharedProbabilities:
    """What has been heard so far, by any session.

    Args:
        most: How many probabilities are kept; the oldest go first.
    """

    def __init__(self, most: int = 500_000) -> None:
        self._known: dict[bytes, float] = {}
        self._most = most

    def get(self, chain: bytes) -> float | None:
        """The probability after the audio with this hash; None when nobody has heard it."""
        return self._known.get(chain)

    def put(self, chain: bytes, probability: float) -> None:
        """Remember one probability."""
        self._known[chain] = probability
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]


class SharedVad:
    """Stands in for a FrameVad, frame by frame equal to it.

    Args:
        shared: What all sessions know.
        rate_hz: Sample rate of the stream.
    """

    def __init__(self, shared: SharedProbabilities, rate_hz: int) -> None:
        self._shared = shared
        self._vad = FrameVad(rate_hz)
        self._chain = str(rate_hz).encode()
        self._start = self._chain
        self._behind: list[NDArray[np.int16]] = []

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame, int16, shape (frame_samples,)."""
        raw = frame.tobytes()
        if self._vad.restarts_at(raw):
            self._vad.restart()
            self._chain, self._behind = self._start, []
        self._chain = hashlib.blake2b(self._chain + raw, digest_size=16).digest()
        self._behind.append(frame)
        known = self._shared.get(self._chain)
        if known is not None and len(self._behind) < _MAX_BEHIND:
            return known
        known = float(self._vad.steps(np.array(self._behind))[-1])
        self._behind = []
        self._shared.put(self._chain, known)
        return known
