"""A span of heard audio as a value: what is handed to whoever listens again. It says nothing of where it came from."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["HeardAudio", "HeardSpan", "sample_at"]


@dataclass(frozen=True, eq=False)
class HeardSpan:
    """A stretch of a session's audio, as the server decoded it."""

    rate_hz: int
    """Sample rate: 24,000, or 8,000 for G.711."""
    pieces: tuple[NDArray[np.int16], ...]
    """Its samples, in order."""
    name: Hashable = None
    """Equal for spans whose samples are known to be equal, so that they need not be looked at; None: not known."""

    def samples(self) -> NDArray[np.int16]:
        """All samples, shape (n,)."""
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.pieces])


class HeardAudio(Protocol):
    """The audio a session has heard so far."""

    def span(self, start_ms: float, end_ms: float) -> HeardSpan | None:
        """Audio time [start_ms, end_ms); None when that is no longer kept."""
        ...


def sample_at(t_ms: float, rate_hz: int) -> int:
    """Number of the first sample at or after an audio time that is not before the session's start."""
    return math.ceil(round(max(0.0, t_ms) * rate_hz / 1000, 6))
