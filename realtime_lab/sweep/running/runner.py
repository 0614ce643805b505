"""Running a plan: `start_sweep` and `run_sweep`, and the handle of a sweep under way.

`start_sweep` returns at once; `dispatch` does the work on a thread of its own. An interrupt or `cancel` keeps what
came back and closes the study; the same call goes on from there. What a call may ask is checked in `asked`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

from realtime_lab.analysis.cost import PriceTable
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem
from realtime_lab.session import Target
from realtime_lab.sweep.plans.plan import Setting, SweepPlan
from realtime_lab.sweep.plans.trials import trials_words
from realtime_lab.sweep.running.asked import RunRequest, checked_request
from realtime_lab.sweep.running.dispatch import Dispatcher
from realtime_lab.sweep.running.progress import Progress, ProgressDisplay
from realtime_lab.sweep.running.spent import count_earlier
from realtime_lab.sweep.store.content import study_content
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.studies.study import Study
from realtime_lab.sweep.workers.lanes import open_lanes
from realtime_lab.sweep.workers.worker import RunTrial, run_trial

__all__ = ["SweepRun", "run_sweep", "start_sweep"]

CLOSE_PATIENCE_S = 5.0
"""How long an interrupted `result()` waits for the study to be closed."""
_LOOK_EVERY_S = 0.1


def start_sweep(
    plan: SweepPlan,
    target: Target | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    allow_unmodelled: bool = False,
    run: RunTrial = run_trial,
    max_usd: float | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    keep_recordings: bool = True,
    prices: PriceTable | None = None,
    only: Sequence[Setting | SessionConfig] | None = None,
) -> SweepRun:
    """Start a sweep, or go on with one, and return at once.

    Args:
        plan: What to run.
        target: What answers; default: the plan's own target or targets, else the mocked server.
        store: The study file, created or gone on with; default: `runs/<plan hash>.sqlite` under the current folder.
        workers: Worker processes; None: one per core; 0: run in this process, which is slower and easier to debug.
        executor: Where to run instead of own worker processes: any `concurrent.futures.Executor`.
        progress: Whether `result()` shows how far the sweep is.
        allow_unmodelled: Run a mocked sweep although it varies a field that the mocked server ignores.
        run: What runs one trial: a module-level function that worker processes can import.
        max_usd: What may be spent, USD; a paid target needs it. Trials that would pass it are left out. What earlier
            runs of this study spent counts.
        max_trials: How many trials this call runs at most; the next call goes on from there.
        max_seconds: How long this call sends trials out, s; those under way are finished. For a paid target whose price
            is not known it caps instead how much audio is sent in all, earlier runs included, and is needed.
        keep_recordings: Whether recordings of mocked sessions are kept. Without them a study is a tenth of the size,
            and a session is held again when its recording is asked for. Live recordings and those of sessions that
            failed are always kept.
        prices: What costs are computed with; None: the shipped price table.
        only: Settings to run now, as `SweepPlan.only` takes them; the others stay planned. None: all.

    Returns:
        A handle: the study, which grows, the progress, `cancel()` and `result()`.

    Raises:
        UnmodelledError: If the plan varies a field that the mocked server ignores.
        MissingExtraError: If it varies one that takes a recogniser, and the extra `whisper` is not installed.
        PlanError: If `workers` or a limit is not a number of its kind, a paid target has no cap that can be kept, or a
            callable is known by its name alone or cannot be had by worker processes, or a live target's key is not set.
        StudyLockedError: If another sweep is writing the study.
        StudyMismatchError: If the study belongs to another plan or target.
        StudyVersionError: If another version of schema or metrics wrote it.
        StudyDamagedError: If the study's bytes are damaged.
        StudyError: If the file is not a study or cannot be written.
    """
    _check_workers(workers)
    own_workers, caps = workers != 0 and executor is None, (max_usd, max_trials, max_seconds)
    request = checked_request(plan, target, own_workers, allow_unmodelled, run, caps, keep_recordings, prices, only)
    path = Path(store) if store is not None else default_store(plan, request.targets)
    return _begun(request, path, workers, executor, progress)


def run_sweep(
    plan: SweepPlan,
    target: Target | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    allow_unmodelled: bool = False,
    run: RunTrial = run_trial,
    max_usd: float | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    keep_recordings: bool = True,
    prices: PriceTable | None = None,
    only: Sequence[Setting | SessionConfig] | None = None,
) -> Study:
    """Run a sweep to its end and return the study; see `start_sweep` for arguments and errors.

    An interrupt keeps what has come back and closes the study; the same call finishes it.

    Warns:
        RuntimeWarning: Some trials failed or were left out by a limit; the same call runs them again.
    """
    given = (plan, target, store, workers, executor, progress, allow_unmodelled, run)
    return start_sweep(*given, max_usd, max_trials, max_seconds, keep_recordings, prices, only)._ended()


def _begun(request: RunRequest, path: Path, workers: int | None, executor: Executor | None, progress: bool) -> SweepRun:
    """A checked request under way; the study is closed again when it cannot begin."""
    writer = StudyWriter.open(path, study_content(request.plan, request.targets, request.trials))
    try:
        if executor is None:  # elsewhere the environment is another
            request.check_keys(writer.unfinished())
        if request.budget is not None:
            count_earlier(path, request.budget)
        return SweepRun(Dispatcher(request, writer, open_lanes(workers, executor)), path, progress)
    except BaseException:
        writer.close(compact=False)
        raise


def _check_workers(workers: object) -> None:
    if workers is None or (isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0):
        return
    raise PlanError([Problem("workers", workers, "a number of processes, 0 for this one, None for one per core")])


def default_store(plan: SweepPlan, targets: Sequence[Target]) -> Path:
    """Where a sweep is stored when nobody says."""
    usual = tuple(targets) == plan.answering
    name = plan.hash if usual else f"{plan.hash}-{''.join(c if c.isalnum() else '-' for c in targets[0].name)}"
    return Path("runs") / f"{name}.sqlite"


class SweepRun:
    """A sweep under way, as `start_sweep` returns it."""

    def __init__(self, dispatcher: Dispatcher, path: Path, show: bool) -> None:
        self.study = Study(path)
        """The study, which can be read while it grows."""
        self._dispatcher, self._show = dispatcher, show
        dispatcher.start()

    @property
    def progress(self) -> Progress:
        """How far the sweep is, now."""
        return self._dispatcher.meter.snapshot()

    def cancel(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Stop: end the workers, keep what has come back, close the study. Harmless when the sweep is over.

        Args:
            patience_s: How long to wait for that, s; it goes on by itself.
        """
        self._dispatcher.cancel()
        self._dispatcher.over.wait(patience_s)

    def result(self) -> Study:
        """Wait for the end and return the study; after `cancel`, the study as far as it got.

        Raises:
            KeyboardInterrupt: As it came, after the study has been closed; the same call finishes it.
            RealtimeLabError: If the sweep could not go on, as when the disk is full; what was done is kept.

        Warns:
            RuntimeWarning: Some trials failed; the same call runs them again.
        """
        return self._ended()

    def _ended(self) -> Study:
        """What `result` and `run_sweep` answer: as many frames below their caller, whose line warnings name."""
        display = ProgressDisplay() if self._show else None
        try:
            while not self._dispatcher.over.wait(_LOOK_EVERY_S):
                if display is not None:
                    display.show(self.progress)
        except KeyboardInterrupt as interrupt:
            self.cancel()
            _in_one_line(interrupt, f"KeyboardInterrupt: {self.progress}; the same call goes on from there")
            raise
        finally:
            if display is not None:
                display.close(self.progress)
        if self._dispatcher.error is not None:
            raise self._dispatcher.error
        self._warn_of_failures()
        return self.study

    def __repr__(self) -> str:
        return f"<SweepRun {self.study.path}: {self.progress}>"

    def _warn_of_failures(self) -> None:
        completed = bool(self.study.states().get("complete")) if self._dispatcher.failures else True
        for line in _left_over(self._dispatcher, completed):
            warnings.warn(line, RuntimeWarning, stacklevel=4)


def _in_one_line(interrupt: KeyboardInterrupt, line: str) -> None:
    """What a notebook shows instead of every frame and its source, which would take longer than the cancelling."""
    interrupt._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]


def _left_over(dispatcher: Dispatcher, completed: bool) -> Iterator[str]:
    """What was not run and what failed, a line each; that nothing at all is `completed`, where it is not."""
    request = dispatcher.request
    all_trials, failed = trials_words(len(request.trials)), sum(dispatcher.failures.values())
    if dispatcher.left_out:
        yield (
            f"{dispatcher.left_out} of {all_trials} were left out, because the cap would not cover them "
            f"({request.budget}): they are planned in trials_df(), and the same call with more runs them"
        )
    if dispatcher.unsent:
        yield (
            f"{dispatcher.unsent} of {all_trials} were left out: {request.limits.words(dispatcher.sent)} was "
            "reached; the same call goes on from there"
        )
    if failed:
        reasons = "; ".join(f"{count} × {text[:200]}" for text, count in dispatcher.failures.most_common(3))
        nothing = "" if completed else "no trial is complete, there is nothing to read: "
        yield (
            f"{nothing}{failed} of {all_trials} failed ({reasons}); trials_df() has each, and the same call runs "
            "them again"
        )
