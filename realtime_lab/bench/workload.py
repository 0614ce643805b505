"""What benches work on: shipped scripts, a plain configuration, results of real sessions to fill studies with."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.server.recogniser.transcriber import SIMULATED
from realtime_lab.session import mocked
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import Trial
from realtime_lab.sweep.store.content import study_content
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.workers.worker import TrialResult, TrialTask, run_trial

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


def fill_study(path: Path, plan: SweepPlan, at_once: int = 200, sessions: int = 4_200) -> Iterator[int]:
    """Write a study whose trials have the rows of real sessions, dealt round and round, whatever the trial's script.

    With as many as a merged batch has trials (`store.SMALL_BATCH_ROWS` turns) no batch holds one twice: it would be
    packed as if it were nothing.

    Args:
        path: The new study.
        plan: Its plan.
        at_once: Trials in one transaction.
        sessions: How many sessions to hold, of trials from all over the plan.

    Yields:
        How many trials have been committed so far; 0 when the sessions have been held.
    """
    trials = plan.trials
    held = cycle(_sessions(plan, sessions))
    writer = StudyWriter.open(path, study_content(plan, mocked(), trials))
    yield 0
    try:
        for start in range(0, len(trials), at_once):
            batch = [replace(next(held), index=trial.index) for trial in trials[start : start + at_once]]
            writer.mark([result.index for result in batch], "running")
            writer.commit(batch, *_DATES)
            yield start + len(batch)
    finally:
        writer.close()


def _sessions(plan: SweepPlan, count: int) -> list[TrialResult]:
    """Real sessions of trials drawn from the plan."""
    drawn = sorted(random.Random(1).sample(range(len(plan.trials)), min(count, len(plan.trials))))
    tasks = tasks_of(plan, [plan.trials[number] for number in drawn], keep=False)
    # Its rows have the same columns, and it is a hundred times as fast; by place, so that audio is made once.
    target = mocked(transcriber=SIMULATED)
    held = [run_trial(replace(task, target=target)) for task in tasks]
    random.Random(2).shuffle(held)
    return held
