"""The background loop: results, errors, interrupts, forks and its end. Events, never sleeps, order what happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait

import pytest

from realtime_lab import background
from realtime_lab.background import BackgroundLoop

LONG_S = 10


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    background_loop = BackgroundLoop()
    yield background_loop
    background_loop.close()


async def _answer(value: object) -> object:
    await asyncio.sleep(0)
    return value


async def _fail() -> None:
    raise ValueError("on purpose")


def _forever(started: threading.Event, cleaned: threading.Event):
    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    return work()


def test_importing_starts_no_thread():
    code = "import threading, realtime_lab.background; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_run_gives_the_result(loop):
    assert loop.run(_answer(42)) == 42


def test_run_raises_what_the_coroutine_raised(loop):
    with pytest.raises(ValueError, match="on purpose"):
        loop.run(_fail())


def test_a_timeout_of_the_coroutine_is_its_own_error(loop):
    async def late() -> None:
        raise TimeoutError("the peer is silent")

    with pytest.raises(TimeoutError, match="the peer is silent"):
        loop.run(late())


def test_coroutines_share_one_daemon_thread(loop):
    async def thread() -> threading.Thread:
        return threading.current_thread()

    first, second = loop.run(thread()), loop.run(thread())
    assert first is second
    assert first.daemon
    assert first is not threading.main_thread()


def test_run_works_while_the_callers_own_loop_runs(loop):
    """As in a notebook cell, whose kernel has a running loop."""

    async def cell() -> object:
        return loop.run(_answer("done"))

    assert asyncio.run(cell()) == "done"


def test_submit_returns_at_once_and_its_cancel_reaches_the_coroutine(loop):
    started, cleaned = threading.Event(), threading.Event()
    future = loop.submit(_forever(started, cleaned))
    assert started.wait(LONG_S)
    assert future.cancel()
    assert cleaned.wait(LONG_S)
    assert wait([future], timeout=LONG_S).done == {future}
    with pytest.raises(CancelledError):
        future.result()


def test_cancelled_before_its_first_step_the_coroutine_never_runs(loop):
    gate, reached = threading.Event(), threading.Event()

    async def block() -> None:
        reached.set()
        gate.wait(LONG_S)

    async def never() -> None:
        raise AssertionError("ran")

    blocker = loop.submit(block())
    assert reached.wait(LONG_S)
    future = loop.submit(never())
    future.cancel()
    gate.set()
    blocker.result(LONG_S)
    assert loop.run(_answer(1)) == 1
    assert future.cancelled()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own answer to SIGINT, which a run in the background may have been started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_cancels_waits_for_clean_up_and_is_raised_again(loop, interruptible):
    cleaned = threading.Event()

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)  # arrives in the main thread, which waits for this coroutine
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert cleaned.is_set()


def test_run_from_its_own_loop_is_refused_in_words(loop):
    async def nested() -> object:
        return loop.run(_answer(1))

    with pytest.raises(RuntimeError, match="use await there"):
        loop.run(nested())


def test_submit_from_its_own_loop_is_fine_as_nobody_waits(loop):
    async def nested() -> Future[object]:
        return loop.submit(_answer("later"))

    assert loop.run(nested()).result(LONG_S) == "later"


@pytest.mark.parametrize("thing", [None, _answer, 3])
def test_what_is_not_a_coroutine_is_refused(loop, thing):
    with pytest.raises(TypeError, match="a coroutine is needed"):
        loop.run(thing)


def test_an_exit_in_one_coroutine_leaves_the_loop_to_the_others(loop):
    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        loop.run(leave())
    assert loop.run(_answer("still here")) == "still here"


def test_close_lets_running_coroutines_clean_up_and_the_next_use_starts_anew(loop):
    started, cleaned = threading.Event(), threading.Event()
    future = loop.submit(_forever(started, cleaned))
    assert started.wait(LONG_S)
    loop.close()
    assert cleaned.is_set()
    assert future.cancelled()
    assert loop.run(_answer("again")) == "again"


def test_the_end_of_the_program_cancels_what_runs():
    code = """
import asyncio, threading
from realtime_lab import background
started = threading.Event()
async def work():
    started.set()
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned", flush=True)
background.submit(work())
started.wait(10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("cleaned\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_gets_a_loop_of_its_own():
    code = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forking with threads: that is the point
from realtime_lab import background
async def pid():
    return os.getpid()
assert background.run(pid()) == os.getpid()
child = os.fork()
if child == 0:
    os._exit(0 if background.run(pid()) == os.getpid() else 1)
assert os.waitpid(child, 0)[1] == 0
assert background.run(pid()) == os.getpid()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_functions_use_one_loop_of_the_process():
    assert background.submit(_answer(1)).result(LONG_S) == 1
    assert background.run(_answer(2)) == 2
