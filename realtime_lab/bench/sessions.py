"""How many full simulated sessions a core holds in a second, and what a second core adds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from realtime_lab.audio import clean, load_scripts
from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import BASE, tasks_of
from realtime_lab.session import Stage, mocked, run_session
from realtime_lab.sweep import SweepPlan, run_sweep
from realtime_lab.sweep.workers.pool import usable_cores
from realtime_lab.sweep.workers.worker import run_batch, run_trial

_SESSION_S = 10.0
_SPACE = {"silence_duration_ms": range(200, 1200, 50), "threshold": [0.3, 0.5, 0.7], "max_output_tokens": [64, "inf"]}


def measure(quick: bool) -> list[Figure]:
    """Sessions alone, and by a worker's own code with rows and packed log; then whole sweeps on one and two cores."""
    plan = SweepPlan(BASE, _SPACE, load_scripts("orders")[: 2 if quick else 5], conditions=[clean()], seed=1)
    return [*_one_core(plan, quick), *_cores(plan)]


def _one_core(plan: SweepPlan, quick: bool) -> list[Figure]:
    trials = [trial for trial in plan.trials if trial.script_id == plan.scripts[0].id]
    tasks = tasks_of(plan, trials[: 30 if quick else 120])
    stage, target, script = Stage(), mocked(), plan.scripts[0]
    recordings = [run_session(task.config, script, target, stage=stage, seed=task.seed) for task in tasks]
    counted = sum(recording.audio_ms for recording in recordings) / 1000 / _SESSION_S
    rounds = 3 if quick else 12
    alone = _best_s(lambda: [run_session(t.config, script, target, stage=stage, seed=t.seed) for t in tasks], rounds)
    run_batch(run_trial, tasks)  # rendering and detection, once
    whole = _best_s(lambda: run_batch(run_trial, tasks), rounds // 3 + 1)
    seconds, unit = counted * _SESSION_S / len(tasks), "10 s sessions/s, core"
    note = f"sessions of {seconds:.0f} s and {len(script.turns)} turns with their whole log, counted per 10 s, CPU time"
    return [
        Figure(name="simulated sessions", value=counted / alone, unit=unit, better="higher", target=1000.0, note=note),
        Figure(name="with rows and packed log", value=counted / whole, unit=unit, better="higher", note=note),
    ]


def _best_s(work: Callable[[], object], rounds: int) -> float:
    """CPU time of the best of some rounds, s: whatever else the machine does takes some of the others."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def _cores(plan: SweepPlan) -> list[Figure]:
    """Trials a second once the workers run: from the first result to the last."""
    if usable_cores() < 2:
        return []
    one, two = (_rate(plan, workers) for workers in (1, 2))
    note = f"{len(plan.trials)} trials in a study each: {one:.0f} and {two:.0f} trials/s, start of workers left out"
    return [Figure(name="second core", value=two / one, unit="times one", better="higher", target=1.8, note=note)]


def _rate(plan: SweepPlan, workers: int) -> float:
    from realtime_lab.sweep import start_sweep

    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.sqlite"
        run_sweep(plan, store=warm, workers=workers, progress=False, max_trials=None)  # caches of the disk
        run = start_sweep(plan, store=Path(folder) / "s.sqlite", workers=workers, progress=False)
        while not run.progress.done:
            time.sleep(0.005)
        first, began = run.progress.done, time.perf_counter()
        while run.progress.state == "running" and run.progress.done < len(plan.trials):
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        run.result()
    return (len(plan.trials) - first) / seconds
