"""A screen of many settings in two conditions, its front confirmed in full sessions."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import BASE
from realtime_lab.session import Stage, mocked
from realtime_lab.sweep import Confirm, SweepPlan, run_stages


def measure(quick: bool) -> list[Figure]:
    """500 settings of the orders (50 when quick), one worker per core, detector's probabilities remembered."""
    levels = np.linspace(0.2, 0.77, 2 if quick else 20).round(2).tolist()
    conditions = [clean(), babble(3)]
    scripts = load_scripts("orders")
    plan = SweepPlan(
        BASE,
        {"silence_duration_ms": range(200, 1200, 40), "threshold": levels},
        scripts,
        conditions=conditions,
        seed=1,
        metrics="turn_detection",
        confirm=Confirm(mocked(), settings=8),
    )
    _warm(plan)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        stages = run_stages(plan, store=Path(folder) / "s.sqlite", progress=False)
        seconds = time.perf_counter() - began
        computed = float(stages.screen.trials_df()["vectorised"].mean())
    note = (
        f"{len(plan.settings)} settings, {len(plan.trials):,} trials, {computed:.0%} without a session; "
        f"{len(stages.front)} settings confirmed"
    )
    return [Figure(name="screen and confirm", value=seconds, unit="s", better="lower", target=60.0, note=note)]


def _warm(plan: SweepPlan) -> None:
    stage = Stage()
    for script in plan.scripts:
        for condition in plan.conditions:
            renderer = stage.renderer(script, condition)
            for passage in [renderer.idle(), *(renderer.turn(n) for n in range(len(script.turns)))]:
                stage.cache.probabilities(passage.key, passage.pcm, 24_000)
