"""When a turn ends by what was said: the rule that turns an end-of-turn estimate into a wait. No audio, no events.

The rule. After PAUSE_MS of silence the estimator says once how probable it is, p, that the speaker has finished. The
turn then ends when the silence has lasted

    wait = PAUSE_MS + (longest - PAUSE_MS) * (1 - p) ** SHARPNESS

with the documented longest waits: 8 s at low eagerness, 4 s at medium and auto, 2 s at high. Speech that goes on before
that ends the pause, and the next pause is estimated afresh. The estimate hears the turn up to the end of those
PAUSE_MS and nothing after it, so it is the same however the audio arrives; more silence adds no words, so it is not
asked again. This approximates a service whose rule is not published, and is uncalibrated: with the recogniser's
punctuation as the estimate it falls short of the published frontier (tests/validation/test_semantic.py prints both).

Estimators live elsewhere; `EndOfTurn` is what one has to be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime_lab.server.hearing.heard import HeardAudio

PAUSE_MS = 640.0
"""Silence after which the estimate is made, and the shortest wait: just under the shortest published mean latency of a
service's semantic_vad, .697 s (data/reference/eot_bench.csv)."""
LONGEST_WAIT_MS = {"low": 8_000.0, "medium": 4_000.0, "auto": 4_000.0, "high": 2_000.0}
"""Documented: the longest wait at each eagerness; auto is the same as medium."""
SHARPNESS = 12.0
"""How fast the wait shrinks as the estimate grows: at p = .25 a thirtieth of the longest wait is left. A recogniser
often leaves out the last full stop, and a rule less sharp keeps callers waiting who have finished."""


def wait_ms(probability: float, eagerness: str) -> float:
    """The silence that ends a turn, ms.

    Args:
        probability: That the speaker has finished; what is outside 0 to 1 is taken for the nearer end.
        eagerness: low, medium, high or auto.
    """
    doubt = 1.0 - min(1.0, max(0.0, probability))
    return PAUSE_MS + (LONGEST_WAIT_MS[eagerness] - PAUSE_MS) * float(doubt**SHARPNESS)


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
