"""How exactly live sessions tell and keep time over loopback, and what receiving an event costs.

The sessions are held in a process of their own, as a sweep's are, against a server in another one: `testing.doctor`.
Here it is compared with targets; beside twenty sessions this process computes, as a busy cell of a notebook would.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from realtime_lab.audio import load_scripts
from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import BASE
from realtime_lab.errors import RealtimeLabError
from realtime_lab.protocol.codec import decode_server, event_to_builtins
from realtime_lab.server.recogniser.transcriber import SIMULATED
from realtime_lab.session import mocked, run_session
from realtime_lab.session.live.wire import framed, unframed
from realtime_lab.testing.doctor import Checkup

_HOLD = """import sys; sys.path[:] = {path!r}
import msgspec
from realtime_lab.testing.doctor import check_up
sys.stdout.buffer.write(msgspec.json.encode(check_up([{count}])))"""
_PATIENCE_S = 240.0


def measure(quick: bool) -> list[Figure]:
    """Twenty sessions beside a busy cell and fifty (five and ten when quick), then decoding alone."""
    some, many = (5, 10) if quick else (20, 50)
    with busy_cell():
        beside = _checked(some)
    alone = _checked(many)
    note = f"{some} sessions beside a busy cell, {beside.events:,} events"
    among = f"{many} sessions in one process, {alone.events:,} events"
    return [
        _ms("latency error p50", beside.receive_error_p50_ms, 0.5, note),
        _ms("latency error p95", beside.receive_error_p95_ms, 5.0, note),
        _ms("latency error p95, many", alone.receive_error_p95_ms, 10.0, among),
        _ms("appends late p99, many", alone.send_late_p99_ms, 5.0, among),
        _ms("last append late, many", alone.last_late_ms, 5.0, among),
        _decoding(2 if quick else 20),
    ]


def _ms(name: str, value: float, target: float, note: str) -> Figure:
    return Figure(name=name, value=value, unit="ms", better="lower", target=target, note=note)


def _checked(count: int) -> Checkup:
    """The doctor's figures, from a process that does nothing else."""
    program = _HOLD.format(path=sys.path, count=count)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], capture_output=True, check=False, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise RealtimeLabError(f"{count} sessions were not over after {_PATIENCE_S:g} s") from None
    if done.returncode != 0:
        raise RealtimeLabError(f"a new process failed: {done.stderr.decode(errors='replace').splitlines()[-1:]}")
    return msgspec.json.decode(done.stdout, type=list[Checkup])[0]


def count() -> None:
    """What a busy cell does: arithmetic that lets go of the interpreter only when it has to."""
    sum(number * number for number in range(400_000))


@contextmanager
def busy_cell(work: Callable[[], object] = count) -> Iterator[None]:
    """Keep this process busy, as a cell of a notebook would, until the block is left.

    Args:
        work: What is done again and again, on a thread of its own.
    """
    over = threading.Event()

    def keep_on() -> None:
        while not over.is_set():
            work()

    thread = threading.Thread(target=keep_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _decoding(rounds: int) -> Figure:
    """CPU time from the bytes of a message to its event, over the events of a spoken session; the best round."""
    messages = _messages()
    best_s = float("inf")
    for _ in range(rounds):
        began_s = time.process_time()
        for message in unframed(messages):
            decode_server(message)
        best_s = min(best_s, time.process_time() - began_s)
    size = sum(map(len, messages)) / len(messages)
    note = f"{len(messages)} events of {size:,.0f} bytes on average"
    value, unit = best_s * 1e6 / len(messages), "us CPU per event"
    return Figure(name="receive and decode", value=value, unit=unit, better="lower", target=18.0, note=note)


def _messages() -> list[bytes]:
    """What a server sends in a session, framed; its audio is silence of the right length."""
    recording = run_session(BASE, load_scripts("orders")[0], mocked(transcriber=SIMULATED))
    plain = [event_to_builtins(entry.event) for entry in recording.events if entry.direction == "server"]
    return [framed(msgspec.json.encode(_with_audio(event))) for event in plain]


def _with_audio(event: dict[str, Any]) -> dict[str, Any]:
    audio = event.get("delta")
    return event | {"delta": base64.b64encode(bytes(2 * audio["samples"]))} if isinstance(audio, dict) else event
