"""Optuna proposes settings: only those are run, all of it is repeatable, and the same call goes on."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sweep_fakes
from sweep_fakes import BASE, script, small_plan

from realtime_lab.errors import MissingExtraError, PlanError
from realtime_lab.sweep import SweepPlan, optimize, run_sweep
from realtime_lab.sweep.optimizing import SettingSearch
from realtime_lab.sweep.studies.front import front_points

SPACE = {
    "turn_detection.type": ["server_vad", "semantic_vad"], "silence_duration_ms": range(200, 1200, 100),
    "threshold": np.linspace(0.2, 0.8, 7).round(2), "eagerness": ["low", "high", "auto"],
}  # fmt: skip
PLAN = SweepPlan(BASE, SPACE, [script("a"), script("b")], seed=3)
HOW = {"workers": 0, "progress": False, "run": sweep_fakes.valley}


def tried(study):
    return [point.setting for point in front_points(study)]


def test_a_sweep_may_be_kept_to_some_settings_and_the_rest_stay_planned(tmp_path):
    plan = small_plan()
    how = {"store": tmp_path / "s.sqlite", "workers": 0, "progress": False, "run": sweep_fakes.instant}
    study = run_sweep(plan, only=[{"silence_duration_ms": 300}], **how)
    assert study.states() == {"complete": 2, "planned": 4}
    assert run_sweep(plan, **how).states() == {"complete": 6}
    with pytest.raises(PlanError, match="a setting of the grid"):
        run_sweep(plan, only=[{"silence_duration_ms": 301}], **how)


def test_proposals_find_the_valley_with_a_part_of_the_grid(tmp_path):
    study = optimize(PLAN, settings=24, at_once=6, store=tmp_path / "s.sqlite", seed=1, **HOW)
    settings = tried(study)
    assert len(settings) == 24 and PLAN.control in settings
    assert study.states()["planned"] == 2 * (len(PLAN.settings) - 24)
    early, late = (
        np.median([sweep_fakes.depth(setting) for setting in part])
        for part in (_order(study)[:16], _order(study)[-16:])
    )
    assert late < early


def _order(study):
    """Settings in the order in which they were tried."""
    from sweep_fakes import database

    trials = study.plan.trials
    with database(study.path) as db:
        numbers = [number for (number,) in db.execute("SELECT trial FROM attempts ORDER BY id")]
    return list({str(dict(trials[n].setting)): dict(trials[n].setting) for n in numbers}.values())


def test_the_same_seed_proposes_the_same_and_the_same_call_goes_on(tmp_path):
    one = optimize(PLAN, settings=6, at_once=3, store=tmp_path / "1.sqlite", **HOW)
    two = optimize(PLAN, settings=6, at_once=3, store=tmp_path / "2.sqlite", **HOW)
    assert tried(one) == tried(two)
    more = optimize(PLAN, settings=9, at_once=3, store=tmp_path / "1.sqlite", **HOW)
    assert len(tried(more)) == 9 and set(more.trials_df().attempt.dropna()) == {1}


def test_a_small_grid_is_tried_whole_and_the_search_ends(tmp_path):
    plan = small_plan()
    how = {"store": tmp_path / "s.sqlite", "workers": 0, "progress": False, "run": sweep_fakes.instant}
    assert optimize(plan, settings=99, **how).states() == {"complete": 6}


def test_a_search_of_which_nothing_comes_ends(tmp_path):
    study = optimize(PLAN, settings=9, at_once=3, store=tmp_path / "s.sqlite", **HOW | {"run": sweep_fakes.rowless})
    assert study.states()["complete"] == 2 * (1 + 3)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"realtime_lab\[optimize\]") as caught:
        SettingSearch(PLAN)
    assert caught.value.extra == "optimize"


@pytest.mark.parametrize("counts", [{"settings": 0}, {"at_once": 0}, {"settings": 2.5}])
def test_counts_are_whole_numbers(counts):
    with pytest.raises(PlanError, match=next(iter(counts))):
        optimize(PLAN, **counts)
