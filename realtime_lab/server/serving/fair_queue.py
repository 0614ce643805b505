"""One thread's work, taken from many clients in turn: nobody waits behind all that another has asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any


class FairQueue:
    """Calls on one thread; each client has a queue of its own, and they take turns.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, name)
        self._lock = Lock()
        self._waiting: dict[object, deque[tuple[Future[Any], Callable[[], Any]]]] = {}

    def client(self) -> Client:
        """A client's way in."""
        return Client(self)

    def shutdown(self) -> None:
        """Drop what waits; what runs ends on its own."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def put(self, client: object, call: Callable[[], Any]) -> Future[Any]:
        """Call it when it is the client's turn."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.setdefault(client, deque()).append((future, call))
        self._pool.submit(self._serve_next)
        return future

    def drop(self, client: object) -> None:
        """Forget what a client that is gone still waits for."""
        with self._lock:
            for future, _ in self._waiting.pop(client, ()):
                future.cancel()

    def _serve_next(self) -> None:
        with self._lock:
            if not self._waiting:
                return  # its client is gone
            client, calls = next(iter(self._waiting.items()))
            future, call = calls.popleft()
            # Last in the order again: the others come first.
            del self._waiting[client]
            if calls:
                self._waiting[client] = calls
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)


class Client:
    """What one client asks for."""

    def __init__(self, queue: FairQueue) -> None:
        self._queue = queue

    def submit(self, call: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """As an Executor's."""
        return self._queue.put(self, partial(call, *args))

    def leave(self) -> None:
        """The client is gone."""
        self._queue.drop(self)
