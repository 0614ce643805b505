"""SweepPlan: the grid, its order, keys and seeds, and every mistake at once."""

from __future__ import annotations

import math
import pickle
from collections import Counter

import numpy as np
import pytest
from sweep_fakes import BASE, script, small_plan

from realtime_lab.audio import babble, clean
from realtime_lab.config import SemanticVad, ServerVad
from realtime_lab.errors import PlanError
from realtime_lab.session import mocked
from realtime_lab.sweep import SweepPlan

GRID = {
    "silence_duration_ms": [200, 500],
    "turn_detection.threshold": [0.3, 0.5, 0.7],
    "max_output_tokens": [64, "inf"],
}


def grid_plan(**more):
    return SweepPlan(BASE, GRID, [script("a"), script("b")], conditions=[clean(), babble(3)], repeats=2, seed=7, **more)


def test_settings_are_the_grid_with_the_last_axis_fastest():
    settings = grid_plan().settings
    assert len(settings) == 12
    assert settings[0] == {"silence_duration_ms": 200, "turn_detection.threshold": 0.3, "max_output_tokens": 64}
    assert settings[1]["max_output_tokens"] == "inf"
    assert settings[-1] == {"silence_duration_ms": 500, "turn_detection.threshold": 0.7, "max_output_tokens": "inf"}


def test_every_block_holds_every_setting_once_on_one_script_condition_and_repeat():
    plan = grid_plan()
    blocks = {}
    for trial in plan.trials:
        blocks.setdefault(trial.block, []).append(trial)
    assert list(blocks) == list(range(8))
    for trials in blocks.values():
        assert Counter(str(dict(trial.setting)) for trial in trials) == Counter(map(str, plan.settings))
        assert len({(trial.script_id, trial.condition, trial.repeat) for trial in trials}) == 1
    assert len({(b[0].script_id, b[0].condition, b[0].repeat) for b in blocks.values()}) == 8


def test_order_is_random_by_the_seed_inside_blocks_and_between_them():
    plan = grid_plan()
    first = [[str(dict(t.setting)) for t in plan.trials if t.block == block] for block in range(8)]
    assert len({tuple(order) for order in first}) == 8
    other = SweepPlan(BASE, GRID, plan.scripts, plan.conditions, 2, seed=8)
    assert [t.key for t in other.trials] != [t.key for t in plan.trials]
    assert {t.key for t in other.trials} == {t.key for t in plan.trials}
    assert [t.key for t in grid_plan().trials] == [t.key for t in plan.trials]


def test_keys_are_unique_and_seeds_are_independent():
    trials = grid_plan().trials
    assert [trial.index for trial in trials] == list(range(96))
    assert len({trial.key for trial in trials}) == len({trial.seed for trial in trials}) == 96


def test_trial_config_is_the_base_with_its_setting():
    for trial in grid_plan().trials[:5]:
        assert trial.config == BASE.with_values(trial.setting)


def test_only_keeps_keys_and_seeds():
    plan = grid_plan()
    part = plan.only({"silence_duration_ms": 200, "max_output_tokens": math.inf}, plan.settings[-1])
    assert [s["turn_detection.threshold"] for s in part.settings] == [0.3, 0.5, 0.7, 0.7]
    seeds = {trial.key: trial.seed for trial in plan.trials}
    assert all(seeds[trial.key] == trial.seed for trial in part.trials)
    assert part.hash != plan.hash
    assert part.only(plan.configs[1]).settings == plan.settings[1:2]


def test_only_takes_anything_with_a_setting_and_any_ending_of_a_name():
    plan = grid_plan()
    assert plan.only(plan.trials[0]).settings == (dict(plan.trials[0].setting),)
    assert len(plan.only({"threshold": 0.5}).settings) == 4


@pytest.mark.parametrize(
    ("wanted", "said"),
    [({"threshold": 0.4}, "a setting of the grid"), ({"speed": 1.0}, "swept fields"), (7, "swept values by name")],
)
def test_only_refuses_what_is_not_in_the_grid(wanted, said):
    with pytest.raises(PlanError, match=said):
        grid_plan().only(wanted)


def test_only_without_settings_is_refused():
    with pytest.raises(PlanError, match="at least one setting"):
        grid_plan().only()


def test_control_is_the_base_where_the_grid_holds_it_else_the_first():
    base = BASE.with_values({"silence_duration_ms": 500})
    assert SweepPlan(base, {"silence_duration_ms": [200, 500]}, [script("a")]).control == {"silence_duration_ms": 500}
    assert small_plan().control == {"silence_duration_ms": 200}


def test_hash_is_of_content_alone():
    plan = small_plan()
    assert plan == small_plan() and hash(plan) == hash(small_plan())
    assert small_plan(target=mocked("observed")).hash == plan.hash
    assert small_plan(target=mocked("observed")) != plan
    for other in (small_plan((200, 300)), small_plan(seed=1), small_plan(repeats=2), small_plan(scripts=("a", "c")),
                  small_plan(conditions=[babble(3)])):  # fmt: skip
        assert other.hash != plan.hash


def test_the_target_is_in_the_keys():
    plan = small_plan()
    one, other = (plan.trials_for(mocked(name)) for name in ("documented", "observed"))
    assert not {trial.key for trial in one} & {trial.key for trial in other}
    assert other[0].target == "mocked:observed"


def test_estimate_counts_trials_and_minutes():
    estimate = grid_plan().estimate()
    assert (estimate.trials, estimate.tokens, estimate.usd) == (96, None, None)
    # Two turns of 800 ms of speech, a gap of 700 ms and 1,024 ms of floor each.
    assert estimate.audio_minutes == 96 * 2 * (800 + 700 + 1024) / 60_000
    assert str(estimate) == "96 trials, 8.1 minutes of audio or more, free"


def test_values_may_be_arrays_ranges_and_whole_objects():
    plan = small_plan(np.array([200, 300]))
    assert plan.space["silence_duration_ms"] == (200, 300)
    plan = SweepPlan(BASE, {"turn_detection": [ServerVad(), SemanticVad(), None]}, [script("a")])
    assert plan.settings[1]["turn_detection"] == SemanticVad()
    assert plan.settings[2]["turn_detection"] is None


def test_a_plan_survives_pickling():
    for plan in (grid_plan(), grid_plan().only({"threshold": 0.5})):
        assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_plan_is_not_changed_through_what_it_hands_out():
    plan = small_plan()
    plan.settings[0]["silence_duration_ms"] = 1
    with pytest.raises(TypeError):
        plan.space["x"] = (1,)
    assert plan == small_plan()


def test_reprs_are_short_and_escaped():
    plan = SweepPlan(BASE, {"instructions": ["<script>alert(1)</script>"]}, [script("<b>")])
    assert repr(small_plan()).endswith("3 settings (3 silence_duration_ms), 2 scripts, clean, 6 trials>")
    page = plan._repr_html_()
    assert "<script>" not in page and "<b>" not in page and "&lt;script&gt;" in page


def test_five_mistakes_are_five_errors():
    space = {"silence_duration_ms": [200, 200], "treshold": [0.3], "turn_detection.threshold": []}
    with pytest.raises(PlanError) as caught:
        SweepPlan(BASE, space, [script("a"), script("a")], repeats=0)
    assert [problem.path for problem in caught.value.errors] == [
        "space.silence_duration_ms", "space.treshold", "space.turn_detection.threshold", "scripts", "repeats",
    ]  # fmt: skip
    assert "did you mean threshold?" in str(caught.value)


MISTAKES = [
    ({"space": {}}, "the grid is empty"),
    ({"space": [1]}, "a mapping"),
    ({"space": {"threshold": 0.5}}, "put it in a list"),
    ({"space": {"threshold": "0.5"}}, "put it in a list"),
    ({"space": {"threshold": [0.5, 2]}}, "from 0 to 1"),
    ({"space": {"threshold": [0.3], "turn_detection.threshold": [0.5]}}, "are the same field"),
    ({"space": {"type": ["x"]}}, "a path with one meaning"),
    ({"space": {7: [1]}}, "as text"),
    ({"space": {"transcription": [None]}}, "say input.transcription"),
    ({"space": {"eagerness": ["low", "high"]}}, "semantic_vad"),
    ({"space": {"turn_detection": [{"type": "server_vad", "threshold": 0.3}, {"type": "server_vad"}],
                "threshold": [0.3, 0.5]}}, "the same session"),
    ({"base": {"model": "x"}}, "a SessionConfig"),
    ({"scripts": []}, "at least one"),
    ({"scripts": ["ordes"]}, "did you mean 'orders'"),
    ({"scripts": [3]}, "a Script"),
    ({"scripts": [script("a", 1), script("a", 2)]}, "results are told apart"),
    ({"conditions": []}, "at least one"),
    ({"conditions": ["clean"]}, "a condition"),
    ({"conditions": [babble(3), babble(3.0)]}, "each once"),
    ({"repeats": True}, "a whole number"),
    ({"repeats": 10**9}, "plans of 10,000,000 at most"),
    ({"seed": -1}, "a whole number"),
    ({"seed": 0.5}, "a whole number"),
    ({"target": "mocked"}, "a target"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_each_mistake_is_named(change, said):
    good = {"base": BASE, "space": {"threshold": [0.5]}, "scripts": [script("a")]}
    with pytest.raises(PlanError, match=said):
        SweepPlan(**(good | change))


def test_scripts_with_the_same_speech_are_refused():
    twin = script("a")
    object.__setattr__(twin, "id", "b")
    with pytest.raises(PlanError, match="the same speech as a"):
        SweepPlan(BASE, {"threshold": [0.5]}, [script("a"), twin])


def test_a_grid_of_impossible_combinations_is_told_in_a_few_lines():
    with pytest.raises(PlanError) as caught:
        SweepPlan(BASE, {"turn_detection": [None], "silence_duration_ms": list(range(100, 200))}, [script("a")])
    assert len(caught.value.errors) == 6
    assert "95 more combinations" in str(caught.value)
