"""Causal resampling of an endless stream: each output depends on past input only, so cutting it anywhere is exact.

Whole-file resampling (`files`) uses a library; that one looks ahead, which a server that listens frame by frame
cannot. Here every frame is computed by the same operations whatever comes before or after it, so that the result is
equal bit for bit however the stream was delivered.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

_TAPS_PER_PHASE = 24
"""Kernel length at the lower rate; 24 taps of a Hamming-windowed sinc pass 90 % of the band (Smith, SASP, ch. 4)."""


class CausalResampler:
    """Changes the sample rate of a stream of equal frames.

    Args:
        from_hz: Rate of the input.
        to_hz: Rate of the output.
        frame_samples: Input samples in each frame; their duration must be a whole number of output samples.
    """

    def __init__(self, from_hz: int, to_hz: int, frame_samples: int) -> None:
        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        if frame_samples * self._up % self._down:
            raise ValueError(f"{frame_samples} samples at {from_hz} Hz are no whole number at {to_hz} Hz")
        self._kernel = _lowpass(self._up, self._down)
        self._stuffed = np.zeros(frame_samples * self._up + len(self._kernel) - 1, dtype=np.float64)
        self._history = len(self._kernel) - 1

    def reset(self) -> None:
        """Forget the past, as at the start of the stream."""
        self._stuffed[:] = 0.0

    def feed(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """Resample one frame.

        Args:
            frame: int16 samples, shape (frame_samples,).

        Returns:
            int16 samples at the output rate, delayed by half the kernel (about 1 ms).
        """
        if self._up == self._down:
            return frame
        self._stuffed[self._history :: self._up] = frame
        filtered = np.convolve(self._stuffed, self._kernel, mode="valid")[:: self._down]
        self._stuffed[: self._history] = self._stuffed[-self._history :].copy()
        self._stuffed[self._history :] = 0.0
        return np.clip(np.rint(filtered), -32768, 32767).astype(np.int16)


def _lowpass(up: int, down: int) -> NDArray[np.float64]:
    widest = max(up, down)
    half = _TAPS_PER_PHASE * widest // 2
    position = np.arange(-half, half + 1)
    cutoff = 0.92 / widest
    kernel: NDArray[np.float64] = np.sinc(cutoff * position) * np.hamming(2 * half + 1)
    kernel *= up / kernel.sum()
    return kernel


def resample_causally(pcm: NDArray[np.int16], from_hz: int, to_hz: int, frame_samples: int) -> NDArray[np.int16]:
    """Resample whole frames from a fresh start; equal to feeding them one by one.

    Args:
        pcm: int16 samples, shape (n * frame_samples,).
        from_hz: Rate of `pcm`.
        to_hz: Rate wanted.
        frame_samples: Frame length the stream is cut into.
    """
    stream = CausalResampler(from_hz, to_hz, frame_samples)
    frames = pcm.reshape(-1, frame_samples)
    return np.concatenate([stream.feed(frame) for frame in frames]) if len(frames) else pcm[:0]
