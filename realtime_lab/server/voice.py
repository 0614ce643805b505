"""The mocked model's voice: one fixed stretch of speech-like sound behind two seconds of silence. No words in it.

Every response is a piece of this one blob: it begins in the silence, as far before the sound as the response's
leading silence is long. So a client measures the first audible sample for itself, and one blob serves all.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol.items import AudioRef

__all__ = ["LEAD_MS", "voice_piece", "voice_ref"]

LEAD_MS = 2_000
"""Silence before the sound: the longest leading silence a response can have."""


@lru_cache(maxsize=2)
def _second(rate_hz: int) -> NDArray[np.int16]:
    t = np.arange(rate_hz) / rate_hz
    pitch = 2 * np.pi * np.cumsum(130 + 15 * np.sin(2 * np.pi * t)) / rate_hz
    buzz = np.sum([np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 12)], axis=0)
    syllables = 0.55 + 0.45 * np.cos(2 * np.pi * 4 * t)
    sound: NDArray[np.int16] = np.rint(3500 * syllables * buzz).astype(np.int16)
    return sound


@lru_cache(maxsize=2)
def _key(rate_hz: int) -> str:
    return hashlib.sha256(b"mocked voice" + _second(rate_hz).tobytes()).hexdigest()


def voice_piece(offset_samples: int, samples: int, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.int16]:
    """A piece of the voice blob, int16, shape (samples,); after the silence the sound repeats every second."""
    position = offset_samples - LEAD_MS * rate_hz // 1000 + np.arange(samples)
    second = _second(rate_hz)
    return np.where(position < 0, 0, second[position % rate_hz]).astype(np.int16)


def voice_ref(offset_ms: int, length_ms: int, rate_hz: int = SAMPLE_RATE_HZ) -> AudioRef:
    """A reference to a piece of the voice blob, with its first audible sample measured."""
    # Behind the silence, which is whole seconds, the sound repeats every second: so does what is measured.
    per_ms = rate_hz // 1000
    return AudioRef(
        sha256=_key(rate_hz),
        offset_samples=offset_ms * per_ms,
        samples=length_ms * per_ms,
        rate_hz=rate_hz,
        audible_sample=_audible(min(offset_ms, LEAD_MS + offset_ms % 1000), length_ms, rate_hz),
    )


@lru_cache(maxsize=4096)
def _audible(offset_ms: int, length_ms: int, rate_hz: int) -> int | None:
    heard = first_audible_sample(voice_piece(offset_ms * 24, length_ms * 24))
    return None if heard is None else heard * rate_hz // SAMPLE_RATE_HZ
