"""Running a plan: trials go out to workers in batches, what comes back is stored, and nothing is run twice.

`start_sweep` returns at once; one background thread of this process sends batches and is the only writer of the
study. A worker that dies costs the trials it was on one more try, each alone. An interrupt or `cancel` keeps what
came back and closes the study; the same call goes on from there.
"""

from __future__ import annotations

import atexit
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from realtime_lab.analysis.cost import PriceTable
from realtime_lab.audio.file_cache import cache_folder, prune_cache
from realtime_lab.config import NEEDS_RECOGNISER, SessionConfig, treatment, treatment_reason
from realtime_lab.errors import MissingExtraError, PlanError, Problem, RealtimeLabError, RemoteError, UnmodelledError
from realtime_lab.server.hearing import SIMULATED
from realtime_lab.server.whisper_weights import EXTRA, HOW_TO_INSTALL, whisper_installed
from realtime_lab.session import Live, Mocked, Target
from realtime_lab.sweep import tables
from realtime_lab.sweep.client_axes import ENDPOINTER
from realtime_lab.sweep.content import study_content
from realtime_lab.sweep.lanes import Lanes, open_lanes, was_lost
from realtime_lab.sweep.limits import Limits
from realtime_lab.sweep.plan import Setting, SweepPlan, Trial
from realtime_lab.sweep.pool import WorkerStartError
from realtime_lab.sweep.prices import load_prices
from realtime_lab.sweep.progress import Progress, ProgressDisplay, ProgressMeter
from realtime_lab.sweep.records import as_stored
from realtime_lab.sweep.replayed import check_recorded, narrowed
from realtime_lab.sweep.schedule import Schedule
from realtime_lab.sweep.spend import NOTHING, Budget, Used, open_budget
from realtime_lab.sweep.spent import count_earlier
from realtime_lab.sweep.store import StudyWriter
from realtime_lab.sweep.study import Study
from realtime_lab.sweep.worker import BatchResult, RunTrial, TrialResult, TrialTask, run_batch, run_trial

__all__ = ["SweepRun", "run_sweep", "start_sweep"]

CLOSE_PATIENCE_S = 5.0
"""How long an interrupted `result()` waits for the study to be closed."""
EXIT_PATIENCE_S = 30.0
"""How long a script that ends waits for its study to be closed: a busy machine may still be starting workers."""
CHECK_ONE_IN = 64
"""Of the trials of a screen, so many are held as sessions too, and compared."""
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
            callable is known by its name alone or cannot be had by worker processes.
        StudyLockedError: If another sweep is writing the study.
        StudyMismatchError: If the study belongs to another plan or target.
        StudyVersionError: If another version of schema or metrics wrote it.
        StudyDamagedError: If the study's bytes are damaged.
        StudyError: If the file is not a study or cannot be written.
    """
    targets = tuple(map(as_stored, plan.answering if target is None else (target,)))
    _check_workers(workers)
    _check_callables(plan, targets, own_workers=workers != 0 and executor is None)
    if not allow_unmodelled:
        _refuse_unmodelled(plan, [one for one in targets if isinstance(one, Mocked)])
    if plan.metrics != "all" and not all(isinstance(one, Mocked) for one in targets):
        allowed = "'all' where a target is live: a session that is held is kept whole"
        raise PlanError([Problem("metrics", plan.metrics, allowed)])
    trials = plan.trials_for(*targets)
    limits = Limits(max_trials, max_seconds)
    budget = open_budget(plan, targets, trials, max_usd, max_seconds, prices or load_prices())
    if budget is not None and max_usd is None:  # it is spent by the second, however long that takes
        limits = Limits(max_trials)
    check_recorded(plan, targets, trials)
    wanted = None if only is None else _wanted(plan, only)
    path = Path(store) if store is not None else default_store(plan, targets)
    writer = StudyWriter.open(path, study_content(plan, targets, trials))
    try:
        if budget is not None:
            count_earlier(path, budget)
        lanes = open_lanes(workers, executor)
        return SweepRun(plan, targets, trials, writer, lanes, progress, run, budget, limits, keep_recordings, wanted)
    except BaseException:
        writer.close(compact=False)
        raise


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
    return start_sweep(*given, max_usd, max_trials, max_seconds, keep_recordings, prices, only).result()


def _check_workers(workers: object) -> None:
    if workers is None or (isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0):
        return
    raise PlanError([Problem("workers", workers, "a number of processes, 0 for this one, None for one per core")])


def _check_callables(plan: SweepPlan, targets: Sequence[Target], own_workers: bool) -> None:
    """Refuse callables that are not at hand, or that worker processes could not have."""
    given = [("endpointer", value) for setting in plan.settings if (value := setting.get(ENDPOINTER)) is not None]
    given += [("end_of_turn", one.end_of_turn) for one in targets if isinstance(one, Mocked) and one.end_of_turn]
    problems: dict[str, Problem] = {}
    for place, value in given:
        for problem in value.problems(place):
            problems[value] = problem
        reason = value.unreachable() if own_workers else None
        if reason is not None:
            hint = f"{reason}: put it into a module beside, or say workers=0"
            problems[value] = Problem(place, str(value), "a module's own function or class, or a partial of one", hint)
    if problems:
        raise PlanError(list(problems.values()))


def _wanted(plan: SweepPlan, only: Sequence[Setting | SessionConfig]) -> frozenset[int]:
    """Which of the plan's own configurations are meant, by their identity, which trials share."""
    meant = plan.only(*only).settings
    both = zip(plan.settings, plan.configs, strict=True)
    return frozenset(id(config) for setting, config in both if setting in meant)


def default_store(plan: SweepPlan, targets: Sequence[Target]) -> Path:
    """Where a sweep is stored when nobody says."""
    usual = tuple(targets) == plan.answering
    name = plan.hash if usual else f"{plan.hash}-{''.join(c if c.isalnum() else '-' for c in targets[0].name)}"
    return Path("runs") / f"{name}.sqlite"


def _refuse_unmodelled(plan: SweepPlan, targets: Sequence[Mocked]) -> None:
    if not targets:
        return
    deaf = any(target.transcriber == SIMULATED for target in targets)
    unheard = [name for name, path in plan.fields.items() if deaf and path in NEEDS_RECOGNISER]
    if unheard and not whisper_installed():
        raise MissingExtraError(f"sweeping over {', '.join(unheard)} takes a recogniser; {HOW_TO_INSTALL}", EXTRA)
    reasons = {name: treatment_reason(path) for name, path in plan.fields.items() if treatment(path) == "ignored"}
    reasons |= dict.fromkeys(unheard, "transcripts are the words of the reference: choose transcriber='whisper'")
    if reasons:
        raise UnmodelledError(
            f"the mocked server ignores {', '.join(reasons)}, so sweeping over it would compare noise "
            f"({'; '.join(f'{name}: {reason}' for name, reason in reasons.items())}); leave it out, or say "
            "allow_unmodelled=True"
        )


@dataclass(frozen=True)
class _Task:
    lane: int
    trials: tuple[int, ...]
    sent_utc: str


class SweepRun:
    """A sweep under way, as `start_sweep` returns it."""

    def __init__(
        self,
        plan: SweepPlan,
        targets: Sequence[Target],
        trials: tuple[Trial, ...],
        writer: StudyWriter,
        lanes: Lanes,
        progress: bool,
        run: RunTrial,
        budget: Budget | None = None,
        limits: Limits | None = None,
        keep_recordings: bool = True,
        wanted: Collection[int] | None = None,
    ) -> None:
        self.study = Study(writer.path)
        """The study, which can be read while it grows."""
        self._plan, self._trials = plan, trials
        self._targets = {target.name: target for target in targets}
        self._checked = _sample(trials)
        self._scripts = {script.id: script for script in plan.scripts}
        self._writer, self._lanes, self._run = writer, lanes, run
        self._show, self._keep = progress, keep_recordings
        unfinished = writer.unfinished()
        if wanted is not None:
            unfinished = [number for number in unfinished if id(trials[number].config) in wanted]
        places = ((n, trials[n].block, (trials[n].script_id, trials[n].condition.name)) for n in unfinished)
        at_once = min((target.sessions for target in targets if isinstance(target, Live)), default=None)
        self._schedule = Schedule(places, len(lanes), at_once)
        # Sessions side by side fill their worker: one that waited behind them would only seem to be running.
        self._depth = lanes.depth if at_once is None else 1
        self._limits = limits or Limits()
        self._sent, self._unsent = 0, 0
        self._budget, self._left_out = budget, 0
        held = sum(trial.gap is None and (wanted is None or id(trial.config) in wanted) for trial in trials)
        self._meter = ProgressMeter(held, held - len(unfinished))
        self._flying: dict[Future[BatchResult], _Task] = {}
        self._returned: SimpleQueue[Future[BatchResult]] = SimpleQueue()
        self._lost: Counter[int] = Counter()
        self._errors: Counter[str] = Counter()
        self._error: BaseException | None = None
        self._cancelled = threading.Event()
        # Waited for instead of the thread: a join that is interrupted may take the thread for ended.
        self._over = threading.Event()
        self._goodbye = _at_exit(self)
        threading.Thread(target=self._work, name="realtime-lab-sweep", daemon=True).start()

    @property
    def progress(self) -> Progress:
        """How far the sweep is, now."""
        return self._meter.snapshot()

    def cancel(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """Stop: end the workers, keep what has come back, close the study. Harmless when the sweep is over.

        Args:
            patience_s: How long to wait for that, s; it goes on by itself.
        """
        self._cancelled.set()
        self._lanes.kill()
        self._over.wait(patience_s)

    def result(self) -> Study:
        """Wait for the end and return the study; after `cancel`, the study as far as it got.

        Raises:
            KeyboardInterrupt: As it came, after the study has been closed; the same call finishes it.
            RealtimeLabError: If the sweep could not go on, as when the disk is full; what was done is kept.

        Warns:
            RuntimeWarning: Some trials failed; the same call runs them again.
        """
        display = ProgressDisplay() if self._show else None
        try:
            while not self._over.wait(_LOOK_EVERY_S):
                if display is not None:
                    display.show(self.progress)
        except KeyboardInterrupt:
            self.cancel()
            raise
        finally:
            if display is not None:
                display.close(self.progress)
        if self._error is not None:
            raise self._error
        self._warn_of_failures()
        return self.study

    def __repr__(self) -> str:
        return f"<SweepRun {self.study.path}: {self.progress}>"

    def _warn_of_failures(self) -> None:
        if self._left_out and self._budget is not None:
            warnings.warn(
                f"{self._left_out} of {len(self._trials)} trials were left out, because the cap would not cover them "
                f"({self._budget}): they are planned in trials_df(), and the same call with more runs them",
                RuntimeWarning,
                stacklevel=3,
            )
        if self._unsent:
            warnings.warn(
                f"{self._unsent} of {len(self._trials)} trials were left out: {self._limits.words(self._sent)} was "
                "reached; the same call goes on from there",
                RuntimeWarning,
                stacklevel=3,
            )
        failed = sum(self._errors.values())
        if failed:
            reasons = "; ".join(f"{count} × {text[:200]}" for text, count in self._errors.most_common(3))
            warnings.warn(
                f"{failed} of {len(self._trials)} trials failed ({reasons}); trials_df() has each, and the same call "
                "runs them again",
                RuntimeWarning,
                stacklevel=3,
            )

    # From here on, everything runs on the background thread.

    def _work(self) -> None:
        state = "failed"
        try:
            self._fill_lanes()
            tables.table_of("trials", [])  # slow imports, while the workers start
            while self._flying and not self._cancelled.is_set():
                self._take_returned()
                self._fill_lanes()
            state = self._end_state()
        except BaseException as error:
            self._error = error
        finally:
            self._close(state)

    def _end_state(self) -> str:
        if self._cancelled.is_set() and len(self._schedule) + len(self._flying):
            return "cancelled"
        self._unsent = len(self._schedule)
        return "stopped" if self._unsent + self._left_out else "finished"

    def _close(self, state: str) -> None:
        if state in ("finished", "stopped"):
            steps: list[Callable[[], None]] = [self._lanes.close, lambda: prune_cache(cache_folder())]
        else:
            steps = [self._lanes.kill, self._keep_what_came_back]
        steps.append(lambda: self._writer.close(compact=state in ("finished", "stopped")))
        for step in steps:
            try:
                step()
            except Exception as error:
                self._error = self._error or error
        self._meter.end("failed" if self._error else state)
        atexit.unregister(self._goodbye)
        self._over.set()

    def _keep_what_came_back(self) -> None:
        """Store finished batches that were still waiting; mark the others as cancelled."""
        while not self._returned.empty():
            self._settle(self._returned.get())
        for task in self._flying.values():
            self._writer.abandon(task.trials, task.sent_utc, _now_utc())
        self._flying.clear()

    def _fill_lanes(self) -> None:
        for _ in range(self._depth):
            for lane in range(len(self._lanes)):
                held = sum(task.lane == lane for task in self._flying.values())
                if held < self._depth and not self._cancelled.is_set():
                    self._send(lane)

    def _send(self, lane: int) -> None:
        taken = self._taken(lane)
        if not taken:
            return
        self._sent += len(taken)
        task = _Task(lane, taken, _now_utc())
        self._writer.mark(taken, "running")
        self._meter.sent(len(taken))
        try:
            future = self._lanes.submit(lane, run_batch, self._run, [self._task(number) for number in taken])
        except RuntimeError as error:
            self._writer.mark(taken, "planned")
            self._meter.lost(len(taken))
            if self._cancelled.is_set():  # the lanes were closed under our hands
                return
            raise RealtimeLabError(f"trials can no longer be sent to workers: {error}") from error
        self._flying[future] = task
        future.add_done_callback(self._returned.put)

    def _taken(self, lane: int) -> tuple[int, ...]:
        """What a lane runs next: trials that the budget covers; those it will never cover stay planned."""
        budget, held = self._budget, any(task.lane == lane for task in self._flying.values())
        while wanted := self._schedule.take(lane, self._limits.room(self._sent)):
            if budget is None:
                return tuple(wanted)
            taken: list[int] = []
            later: list[int] = []
            for number in wanted:
                verdict = budget.reserve(number, alone=not (held or taken))
                {"now": taken, "later": later}.get(verdict, []).append(number)
            never = len(wanted) - len(taken) - len(later)
            self._left_out += never
            self._schedule.put_back(later, never)
            if taken or later:
                return tuple(taken)
        return ()

    def _task(self, number: int) -> TrialTask:
        trial = self._trials[number]
        return TrialTask(
            number,
            trial.key,
            trial.config,
            self._scripts[trial.script_id],
            trial.condition,
            trial.seed,
            narrowed(self._targets[trial.target], trial, self._scripts[trial.script_id]),
            screen=self._plan.metrics == "turn_detection",
            check=number in self._checked,
            keep=self._keep,
            study=self._plan.hash,
            setting=dict(trial.setting),
        )

    def _take_returned(self) -> None:
        try:
            self._settle(self._returned.get(timeout=_LOOK_EVERY_S))
        except Empty:
            return

    def _settle(self, future: Future[BatchResult]) -> None:
        task = self._flying.pop(future)
        try:
            batch = future.result()
        except (Exception, CancelledError) as error:
            self._schedule.back(len(task.trials))
            if was_lost(error):
                self._settle_lost(task, error)
                return
            # The batch could not be run or sent back at all.
            line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            self._store(task, [TrialResult(number, "failed", error=line) for number in task.trials])
            return
        self._schedule.back(len(task.trials), any(result.limited for result in batch.results))
        self._schedule.took(task.lane, len(task.trials), batch.seconds)
        self._store(task, batch.results)

    def _store(self, task: _Task, results: list[TrialResult]) -> None:
        stored = self._writer.commit(results, task.sent_utc, _now_utc())
        if self._budget is not None:
            for result in stored:
                self._budget.settle(result.index, _used(result))
        failed = [result.error or "no reason given" for result in stored if result.state == "failed"]
        self._errors.update(failed)
        self._meter.returned(len(stored) - len(failed), len(failed), map(_kind, failed))
        fatal = next((result.error for result in stored if result.fatal), None)
        if fatal is not None:
            raise RemoteError(f"the sweep was stopped, because no trial can do better: {fatal}")

    def _settle_lost(self, task: _Task, error: BaseException) -> None:
        """The worker died or never got to it: once more, each trial alone; then it has failed."""
        if isinstance(error, WorkerStartError) or self._cancelled.is_set():
            self._meter.lost(len(task.trials))
            self._writer.mark(task.trials, "cancelled" if self._cancelled.is_set() else "planned")
            if not self._cancelled.is_set():
                raise RealtimeLabError(str(error)) from error
            return
        reason = str(error) or type(error).__name__
        spent = [number for number in task.trials if self._lost[number]]
        fresh = [number for number in task.trials if not self._lost[number]]
        self._lost.update(fresh)
        for number in fresh if self._budget is not None else ():
            assert self._budget is not None
            self._budget.settle(number, None)  # nobody knows how far it came
        if fresh:
            self._writer.lose(fresh, reason, task.sent_utc, _now_utc())
            self._meter.lost(len(fresh))
            self._schedule.again(fresh)
        if spent:
            self._store(task, [TrialResult(n, "failed", error=f"{reason}, twice on this trial") for n in spent])


def _sample(trials: Sequence[Trial]) -> frozenset[int]:
    """Trials of a screen whose sessions are held all the same: the first of each block, and one in so many more."""
    first = {trial.block: trial.index for trial in reversed(trials)}
    return frozenset(first.values()) | {trial.index for trial in trials if trial.seed % CHECK_ONE_IN == 0}


def _kind(error: str) -> str:
    """What kind of failure an error's line tells of: the name before its colon."""
    return error.partition(":")[0][:60]


def _used(result: TrialResult) -> Used | None:
    """What a trial used; None when nobody knows."""
    if result.state == "complete":
        return Used(result.rows.get("responses", ()), next(iter(result.rows.get("trials", ())), {}))
    return NOTHING if result.audio_ms == 0.0 else None


def _now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _at_exit(run: SweepRun) -> _Goodbye:
    goodbye = _Goodbye(weakref.ref(run))
    atexit.register(goodbye)
    return goodbye


class _Goodbye:
    """Closes a sweep that a script left running when it ended."""

    def __init__(self, run: weakref.ref[SweepRun]) -> None:
        self._run = run

    def __call__(self) -> None:
        run = self._run()
        if run is not None:
            run.cancel(EXIT_PATIENCE_S)
