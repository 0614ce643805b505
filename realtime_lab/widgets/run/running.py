"""A sweep under way, as a panel sees it: started once however often it is asked, watched, cancelled, gone on with.

Everything that takes time happens on a thread of its own, so that the cell returns at once and the kernel stays free.
No widgets here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, Unpack

from realtime_lab.analysis.summary.wording import plural
from realtime_lab.errors import ConfigError
from realtime_lab.session import Target
from realtime_lab.sweep import Progress, Study, SweepPlan, start_sweep
from realtime_lab.sweep.running.options import RunOptions
from realtime_lab.sweep.running.runner import default_store
from realtime_lab.widgets.markup import error_text
from realtime_lab.widgets.pace import UPDATE_S

State = Literal[
    "ready", "found", "starting", "running", "stopping", "finished", "stopped", "cancelled", "failed", "outdated"
]
"""`found`: an earlier run left something; `stopped`: a limit was reached; `outdated`: the plan has changed since."""
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

    def __call__(self, plan: SweepPlan, target: Target | None = None, **options: Unpack[RunOptions]) -> SweepHandle: ...


class _Work(threading.Thread):
    """The thread of a sweep under way: as long as it lives, whoever shows the same sweep finds it here."""

    def __init__(self, running: Running, plan: SweepPlan, limits: dict[str, float | None]) -> None:
        super().__init__(target=running._work, args=(plan, limits), name="realtime-lab-run", daemon=True)
        self.running, self.key = running, running.key(plan)


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
        max_usd: Most that may be spent on a paid target; None: what the source says, if it says.
        max_seconds: How long it may run, or how much audio may be sent where a price is not known; None: likewise.
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
        max_seconds: float | None = None,
    ) -> None:
        self._source, self._listeners = source, [on_change]
        self._target, self._store, self._workers = target, store, workers
        self._allow_unmodelled, self._max_usd, self._max_seconds = allow_unmodelled, max_usd, max_seconds
        self._start, self._pause = start, pause
        self._lock = threading.Lock()
        self._wanted = True
        self._handle: SweepHandle | None = None
        self._found: Progress | None = None
        self._about: tuple[object, ...] | None = None
        self._before: State = "ready"
        self._thread: threading.Thread | None = None
        self.state: State = "ready"
        self.error = ""
        """What went wrong, in words; empty when nothing did."""
        self.hindrance = ""
        """Why a run of the plan as it is now would be refused, in words; empty when it would not."""
        self.study: Study | None = None
        """The study as far as it got; None before the first run."""

    def key(self, plan: SweepPlan) -> tuple[object, ...]:
        """What makes two sweeps the same one: plan, targets and file."""
        return plan.hash, self._targets(plan), None if self._store is None else str(self._store)

    def _targets(self, plan: SweepPlan) -> tuple[Target, ...]:
        return plan.answering if self._target is None else (self._target,)

    def joined(self) -> Running:
        """The same sweep if it is under way in this process, as when its cell is run again; else this one.

        The one that is under way then tells this one's listeners too, and starts from this one's source next time.
        """
        plan = self._plan_now()
        for thread in threading.enumerate():
            if plan is not None and isinstance(thread, _Work) and thread.key == self.key(plan):
                other = thread.running
                if other.under_way and other is not self:
                    other._listeners += self._listeners
                    other._source = self._source
                    return other
        return self

    def look(self) -> None:
        """Find what an earlier run of the plan as it is now, perhaps in another kernel, has left; runs nothing.

        A study of a plan that has changed since stays, marked as such, until there is another.

        Raises:
            StudyError: The study's file cannot be read.
        """
        plan = self._plan_now()
        if plan is None or self.under_way:
            return
        key, self.hindrance = self.key(plan), ""
        if key == self._about:
            self.state = self._before if self.state == "outdated" else self.state
        elif not self._take_up(plan, key) and self._about is not None and self.state != "outdated":
            self._before, self.state, self.error = self.state, "outdated" if self.study is not None else "ready", ""

    def _take_up(self, plan: SweepPlan, key: tuple[object, ...]) -> bool:
        """Take what stands in the plan's file; whether there was anything of this plan."""
        targets = self._targets(plan)
        path = Path(self._store) if self._store is not None else default_store(plan, targets)
        if not path.is_file():
            return False
        study = Study.open(path)
        if study.plan.hash != plan.hash or [one.name for one in study.plan.answering] != [one.name for one in targets]:
            self.hindrance = f"{path} holds another plan or target: make this with another store=, or move the file"
            return False
        counts = study.states()
        done = sum(count for state, count in counts.items() if state not in ("planned", "running"))
        total = sum(counts.values())
        self.study, self.state, self.error = study, "finished" if done == total else "found", ""
        self._handle, self._about = None, key
        self._found = Progress(total, done, counts.get("failed", 0), 0, done, 0.0, None, "stopped")
        return True

    def _plan_now(self) -> SweepPlan | None:
        """The plan the source says; None while it has mistakes."""
        try:
            return self._source if isinstance(self._source, SweepPlan) else self._source.plan
        except ConfigError:
            return None

    @property
    def under_way(self) -> bool:
        """A sweep is being started, run or stopped."""
        return self.state in _UNDER_WAY

    @property
    def resumable(self) -> bool:
        """There is something left that another run would do."""
        left = self.state in ("found", "stopped", "cancelled") or (self.state == "failed" and self._handle is not None)
        return left or (self.state == "finished" and bool(self.error))

    @property
    def progress(self) -> Progress | None:
        """How far the latest sweep is; None before the first."""
        return self._found if self._handle is None else self._handle.progress

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
            limits = self._limits()
            self.state, self.error, self._wanted, self._handle, self._found = "starting", "", True, None, None
            self._about = self.key(plan)
            self._thread = _Work(self, plan, limits)
            self._thread.start()
        self._tell()
        return True

    def cancel(self) -> None:
        """Ask the sweep to stop; it says "cancelled" when it has."""
        with self._lock:
            if not self.under_way or not self._wanted:
                return
            self._wanted = False
            self.state = "stopping"
        self._tell()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the sweep's end; whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return not self.under_way

    def _limits(self) -> dict[str, float | None]:
        """What it may cost: as was said here, or else as the source says."""
        own = {"max_usd": self._max_usd, "max_seconds": self._max_seconds}
        return {name: getattr(self._source, name, None) if value is None else value for name, value in own.items()}

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    # From here on, everything runs on the sweep's own thread.

    def _work(self, plan: SweepPlan, limits: dict[str, float | None]) -> None:
        state: State = "failed"
        try:
            state = self._watch(plan, limits)
        except BaseException as error:
            self.error = error_text(error)
        with self._lock:
            self.state = state
        self._tell()

    def _watch(self, plan: SweepPlan, limits: dict[str, float | None]) -> State:
        told: RunOptions = {"store": self._store, "workers": self._workers, "progress": False}
        told |= {"allow_unmodelled": self._allow_unmodelled}
        told |= {"max_usd": limits["max_usd"], "max_seconds": limits["max_seconds"]}
        handle = self._start(plan, self._target, **told)
        with self._lock:
            self._handle, self.study = handle, handle.study
            if self._wanted:
                self.state = "running"
        while handle.progress.state == "running":
            if not self._wanted:
                handle.cancel()
            self._tell()
            if handle.progress.state == "running":
                self._pause(UPDATE_S)
        ended = handle.progress
        if ended.state == "failed":
            handle.result()  # raises what stopped it
            return "failed"
        if ended.failed:
            self.error = f"{plural(ended.failed, 'trial')} failed; Resume tries again"
        ends: dict[str, State] = {"cancelled": "cancelled", "stopped": "stopped"}
        return ends.get(ended.state, "finished")
