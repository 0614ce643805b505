"""Clients take turns on one thread, and what was asked for by someone gone is dropped."""

from __future__ import annotations

import threading

import pytest

from realtime_lab.server.serving.fair_queue import FairQueue


@pytest.fixture
def held():
    """A queue whose thread is busy until the event is set."""
    queue, go = FairQueue("test"), threading.Event()
    queue.client().submit(go.wait, 10)
    yield queue, go
    go.set()
    queue.shutdown()


def test_clients_take_turns(held):
    queue, go = held
    order: list[str] = []
    many, one = queue.client(), queue.client()
    futures = [many.submit(order.append, f"many {number}") for number in range(5)]
    futures += [one.submit(order.append, f"one {number}") for number in range(2)]
    go.set()
    for future in futures:
        future.result(5)
    assert order == ["many 0", "one 0", "many 1", "one 1", "many 2", "many 3", "many 4"]


def test_what_someone_gone_asked_for_is_not_done(held):
    queue, go = held
    done: list[int] = []
    gone, there = queue.client(), queue.client()
    dropped = [gone.submit(done.append, 1) for _ in range(100)]
    last = there.submit(done.append, 2)
    gone.leave()
    gone.leave()
    go.set()
    last.result(5)
    assert done == [2] and all(future.cancelled() for future in dropped)


def test_an_error_is_its_callers(held):
    queue, go = held
    client = queue.client()
    failed, fine = client.submit(int, "x"), client.submit(int, "3")
    go.set()
    with pytest.raises(ValueError, match="invalid literal"):
        failed.result(5)
    assert fine.result(5) == 3
