"""How exactly live sessions keep and tell time, beside the openai SDK, idle and next to a busy notebook cell.

    python3 .ci/up test tests/test_speed_live.py --full -s -n 0

prints every figure. Both sides run in processes of their own against the same kind of server, one after the other, in
one job; the busy cell computes and plots in this process meanwhile. The figures belong to a quiet machine: what is
asserted here is the order of the two sides and wide bounds, so that a loaded machine does not fail the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from live_servers import append_all, client, receive_until, serving, shortest_script, spoken_pcm
from matplotlib.figure import Figure
from others import python_with, run_client

from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.protocol.codec import decode_server
from realtime_lab.server import PROFILES
from realtime_lab.session import live
from realtime_lab.sweep import SweepPlan
from realtime_lab.testing.doctor import planted_server
from realtime_lab.widgets import RunPanel

pytestmark = pytest.mark.full
SESSIONS = 20
MARK = "event_ns_"
TWO_SECONDS = 2 * 24_000 * 2


@contextmanager
def busy_cell():
    """Computes and plots in this process until the block is left, as a cell of a notebook would."""
    over = threading.Event()

    def work():
        rng = np.random.default_rng(0)
        while not over.is_set():
            figure = Figure()
            figure.subplots().plot(rng.normal(size=20_000).cumsum())
            figure.savefig(os.devnull, format="png")
            sum(number * number for number in range(400_000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ours(counts=(SESSIONS,)):
    """The doctor, in a process of its own: its lines as numbers."""
    command = [sys.executable, "-m", "realtime_lab.cli", "doctor", "--sessions", ",".join(map(str, counts))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr[-2000:]
    print(f"\n{ran.stdout}", end="")
    names = ("sessions", "send_p50", "send_p99", "send_last", "p50", "p95", "p99", "lag", "cpu_us")
    return [dict(zip(names, map(float, line.split()[:9]), strict=True)) for line in ran.stdout.splitlines()[2:]]


def sdk(python, folder):
    """The openai SDK in a gather."""
    pcm = folder / "speech.pcm"
    pcm.write_bytes(spoken_pcm()[:TWO_SECONDS] + spoken_pcm()[-TWO_SECONDS:])  # two seconds of speech, then none
    with planted_server() as url:
        said = run_client(python, "speed_client.py", url, pcm, SESSIONS, timeout_s=120)
    p50, p95 = np.percentile(said["late_ms"], (50, 95))
    print(f"openai SDK, {SESSIONS} sessions in a gather: p50 {p50:.2f} ms, p95 {p95:.2f} ms over "
          f"{len(said['late_ms'])} events, {said['cpu_us']:.0f} us CPU per event")  # fmt: skip
    return {"p50": p50, "p95": p95, "cpu_us": said["cpu_us"]}


def test_latencies_are_told_better_than_by_the_openai_sdk_and_a_busy_cell_changes_little(tmp_path):
    """SPEED target 1 and R13: errors of receive times at 20 sessions."""
    python = python_with("openai")
    (idle,) = ours()
    theirs = sdk(python, tmp_path)
    with busy_cell():
        (busy,) = ours()
        theirs_busy = sdk(python, tmp_path)
    for name, one, other in (("idle", idle, theirs), ("busy", busy, theirs_busy)):
        print(f"{name}: ours {one['p50']:.2f} / {one['p95']:.2f} ms, SDK {other['p50']:.2f} / {other['p95']:.2f} ms")
    print(f"shift by the busy cell: {busy['p50'] - idle['p50']:+.2f} / {busy['p95'] - idle['p95']:+.2f} ms")
    assert idle["p50"] < theirs["p50"] and busy["p50"] < theirs_busy["p50"]
    assert idle["p50"] < 5 and busy["p50"] < 10


def swept(url, store):
    """A sweep that a RunPanel of this process starts: how much later than a session's quickest each event was had."""
    base = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=500))
    plan = SweepPlan(base, {"threshold": [0.3, 0.5]}, [shortest_script()], repeats=10)
    panel = RunPanel(plan, live(url, api_key_env=None, sessions=5), store, workers=1)
    panel.run.click()
    assert panel.wait(240) and panel.running.state == "finished", panel.error_strip.value
    late = []
    for recording in panel.study.recordings():
        marked = [(entry.t_ms, str(getattr(entry.event, "event_id", ""))) for entry in recording.events]
        each = [t_ms - int(mark[len(MARK) :]) / 1e6 for t_ms, mark in marked if mark.startswith(MARK) and t_ms > 0]
        late += [ms - min(each) for ms in each]
    trials = panel.study.trials_df()
    assert set(trials["state"]) == {"complete"}
    return (*np.percentile(late, (50, 95)), len(late), int(trials["tainted"].sum()), len(trials))


def test_a_sweep_of_a_panel_measures_the_same_beside_a_busy_cell(tmp_path):
    """R13 through the product: the kernel that shows the panel computes and plots while its sweep runs on loopback."""
    with planted_server() as url:
        idle = swept(url, tmp_path / "idle.sqlite")
        with busy_cell():
            busy = swept(url, tmp_path / "busy.sqlite")
    for name, (p50, p95, events, flagged, trials) in (("idle", idle), ("busy", busy)):
        print(f"panel, {name}: p50 {p50:.2f} ms, p95 {p95:.2f} ms over {events} events; {flagged} of {trials} flagged")
    shift = (busy[0] - idle[0], busy[1] - idle[1])
    print(f"shift by the busy cell: p50 {shift[0]:+.2f} ms, p95 {shift[1]:+.2f} ms")
    assert (shift[0] <= 2 and shift[1] <= 10) or busy[3] > idle[3]


def test_fifty_sessions_keep_their_pace():
    """Targets 2 and 3: jitter of appends, the last one's lateness, and CPU time for each event, in one process."""
    began_s = time.monotonic()
    (fifty,) = ours((50,))
    print(f"50 sessions: appends late p99 {fifty['send_p99']:.2f} ms, last {fifty['send_last']:.2f} ms, "
          f"{fifty['cpu_us']:.0f} us CPU per event, {time.monotonic() - began_s:.0f} s")  # fmt: skip
    assert fifty["send_p50"] < 10 and fifty["send_last"] < 100


def test_an_event_is_received_and_decoded_in_little_time():
    """Target 3: CPU of framing and decoding alone, over the events of spoken turns as they come off the wire."""
    from websockets.client import ClientProtocol
    from websockets.frames import Frame, Opcode
    from websockets.protocol import State
    from websockets.uri import parse_uri

    with serving(profile=PROFILES["documented"]) as server, client(server) as socket:
        append_all(socket, spoken_pcm())
        events = receive_until(socket, "response.done")
    wire = [Frame(Opcode.TEXT, json.dumps(event).encode()).serialize(mask=False) for event in events]
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=None)
    protocol.state, protocol.parser = State.OPEN, None
    protocol.parser = protocol.parse()
    next(protocol.parser)
    rounds, before_s = 100, time.process_time()
    for data in wire * rounds:
        protocol.receive_data(data)
        for frame in protocol.events_received():
            assert decode_server(bytes(frame.data)) is not None
    us = (time.process_time() - before_s) * 1e6 / (rounds * len(wire))
    size = sum(map(len, wire)) / len(wire)
    print(f"received and decoded: {us:.1f} us CPU per event, {len(wire)} events of {size:,.0f} bytes on average")
    assert us < 100
