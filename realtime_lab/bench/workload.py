"""What benches work on: shipped scripts, a plain configuration, results of real sessions to fill studies with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.session import mocked
from realtime_lab.sweep.content import study_content
from realtime_lab.sweep.plan import SweepPlan, Trial
from realtime_lab.sweep.store import StudyWriter
from realtime_lab.sweep.worker import TrialResult, TrialTask, run_trial

__all__ = ["BASE", "fill_study", "large_plan", "tasks_of"]

BASE = SessionConfig(
    model="gpt-realtime", turn_detection=ServerVad(), transcription=Transcription(model="gpt-4o-transcribe")
)
_DATES = ("2026-01-01T00:00:00.000+00:00", "2026-01-01T00:00:01.000+00:00")


def tasks_of(plan: SweepPlan, trials: Sequence[Trial], keep: bool = True) -> list[TrialTask]:
    """Trials of a mocked plan as a worker takes them."""
    scripts = {script.id: script for script in plan.scripts}
    target = mocked()
    return [
        TrialTask(t.index, t.key, t.config, scripts[t.script_id], t.condition, t.seed, target, keep=keep)
        for t in trials
    ]


def large_plan(trials: int) -> SweepPlan:
    """At least so many trials of four turns: settings over the shipped orders, clean and in babble."""
    scripts = load_scripts("orders")
    places = len(scripts) * 2
    settings = min(2_000, max(1, trials // places))
    space = {"silence_duration_ms": range(200, 200 + 10 * min(settings, 100), 10)}
    levels: dict[str, Any] = {"threshold": [round(0.2 + 0.03 * n, 2) for n in range(max(1, settings // 100))]}
    repeats = max(1, -(-trials // (places * settings)))
    return SweepPlan(BASE, space | levels, scripts, conditions=[clean(), babble(3)], repeats=repeats, seed=1)


def fill_study(path: Path, plan: SweepPlan, at_once: int = 200) -> Iterator[int]:
    """Write a study whose trials have the rows of real sessions, their times moved at random so that none are equal.

    Args:
        path: The new study.
        plan: Its plan.
        at_once: Trials in one transaction.

    Yields:
        How many trials have been committed so far.
    """
    trials = plan.trials
    models = {task.script.id: run_trial(task) for task in tasks_of(plan, _one_per_script(trials), keep=False)}
    draw = random.Random(1)
    writer = StudyWriter.open(path, study_content(plan, mocked(), trials))
    try:
        for start in range(0, len(trials), at_once):
            batch = [_moved(models[trial.script_id], trial.index, draw) for trial in trials[start : start + at_once]]
            writer.mark([result.index for result in batch], "running")
            writer.commit(batch, *_DATES)
            yield start + len(batch)
    finally:
        writer.close()


def _one_per_script(trials: Sequence[Trial]) -> list[Trial]:
    return list({trial.script_id: trial for trial in trials}.values())


def _moved(model: TrialResult, index: int, draw: random.Random) -> TrialResult:
    later_ms = draw.random() * 50.0
    rows = {
        kind: [
            {name: value + later_ms if name.endswith("_ms") and isinstance(value, float) else value for name, value in
             row.items()}
            for row in rows
        ]
        for kind, rows in model.rows.items()
    }  # fmt: skip
    return replace(model, index=index, rows=rows)
