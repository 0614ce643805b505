"""A screen's turns are those of full sessions, trial by trial, wherever it does not ask for the session itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realtime_lab.analysis.rows.screened import SCREENED, screened, screened_difference
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import SemanticVad, ServerVad, SessionConfig
from realtime_lab.errors import PlanError
from realtime_lab.session import mocked, run_session
from realtime_lab.session.screening import screen
from realtime_lab.session.targets import live
from realtime_lab.sweep import SweepPlan, run_sweep
from realtime_lab.sweep.workers import worker

BASE = SessionConfig(model="m", turn_detection=ServerVad())
SCRIPT = load_scripts("orders")[0]


def configs_drawn(number, seed):
    rng = np.random.default_rng(seed)
    return [
        BASE.with_values({
            "silence_duration_ms": int(rng.integers(0, 2500)), "threshold": round(float(rng.uniform(0.05, 0.95)), 3),
            "prefix_padding_ms": int(rng.integers(0, 600)), "interrupt_response": bool(rng.integers(2)),
            "create_response": bool(rng.integers(4)), "max_output_tokens": int(rng.integers(5, 400)),
            "input.format.type": str(rng.choice(["audio/pcm", "audio/pcmu"])),
        })
        for _ in range(number)
    ]  # fmt: skip


@pytest.mark.parametrize("condition", [clean(), babble(3)], ids=lambda condition: condition.name)
def test_computed_rows_are_the_sessions_rows(stage, condition, full):
    configs = configs_drawn(400 if full else 40, 3)
    for script in load_scripts("orders") if full else [SCRIPT]:
        found = screen(configs, script, condition, mocked(), stage)
        for config, rows in zip(configs, found, strict=True):
            if rows is not None:
                held = run_session(config, script, condition=condition, stage=stage)
                assert screened_difference(rows, screened(session_rows(held))) is None, config
        share = sum(rows is not None for rows in found) / len(found)
        print(f"{script.id} {condition.name}: {share:.0%} computed, the rest held")
        assert condition.kind != "clean" or share > 0.6


NEEDS_SESSION = [
    {"turn_detection": SemanticVad()}, {"turn_detection": None}, {"idle_timeout_ms": 5000}, {"threshold": 0.0},
    {"silence_duration_ms": 4990}, {"noise_reduction.type": "near_field"},
]  # fmt: skip


@pytest.mark.parametrize("changes", NEEDS_SESSION, ids=str)
def test_what_only_a_session_can_tell_is_left_to_it(stage, changes):
    assert screen([BASE.with_values(changes)], SCRIPT, clean(), mocked(), stage) == [None]


def test_a_script_of_fixed_timing_is_left_to_a_session(stage):
    assert screen([BASE], replace(SCRIPT, timing="fixed"), clean(), mocked(), stage) == [None]


@pytest.fixture(scope="module")
def plan():
    space = {"silence_duration_ms": range(150, 1200, 75), "threshold": [0.3, 0.5, 0.7]}
    return SweepPlan(BASE, space, [SCRIPT], seed=2, metrics="turn_detection")


def test_a_screens_study_has_turn_detection_alone_and_a_sample_of_sessions(plan, tmp_path):
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)
    trials, turns = study.trials_df(), study.turns_df()
    assert study.states() == {"complete": 42}
    assert 1 <= (~trials.vectorised).sum() < 42 and trials.vectorised.any()
    assert turns[list(SCREENED[:8])].notna().all().all()
    assert turns.response_latency_ms.isna().all() and len(study.responses_df()) == 0
    summary = study.summary()
    assert len(summary) == 42 and summary.cutoff_rate.notna().all()
    best = study.best(minimize="endpoint_delay_ms_p50", where="cutoff_rate <= 0.5")
    assert best.closest in plan.settings


def test_a_screen_that_is_not_the_sessions_stops_the_sweep(plan, tmp_path, monkeypatch):
    real = worker.screen

    def wrong(*args):
        found = real(*args)
        for rows in found:
            if rows is not None:
                rows.turns[1] = rows.turns[1] | {"n_holds": 99}
        return found

    monkeypatch.setattr(worker, "screen", wrong)
    with pytest.raises(Exception, match="n_holds of turn 1 is 99"):
        run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)


def test_a_live_target_is_not_screened(plan, tmp_path):
    with pytest.raises(PlanError, match="where a target is live"):
        run_sweep(plan, live("http://127.0.0.1:9/v1", api_key_env=None), store=tmp_path / "s.sqlite")
