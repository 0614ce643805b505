"""Worker processes as a `concurrent.futures.Executor` that works from any kind of script and under Jupyter.

Each worker is `python -c` with the parent's import path, spoken to over its pipes (see `child`), so the caller's
`__main__` is never imported again: no main guard is needed. Unlike the standard pool, a worker that dies fails only
the call it was on and is replaced, calls can be sent to a chosen worker, and `kill` ends everything at once. What is
called, and what to do about a lost call, is the runner's business.

`Lanes` is the one small interface behind which batches run: own processes, this process, or a caller's executor.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from realtime_lab.sweep.workers.child import Outcome, read_frame, write_frame

P = ParamSpec("P")
T = TypeVar("T")


class WorkerDied(BrokenExecutor):
    """The worker process ended in the middle of a call; the call may be sent again."""


class WorkerStartError(BrokenExecutor):
    """A worker process could not be started at all; sending calls again is pointless."""


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkerPool(Executor):
    """A fixed number of worker processes, each started at its first call.

    Args:
        workers: How many processes, at least 1.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers = {workers}: allowed: 1 or more")
        self._lanes = [_Lane() for _ in range(workers)]

    def __len__(self) -> int:
        return len(self._lanes)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in the least busy worker; it and its arguments must be importable there."""
        lane = min(range(len(self._lanes)), key=lambda number: self._lanes[number].waiting)
        return self.submit_to(lane, fn, *args, **kwargs)

    def submit_to(self, lane: int, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in worker number `lane`, after the calls it already has."""
        return self._lanes[lane].put(fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let every worker finish its calls (or, with `cancel_futures`, the call it is on) and end it."""
        for lane in self._lanes:
            lane.close(cancel_waiting=cancel_futures)
        if wait:
            for lane in self._lanes:
                lane.join()

    def kill(self) -> None:
        """End every worker at once; its call fails with WorkerDied, waiting calls are cancelled."""
        for lane in self._lanes:
            lane.close(cancel_waiting=True)
            lane.kill()
        for lane in self._lanes:
            lane.join()


class _Call:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.future: Future[Any] = Future()


class _Lane:
    """One worker process and the thread that speaks to it."""

    def __init__(self) -> None:
        self.waiting = 0
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._killed = False

    def put(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future[T]:
        # Pickled by the caller: what cannot be sent is the caller's error, at once, and later changes stay here.
        call = _Call(pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL))
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot submit a call: the worker pool is shut down")
            self.waiting += 1
            self._calls.put(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="realtime-lab-worker", daemon=True)
                self._thread.start()
        return cast("Future[T]", call.future)

    def close(self, cancel_waiting: bool) -> None:
        with self._lock:
            if cancel_waiting:
                self._drop_waiting()
            if not self._closed:
                self._closed = True
                self._calls.put(None)

    def kill(self) -> None:
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _drop_waiting(self) -> None:
        closing = False
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                closing = True
            else:
                self.waiting -= 1
                call.future.cancel()
                call.future.set_running_or_notify_cancel()
        if closing:
            self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                self._answer(call)
            with self._lock:
                self.waiting -= 1
        self._end_process()

    def _answer(self, call: _Call) -> None:
        try:
            worked, value = self._exchange(call.body)
        except Exception as error:
            call.future.set_exception(error)
            return
        if worked:
            call.future.set_result(value)
        else:
            call.future.set_exception(value)

    def _exchange(self, body: bytes) -> Outcome:
        process = self._process or self._start_process()
        assert process.stdin is not None and process.stdout is not None
        try:
            write_frame(process.stdin, body)
            answer = read_frame(process.stdout)
        except OSError:
            answer = None
        if answer is None:
            raise WorkerDied(f"the worker process {_ending(self._end_process())}")
        return cast(Outcome, pickle.loads(answer))

    def _start_process(self) -> subprocess.Popen[bytes]:
        with self._lock:
            # Between `kill` and this start nobody would end the new process.
            if self._killed:
                raise WorkerDied("the worker pool was ended")
            self._process = process = _start_worker()
        assert process.stdout is not None
        # Its first frame says that it could import everything; a call would only find a broken pipe.
        if read_frame(process.stdout) is None:
            ending = _ending(self._end_process())
            raise WorkerStartError(
                f"a worker process could not start: it {ending}; its standard error says why. "
                "workers=0 runs the sweep in this process"
            )
        return process

    def _end_process(self) -> int | None:
        """Close the worker's pipes, wait for it and return its exit status."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None and process.stdout is not None
        for pipe in (process.stdin, process.stdout):
            try:
                pipe.close()
            except OSError:  # unsent bytes for a dead reader
                pass
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _start_worker() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise WorkerStartError("this Python does not know its own executable; workers=0 runs the sweep in this process")
    # An empty entry is the parent's folder of now, which a worker need not start in.
    import_path = [str(entry) or os.getcwd() for entry in sys.path]
    program = f"import sys; sys.path[:] = {import_path!r}; from realtime_lab.sweep.workers.child import main; main()"
    # One thread of arithmetic per worker: there are as many workers as cores.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=threads | dict(os.environ),
            # Out of the terminal's process group: an interrupt is the parent's to handle.
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerStartError(f"a worker process could not start: {error}") from None


def _ending(status: int | None) -> str:
    if status is None:
        return "was gone"
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    hint = " (the system kills processes so when memory runs out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


_LOST_BY_NAME = frozenset(("KilledWorker", "CommClosedError", "FutureCancelledError", "FutureLostError"))
"""What Dask's clusters raise, which are not the standard library's errors and need not be installed here."""


class Lanes(Protocol):
    """A number of workers that each take one batch after another."""

    depth: int
    """How many batches a lane may hold, so that it need not wait for the next one."""

    def __len__(self) -> int: ...

    def submit(self, lane: int, call: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run a call on a lane."""
        ...

    def close(self) -> None:
        """Let go of the workers; nothing is running."""
        ...

    def kill(self) -> None:
        """Stop as fast as can be. May be called from any thread, more than once."""
        ...


def open_lanes(workers: int | None, executor: Executor | None) -> Lanes:
    """The lanes for `start_sweep`'s arguments."""
    if executor is not None:
        return _ForeignLanes(executor, workers)
    return _InProcess() if workers == 0 else _Workers(workers or usable_cores())


def was_lost(error: BaseException) -> bool:
    """Whether a batch's worker died, or never got to it, so that nobody knows how far it came."""
    if isinstance(error, (BrokenExecutor, CancelledError)):
        return True
    return any(
        kind.__name__ in _LOST_BY_NAME and kind.__module__.partition(".")[0] == "distributed"
        for kind in type(error).__mro__
    )


class _Workers:
    depth = 2

    def __init__(self, workers: int) -> None:
        self._pool = WorkerPool(workers)

    def __len__(self) -> int:
        return len(self._pool)

    def submit(self, lane: int, call: Callable[..., Any], /, *args: Any) -> Future[Any]:
        return self._pool.submit_to(lane, call, *args)

    def close(self) -> None:
        self._pool.shutdown()

    def kill(self) -> None:
        self._pool.kill()


class _InProcess:
    depth = 1

    def __len__(self) -> int:
        return 1

    def submit(self, lane: int, call: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        pass

    def kill(self) -> None:
        pass


class _ForeignLanes:
    depth = 2

    def __init__(self, executor: Executor, workers: int | None) -> None:
        self._executor = executor
        known = getattr(executor, "_max_workers", None)
        self._count = workers or (known if isinstance(known, int) else usable_cores())
        self._futures: set[Future[Any]] = set()

    def __len__(self) -> int:
        return self._count

    def submit(self, lane: int, call: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future = self._executor.submit(call, *args)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def close(self) -> None:
        pass  # it is the caller's

    def kill(self) -> None:
        for future in list(self._futures):
            future.cancel()
