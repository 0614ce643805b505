"""Causal resampling of an endless stream: each output depends on past input only, so cutting it anywhere is exact.

Whole-file resampling (`files`) uses a library; that one looks ahead, which a server that listens frame by frame
cannot. Here every frame is computed by the same operations whatever comes before or after it, so that the result is
equal bit for bit however the stream was delivered.
"""

from __future__ import annotations

import math
from math import gcd

import numpy as np
from numpy.typing import NDArray

_TAPS = 128
"""Kernel length at the lower rate. A sinc under a Hamming window falls off over 3.3 / taps of that rate (Smith, SASP,
ch. 4)."""
_CUTOFF = 0.955
"""Middle of the fall, as a share of the band: it ends just below the band's edge. The detector hears both what is
missing up there and what folds back from above it."""
_GROUPS = 16
"""Steps of the stream that one row of the product makes."""


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
        groups = gcd(frame_samples // self._down, _GROUPS)
        self._step = groups * self._down
        self._phases = _phases(_lowpass(self._up, self._down), self._up, self._down, groups)
        self._past = np.zeros(len(self._phases) - self._step, dtype=np.float64)

    def reset(self) -> None:
        """Forget the past, as at the start of the stream."""
        self._past = np.zeros_like(self._past)

    def feed(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """Resample one frame.

        Args:
            frame: int16 samples, shape (frame_samples,).

        Returns:
            int16 samples at the output rate; below the edge of the band sound comes without delay.
        """
        if self._up == self._down:
            return frame
        heard = np.concatenate([self._past, frame])
        self._past = heard[len(heard) - len(self._past) :]
        near = np.lib.stride_tricks.sliding_window_view(heard, len(self._phases))[:: self._step]
        filtered = (np.ascontiguousarray(near) @ self._phases).ravel()
        return np.clip(np.rint(filtered), -32768, 32767).astype(np.int16)


def _lowpass(up: int, down: int) -> NDArray[np.float64]:
    """A windowed sinc turned into the filter of the same spectrum that answers soonest, as what listens must not wait.

    A detector that hears sound some samples late cuts it into other frames, and finds other probabilities.
    """
    widest = max(up, down)
    half = _TAPS * widest // 2
    sinc = np.sinc(_CUTOFF / widest * np.arange(-half, half + 1)) * np.hamming(2 * half + 1)
    kernel = _minimum_phase(sinc)
    kernel *= up / kernel.sum()
    return kernel


def _minimum_phase(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The causal kernel of the same length and spectrum without delay, by folding the cepstrum (Smith, SASP, ch. 4)."""
    size = 16 * 2 ** math.ceil(math.log2(len(kernel)))
    # Sixteen times the length: the cepstrum of a kernel with deep stops is long, and wraps round otherwise.
    spectrum = np.abs(np.fft.rfft(kernel, size))
    cepstrum = np.fft.irfft(np.log(np.maximum(spectrum, 1e-6 * spectrum.max())), size)
    # The anticausal half of the cepstrum folded onto the causal one: same magnitude, least delay.
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    folded: NDArray[np.float64] = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)
    return folded[: len(kernel)].copy()


def _phases(kernel: NDArray[np.float64], up: int, down: int, groups: int) -> NDArray[np.float64]:
    """What each input counts in each output that `groups * down` inputs make; shape (inputs, groups * up)."""
    past = -(-len(kernel) // up)
    place = up * (past - np.arange(past + groups * down))[:, None] + down * np.arange(groups * up)
    inside = (place >= 0) & (place < len(kernel))
    return np.where(inside, kernel[np.where(inside, place, 0)], 0.0)


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
