"""How well this machine keeps and tells time: live sessions over loopback against a server that plants its send times.

The server runs in a process of its own and writes into each event when it was handed to the socket, on the clock that
all processes of a machine share. What a session's receive times are later than that is the error of its latencies.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from realtime_lab import background
from realtime_lab.audio import Script, Turn, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RealtimeLabError
from realtime_lab.protocol import events as ev
from realtime_lab.server.engine.engine import Engine
from realtime_lab.server.engine.profile import PROFILES, LogNormal
from realtime_lab.server.serving.rest import Request
from realtime_lab.server.serving.serve import RealtimeServer, SocketSession
from realtime_lab.session import Stage
from realtime_lab.session.live.run import LiveEnd, LiveRequest, hold_all, live_call
from realtime_lab.session.targets import live

_PROFILE = replace(
    PROFILES["documented"], name="doctor", first_byte=LogNormal(300.0, 0.3), response_s=LogNormal(2.0, 0.3)
)
_TURNS = 2
_MARK = "event_ns_"
_START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Checkup:
    """What was measured with a number of sessions side by side; times in ms."""

    sessions: int
    failed: int
    """Sessions that ended early."""
    events: int
    """Events received in all."""
    send_late_p50_ms: float
    """How late appends left."""
    send_late_p99_ms: float
    last_late_ms: float
    """How late the last append of a session left, at most: what the length of its audio is off by."""
    receive_error_p50_ms: float
    """How much later an event was stamped than the server sent it."""
    receive_error_p95_ms: float
    receive_error_p99_ms: float
    loop_lag_ms: float
    """The longest the event loop was late, in any session."""
    cpu_us_per_event: float
    """CPU time of this process for each event received or sent."""

    def __str__(self) -> str:
        return (
            f"{self.sessions:8d}  {self.send_late_p50_ms:8.2f} {self.send_late_p99_ms:8.2f} {self.last_late_ms:8.2f}  "
            f"{self.receive_error_p50_ms:8.2f} {self.receive_error_p95_ms:8.2f} {self.receive_error_p99_ms:8.2f}  "
            f"{self.loop_lag_ms:8.1f}  {self.cpu_us_per_event:8.0f}"
            + (f"  {self.failed} failed" if self.failed else "")
        )

    HEAD = (
        "sessions  appends late, ms            receive error, ms           loop lag  CPU us\n"
        "               p50      p99     last       p50      p95      p99   max, ms per event"
    )


class _PlantingSession(SocketSession):
    async def deliver(self, event: ev.Event) -> None:
        event.event_id = f"{_MARK}{time.monotonic_ns()}"
        await super().deliver(event)
        await self._flush()


class _PlantingServer(RealtimeServer):
    def session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: Engine, request: Request
    ) -> SocketSession:
        return _PlantingSession(reader, writer, engine, request, self.key)


def serve_planted() -> None:
    """In the child: serve until standard input ends."""
    asyncio.run(_serve_planted())


async def _serve_planted() -> None:
    async with _PlantingServer(_PROFILE) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def planted_server() -> Iterator[str]:
    """A server in a process of its own that plants its send times; gives its base address.

    Each event's id is "event_ns_" and the monotonic time, ns, at which the event was handed to the socket.

    Raises:
        RealtimeLabError: If the process cannot be started.
    """
    program = f"import sys; sys.path[:] = {sys.path!r}; from realtime_lab.testing.doctor import serve_planted; "
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program + "serve_planted()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if not url:
                raise RealtimeLabError("the server's process could not start; its standard error says why")
            yield url
        finally:
            server.stdin.close()
            server.wait(_START_TIMEOUT_S)


def check_up(counts: Sequence[int] = (1, 10, 20)) -> list[Checkup]:
    """Measure with each number of sessions in turn; takes about ten seconds each.

    Args:
        counts: How many sessions to hold side by side.

    Raises:
        RealtimeLabError: If the server's process cannot be started, or no session can be held.
    """
    with planted_server() as url:
        return [_measured(url, count) for count in counts]


def _measured(url: str, count: int) -> Checkup:
    stage, script = Stage(), _script()
    config = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=500))
    target = live(url, api_key_env=None, model="gpt-realtime", sessions=min(count, 200))
    request = LiveRequest(config, script, clean(), target, 0, stage)
    call, _ = live_call(request)
    before_s = time.process_time()
    ends = background.run(hold_all([call] * count))
    cpu_s = time.process_time() - before_s
    errors, late = _receive_errors(ends), [ms for end in ends for ms in end.connection.pace.late_ms]
    if not errors or not late:
        raise RealtimeLabError(f"no session could be held: {next((str(end.fault) for end in ends), 'none was begun')}")
    send, receive = np.percentile(late, (50, 99)), np.percentile(errors, (50, 95, 99))
    return Checkup(
        sessions=count,
        failed=sum(end.fault is not None for end in ends),
        events=len(errors),
        send_late_p50_ms=float(send[0]),
        send_late_p99_ms=float(send[1]),
        last_late_ms=max(end.connection.pace.late_ms[-1] for end in ends if end.connection.pace.late_ms),
        receive_error_p50_ms=float(receive[0]),
        receive_error_p95_ms=float(receive[1]),
        receive_error_p99_ms=float(receive[2]),
        loop_lag_ms=max(end.connection.pace.lag_ms for end in ends),
        cpu_us_per_event=cpu_s * 1e6 / (len(errors) + len(late)),
    )


def _script() -> Script:
    """The shortest stretch of shipped speech, said twice."""
    scripts = load_scripts("orders")
    segments = [segment for script in scripts for turn in script.turns for segment in turn.segments]
    shortest = min(segments, key=lambda segment: segment.span_ms.end_ms - segment.span_ms.start_ms)
    return Script("doctor", (Turn((shortest,), ()),) * _TURNS, "doctor")


def _receive_errors(ends: Sequence[LiveEnd]) -> list[float]:
    """How much later each event was stamped than its server sent it, ms; after the microphone opened."""
    errors = []
    for end in ends:
        for entry in end.connection.events():
            mark = str(getattr(entry.event, "event_id", ""))
            if entry.direction == "server" and entry.t_ms is not None and entry.t_ms > 0 and mark.startswith(_MARK):
                received_ms = end.connection.zero_s * 1000.0 + entry.t_ms
                errors.append(received_ms - int(mark.removeprefix(_MARK)) / 1e6)
    return errors
