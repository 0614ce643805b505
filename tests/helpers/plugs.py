"""Callables as users plug them in; worker processes import them from here by name."""

from __future__ import annotations

import numpy as np

LOUD = 1_000
"""Samples at or above this level are speech to `Silence`, in tones and in shipped speech."""


class Silence:
    """An endpointer: the turn is over after so many quiet frames behind speech; made anew for each session."""

    def __init__(self, frames: int) -> None:
        self.frames, self.quiet, self.spoken = frames, 0, False

    def __call__(self, frame) -> bool:
        assert frame.shape == (768,) and frame.dtype == np.int16
        loud = bool(np.abs(frame.astype(np.int32)).max() >= LOUD)
        self.quiet = 0 if loud else self.quiet + 1
        self.spoken |= loud
        over = self.spoken and self.quiet == self.frames
        self.spoken &= not over
        return over


def quick() -> Silence:
    """Ends turns after 64 ms."""
    return Silence(2)


def patient() -> Silence:
    """Ends turns after 640 ms."""
    return Silence(20)


class Sure:
    """An end-of-turn estimate that never doubts, strict about what it is given."""

    name = "never in doubt"

    def __init__(self, heard, probability: float = 1.0) -> None:
        assert callable(heard.span)
        self.heard, self.answer = heard, probability

    def probability(self, start_ms: float, end_ms: float) -> float:
        span = self.heard.span(start_ms, end_ms)
        assert 0 <= start_ms < end_ms
        assert span is not None and len(span.samples()) == round((end_ms - start_ms) * span.rate_hz / 1000)
        return self.answer
