"""Plans as TOML files: they come back equal, and a file with mistakes names them all."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_config import server_vads
from sweep_fakes import BASE, script

from realtime_lab.audio import babble, clean, load_scripts, pink, telephone, white
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError
from realtime_lab.resources import data_path
from realtime_lab.session import mocked
from realtime_lab.sweep import SweepPlan

ORDERS = load_scripts("orders")
AXES = {
    "silence_duration_ms": st.integers(0, 3_600_000),
    "threshold": st.floats(0, 1),
    "max_output_tokens": st.integers(1, 4096) | st.just("inf"),
    "interrupt_response": st.booleans(),
    "idle_timeout_ms": st.none() | st.integers(5_000, 30_000),
    "instructions": st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["null", "'null'"]),
    "tool_choice": st.sampled_from(["auto", "none", {"type": "function", "name": "null"}]),
}
spaces = st.sets(st.sampled_from(sorted(AXES)), min_size=1, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries(
        {name: st.lists(AXES[name], min_size=1, max_size=3, unique_by=repr) for name in sorted(names)}
    )
)
conditions = st.lists(
    st.sampled_from([clean(), telephone(), babble(3), white(-2.5), pink(10)]), min_size=1, max_size=3, unique=True
)
bases = st.builds(
    lambda vad, fields: SessionConfig(turn_detection=vad, **fields),
    server_vads,
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from(["m", "null"]),
            "prompt": st.none(),
            "noise_reduction": st.none(),
            "tools": st.just([{"type": "function", "name": "f", "parameters": {"a": [None, {"b": "'null'"}]}}]),
            "output_modalities": st.just(["text"]),
            "session_type": st.just("realtime"),
            "extra": st.just({"new_field": {"x": None}}),
        },
    ),
)


@given(bases, spaces, conditions, st.integers(1, 3), st.integers(0, 2**63 - 1), st.sampled_from([None, "observed"]))
def test_any_plan_comes_back_equal(tmp_path_factory, base, space, conditions, repeats, seed, profile):
    target = None if profile is None else mocked(profile)
    try:
        plan = SweepPlan(base, space, ORDERS[:2], conditions, repeats, seed, target=target)
    except PlanError:
        return  # two values may mean the same session
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    again = SweepPlan.load(plan.save(path))
    assert again == plan
    assert again.content == plan.content
    assert again.trials == plan.trials


def test_chosen_settings_come_back(tmp_path):
    plan = SweepPlan(BASE, {"threshold": [0.3, 0.5], "max_output_tokens": [64, "inf"]}, "orders")
    part = plan.only({"threshold": 0.3}, plan.settings[-1])
    again = SweepPlan.load(part.save(tmp_path / "plan.toml"))
    assert again == part and len(again.settings) == 3


def test_a_plan_written_by_hand(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("""
        scripts = "orders"
        seed = 3
        [config]
        model = "some-model"
        turn_detection = {type = "server_vad", silence_duration_ms = 400}
        [space]
        threshold = [0.3, 0.7]
        "input.noise_reduction" = ["null", {type = "near_field"}]
        [target]
        kind = "mocked"
    """)
    plan = SweepPlan.load(path)
    assert plan.base.get("silence_duration_ms") == 400
    assert plan.settings[0] == {"threshold": 0.3, "input.noise_reduction": None}
    assert plan.target == mocked()
    assert plan.scripts == ORDERS and plan.conditions == (clean(),)


def test_a_session_as_a_server_writes_it_may_stand_in_config(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'scripts = "orders"\n[config]\ntype = "realtime"\nobject = "realtime.session"\n[space]\nspeed = [1]\n'
    )
    assert SweepPlan.load(path).base.get("session_type") == "realtime"


def _folder(parent, name="mine"):
    """A user's folder with one script of the shipped ones."""
    folder = parent / name
    folder.mkdir()
    clip = ORDERS[0].turns[0].segments[0].clip
    lines = (data_path("scripts/orders") / "clips.csv").read_text().splitlines()
    (folder / "clips.csv").write_text("\n".join([lines[0], next(line for line in lines if clip.file in line)]))
    (folder / clip.file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(clip.path, folder / clip.file)
    (folder / "scripts.toml").write_text(
        f'format_version = 1\n[[scripts]]\nid = "one"\n[[scripts.turns]]\nsegments = [{{clip = "{clip.file}"}}]\n'
    )
    return folder


def test_a_folder_is_found_beside_the_plan_wherever_both_are_moved(tmp_path, monkeypatch):
    (tmp_path / "first").mkdir()
    folder = _folder(tmp_path / "first")
    plan = SweepPlan(BASE, {"threshold": [0.5]}, folder)
    plan.save(tmp_path / "first" / "plan.toml")
    (tmp_path / "first").rename(tmp_path / "second")
    monkeypatch.chdir(tmp_path)
    assert SweepPlan.load("second/plan.toml") == plan
    assert 'scripts = ["mine"]' in (tmp_path / "second" / "plan.toml").read_text()


def test_a_folder_named_like_a_shipped_set_stays_a_folder(tmp_path):
    plan = SweepPlan(BASE, {"threshold": [0.5]}, _folder(tmp_path, "orders"))
    assert SweepPlan.load(plan.save(tmp_path / "plan.toml")) == plan


def test_some_scripts_of_a_set_are_named_by_id(tmp_path):
    plan = SweepPlan(BASE, {"threshold": [0.5]}, [ORDERS[3], ORDERS[1]])
    text = plan.save(tmp_path / "plan.toml").read_text()
    assert f'[[scripts]]\nset = "orders"\nids = ["{ORDERS[3].id}", "{ORDERS[1].id}"]\n' in text
    assert SweepPlan.load(tmp_path / "plan.toml").trials == plan.trials


def test_scripts_from_nowhere_cannot_be_saved(tmp_path):
    with pytest.raises(PlanError, match="names the folder"):
        SweepPlan(BASE, {"threshold": [0.5]}, [script("a")]).save(tmp_path / "plan.toml")
    assert not (tmp_path / "plan.toml").exists()


def test_a_secret_is_not_written(tmp_path):
    tool = {"type": "mcp", "server_label": "x", "server_url": "https://x", "authorization": "canary-value"}
    plan = SweepPlan(BASE.with_values({"tools": [tool]}), {"threshold": [0.5]}, "orders")
    with pytest.raises(PlanError, match="no secrets") as caught:
        plan.save(tmp_path / "plan.toml")
    assert "canary" not in str(caught.value) and not (tmp_path / "plan.toml").exists()


def test_every_mistake_in_a_file_is_named_at_once(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("""
        seeed = 3
        repeats = 0
        scripts = ["ordrs", {set = "orders", ids = ["x"], id = 3}, 7]
        [config]
        modell = "x"
        [config.audio.input.turn_detection]
        type = "server_vad"
        threshold = 3
        [space]
        silence_duration = [200]
        [[conditions]]
        kind = "bable"
        [target]
        kind = "mockd"
        url = "x"
    """)
    with pytest.raises(PlanError) as caught:
        SweepPlan.load(path)
    assert [problem.path for problem in caught.value.errors] == [
        "seeed", "config.audio.input.turn_detection.threshold", "config.modell", "scripts[0]", "scripts[1].id",
        "scripts[1].ids", "scripts[2]", "conditions[0].kind", "target.url", "target.kind", "space.silence_duration",
        "repeats",
    ]  # fmt: skip
    for near in ("seed?", "model?", "'orders'?", "silence_duration_ms?", "mocked?"):
        assert f"did you mean {near}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = = 2\n", "at line 2, column 5"),
        ("a = 1\na = 2\n", "line 2"),
        ("", "scripts"),
        ('scripts = "orders"', "the grid is empty"),
        ('scripts = "orders"\nconfig = 3\nspace = 3', "a table"),
        ('scripts = "orders"\nconditions = 3', "tables"),
        ('scripts = "orders"\nconditions = [3]', "a table"),
        ('scripts = "orders"\ntarget = 3', "a table"),
        ('scripts = "orders"\n[target]\nkind = "mocked"\nprofile = "documnted"', "did you mean documented"),
        ('scripts = "orders"\n[[settings]]\nthreshold = 0.4\n[space]\nthreshold = [0.3]', "a setting of the grid"),
    ],
)
def test_each_broken_file_says_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=said):
        SweepPlan.load(path)


def test_files_that_are_not_plans(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 50_000)
    for name, said in [
        ("binary.toml", "TOML"),
        ("deep.toml", "TOML"),
        ("none.toml", "No such file"),
        (".", "directory"),
    ]:
        with pytest.raises(PlanError, match=said):
            SweepPlan.load(tmp_path / name)
