"""One event loop on a daemon thread, for synchronous callers of asynchronous work.

A notebook's own loop is busy and must not be re-entered; this loop is always free. It starts when first used, and a
forked child gets one of its own. Nothing about sessions lives here.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

CLEANUP_S = 5.0
"""How long an interrupted or closing caller waits for coroutines to clean up, seconds."""
_POLL_S = 0.2
"""How often a waiting caller looks up: on Windows a lock without a timeout cannot be interrupted."""


class BackgroundLoop:
    """An event loop on its own daemon thread, started by the first coroutine it is given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine` on the loop and return at once.

        Args:
            coroutine: What to run; called, not the function itself.

        Returns:
            A future of its result. Cancelling it cancels the coroutine. Never wait for it from the loop itself.

        Raises:
            TypeError: If `coroutine` is not a coroutine.
        """
        future: Future[T] = Future()
        self._start(coroutine, future, threading.Event())
        return future

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for its result.

        An interrupt (Ctrl-C, a notebook's stop button) cancels the coroutine, waits up to 5 s for it to clean up, and
        is then raised again; a second interrupt does not wait.

        Raises:
            RuntimeError: If called from the loop itself, which would wait for itself for ever.
            TypeError: If `coroutine` is not a coroutine.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("run() was called on the background loop, which would wait for itself: use await there")
        future: Future[T] = Future()
        finished = threading.Event()
        try:  # the interrupt may come as soon as the coroutine has begun
            self._start(coroutine, future, finished)
            while not finished.wait(_POLL_S):
                pass
        except KeyboardInterrupt:
            future.cancel()
            finished.wait(CLEANUP_S)
            raise
        return future.result()

    def close(self) -> None:
        """Cancel what is running, wait up to 5 s for it to clean up, and end the thread; the next use starts anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).add_done_callback(
            lambda _: loop.call_soon_threadsafe(loop.stop)
        )
        thread.join(CLEANUP_S + 1)

    def _start(self, coroutine: Coroutine[Any, Any, T], future: Future[T], finished: threading.Event) -> None:
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(f"a coroutine is needed, not {type(coroutine).__name__}: call the async function")
        loop = self._running_loop()
        loop.call_soon_threadsafe(_begin, loop, coroutine, future, finished)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._loop = loop
                self._thread = threading.Thread(target=_serve, args=(loop,), name="realtime-lab", daemon=True)
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` until it is stopped; an exit raised by one coroutine ends that coroutine only."""
    asyncio.set_event_loop(loop)
    stopped = False
    while not stopped:
        try:
            loop.run_forever()
            stopped = True
        except (SystemExit, KeyboardInterrupt):  # already delivered to whoever waits for that coroutine
            continue
    loop.close()


def _begin(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], future: Future[T], finished: threading.Event
) -> None:
    """On the loop: make the task, and tie it to the caller's future in both directions."""
    task = loop.create_task(coroutine)

    def cancel_task(caller: Future[T]) -> None:
        if caller.cancelled() and not task.done():
            loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(partial(_hand_over, future, finished))
    future.add_done_callback(cancel_task)


def _hand_over(future: Future[T], finished: threading.Event, task: asyncio.Task[T]) -> None:
    """Give the task's end to the caller; a caller who cancelled first wants nothing more."""
    if task.cancelled():
        future.cancel()
    if future.set_running_or_notify_cancel():
        error = task.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())
    finished.set()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLEANUP_S)


_shared = BackgroundLoop()
_left_to_parents: list[BackgroundLoop] = []


def _renew_after_fork() -> None:
    """In a forked child the parent's loop has no thread; keep it from being collected, and take a new one."""
    global _shared
    _left_to_parents.append(_shared)
    _shared = BackgroundLoop()


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start `coroutine` on the process's background loop; see `BackgroundLoop.submit`."""
    return _shared.submit(coroutine)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` on the process's background loop and wait; see `BackgroundLoop.run`."""
    return _shared.run(coroutine)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
atexit.register(lambda: _shared.close())
