"""Where a sweep stops on its own: after so many trials, after so much time. Money is `spend`'s."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from realtime_lab.errors import PlanError, Problem

__all__ = ["Limits"]


class Limits:
    """How much one run of a sweep may do; trials that are under way when a limit is reached are finished.

    Args:
        max_trials: Trials to send, those of earlier runs not counted; None: no limit.
        max_seconds: Time after which no more are sent, s; None: no limit.
        now_s: A monotonic clock, seconds; it starts here.

    Raises:
        PlanError: If a limit is not a number of trials or a length of time; both are looked at.
    """

    def __init__(
        self,
        max_trials: int | None = None,
        max_seconds: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        problems = []
        if max_trials is not None and (type(max_trials) is not int or max_trials < 1):
            problems.append(Problem("max_trials", max_trials, "a whole number, 1 or more, or None for no limit"))
        if max_seconds is not None and (type(max_seconds) not in (int, float) or not 0 < max_seconds < math.inf):
            problems.append(Problem("max_seconds", max_seconds, "more than 0 seconds, or None for no limit"))
        if problems:
            raise PlanError(problems)
        self._max_trials, self._max_seconds = max_trials, max_seconds
        self._now_s, self._start_s = now_s, now_s()

    def room(self, sent: int) -> int | None:
        """How many more trials may be sent when `sent` have been; None: as many as there are."""
        if self._max_seconds is not None and self._now_s() - self._start_s >= self._max_seconds:
            return 0
        return None if self._max_trials is None else max(0, self._max_trials - sent)

    def words(self, sent: int) -> str:
        """The limit that was reached, as it was given."""
        if self._max_trials is not None and sent >= self._max_trials:
            return f"max_trials = {self._max_trials}"
        return f"max_seconds = {self._max_seconds:g}"
