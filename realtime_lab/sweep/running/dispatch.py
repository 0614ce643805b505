"""The running of a sweep: one background thread sends batches to workers and stores what comes back.

That thread is the only writer of the study. A worker that dies costs the trials it was on one more try, each alone.
While the study cannot be written, nothing is sent and what came back waits. What a run was asked is `asked`'s, the
handle that callers hold `runner`'s.

A study that may not be written for a while makes a sweep pause, keep what came back, and try again.

Sessions that are over have been paid for, so a full disk is no reason to drop them. What is written is `store`'s.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import Literal, TypeVar

from realtime_lab.audio.file_cache import cache_folder, prune_cache
from realtime_lab.errors import RealtimeLabError, RemoteError, StudyUnwritableError
from realtime_lab.sweep.running.asked import RunRequest
from realtime_lab.sweep.running.progress import ProgressMeter
from realtime_lab.sweep.running.schedule import Schedule
from realtime_lab.sweep.running.spend import NOTHING, Used
from realtime_lab.sweep.store import tables
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.workers.pool import Lanes, WorkerStartError, was_lost
from realtime_lab.sweep.workers.worker import BatchResult, TrialResult, run_batch

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


EXIT_PATIENCE_S = 30.0
"""How long a script that ends waits for its study to be closed: a busy machine may still be starting workers."""
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class _Task:
    lane: int
    trials: tuple[int, ...]
    sent_utc: str


class Dispatcher:
    """Runs what a request asks for, from `start` until `over`.

    Args:
        request: What to run.
        writer: The study; closed at the end.
        lanes: The workers; let go at the end.
    """

    def __init__(self, request: RunRequest, writer: StudyWriter, lanes: Lanes) -> None:
        self.request, self._lanes = request, lanes
        self._cancelled = threading.Event()
        trials = request.trials
        unfinished = [number for number in writer.unfinished() if request.includes(trials[number])]
        held = sum(trial.gap is None and request.includes(trial) for trial in trials)
        self.meter = ProgressMeter(held, held - len(unfinished))
        """How far it is."""
        self._writer = PatientWriter(writer, self._cancelled, self.meter.pause)
        places = ((n, trials[n].block, (trials[n].script_id, trials[n].condition.name)) for n in unfinished)
        self._schedule = Schedule(places, len(lanes), request.at_once)
        # Sessions side by side fill their worker: one that waited behind them would only seem to be running.
        self._depth = lanes.depth if request.at_once is None else 1
        self._flying: dict[Future[BatchResult], _Task] = {}
        self._returned: SimpleQueue[Future[BatchResult]] = SimpleQueue()
        self._lost: Counter[int] = Counter()
        self.sent = 0
        """Trials sent to workers."""
        self.unsent = 0
        """Trials left over by a limit."""
        self.left_out = 0
        """Trials that the budget does not cover."""
        self.failures: Counter[str] = Counter()
        """How often each error was met."""
        self.error: BaseException | None = None
        """Why the sweep could not go on."""
        # Waited for instead of the thread: a join that is interrupted may take the thread for ended.
        self.over = threading.Event()
        """Set when the study is closed."""

    def start(self) -> None:
        """Begin; a script that ends before the sweep does closes it."""
        atexit.register(self._exit)
        threading.Thread(target=self._work, name="realtime-lab-sweep", daemon=True).start()

    def cancel(self) -> None:
        """End the workers; what came back is kept and the study closed, on the sweep's own thread."""
        self._cancelled.set()
        self._lanes.kill()

    def _exit(self) -> None:
        self.cancel()
        self.over.wait(EXIT_PATIENCE_S)

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
            self.error = error
        finally:
            self._close(state)

    def _end_state(self) -> str:
        if self._cancelled.is_set() and len(self._schedule) + len(self._flying):
            return "cancelled"
        self.unsent = len(self._schedule)
        return "stopped" if self.unsent + self.left_out else "finished"

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
                self.error = self.error or error
        self.meter.end("failed" if self.error else state)
        atexit.unregister(self._exit)
        self.over.set()

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
        self.sent += len(taken)
        task = _Task(lane, taken, _now_utc())
        self._writer.mark(taken, "running")
        self.meter.sent(len(taken))
        try:
            future = self._lanes.submit(lane, run_batch, self.request.run, list(map(self.request.task, taken)))
        except RuntimeError as error:
            self._writer.mark(taken, "planned")
            self.meter.lost(len(taken))
            if self._cancelled.is_set():  # the lanes were closed under our hands
                return
            raise RealtimeLabError(f"trials can no longer be sent to workers: {error}") from error
        self._flying[future] = task
        future.add_done_callback(self._returned.put)

    def _taken(self, lane: int) -> tuple[int, ...]:
        """What a lane runs next: trials that the budget covers; those it will never cover stay planned."""
        budget, held = self.request.budget, any(task.lane == lane for task in self._flying.values())
        while wanted := self._schedule.take(lane, self.request.limits.room(self.sent)):
            if budget is None:
                return tuple(wanted)
            taken: list[int] = []
            later: list[int] = []
            for number in wanted:
                verdict = budget.reserve(number, alone=not (held or taken))
                {"now": taken, "later": later}.get(verdict, []).append(number)
            never = len(wanted) - len(taken) - len(later)
            self.left_out += never
            self._schedule.put_back(later, never)
            if taken or later:
                return tuple(taken)
        return ()

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
        away = self._turned_away(batch.results)
        self._schedule.back(len(task.trials) - len(away), any(result.limited for result in batch.results))
        self._schedule.took(task.lane, len(task.trials), batch.seconds)
        self._store(task, [result for result in batch.results if result.index not in away])
        if away:
            self._later(away, task)

    def _turned_away(self, results: Sequence[TrialResult]) -> list[int]:
        """Trials that the service had no room for beside the others: they wait. One that was alone has failed."""
        if self._schedule.allowed == 1:
            return []
        return [
            result.index for result in results if result.limited and result.state == "failed" and not result.audio_ms
        ]

    def _later(self, trials: Sequence[int], task: _Task) -> None:
        self._schedule.put_back(trials)
        self.sent -= len(trials)
        self.meter.lost(len(trials))
        self._writer.lose(trials, "the service asked for fewer sessions at a time", task.sent_utc, _now_utc())
        if self.request.budget is not None:
            for number in trials:
                self.request.budget.settle(number, NOTHING)

    def _store(self, task: _Task, results: Sequence[TrialResult]) -> None:
        stored = self._writer.commit(results, task.sent_utc, _now_utc())
        if self.request.budget is not None:
            for result in stored:
                self.request.budget.settle(result.index, _used(result))
        failed = [result.error or "no reason given" for result in stored if result.state == "failed"]
        self.failures.update(failed)
        self.meter.returned(len(stored) - len(failed), len(failed), map(_kind, failed))
        fatal = next((result.error for result in stored if result.fatal), None)
        if fatal is not None:
            raise RemoteError(f"the sweep was stopped, because no trial can do better: {fatal}")

    def _settle_lost(self, task: _Task, error: BaseException) -> None:
        """The worker died or never got to it: once more, each trial alone; then it has failed."""
        if isinstance(error, WorkerStartError) or self._cancelled.is_set():
            self.meter.lost(len(task.trials))
            self._writer.mark(task.trials, "cancelled" if self._cancelled.is_set() else "planned")
            if not self._cancelled.is_set():
                raise RealtimeLabError(str(error)) from error
            return
        reason = str(error) or type(error).__name__
        spent = [number for number in task.trials if self._lost[number]]
        fresh = [number for number in task.trials if not self._lost[number]]
        self._lost.update(fresh)
        if self.request.budget is not None:
            for number in fresh:
                self.request.budget.settle(number, None)  # nobody knows how far it came
        if fresh:
            self._writer.lose(fresh, reason, task.sent_utc, _now_utc())
            self.meter.lost(len(fresh))
            self._schedule.again(fresh)
        if spent:
            self._store(task, [TrialResult(n, "failed", error=f"{reason}, twice on this trial") for n in spent])


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
