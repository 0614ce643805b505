"""Noise reduction as a spectral gate, frame by frame: an approximation of what a service does before it listens.

The rule. Sound is cut into windows of 16 ms that overlap by half. In each frequency bin the noise floor is seeded by
the first window and follows the quietest recent level: down at once, up by RISE_DB_PER_S. What stands less than the
kind's margin above the floor is turned down, by at most its depth; gains fall slowly, so that words keep their ends.
Everything depends on past samples only and the output comes 8 ms late. A stream is processed in its 32 ms frames, and
starts afresh wherever the voice activity detector does (see `vad`), so that it is equal bit for bit by bytes and by
passages. The figures are priors: no service publishes its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_MS

GATE_VERSION = "gate1"
"""Names in caches what the rule and its figures make of a sound; to be changed with them."""
_HOP_MS = 8
_SMOOTHING = 0.7
"""Share of the past in the smoothed level, per hop."""
_RELEASE = 0.8
"""Share of the past in a falling gain, per hop."""
RISE_DB_PER_S = 6.0
"""How fast the noise floor may rise: slower than words, faster than a room changes."""


@dataclass(frozen=True)
class GateKind:
    """What a gate does."""

    margin_db: float
    """How far above the floor a bin must stand to pass unchanged; steady noise itself reaches about 10 dB above it."""
    depth_db: float
    """How far it is turned down at most."""


NOISE_REDUCTIONS = {"near_field": GateKind(15.0, 12.0), "far_field": GateKind(20.0, 18.0)}
"""By the protocol's names: headsets need less than rooms."""


class FrameGate:
    """A spectral gate on a stream of 32 ms frames.

    Args:
        kind: near_field or far_field.
        rate_hz: Sample rate of the stream: 24,000 for PCM, 8,000 for G.711.
    """

    def __init__(self, kind: str, rate_hz: int = 24_000) -> None:
        chosen = NOISE_REDUCTIONS[kind]
        self._hop = rate_hz * _HOP_MS // 1000
        # Sine windows before and after, overlapped by half: their squares add up to 1 (Princen and Bradley 1986).
        self._window = np.sin(np.pi * (np.arange(2 * self._hop) + 0.5) / (2 * self._hop))
        self._pass_power = 10 ** (chosen.margin_db / 10)
        self._least_gain = 10 ** (-chosen.depth_db / 20)
        self._rise = 10 ** (RISE_DB_PER_S * _HOP_MS / 1000 / 10)
        self._anchor: bytes | None = None
        self.restart()

    def restart(self) -> None:
        """Forget everything heard so far."""
        self._past = np.zeros(self._hop)
        self._tail = np.zeros(self._hop)
        self._level: NDArray[np.float64] | None = None
        self._floor: NDArray[np.float64] | None = None
        self._gain = np.ones(self._hop + 1)

    def feed(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The next frame with its noise reduced, int16, shape (frame_samples,), 8 ms late.

        Args:
            frame: int16 samples, shape (frame_samples,).
        """
        raw = frame.tobytes()
        if self._anchor is None:
            self._anchor = raw
        elif raw == self._anchor:
            self.restart()
        hops = frame.astype(np.float64).reshape(-1, self._hop)
        cleaned = np.rint(np.concatenate([self._hop_out(hop) for hop in hops]))
        out: NDArray[np.int16] = np.clip(cleaned, -32768, 32767).astype(np.int16)
        return out

    def _hop_out(self, hop: NDArray[np.float64]) -> NDArray[np.float64]:
        spectrum = np.fft.rfft(np.concatenate([self._past, hop]) * self._window)
        sound = np.fft.irfft(spectrum * self._gains(np.abs(spectrum) ** 2), 2 * self._hop) * self._window
        done = self._tail + sound[: self._hop]
        self._past, self._tail = hop, sound[self._hop :]
        return done

    def _gains(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        level = power if self._level is None else _SMOOTHING * self._level + (1 - _SMOOTHING) * power
        # The 1.0 lets a floor of digital silence rise at all.
        floor = level if self._floor is None else np.minimum(level, np.maximum(self._floor, 1.0) * self._rise)
        self._level, self._floor = level, floor
        wanted = np.clip(np.sqrt(level / (floor * self._pass_power + 1.0)), self._least_gain, 1.0)
        self._gain = np.maximum(wanted, _RELEASE * self._gain + (1 - _RELEASE) * wanted)
        return self._gain


def reduce_noise(pcm: NDArray[np.int16], kind: str, rate_hz: int = 24_000) -> NDArray[np.int16]:
    """A whole passage with its noise reduced, from a fresh start; equal to feeding it frame by frame.

    Args:
        pcm: int16 samples, shape (n_frames * samples in 32 ms,).
        kind: near_field or far_field.
        rate_hz: Sample rate of `pcm`.
    """
    gate = FrameGate(kind, rate_hz)
    frames = pcm.reshape(-1, rate_hz * GRID_MS // 1000)
    return np.concatenate([gate.feed(frame) for frame in frames]) if len(frames) else pcm[:0]
