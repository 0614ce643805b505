"""Best setting, comparisons and worst turns of a study, as values that its plan can run again."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd
import pytest
from choice_frames import responses_frame, turns_frame

from realtime_lab.audio import Clip, Interval, Script, Segment, Turn, babble, clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import PlanError, RealtimeLabError
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.studies.chosen import best_setting, compare, compare_settings, swept_settings, worst_of


def script(number, source="constructed"):
    name = f"script {number:02d}"
    clip = Clip(name, Path(name), name, "A", "private", "made up", f"{number:064}", (Interval(100.0, 900.0),), source)
    return Script(name, (Turn((Segment(clip),)), Turn((Segment(clip),))), "made up", reference_source=source)


class MadeUpStudy:
    """A study of made-up turns: 300 ms cuts one hold in three, 500 and 700 ms none."""

    def __init__(self, source="constructed", axis=(300, 500, 700), conditions=None, base_ms=None, seed=0):
        conditions = conditions or (clean(),)
        scripts = [script(number, source) for number in range(12)]
        base = SessionConfig(
            model="m", turn_detection=ServerVad(silence_duration_ms=base_ms) if base_ms else ServerVad()
        )
        self.plan = SweepPlan(base, {"silence_duration_ms": axis}, scripts, conditions=conditions)
        keys = {
            (trial.setting["silence_duration_ms"], trial.condition.name, trial.script_id): trial.key
            for trial in self.plan.trials
        }
        names = tuple(condition.name for condition in conditions)
        self._turns = turns_frame(axis, n_turns=2, conditions=names, cut=self._cut, seed=seed)
        where = zip(self._turns["silence_duration_ms"], self._turns["condition"], self._turns["script"], strict=True)
        self._turns["trial"] = pd.array([keys[place] for place in where], dtype="string")

    def _cut(self, silence_ms, rng):
        return int(silence_ms == 300 and rng.random() < 0.6)

    def trials_df(self):
        trials = self.plan.trials
        data = {"trial": [trial.key for trial in trials]}
        data |= {name: [trial.setting[name] for trial in trials] for name in self.plan.space}
        return pd.DataFrame(data).astype({"trial": "string"})

    def turns_df(self):
        return self._turns

    def responses_df(self):
        return responses_frame(self._turns)


LATENCY = "response_latency_ms_p50"


def test_the_best_setting_carries_its_configuration_and_goes_back_into_the_plan():
    study = MadeUpStudy()
    best = best_setting(study, LATENCY, "cutoff_rate <= 0.05")
    assert best.setting == {"silence_duration_ms": 500}
    assert best.config == study.plan.base.with_values({"silence_duration_ms": 500})
    assert study.plan.only(best, study.plan.control).settings == (
        {"silence_duration_ms": 300},
        {"silence_duration_ms": 500},
    )


def test_every_setting_knows_its_trials():
    study = MadeUpStudy(axis=(500, 700))
    found = {one.setting["silence_duration_ms"]: one for one in swept_settings(study)}
    assert set(found) == {500, 700}
    assert all(len(one.trials) == 12 for one in found.values())
    assert not set(found[500].trials) & set(found[700].trials)


def test_automatic_labels_in_the_plan_make_it_provisional():
    assert best_setting(MadeUpStudy("automatic"), LATENCY, None).outcome == "provisional"


def test_the_plans_first_condition_decides():
    study = MadeUpStudy(conditions=(babble(3), clean()))
    assert best_setting(study, LATENCY, None).condition == "babble_3dB"


def test_a_study_without_complete_trials_has_no_best():
    study = MadeUpStudy()
    study._turns = study._turns.iloc[:0]
    with pytest.raises(RealtimeLabError, match="no session is complete"):
        best_setting(study, LATENCY, None)


def test_two_settings_are_compared_by_value_and_by_configuration():
    study = MadeUpStudy()
    best = best_setting(study, LATENCY, "cutoff_rate <= 0.05")
    found = compare_settings(study, {"silence_duration_ms": 300}, best)
    again = compare_settings(study, study.plan.configs[0], {"turn_detection.silence_duration_ms": 500})
    assert (found.first, found.second) == ("silence_duration_ms 300", "silence_duration_ms 500")
    pd.testing.assert_frame_equal(found.frame, again.frame)
    assert found.row("clean", "cutoff_rate")["difference_high"] < 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"silence_duration_ms": 350}, "a setting of the grid"),
        ({"threshold": 0.5}, "swept fields"),
        ({}, "swept values"),
    ],
)
def test_a_setting_that_is_not_in_the_grid_is_refused(asked, message):
    with pytest.raises(PlanError, match=message):
        compare_settings(MadeUpStudy(), asked, {"silence_duration_ms": 500})


def test_the_worst_turns_of_a_setting_as_the_plan_names_it():
    study = MadeUpStudy()
    assert set(worst_of(study, 5, {"silence_duration_ms": 300})["silence_duration_ms"]) == {300}
    assert len(worst_of(study, 5)) == 5


def test_two_studies_are_compared_on_the_settings_they_share():
    first, second = MadeUpStudy(), MadeUpStudy(axis=(300, 500, 900), seed=1)
    found = compare(first, second)
    assert sorted(found.frame["silence_duration_ms"].unique()) == [300, 500]
    assert found.order is None
    assert "on 2 shared settings" in found.sentence
    shown = found._repr_html_()
    assert found.sentence in html.unescape(shown) and shown.count("<tr>") == 1 + len(found.frame)
    assert found.first != found.second


def test_a_study_agrees_with_itself_on_the_order_of_settings():
    study = MadeUpStudy()
    found = compare(study, study)
    assert found.order == 1.0
    assert (found.frame["difference"].dropna() == 0).all()


def test_studies_without_a_common_setting_are_refused():
    with pytest.raises(RealtimeLabError, match="share no setting"):
        compare(MadeUpStudy(axis=(300, 500)), MadeUpStudy(axis=(350, 700)))
