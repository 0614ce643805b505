"""How far a sweep is: a snapshot to read from any thread, and its quiet display in a terminal or a notebook.

The display is driven by whoever waits for the sweep; nothing prints from a thread of its own.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from realtime_lab.sweep.plans.trials import trials_words

_RATE_OVER_S = 15.0
_LINE_AFTER_S = (3.0, 10.0, 30.0)
_KINDS_SHOWN = 3


@dataclass(frozen=True)
class Progress:
    """How far a sweep is at one instant."""

    total: int
    """Trials in the plan."""
    done: int
    """Trials with a result, those of earlier runs included."""
    failed: int
    """Of these, failed in this run."""
    running: int
    """Trials in a worker's hands."""
    resumed: int
    """Trials that an earlier run had finished."""
    elapsed_s: float
    """Time since this run began."""
    rate_per_s: float | None
    """Trials per second lately; None before the first result."""
    state: str
    """running, finished, stopped (a limit was reached), cancelled or failed."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often each kind of failure was met in this run, the commonest first."""
    paused: str | None = None
    """Why nothing can be stored at present, such as a full disk; it goes on by itself. None: it can."""
    steady: bool = True
    """Whether the rate is one to tell the time to go by: no longer that of workers that had to start first."""

    @property
    def eta_s(self) -> float | None:
        """Time to go at the present rate; None when unknown."""
        return (self.total - self.done) / self.rate_per_s if self.rate_per_s and self.steady else None

    def __str__(self) -> str:
        parts = [f"{self.done:,} of {trials_words(self.total)}"]
        if self.failed:
            kinds = ", ".join(f"{count:,} × {kind}" for kind, count in list(self.failures.items())[:_KINDS_SHOWN])
            parts.append(f"{self.failed:,} failed" + (f" ({kinds})" if kinds else ""))
        if self.rate_per_s:
            often = self.rate_per_s >= 0.95
            parts.append(f"{self.rate_per_s:,.1f}/s" if often else f"{60 * self.rate_per_s:,.1f}/min")
        if self.paused is not None:
            parts.append(f"paused ({self.paused}), goes on when the study can be written again")
        elif self.state == "running" and self.eta_s is not None:
            parts.append(f"about {_duration(self.eta_s)} to go")
        if self.state != "running":
            parts.append(f"{self.state} after {_duration(self.elapsed_s)}")
        return ", ".join(parts)


class ProgressMeter:
    """Counts a sweep's results; every method may be called from any thread.

    Args:
        total: Trials in the plan.
        resumed: Trials that need not be run.
        now_s: A monotonic clock, seconds.
    """

    def __init__(self, total: int, resumed: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._now_s = now_s
        self._start_s = self._end_s = now_s()
        self._total, self._resumed = total, resumed
        self._done, self._failed, self._running = resumed, 0, 0
        self._failures: Counter[str] = Counter()
        self._state = "running"
        self._paused: str | None = None
        self._first_s: float | None = None
        self._steady = False
        self._marks: deque[tuple[float, int]] = deque([(self._start_s, resumed)])

    def sent(self, trials: int) -> None:
        """Trials went to a worker."""
        with self._lock:
            self._running += trials

    def lost(self, trials: int) -> None:
        """Trials went to a worker and nothing came back."""
        with self._lock:
            self._running -= trials

    def returned(self, complete: int, failed: int, kinds: Iterable[str] = ()) -> None:
        """Trials came back and are stored.

        Args:
            complete: How many are complete.
            failed: How many have failed.
            kinds: The kind of each failure.
        """
        with self._lock:
            now = self._now_s()
            self._running -= complete + failed
            self._done += complete + failed
            self._failed += failed
            self._failures.update(kinds)
            self._marks.append((now, self._done))
            if self._first_s is None:
                self._first_s = now
            elif not self._steady and now - self._first_s >= self._first_s - self._start_s:
                self._steady = True
                if self._marks[0][0] == self._start_s:
                    self._marks.popleft()
            while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_OVER_S:
                self._marks.popleft()

    def pause(self, reason: str | None) -> None:
        """Nothing can be stored, and why; None: it can again."""
        with self._lock:
            self._paused = reason

    def end(self, state: str) -> None:
        """The sweep is over."""
        with self._lock:
            self._state, self._running, self._end_s, self._paused = state, 0, self._now_s(), None

    def snapshot(self) -> Progress:
        """How far it is now."""
        with self._lock:
            running = self._state == "running"
            now = self._now_s() if running else self._end_s
            (first_s, first), (_, last) = self._marks[0], self._marks[-1]
            if not running:
                first_s, first = self._start_s, self._resumed
            rate = (last - first) / (now - first_s) if last > first and now > first_s else None
            return Progress(
                total=self._total,
                done=self._done,
                failed=self._failed,
                running=self._running,
                resumed=self._resumed,
                elapsed_s=now - self._start_s,
                rate_per_s=rate,
                state=self._state,
                failures=dict(self._failures.most_common()),
                paused=self._paused,
                steady=self._steady,
            )


def _in_notebook() -> bool:
    return type(sys.stderr).__module__.startswith("ipykernel.")


class ProgressDisplay:
    """Shows snapshots: one bar that redraws itself on a terminal, a few plain lines anywhere else.

    Args:
        stream: Where to write; None: standard error, or standard output in a notebook, which shows errors in red.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or (sys.stdout if _in_notebook() else sys.stderr)
        self._bar: Any = None
        self._live = bool(getattr(self._stream, "isatty", lambda: False)())
        self._next_line_s = _LINE_AFTER_S[0]

    def show(self, progress: Progress) -> None:
        """Bring the display up to date; call it as often as you like."""
        if self._live:
            self._redraw(progress)
        elif progress.elapsed_s >= self._next_line_s:
            later = [after for after in _LINE_AFTER_S if after > progress.elapsed_s]
            self._next_line_s = later[0] if later else progress.elapsed_s + _LINE_AFTER_S[-1]
            self._line(progress)

    def close(self, progress: Progress) -> None:
        """Show the last state and let go of the line."""
        if self._bar is not None:
            self._redraw(progress)
            self._bar.close()
        else:
            self._line(progress)

    def _line(self, progress: Progress) -> None:
        print(f"sweep: {progress}", file=self._stream, flush=True)

    def _redraw(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            class Bar(tqdm):  # type: ignore[type-arg]
                monitor_interval = 0  # no thread of its own

            self._bar = Bar(
                total=progress.total, initial=progress.resumed, desc="sweep", unit="trial", file=self._stream
            )
        notes = [] if progress.paused is None else [f"paused ({progress.paused})"]
        if progress.failed:
            kinds = ", ".join(f"{count} {kind}" for kind, count in list(progress.failures.items())[:_KINDS_SHOWN])
            notes.append(f"{progress.failed} failed" + (f": {kinds}" if kinds else ""))
        self._bar.set_postfix_str(", ".join(notes), refresh=progress.paused is not None)
        self._bar.update(progress.done - self._bar.n)


def _duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_970 else f"{seconds / 3600:.1f} h"
