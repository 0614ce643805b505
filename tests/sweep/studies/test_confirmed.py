"""The confirm stage: a winner is looked at again on scripts that it was not chosen on."""

from __future__ import annotations

import pytest

from realtime_lab.errors import PlanError
from realtime_lab.sweep.studies.chosen import best_setting
from realtime_lab.sweep.studies.confirmed import confirm_best, confirming_best
from tests.sweep.studies.test_chosen import LATENCY, MadeUpStudy, script


class Fresh(MadeUpStudy):
    """A study of other scripts: the plan's are numbered on, and the frames are drawn anew."""

    def __init__(self, cuts=0.0, **more):
        self.cuts = cuts
        super().__init__(seed=9, **more)
        others = tuple(script(number) for number in range(50, 62))
        names = {f"script {number:02d}": other.id for number, other in enumerate(others)}
        self.plan = type(self.plan)(self.plan.base, dict(self.plan.space), others, conditions=self.plan.conditions)
        self._turns["script"] = self._turns["script"].map(names).astype("string")
        keys = {(trial.setting["silence_duration_ms"], trial.script_id): trial.key for trial in self.plan.trials}
        where = zip(self._turns["silence_duration_ms"], self._turns["script"], strict=True)
        self._turns["trial"] = [keys[place] for place in where]

    def _cut(self, silence_ms, rng):
        return int(rng.random() < (0.95 if silence_ms == 300 else self.cuts))


@pytest.fixture(scope="module")
def chosen():
    study = MadeUpStudy()
    return study, best_setting(study, LATENCY, "cutoff_rate <= 0.05")


def test_the_second_plan_holds_the_winner_and_the_control_on_fresh_scripts(chosen):
    study, best = chosen
    plan = confirming_best(study.plan, best, [script(70), script(71)])
    assert [dict(setting) for setting in plan.settings] == [{"silence_duration_ms": 300}, {"silence_duration_ms": 500}]
    assert [entry.id for entry in plan.scripts] == ["script 70", "script 71"]


def test_scripts_that_it_was_chosen_on_confirm_nothing(chosen):
    study, best = chosen
    with pytest.raises(PlanError, match="script 03"):
        confirming_best(study.plan, best, [script(70), script(3)])
    with pytest.raises(PlanError, match="not made on"):
        confirm_best(best, study, study)


@pytest.mark.parametrize(
    ("cuts", "require", "outcome"),
    [
        (0.0, "cutoff_rate <= 0.2", "confirmed"),
        (0.9, "cutoff_rate <= 0.2", "not confirmed"),
        (0.1, "cutoff_rate <= 0.05", "undecided"),
    ],
)
def test_fresh_scripts_confirm_or_do_not_or_leave_it_open(chosen, cuts, require, outcome):
    study, best = chosen
    found = confirm_best(best, study, Fresh(cuts), require)
    assert found.outcome == outcome
    # The control is faster, at the price of the limit: that takes nothing from the winner.
    assert found.comparison is not None and found.comparison.row("clean", "cutoff_rate")["difference"] != 0
    assert found.sentence.startswith(f"silence_duration_ms 500 on fresh scripts: {found.outcome}.")
