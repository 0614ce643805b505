"""Sound as numbers: the sample rate, the 32 ms grid, intervals of time, levels, and conversions of PCM16 arrays.

Everything inside the package is 24 kHz mono PCM16; files of other kinds are converted in `audio.files`, and other
wire formats in `audio.g711`. Nothing here reads a file or draws a random number.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
"""Sample rate of all audio inside the package, and of the service's `audio/pcm`."""
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1_000
"""Samples in one millisecond: a whole number, so every whole millisecond is a sample position."""
GRID_MS = 32
"""Step of the voice-activity detector, ms. Turn starts lie on multiples of it."""
GRID_SAMPLES = GRID_MS * SAMPLES_PER_MS
"""Samples of one grid frame: 768."""

AUDIBLE_DBFS = -50.0
AUDIBLE_WINDOW_SAMPLES = 10 * SAMPLES_PER_MS
_FULL_SCALE = 32_768.0


class Interval(NamedTuple):
    """A stretch of time, ms."""

    start_ms: float
    """First instant inside."""
    end_ms: float
    """First instant after."""

    def shifted(self, by_ms: float) -> Interval:
        """The same stretch, `by_ms` later."""
        return Interval(self.start_ms + by_ms, self.end_ms + by_ms)

    @property
    def length_ms(self) -> float:
        """Length, ms."""
        return self.end_ms - self.start_ms


def ms_to_samples(ms: float) -> int:
    """The sample position nearest to `ms` at 24 kHz (halves go up; exact for whole milliseconds)."""
    return int(np.floor(ms * SAMPLES_PER_MS + 0.5))


def samples_to_ms(samples: int) -> float:
    """The time of sample position `samples` at 24 kHz, ms."""
    return samples / SAMPLES_PER_MS


def grid_frames(ms: float) -> int:
    """Whole grid frames that `ms` take up; at least one."""
    return max(1, math.ceil(ms / GRID_MS))


def as_float(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """PCM16 as floats in [-1, 1)."""
    return pcm.astype(np.float64) / _FULL_SCALE


def as_pcm16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """Floats in [-1, 1] as PCM16, rounded to the nearest step and held inside the range."""
    return np.clip(np.rint(samples * _FULL_SCALE), -32_768, 32_767).astype(np.int16)


def level_dbfs(samples: NDArray[np.float64]) -> float:
    """RMS level of float samples in dB of full scale; -inf for silence or no samples."""
    power = float(np.mean(np.square(samples))) if len(samples) else 0.0
    return 10.0 * float(np.log10(power)) if power > 0.0 else float("-inf")


def pcm_key(pcm: NDArray[np.int16]) -> str:
    """SHA-256 (hex) of the samples as little-endian PCM16 bytes: the name audio is cached and stored under."""
    return hashlib.sha256(np.ascontiguousarray(pcm, dtype="<i2").tobytes()).hexdigest()


def first_audible_sample(pcm: NDArray[np.int16]) -> int | None:
    """Position of the first sample of the first 10 ms window whose RMS reaches -50 dBFS; None when none does.

    Windows do not overlap and start at multiples of 10 ms; a shorter last window counts as it is.
    """
    if not len(pcm):
        return None
    starts = np.arange(0, len(pcm), AUDIBLE_WINDOW_SAMPLES)
    energy = np.add.reduceat(np.square(as_float(pcm)), starts)
    lengths = np.minimum(AUDIBLE_WINDOW_SAMPLES, len(pcm) - starts)
    audible = np.flatnonzero(energy >= lengths * 10.0 ** (AUDIBLE_DBFS / 10.0))
    return int(starts[audible[0]]) if len(audible) else None
