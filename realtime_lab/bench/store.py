"""A large study: how fast it is written, opened and summed up, and what a trial takes on disk and in memory."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import fill_study, large_plan
from realtime_lab.sweep import Study
from realtime_lab.sweep.workers.pool import usable_cores


def measure(quick: bool) -> list[Figure]:
    """Fill a study with the rows of real sessions, without their recordings, and read it back."""
    plan = large_plan(5_000 if quick else 100_000)
    count = len(plan.trials)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        filling = fill_study(path, plan, sessions=300 if quick else 4_200)
        next(filling)  # the sessions have been held
        began = time.perf_counter()
        marks = [(done, _memory_mb(), _descriptors()) for done in filling]
        filled_s = time.perf_counter() - began
        settled = [mark for mark in marks if mark[0] > count // 5]
        size = path.stat().st_size
        began = time.perf_counter()
        study = Study.open(path)
        opened_s = time.perf_counter() - began
        study.summary(by="condition")  # imports, and what a machine's disk has to fetch
        (summed_s, cpu_s), rows = min(_summed(study) for _ in range(3))
    note = f"{count:,} trials of 4 turns, {usable_cores()} cores"
    groups = f"{note}, {rows} groups, {cpu_s:.2f} s of CPU"
    bytes_each = size / count
    return [
        Figure(name="trials stored", value=count / filled_s, unit="trials/s", better="higher", note=note),
        Figure(name="bytes per trial", value=bytes_each, unit="bytes", better="lower", target=1024.0, note=note),
        Figure(name="open a study", value=opened_s, unit="s", better="lower", target=1.0, note=note),
        Figure(name="summary", value=summed_s, unit="s", better="lower", target=3.0, note=groups),
        Figure(
            name="memory while writing",
            value=settled[-1][1] - settled[0][1],
            unit="MB more at the end",
            better="lower",
            target=20.0,
            note=f"{note}, after the first fifth",
        ),
        Figure(
            name="file descriptors",
            value=float(settled[-1][2] - settled[0][2]),
            unit="more at the end",
            better="lower",
            target=0.0,
            note=note,
        ),
    ]


def _summed(study: Study) -> tuple[tuple[float, float], int]:
    """(wall time, CPU time) of a summary, and its rows."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    rows = len(study.summary(by=["silence_duration_ms", "condition"]))
    return (time.perf_counter() - began_s, time.process_time() - cpu_s), rows


def _memory_mb() -> float:
    """Memory this process holds now, MB; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
