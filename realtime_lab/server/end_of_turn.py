"""Whether a speaker has finished: the estimate that semantic turn detection waits for. Estimators live elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime_lab.server.spans import HeardAudio

__all__ = ["EndOfTurn", "EndOfTurnMaker"]


class EndOfTurn(Protocol):
    """Estimates from a stretch of the session's audio whether its speaker has finished."""

    @property
    def name(self) -> str:
        """What it is, with its version; stands in every row that rests on it."""
        ...

    def probability(self, start_ms: float, end_ms: float) -> float:
        """Probability that whoever speaks in [start_ms, end_ms) of audio time has finished at its end."""
        ...


EndOfTurnMaker = Callable[[HeardAudio], EndOfTurn]
"""Makes the estimate of one session from what that session hears."""
