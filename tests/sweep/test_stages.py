"""Coarse to live: a screen, its front, and full sessions of that within a budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sweep_fakes
from sweep_fakes import BASE, small_plan

from realtime_lab.audio import load_scripts
from realtime_lab.errors import PlanError, RealtimeLabError
from realtime_lab.session import mocked
from realtime_lab.session.targets import live
from realtime_lab.sweep import Confirm, Study, SweepPlan, run_stages, run_sweep
from realtime_lab.sweep.plans.plan import Estimate
from realtime_lab.sweep.stages import confirming_plan
from realtime_lab.sweep.studies.front import front_settings

SPACE = {"silence_duration_ms": [200, 300, 500, 700, 1000], "threshold": [0.3, 0.7]}
CONTROL = {"silence_duration_ms": 500, "threshold": 0.7}


@pytest.fixture(scope="module")
def plan():
    confirm = Confirm(mocked(), settings=4, repeats=2)
    scripts = load_scripts("orders")[:1]
    return SweepPlan(BASE, SPACE, scripts, seed=2, metrics="turn_detection", control=CONTROL, confirm=confirm)


@pytest.fixture(scope="module")
def stages(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    return run_stages(plan, store=folder / "s.sqlite", workers=0, progress=False)


def test_the_front_and_the_control_are_confirmed_in_full_sessions(plan, stages):
    assert len(stages.screen) == 10 and stages.confirmed.states() == {"complete": 8}
    assert CONTROL in stages.front and len(stages.front) == 4
    assert stages.confirmed.turns_df().response_latency_ms.notna().any()
    assert stages.confirmed.plan.metrics == "all" and stages.confirmed.plan.control == CONTROL
    assert [path.name for path in sorted(stages.screen.path.parent.iterdir())] == ["s-confirm.sqlite", "s.sqlite"]


def test_nothing_on_the_front_is_beaten_in_both_and_the_rest_is(stages):
    turns = stages.screen.turns_df()
    points = {}
    for setting, rows in turns.groupby(list(SPACE)):
        wait = rows.endpoint_delay_ms.astype(float).where(rows.outcome != "missed", np.inf).dropna().median()
        points[setting] = (rows.n_cut_holds.sum() / rows.n_holds.sum(), wait)
    front = {tuple(setting.values()) for setting in front_settings(stages.screen)}
    assert len(front) >= 3
    for setting, (cuts, wait) in points.items():
        beaten = any(c <= cuts and w <= wait and (c, w) != (cuts, wait) for c, w in points.values())
        assert beaten != (setting in front) or (cuts, wait) in [points[one] for one in front - {setting}]


def test_the_same_call_finishes_both_stages(plan, stages):
    again = run_stages(plan, store=stages.screen.path, workers=0, progress=False)
    assert again.front == stages.front
    assert set(again.confirmed.trials_df().attempt) == {1}


def test_a_plan_of_one_stage_is_refused():
    with pytest.raises(PlanError, match="who confirms the front"):
        run_stages(small_plan())


def test_the_budget_decides_how_many_settings_are_confirmed(plan, stages, monkeypatch):
    paid = live("http://127.0.0.1:9/v1", api_key_env=None, paid=True)
    for usd, count in ((0.5, 2), (0.75, 3), (9.0, 4)):
        monkeypatch.setattr(SweepPlan, "estimate", lambda self, target=None: Estimate(1, 1.0, usd=0.25))
        small = replace(plan, confirm=Confirm(paid, max_usd=usd, settings=4))
        second = confirming_plan(small, Study(stages.screen.path))
        assert len(second.settings) == count and second.target == paid
    with pytest.raises(PlanError, match=r"0.50 USD or more"):
        confirming_plan(replace(plan, confirm=Confirm(paid, max_usd=0.4)), Study(stages.screen.path))


def test_a_screen_without_holds_has_no_front(tmp_path):
    empty = run_sweep(small_plan(), store=tmp_path / "e.sqlite", workers=0, progress=False, run=sweep_fakes.rowless)
    with pytest.raises(RealtimeLabError, match="has no front"):
        front_settings(empty)
