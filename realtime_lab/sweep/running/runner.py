"""Running a plan: `start_sweep` and `run_sweep`, and the handle of a sweep under way.

`start_sweep` returns at once; `dispatch` does the work on a thread of its own. An interrupt or `cancel` keeps what
came back and closes the study; the same call goes on from there. What a call may be told stands in `options` and is
checked in `asked`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Unpack

from realtime_lab.session import Target
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import trials_words
from realtime_lab.sweep.running.asked import RunRequest, checked_request
from realtime_lab.sweep.running.dispatch import Dispatcher
from realtime_lab.sweep.running.options import RunOptions, completed, takes_run_options
from realtime_lab.sweep.running.progress import Progress, ProgressDisplay
from realtime_lab.sweep.running.spend import count_earlier
from realtime_lab.sweep.store.content import study_content
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.studies.study import Study
from realtime_lab.sweep.workers.pool import open_lanes

CLOSE_PATIENCE_S = 5.0
"""How long an interrupted `result()` waits for the study to be closed."""
_LOOK_EVERY_S = 0.1


@takes_run_options()
def start_sweep(plan: SweepPlan, target: Target | None = None, **options: Unpack[RunOptions]) -> SweepRun:
    """Start a sweep, or go on with one, and return at once.

    Args:
        plan: What to run.
        target: What answers; default: the plan's own target or targets, else the mocked server.
        **options: See `RunOptions`.

    Returns:
        A handle: the study, which grows, the progress, `cancel()` and `result()`.

    Raises:
        ArgumentError: If an option is not one, or a file named a target that gets a key and the caller did not.
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
    asked = completed(options)
    request = checked_request(plan, target, asked)
    store = asked["store"]
    path = Path(store) if store is not None else default_store(plan, request.targets)
    return _begun(request, path, asked)


@takes_run_options()
def run_sweep(plan: SweepPlan, target: Target | None = None, **options: Unpack[RunOptions]) -> Study:
    """Run a sweep to its end and return the study; see `start_sweep` for its errors.

    An interrupt keeps what has come back and closes the study; the same call finishes it.

    Args:
        plan: What to run.
        target: What answers; default: the plan's own target or targets, else the mocked server.
        **options: See `RunOptions`.

    Warns:
        RuntimeWarning: Some trials failed or were left out by a limit; the same call runs them again.
    """
    return start_sweep(plan, target, **options)._ended()


def _begun(request: RunRequest, path: Path, asked: RunOptions) -> SweepRun:
    """A checked request under way; the study is closed again when it cannot begin."""
    writer = StudyWriter.open(path, study_content(request.plan, request.targets, request.trials))
    try:
        if asked["executor"] is None:  # elsewhere the environment is another
            request.check_keys(writer.unfinished())
        if request.budget is not None:
            count_earlier(path, request.budget)
        lanes = open_lanes(asked["workers"], asked["executor"])
        return SweepRun(Dispatcher(request, writer, lanes), path, asked["progress"])
    except BaseException:
        writer.close(compact=False)
        raise


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
