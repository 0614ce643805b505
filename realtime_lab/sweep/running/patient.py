"""Writing to a study that may not be writable for a while: a sweep pauses, keeps what came back, and tries again.

Sessions that are over have been paid for, so a full disk is no reason to drop them. What is written is `store`'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from realtime_lab.errors import StudyUnwritableError
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.workers.worker import TrialResult

__all__ = ["PatientWriter"]

T = TypeVar("T")

AGAIN_AFTER_S = 1.0
FULL_PATIENCE_S = 24 * 3600.0
"""How long a full disk is waited for: somebody has to see it and make room."""
BROKEN_PATIENCE_S = 60.0
"""How long any other failure to write is waited for."""


class PatientWriter:
    """A study's writer for a sweep under way.

    Args:
        writer: The writer.
        cancelled: Set when nobody waits any longer; what cannot be written then raises at once.
        paused: Told why nothing can be written, and None when it can again.
        now_s: A monotonic clock, seconds.
    """

    def __init__(
        self,
        writer: StudyWriter,
        cancelled: threading.Event,
        paused: Callable[[str | None], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._cancelled, self._paused, self._now_s = writer, cancelled, paused, now_s

    def mark(self, trials: Iterable[int], state: Literal["planned", "running", "cancelled"]) -> None:
        """As `StudyWriter.mark`."""
        numbers = tuple(trials)
        self._written(lambda: self._writer.mark(numbers, state))

    def lose(self, trials: Iterable[int], reason: str, sent_utc: str, returned_utc: str) -> None:
        """As `StudyWriter.lose`."""
        numbers = tuple(trials)
        self._written(lambda: self._writer.lose(numbers, reason, sent_utc, returned_utc))

    def commit(self, results: Sequence[TrialResult], sent_utc: str, returned_utc: str) -> list[TrialResult]:
        """As `StudyWriter.commit`."""
        return self._written(lambda: self._writer.commit(results, sent_utc, returned_utc))

    def abandon(self, trials: Iterable[int], sent_utc: str, returned_utc: str) -> None:
        """As `StudyWriter.abandon`, without patience: it is for a sweep that ends."""
        self._writer.abandon(trials, sent_utc, returned_utc)

    def close(self, compact: bool) -> None:
        """As `StudyWriter.close`."""
        self._writer.close(compact=compact)

    def _written(self, write: Callable[[], T]) -> T:
        began_s = self._now_s()
        waiting = False
        while True:
            try:
                done = write()
            except StudyUnwritableError as error:
                patience_s = FULL_PATIENCE_S if error.full else BROKEN_PATIENCE_S
                if self._cancelled.is_set() or self._now_s() - began_s >= patience_s:
                    raise
                waiting = True
                self._paused(error.reason)
                self._cancelled.wait(AGAIN_AFTER_S)
            else:
                if waiting:
                    self._paused(None)
                return done
