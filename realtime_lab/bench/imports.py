"""How long a new process takes to import the package, and to draw the first plot of a stored study."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from realtime_lab.audio import load_scripts
from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import BASE
from realtime_lab.errors import RealtimeLabError
from realtime_lab.sweep import SweepPlan, run_sweep

_PLOT = """import sys, realtime_lab as rl
rl.plots.tradeoff(rl.Study.open(sys.argv[1])).figure.savefig(sys.argv[2])"""


def measure(quick: bool) -> list[Figure]:
    """Import the package and draw a plot, each in processes of their own; the fastest of a few counts."""
    rounds = 2 if quick else 5
    bare_s, package_s = (min(_seconds(code)[0] for _ in range(rounds)) for code in ("pass", "import realtime_lab"))
    with tempfile.TemporaryDirectory() as folder:
        store, picture = Path(folder) / "s.sqlite", Path(folder) / "p.png"
        plan = SweepPlan(BASE, {"silence_duration_ms": [200, 400, 700, 1000]}, load_scripts("orders"))
        run_sweep(plan, store=store, workers=0, progress=False)
        plot_s, cpu_s = min(_seconds(_PLOT, str(store), str(picture)) for _ in range(rounds))
    note = f"20 trials, Python's start; {cpu_s:.2f} s of CPU"
    return [
        Figure(name="import", value=package_s - bare_s, unit="s", better="lower", target=0.3),
        Figure(name="first plot", value=plot_s, unit="s", better="lower", target=3.0, note=note),
    ]


def _seconds(code: str, *words: str) -> tuple[float, float]:
    """Wall time and CPU time of a new process."""
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RealtimeLabError(f"a new process failed: {done.stderr.strip().splitlines()[-1:]}")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu_s
