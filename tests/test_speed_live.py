"""How exactly live sessions keep and tell time, beside the openai SDK, idle and next to a busy notebook cell.

    python3 .ci/up test tests/test_speed_live.py --full -s -n 0

prints every figure. Both sides run in processes of their own against the same kind of server, one after the other, in
one job; the busy cell computes and plots in this process meanwhile. The figures belong to a quiet machine: what is
asserted here is the order of the two sides and wide bounds, so that a loaded machine does not fail the run. What an
event costs to receive and decode is `realtime-lab bench live`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from live_servers import shortest_script, spoken_pcm
from matplotlib.figure import Figure
from others import python_with, run_client

from realtime_lab.bench.live import busy_cell, count
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.session.targets import live
from realtime_lab.sweep import SweepPlan
from realtime_lab.testing.doctor import planted_server
from realtime_lab.widgets import RunPanel

pytestmark = pytest.mark.full
SESSIONS = 20
MARK = "event_ns_"
TWO_SECONDS = 2 * 24_000 * 2


def plotting():
    """What a busy cell does here: a plot, and arithmetic."""
    figure = Figure()
    figure.subplots().plot(np.random.default_rng(0).normal(size=20_000).cumsum())
    figure.savefig(os.devnull, format="png")
    count()


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
    with busy_cell(plotting):
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
        with busy_cell(plotting):
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
