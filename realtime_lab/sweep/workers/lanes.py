"""Where batches run, behind one small interface: own worker processes, this process, or a caller's executor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any, Protocol

from realtime_lab.sweep.workers.pool import WorkerPool, usable_cores

__all__ = ["Lanes", "open_lanes", "was_lost"]

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
