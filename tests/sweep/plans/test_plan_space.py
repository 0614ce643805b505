"""Which combinations of values become settings: zipped, conditional and drawn ones, the control, targets and gaps."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import sweep_fakes
from hypothesis import given
from hypothesis import strategies as st
from sweep_fakes import BASE, script, small_plan

from realtime_lab.config import SemanticVad, ServerVad, SessionConfig
from realtime_lab.errors import PlanError
from realtime_lab.session import mocked, openai
from realtime_lab.session.targets import live
from realtime_lab.sweep import Confirm, Study, SweepPlan, run_sweep

SCRIPTS = [script("a")]
KINDS = {"turn_detection.type": ["server_vad", "semantic_vad"]}


def plan_of(space, base=BASE, **more):
    return SweepPlan(base, space, SCRIPTS, **more)


def test_zipped_axes_turn_together_and_cross_the_others():
    space = {"threshold": [0.3, 0.5, 0.7], "max_output_tokens": [64, "inf"], "silence_duration_ms": [700, 500, 200]}
    plan = plan_of(space, zipped=[("threshold", "silence_duration_ms")])
    pairs = [(s["threshold"], s["silence_duration_ms"]) for s in plan.settings]
    assert pairs == [(0.3, 700), (0.3, 700), (0.5, 500), (0.5, 500), (0.7, 200), (0.7, 200)]
    assert [s["max_output_tokens"] for s in plan.settings] == [64, "inf"] * 3
    assert list(plan.settings[0]) == list(space)


def test_a_field_of_one_kind_of_turn_detection_is_swept_only_there():
    plan = plan_of(KINDS | {"eagerness": ["low", "high"], "silence_duration_ms": [200, 500, 700]})
    assert plan.settings == (
        {"turn_detection.type": "server_vad", "silence_duration_ms": 200},
        {"turn_detection.type": "server_vad", "silence_duration_ms": 500},
        {"turn_detection.type": "server_vad", "silence_duration_ms": 700},
        {"turn_detection.type": "semantic_vad", "eagerness": "low"},
        {"turn_detection.type": "semantic_vad", "eagerness": "high"},
    )
    assert plan.configs[3].get("turn_detection") == SemanticVad(eagerness="low")


def test_the_bases_fields_stay_where_the_kind_has_them():
    base = SessionConfig(model="m", turn_detection=ServerVad(threshold=0.6, create_response=False))
    plan = plan_of(KINDS, base)
    assert plan.configs[0] == base
    assert plan.configs[1].get("turn_detection") == SemanticVad(create_response=False)


def test_kinds_may_be_swept_as_whole_objects_and_as_none():
    space = {"turn_detection": [ServerVad(), SemanticVad(), None], "eagerness": ["low", "high"], "threshold": [0.3]}
    plan = plan_of(space)
    assert [set(setting) - {"turn_detection"} for setting in plan.settings] == [
        {"threshold"}, {"eagerness"}, {"eagerness"}, set(),
    ]  # fmt: skip


def test_an_axis_may_need_any_value_of_any_field():
    space = {"output_modalities": [["text"], ["audio"]], "speed": [0.5, 1.5], "max_output_tokens": [64, "inf"]}
    plan = plan_of(space, when={"speed": {"output_modalities": [["audio"]]}})
    assert len(plan.settings) == 2 + 4
    assert all(("speed" in s) == (s["output_modalities"] != ("text",)) for s in plan.settings)


def test_a_draw_takes_settings_at_random_by_the_seed_and_never_twice():
    space = {"silence_duration_ms": range(200, 1200, 5), "threshold": np.linspace(0.2, 0.8, 61)}
    plan, again, other = plan_of(space, draw=50), plan_of(space, draw=50), plan_of(space, draw=50, seed=1)
    assert len({str(s) for s in plan.settings}) == 50
    assert plan == again and plan.settings == again.settings
    assert plan.settings != other.settings
    assert len(plan_of({"threshold": [0.3, 0.5]}, draw=9).settings) == 2


def test_a_draw_reaches_into_a_space_too_large_to_list():
    space = {
        "silence_duration_ms": range(200, 1200), "threshold": np.linspace(0.2, 0.8, 61),
        "prefix_padding_ms": range(100, 400),
    }  # fmt: skip
    assert len(plan_of(space, draw=5).settings) == 5
    with pytest.raises(PlanError, match=r"18,300,000 combinations.*draw=1000"):
        plan_of(space)


def test_a_draw_over_conditional_axes_counts_settings_not_combinations():
    plan = plan_of(KINDS | {"eagerness": ["low", "high"], "threshold": np.linspace(0.1, 0.9, 80)}, draw=60)
    assert len(plan.settings) == 60
    assert sum("eagerness" in s for s in plan.settings) == 2 or any("threshold" in s for s in plan.settings)


def test_the_control_is_never_left_out_and_is_what_it_was_said_to_be():
    space = {"silence_duration_ms": range(200, 1200), "threshold": [0.3, 0.5]}
    control = {"silence_duration_ms": 501, "threshold": 0.5}
    for seed in range(5):
        plan = plan_of(space, draw=3, control=control, seed=seed)
        assert plan.control == control and control in plan.settings and len(plan.settings) == 3
    assert plan_of({"threshold": [0.3, 0.5]}, control={"threshold": 0.5}).control == {"threshold": 0.5}


@pytest.mark.parametrize("control", [{"threshold": 0.4}, {"silence_duration_ms": 200}, {"speed": 1}, {}, 7, {"x": 1}])
def test_a_control_that_is_no_setting_is_refused(control):
    with pytest.raises(PlanError, match="control"):
        plan_of({"threshold": [0.3, 0.5], "silence_duration_ms": [200, 500]}, control=control)


MISTAKES = [
    ({"when": {"speed": {"type": "x"}}}, "an axis of the plan"),
    ({"when": {"threshold": "x"}}, "a mapping from a field"),
    ({"when": {"threshold": {"tresh": 1}}}, "when.threshold"),
    ({"when": 3}, "a mapping from an axis"),
    ({"zipped": ["threshold"]}, "lists of axes"),
    ({"zipped": [["threshold"]]}, "two axes or more"),
    ({"zipped": [["threshold", "speed"]]}, "axes of the plan"),
    ({"zipped": [["threshold", "silence_duration_ms"]]}, "threshold has 2, silence_duration_ms has 3"),
    ({"draw": 0}, "a whole number of settings"),
    ({"draw": 2.5}, "a whole number of settings"),
    ({"metrics": "some"}, "'all' or 'turn_detection'"),
    ({"confirm": 3}, "a Confirm"),
    ({"targets": [mocked(), mocked()]}, "each once"),
    ({"targets": [mocked()], "target": mocked("observed")}, "either target or targets"),
    ({"targets": ["mocked"]}, "a target"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_each_mistake_is_named(change, said):
    with pytest.raises(PlanError, match=said):
        plan_of({"threshold": [0.3, 0.5], "silence_duration_ms": [200, 300, 400]}, **change)


def test_the_mistakes_of_a_confirming_stage_come_all_at_once():
    with pytest.raises(PlanError) as caught:
        Confirm(openai(), settings=0, max_seconds=-1)
    assert [problem.path for problem in caught.value.errors] == [
        "confirm.settings", "confirm.max_seconds", "confirm.max_usd",
    ]  # fmt: skip


EVERYTHING = {
    "when": {"max_output_tokens": {"turn_detection.type": "server_vad"}},
    "zipped": [("threshold", "silence_duration_ms")],
    "targets": [mocked(), mocked("observed")],
    "metrics": "turn_detection",
    "confirm": Confirm(live("http://127.0.0.1:9/v1", api_key_env=None, paid=False), settings=3, max_seconds=60.0),
}


def everything(**more):
    space = KINDS | {"threshold": [0.3, 0.5], "silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]}
    return SweepPlan(BASE, space, "orders", **(EVERYTHING | more))


@pytest.mark.parametrize("more", [{}, {"draw": 3}, {"metrics": "all"}, {"confirm": None}, {"targets": []}])
def test_all_of_it_comes_back_from_a_file_a_study_and_a_pickle(tmp_path, more):
    plan = everything(**more)
    control = plan.settings[1]
    assert "control" not in replace(plan, repeats=2).extras
    plan = replace(plan, control=control)
    again = SweepPlan.load(plan.save(tmp_path / "plan.toml"))
    assert again == plan and again.trials == plan.trials and again.control == control
    assert (again.confirm, again.metrics, again.answering) == (plan.confirm, plan.metrics, plan.answering)
    assert pickle.loads(pickle.dumps(plan)) == plan
    plan = replace(plan, scripts=SCRIPTS, metrics="all")
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=sweep_fakes.instant)
    assert Study(study.path).plan == plan and Study(study.path).plan.trials == plan.trials


@given(st.sampled_from(["when", "zipped", "draw", "targets", "metrics", "confirm", "seed"]))
def test_whatever_decides_what_is_run_is_in_the_hash(name):
    plan = everything()
    changed = {"when": {}, "zipped": [], "draw": 2, "metrics": "all", "seed": 5}
    if name in changed:
        assert everything(**{name: changed[name]}).hash != plan.hash
    else:
        other = everything(**{name: [] if name == "targets" else None})
        assert other.hash == plan.hash and other != plan


def test_plans_that_say_nothing_new_keep_their_hash():
    assert small_plan().extras == {}


TARGETS = [mocked(), mocked("observed")]


def test_every_block_holds_every_setting_once_on_every_target():
    plan = small_plan(targets=TARGETS, repeats=2)
    assert len(plan.trials) == 3 * 2 * 2 * 2 == plan.estimate().trials
    blocks = {}
    for trial in plan.trials:
        blocks.setdefault(trial.block, []).append((str(dict(trial.setting)), trial.target))
    for held in blocks.values():
        assert Counter(held) == Counter((str(s), t.name) for s in plan.settings for t in TARGETS)
    assert len({tuple(target for _, target in held) for held in blocks.values()}) > 1, "targets are interleaved"


def test_a_study_of_several_targets_tells_them_apart(tmp_path):
    study = run_sweep(
        small_plan(targets=TARGETS), store=tmp_path / "s.sqlite", workers=0, progress=False, run=sweep_fakes.instant
    )
    assert study.states() == {"complete": 12}
    assert set(study.summary()["target"]) == {"mocked:documented", "mocked:observed"}
    assert len(study.summary()) == 6


def test_a_setting_that_a_target_lacks_is_a_named_gap_and_is_not_run(tmp_path):
    flat = live("http://127.0.0.1:9/v1", api_key_env=None, dialect="flat")
    plan = plan_of({"reasoning.effort": ["low"], "threshold": [0.3]}, targets=[mocked(), flat])
    assert [(trial.target, "reasoning" in trial.gap) for trial in plan.gaps] == [(flat.name, True)]
    study = run_sweep(
        plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=sweep_fakes.instant, allow_unmodelled=True
    )
    frame = study.trials_df()
    assert study.states() == {"complete": 1, "excluded": 1}
    assert "lacks reasoning" in frame[frame.state == "excluded"].error.item()
