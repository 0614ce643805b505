"""A live sweep in a real notebook kernel: three clicks are one sweep, and an interrupt leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from live_servers import serving
from waiting import until

HERE = Path(__file__).parents[2] / "helpers"
SETUP = """
import sys
sys.path.insert(0, {here!r})
import realtime_lab as rl
from sweep_fakes import BASE
base = BASE.with_values({{"model": "gpt-realtime"}})
plan = rl.SweepPlan(base, {{"silence_duration_ms": [200, 300, 400]}}, rl.load_scripts("orders")[:{scripts}], repeats=2)
target = rl.live({url!r}, api_key_env=None, sessions=2)
"""
RUN = "study = rl.run_sweep(plan, target=target, store={store!r}, workers=2, progress=False)"
START = "runs = globals().get('runs', []) + [rl.start_sweep(plan, target=target, store={store!r}, workers=2)]"


class Kernel:
    """A kernel and what is asked of it."""

    def __init__(self, folder):
        self.manager, self.client = start_new_kernel(
            kernel_name="python3", cwd=str(folder), extra_arguments=["--HistoryManager.enabled=False"]
        )

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def run(self, code, timeout=60):
        """Run a cell; its reply's status and error name, and what it printed."""
        shown = []
        reply = self.client.execute_interactive(
            code, timeout=timeout, output_hook=lambda m: shown.append(m["content"].get("text", ""))
        )["content"]
        return reply["status"], reply.get("ename"), "".join(shown)

    def children(self):
        """Worker processes of the kernel."""
        found = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True)
        return found.stdout.split()


@pytest.fixture
def kernel(tmp_path):
    started = Kernel(tmp_path)
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)


def sockets_to(port):
    """Established connections to a port of this machine."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(row[2].endswith(wanted) and row[3] == "01" for row in rows)


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="sockets are counted in /proc")
def test_an_interrupt_ends_sessions_sockets_and_workers_within_a_second(kernel, tmp_path):
    store = str(tmp_path / "s.sqlite")
    with serving() as server:
        assert kernel.run(SETUP.format(here=str(HERE), url=server.url, scripts=2))[0] == "ok"
        asked = kernel.client.execute(RUN.format(store=store))
        until(lambda: sockets_to(server.port) >= 2)
        kernel.manager.interrupt_kernel()
        began = time.monotonic()
        reply = kernel.client.get_shell_msg(timeout=10)
        while reply["parent_header"].get("msg_id") != asked:
            reply = kernel.client.get_shell_msg(timeout=10)
        ended_s = time.monotonic() - began
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        (shown,) = reply["content"]["traceback"]
        assert re.fullmatch(r"KeyboardInterrupt: \d of 12 trials, .*cancelled after .*; the same call .*", shown)
        assert ended_s < 1
        until(lambda: sockets_to(server.port) == 0 and not kernel.children(), began + 1.0 - time.monotonic())
        gone_s = time.monotonic() - began
        print(f"interrupted cell over after {ended_s:.2f} s, no socket and no worker after {gone_s:.2f} s")
        assert [path.name for path in tmp_path.glob("s.sqlite*")] == ["s.sqlite"]
        status, _, shown = kernel.run(f"print(rl.Study.open({store!r}).states())")
        assert status == "ok" and "running" not in shown


@pytest.mark.full
def test_three_clicks_and_a_cell_run_again_are_one_sweep(kernel, tmp_path):
    store = str(tmp_path / "s.sqlite")
    with serving() as server:
        kernel.run(SETUP.format(here=str(HERE), url=server.url, scripts=1))
        clicks = [kernel.run(START.format(store=store)) for _ in range(3)]
        assert [click[:2] for click in clicks] == [("ok", None), ("error", "StudyLockedError")] + [
            ("error", "StudyLockedError")
        ]
        code = "study = runs[0].result(); print(study.states(), study.trials_df().attempt.tolist())"
        assert kernel.run(code, 300)[2].endswith("{'complete': 6} [1, 1, 1, 1, 1, 1]\n")
        held = server.sessions
        assert kernel.run(RUN.format(store=store), 60)[0] == "ok"
        assert server.sessions == held == 6


@pytest.mark.full
def test_cancel_in_another_cell_leaves_nothing(kernel, tmp_path):
    store = str(tmp_path / "s.sqlite")
    with serving() as server:
        kernel.run(SETUP.format(here=str(HERE), url=server.url, scripts=2))
        kernel.run(START.format(store=store))
        until(lambda: sockets_to(server.port) >= 2)
        code = "import time; began = time.monotonic(); runs[0].cancel(); print(time.monotonic() - began < 1)"
        assert kernel.run(code)[2].endswith("True\n")
        until(lambda: sockets_to(server.port) == 0 and not kernel.children(), 1.0)
