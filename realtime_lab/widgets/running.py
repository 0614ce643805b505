"""A sweep under way, as a panel sees it: started once however often it is asked, watched, cancelled, gone on with.

Everything that takes time happens on a thread of its own, so that the cell returns at once and the kernel stays free.
No widgets here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from realtime_lab.session import Target
from realtime_lab.sweep import Progress, Study, SweepPlan, start_sweep
from realtime_lab.widgets.markup import error_text
from realtime_lab.widgets.pace import UPDATE_S

__all__ = ["Planned", "Running", "State", "SweepHandle", "SweepStarter"]

State = Literal["ready", "starting", "running", "stopping", "finished", "cancelled", "failed"]
_UNDER_WAY = ("starting", "running", "stopping")


class Planned(Protocol):
    """Anything that has a plan, such as a SweepPanel."""

    @property
    def plan(self) -> SweepPlan:
        """The plan it says."""
        ...


class SweepHandle(Protocol):
    """What a started sweep offers, as `SweepRun` does."""

    study: Study

    @property
    def progress(self) -> Progress:
        """How far it is."""
        ...

    def cancel(self) -> None:
        """Stop and keep what has come back."""
        ...

    def result(self) -> Study:
        """Wait for the end; raises what stopped it."""
        ...


class SweepStarter(Protocol):
    """Starts or goes on with a sweep, as `start_sweep` does."""

    def __call__(
        self,
        plan: SweepPlan,
        target: Target | None,
        store: str | Path | None,
        workers: int | None,
        *,
        progress: bool,
        allow_unmodelled: bool,
        max_usd: float | None,
    ) -> SweepHandle: ...


class Running:
    """One sweep at a time.

    Args:
        source: The plan, or what has one.
        on_change: Called after every change of state and about ten times a second while the sweep runs, on any
            thread.
        target: What answers; default: the plan's own.
        store: The study file; default: the plan's own.
        workers: Worker processes; None: one per core.
        allow_unmodelled: Run although the plan varies a field that the mocked server ignores.
        max_usd: Most that may be spent on a paid target.
        start: Starts a sweep.
        pause: Waits between two looks, seconds.
    """

    def __init__(
        self,
        source: SweepPlan | Planned,
        on_change: Callable[[], None],
        target: Target | None = None,
        store: str | Path | None = None,
        workers: int | None = None,
        allow_unmodelled: bool = False,
        max_usd: float | None = None,
        start: SweepStarter = start_sweep,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source, self._on_change = source, on_change
        self._target, self._store, self._workers = target, store, workers
        self._allow_unmodelled, self._max_usd = allow_unmodelled, max_usd
        self._start, self._pause = start, pause
        self._lock = threading.Lock()
        self._wanted = True
        self._handle: SweepHandle | None = None
        self._thread: threading.Thread | None = None
        self.state: State = "ready"
        self.error = ""
        """What went wrong, in words; empty when nothing did."""
        self.study: Study | None = None
        """The study as far as it got; None before the first run."""

    @property
    def under_way(self) -> bool:
        """A sweep is being started, run or stopped."""
        return self.state in _UNDER_WAY

    @property
    def resumable(self) -> bool:
        """There is something left that another run would do."""
        return self.state in ("cancelled", "failed") or (self.state == "finished" and bool(self.error))

    @property
    def progress(self) -> Progress | None:
        """How far the latest sweep is; None before the first."""
        return None if self._handle is None else self._handle.progress

    def run(self) -> bool:
        """Start the sweep, or go on with it; nothing happens while one is under way.

        Returns:
            Whether this call started it.

        Raises:
            PlanError: The plan has mistakes.
        """
        with self._lock:
            if self.under_way:
                return False
            plan = self._source if isinstance(self._source, SweepPlan) else self._source.plan
            self.state, self.error, self._wanted, self._handle = "starting", "", True, None
            self._thread = threading.Thread(target=self._work, args=(plan,), name="realtime-lab-run", daemon=True)
            self._thread.start()
        self._on_change()
        return True

    def cancel(self) -> None:
        """Ask the sweep to stop; it says "cancelled" when it has."""
        with self._lock:
            if not self.under_way or not self._wanted:
                return
            self._wanted = False
            self.state = "stopping"
        self._on_change()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the sweep's end; whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return not self.under_way

    # From here on, everything runs on the panel's own thread.

    def _work(self, plan: SweepPlan) -> None:
        state: State = "failed"
        try:
            state = self._watch(plan)
        except BaseException as error:
            self.error = error_text(error)
        with self._lock:
            self.state = state
        self._on_change()

    def _watch(self, plan: SweepPlan) -> State:
        where = (plan, self._target, self._store, self._workers)
        allowed, most = self._allow_unmodelled, self._max_usd
        handle = self._start(*where, progress=False, allow_unmodelled=allowed, max_usd=most)
        with self._lock:
            self._handle, self.study = handle, handle.study
            if self._wanted:
                self.state = "running"
        while handle.progress.state == "running":
            if not self._wanted:
                handle.cancel()
            self._on_change()
            self._pause(UPDATE_S)
        ended = handle.progress
        if ended.state == "failed":
            handle.result()  # raises what stopped it
            return "failed"
        if ended.failed:
            self.error = f"{ended.failed:,} trials failed; Resume runs them again"
        return "cancelled" if ended.state == "cancelled" else "finished"
