"""Voice activity detection on the audio itself: bytes in, one speech probability per 32 ms frame out.

The restart rule, which makes caching exact. The detector is recurrent, so a frame's probability depends on all audio
before it. It therefore starts afresh at every frame that repeats the session's first frame bit for bit, which is
decided by the bytes alone and never happens in recorded speech. The driver opens every passage it plays with that
frame; so a passage's probabilities are a function of the passage, and what was computed once may be reused wherever
the passage is played again. Digital silence restarts nothing, so a foreign client's audio never meets the rule.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.causal import CausalResampler
from realtime_lab.audio.pcm import GRID_MS
from realtime_lab.audio.silero import WEIGHTS_SHA256, Silero

VAD_NAME = f"silero-vad 6.2 with left context, in numpy, weights {WEIGHTS_SHA256[:12]}"
"""Engine, network and weights: stands in every row that rests on them."""
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
        self._detector = Silero()
        self._anchor: bytes | None = None

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame, int16, shape (frame_samples,)."""
        if self.restarts_at(frame.tobytes()):
            self.restart()
        return self.step(frame)

    def restarts_at(self, raw: bytes) -> bool:
        """Whether a frame repeats the session's first one; the first one itself does not, and no digital silence."""
        if self._anchor is None:
            self._anchor = raw
            return False
        return raw == self._anchor and raw != raw[:2] * self.frame_samples

    def restart(self) -> None:
        """Forget everything heard so far."""
        self._detector.reset()
        self._resampler.reset()

    def step(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame, without looking whether the detector should start afresh."""
        return float(self.steps(frame[None])[0])

    def steps(self, frames: NDArray[np.int16]) -> NDArray[np.float32]:
        """Probabilities of the next frames, float32 of shape (n_frames,), without looking either."""
        return self._detector.probabilities(np.array([self._resampler.feed(frame) for frame in frames]))


def passage_probabilities(pcm: NDArray[np.int16], rate_hz: int = 24_000) -> NDArray[np.float32]:
    """Probabilities of a whole passage from a fresh start; equal to feeding its frames one by one.

    Args:
        pcm: int16 samples, shape (n_frames * samples in 32 ms,).
        rate_hz: Sample rate of `pcm`.

    Returns:
        float32, shape (n_frames,).
    """
    vad = FrameVad(rate_hz)
    frames = pcm.reshape(-1, vad.frame_samples)
    fresh = [place for place, frame in enumerate(frames) if vad.restarts_at(frame.tobytes())]
    found = [np.zeros(0, dtype=np.float32)]
    for start, stop in pairwise([0, *fresh, len(frames)]):
        vad.restart()
        found.append(vad.steps(frames[start:stop]))
    return np.concatenate(found)
