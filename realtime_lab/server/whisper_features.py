"""What Whisper hears: the log-mel spectrogram of 16 kHz audio, in numpy. One function of samples, nothing else.

After `log_mel_spectrogram` of OpenAI's Whisper (MIT): Hann windows of 25 ms every 10 ms, mel bands with Slaney's scale
and area normalisation, log10 held within 8 of the loudest, then (x + 4) / 4.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAMES_PER_S", "WHISPER_RATE_HZ", "log_mel"]

WHISPER_RATE_HZ = 16_000
"""Sample rate the model was trained on."""
FRAMES_PER_S = 100
"""Spectra per second."""
_WINDOW_SAMPLES = 400
_HOP_SAMPLES = 160
_FLOOR = 1e-10
_RANGE_LOG10 = 8.0
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ, _LOG_FROM_MEL = 1_000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


def log_mel(samples: NDArray[np.int16], n_frames: int, n_mels: int = 80) -> NDArray[np.float32]:
    """Log-mel spectrogram of `samples`, with silence behind them up to `n_frames`.

    Args:
        samples: int16 at 16 kHz; what does not fit into `n_frames` of 10 ms is left out.
        n_frames: Frames wanted.
        n_mels: Mel bands: 80, or what the model says.

    Returns:
        float32, shape (n_mels, n_frames).
    """
    heard = samples[: n_frames * _HOP_SAMPLES].astype(np.float32) / np.float32(32_768.0)
    half = _WINDOW_SAMPLES // 2
    sounding = min(n_frames, len(heard) // _HOP_SAMPLES + 3)  # frames that reach into the audio
    padded = np.zeros(sounding * _HOP_SAMPLES + _WINDOW_SAMPLES, dtype=np.float32)
    padded[half : half + len(heard)] = heard[: len(padded) - half]
    mirrored = padded[half + 1 : 2 * half + 1]
    padded[:half] = mirrored[::-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::_HOP_SAMPLES][:sounding]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = np.full((n_mels, n_frames), np.log10(_FLOOR), dtype=np.float32)
    bands[:, :sounding] = np.log10(np.maximum(_filters(n_mels) @ power.T, _FLOOR))
    held = np.maximum(bands, bands.max() - _RANGE_LOG10)
    return np.ascontiguousarray((held + 4.0) / 4.0, dtype=np.float32)


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    """A periodic Hann window."""
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=2)
def _filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters over the bins of the spectrum, shape (n_mels, 201)."""
    top = _LOG_FROM_MEL + np.log(WHISPER_RATE_HZ / 2 / _LOG_FROM_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, n_mels + 2)
    linear, logarithmic = mels * _LINEAR_HZ_PER_MEL, _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - _LOG_FROM_MEL))
    edges = np.where(mels < _LOG_FROM_MEL, linear, logarithmic)[:, None]
    bins = np.linspace(0.0, WHISPER_RATE_HZ / 2, _WINDOW_SAMPLES // 2 + 1)[None, :]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float64] = area * np.maximum(0.0, np.minimum(rising, falling))
    return filters.astype(np.float32)
