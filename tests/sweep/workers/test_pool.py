"""Worker processes: calls come back, a death costs one call, and everything can be ended at once."""

from __future__ import annotations

import os
import pickle
import time
from concurrent.futures import CancelledError, wait

import pytest
import sweep_fakes
from waiting import until

from realtime_lab.sweep.workers.pool import WorkerDied, WorkerPool, WorkerStartError


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(2) as pool:
        yield pool


def test_calls_come_back_from_another_process(pool):
    assert pool.submit(sweep_fakes.own_pid).result() != os.getpid()


def test_calls_to_one_lane_share_a_process(pool):
    pids = [[pool.submit_to(lane, sweep_fakes.own_pid).result() for _ in range(2)] for lane in range(2)]
    assert pids[0][0] == pids[0][1] != pids[1][0] == pids[1][1]


def test_an_exception_comes_back_as_itself(pool):
    with pytest.raises(ValueError, match="a reason"):
        pool.submit(sweep_fakes.fail, "a reason").result()


def test_a_result_that_cannot_travel_says_so(pool):
    with pytest.raises(RuntimeError, match="cannot be sent between processes"):
        pool.submit(sweep_fakes.unsendable).result()


def test_what_a_call_prints_does_not_disturb_the_pipe(pool):
    assert pool.submit(print, "noise").result() is None


def test_large_arguments_and_results_pass(pool):
    data = os.urandom(3_000_000)
    assert pool.submit(bytes, data).result() == data


def test_a_death_fails_its_own_call_and_the_next_ones_run(pool):
    fatal, next_one = (pool.submit_to(0, call) for call in (sweep_fakes.vanish, sweep_fakes.own_pid))
    with pytest.raises(WorkerDied, match="killed by SIGKILL"):
        fatal.result()
    assert next_one.result() > 0


def test_a_call_that_cannot_be_sent_is_refused_at_once(pool):
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"pickle|local object"):
        pool.submit(lambda: None)


def test_kill_ends_running_and_waiting_calls_in_under_a_second():
    pool = WorkerPool(2)
    pids = [pool.submit_to(lane, sweep_fakes.own_pid).result() for lane in range(2)]
    futures = [pool.submit_to(lane, sweep_fakes.rest, 3600.0) for lane in (0, 1, 0)]
    until(lambda: futures[0].running() and futures[1].running())
    began = time.monotonic()
    pool.kill()
    assert time.monotonic() - began < 1
    assert wait(futures, timeout=1).not_done == set()
    assert isinstance(futures[0].exception(), WorkerDied)
    with pytest.raises(CancelledError):
        futures[2].result()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(sweep_fakes.own_pid)
    pool.kill()


def test_shutdown_lets_waiting_calls_finish():
    pool = WorkerPool(1)
    futures = [pool.submit(sweep_fakes.own_pid) for _ in range(2)]
    pool.shutdown()
    assert futures[0].result() == futures[1].result()


def test_a_python_that_cannot_start_is_told_from_a_death(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with WorkerPool(1) as pool:
        with pytest.raises(WorkerStartError, match="could not start"):
            pool.submit(sweep_fakes.own_pid).result()
        monkeypatch.setattr("sys.executable", "/bin/false")
        with pytest.raises(WorkerStartError, match=r"ended with status 1.*workers=0"):
            pool.submit(sweep_fakes.own_pid).result()


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="workers = 0"):
        WorkerPool(0)
