"""Time as a parameter: the Clock interface and the VirtualClock that mocked sessions run on.

All times are milliseconds on one session's wall clock, 0 at the capture of the first audio sample. Nothing here
sleeps and nothing else in the core asks the machine what time it is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Anything that tells a session's wall time."""

    def now_ms(self) -> float:
        """Milliseconds since the session's first sample was captured."""
        ...


@dataclass
class VirtualClock:
    """A clock that is moved, never waited for."""

    _now_ms: float = 0.0

    def now_ms(self) -> float:
        """Current virtual time, ms."""
        return self._now_ms

    def move_to(self, t_ms: float) -> None:
        """Jump forward to `t_ms`.

        Raises:
            ValueError: If that would turn time back.
        """
        if t_ms < self._now_ms:
            raise ValueError(f"virtual time cannot go back from {self._now_ms} ms to {t_ms} ms")
        self._now_ms = t_ms


@dataclass
class Agenda(Generic[T]):
    """A heap of due times; entries due at one instant leave in the order they came."""

    _heap: list[tuple[float, int, T]] = field(default_factory=list)
    _count: int = 0

    def put(self, due_ms: float, entry: T) -> None:
        """Add `entry`, due at `due_ms`."""
        heapq.heappush(self._heap, (due_ms, self._count, entry))
        self._count += 1

    def next_due_ms(self) -> float | None:
        """When the earliest entry is due; None when there is none."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, t_ms: float) -> tuple[float, T] | None:
        """Take the earliest entry due at or before `t_ms`, as (due_ms, entry); None when there is none."""
        if not self._heap or self._heap[0][0] > t_ms:
            return None
        due_ms, _, entry = heapq.heappop(self._heap)
        return due_ms, entry

    def peek(self) -> T:
        """The earliest entry, left where it is.

        Raises:
            IndexError: If there is none.
        """
        return self._heap[0][2]

    def __len__(self) -> int:
        return len(self._heap)
