"""How often something may be redrawn: at once when it has been quiet, at most ten times a second, the last one always.

A front end drops messages above a thousand a second, and the last state is then never shown. Nothing here knows what
is drawn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

UPDATE_S = 0.1
"""Shortest time between two redraws, seconds."""

Later = Callable[[float, Callable[[], None]], None]
"""Calls a function after a number of seconds, on any thread."""


def _timer(delay_s: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, call)
    timer.daemon = True
    timer.start()


class Pace:
    """Draws when asked, but not too often; never two at a time.

    Args:
        draw: Brings the view up to date; called on the asking thread or on a timer's.
        interval_s: Shortest time between the starts of two draws, seconds.
        now_s: A monotonic clock, seconds.
        later: How to come back to a draw that had to wait.
    """

    def __init__(
        self,
        draw: Callable[[], None],
        interval_s: float = UPDATE_S,
        now_s: Callable[[], float] = time.monotonic,
        later: Later = _timer,
    ) -> None:
        self._draw, self._interval_s, self._now_s, self._later = draw, interval_s, now_s, later
        self._lock = threading.RLock()
        self._next_s = float("-inf")
        self._pending = False

    def ask(self) -> None:
        """Something changed: draw now, or as soon as the interval is over."""
        with self._lock:
            wait_s = self._next_s - self._now_s()
            if wait_s <= 0:
                self.flush()
            elif not self._pending:
                self._pending = True
                self._later(wait_s, self._due)

    def flush(self) -> None:
        """Draw now, whatever was drawn before."""
        with self._lock:
            self._pending = False
            self._next_s = self._now_s() + self._interval_s
            self._draw()

    def _due(self) -> None:
        with self._lock:
            if self._pending:
                self.flush()
