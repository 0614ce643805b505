"""Sweeping what is no field of the session: when the client commits, by the script or by an endpointer of its own."""

from __future__ import annotations

import pickle
from functools import partial

import plugs
import pytest
from sweep_fakes import BASE, instant, script

from realtime_lab.audio import load_scripts
from realtime_lab.config import SemanticVad, ServerVad, SessionConfig
from realtime_lab.errors import PlanError
from realtime_lab.protocol import events as ev
from realtime_lab.session import mocked, replay
from realtime_lab.sweep import Study, SweepPlan, optimize, run_sweep
from realtime_lab.sweep.studies.front import front_settings

MANUAL = SessionConfig(model="gpt-realtime", turn_detection=None)
KINDS = {"turn_detection": [ServerVad(), None]}
SPOKEN = load_scripts("orders")[:2]
TARGET = mocked(transcriber="simulated")


ONE = (script("a"),)


def plan_of(space, base=MANUAL, scripts=ONE, **more):
    return SweepPlan(base, space, scripts, **more)


def commits(recording):
    return [entry.t_ms for entry in recording.events if isinstance(entry.event, ev.InputAudioCommit)]


def test_delays_of_the_oracle_are_settings_with_their_own_trials_seeds_and_hashes():
    plan = plan_of({"commit_delay_ms": [0, 200, 400.0]})
    assert plan.settings == ({"commit_delay_ms": 0.0}, {"commit_delay_ms": 200.0}, {"commit_delay_ms": 400.0})
    assert len({trial.key for trial in plan.trials}) == len({trial.seed for trial in plan.trials}) == 3
    assert plan.hash != plan_of({"commit_delay_ms": [0, 200, 500]}).hash
    assert dict(plan.control) == {"commit_delay_ms": 0.0}
    assert plan.only({"commit_delay_ms": 200}).settings == ({"commit_delay_ms": 200.0},)


def test_a_delay_applies_only_where_turn_detection_is_null():
    space = KINDS | {"silence_duration_ms": [200, 500], "commit_delay_ms": [0, 250]}
    assert plan_of(space, BASE).settings == (
        {"turn_detection": ServerVad(), "silence_duration_ms": 200},
        {"turn_detection": ServerVad(), "silence_duration_ms": 500},
        {"turn_detection": None, "commit_delay_ms": 0.0},
        {"turn_detection": None, "commit_delay_ms": 250.0},
    )


@pytest.mark.parametrize(
    "base", [BASE, SessionConfig(model="m"), SessionConfig(model="m", turn_detection=SemanticVad())]
)
@pytest.mark.parametrize("axis", [{"commit_delay_ms": [0, 200]}, {"endpointer": [plugs.quick]}])
def test_where_the_server_ends_turns_the_clients_axes_are_refused(base, axis):
    with pytest.raises(PlanError, match="turn_detection is null") as caught:
        plan_of(axis, base)
    assert [problem.path for problem in caught.value.errors] == [f"space.{name}" for name in axis]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"commit_delay_ms": [-1]}, "0 to 4000 ms"),
        ({"commit_delay_ms": [4_001]}, "0 to 4000 ms"),
        ({"commit_delay_ms": [float("nan")]}, "0 to 4000 ms"),
        ({"commit_delay_ms": ["fast"]}, "a number of milliseconds"),
        ({"commit_delay_ms": [True]}, "a number of milliseconds"),
        ({"commit_delay_ms": [100, 100.0]}, "each value once"),
        ({"commit_delay_ms": 100}, "a list of values"),
        ({"endpointer": [plugs.quick, plugs.quick]}, "each value once"),
        ({"endpointer": [3]}, "a callable"),
        ({"endpointer": [plugs.quick], "commit_delay_ms": [0]}, "commit_delay_ms or endpointer"),
    ],
)
def test_mistakes_in_the_clients_axes_are_told(space, said):
    with pytest.raises(PlanError, match=said):
        plan_of(space)


def test_oracle_is_one_setting_more_and_everything_else_stays_as_it_was():
    space = {"silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]}
    plain, plan = plan_of(space, BASE), plan_of(space, BASE, oracle=True)
    assert plan.settings == (*plain.settings, {"commit_delay_ms": 0.0})
    assert plan.configs[-1] == BASE.with_values({"turn_detection": None})
    assert plan.control == plain.control and dict(plan.space) == dict(plain.space)
    assert {t.key: t.seed for t in plain.trials}.items() <= {t.key: t.seed for t in plan.trials}.items()
    assert plan.hash != plain.hash and "and the oracle" in repr(plan)
    assert plan.only(plan.control).settings == (dict(plan.control),)
    with pytest.raises(PlanError, match="true or false"):
        plan_of(space, BASE, oracle="yes")


def test_an_oracle_that_the_grid_holds_already_is_not_held_twice():
    assert len(plan_of({"commit_delay_ms": [0, 100]}, oracle=True).settings) == 2
    drawn = plan_of({"silence_duration_ms": range(200, 1000, 5)}, BASE, oracle=True, draw=3)
    assert len(drawn.settings) == 4 and drawn.settings[-1] == {"commit_delay_ms": 0.0}


def test_plans_with_the_clients_axes_survive_pickling_and_their_file(tmp_path):
    for plan in (
        plan_of({"silence_duration_ms": [200, 500]}, BASE, scripts=SPOKEN, oracle=True),
        plan_of(KINDS | {"commit_delay_ms": [0, 250]}, BASE, scripts=SPOKEN),
        plan_of({"endpointer": [plugs.quick, partial(plugs.Silence, 9)]}, scripts=SPOKEN, oracle=True),
    ):
        assert pickle.loads(pickle.dumps(plan)) == plan
        read = SweepPlan.load(plan.save(tmp_path / "plan.toml"))
        assert read == plan and read.settings == plan.settings and read.trials == plan.trials


def test_a_swept_delay_is_a_column_and_moves_commits_by_as_much_and_latency_with_them(tmp_path):
    """Real workers and shipped speech: the delay goes through plan, worker, session, store and frames."""
    plan = plan_of({"commit_delay_ms": [0, 300]}, scripts=SPOKEN, target=TARGET)
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=1, progress=False)
    assert study.plan == plan and study.states()["complete"] == 4
    turns = study.turns_df()
    assert turns["commit_delay_ms"].dtype == "Float64" and set(turns["outcome"]) == {"answered"}
    for trial in plan.trials:
        recording = study.recording(trial)
        ends = [turn.speech_ms[-1].end_ms for turn in recording.reference]
        delays = [at - end for at, end in zip(commits(recording), ends, strict=True)]
        assert delays == pytest.approx([trial.setting["commit_delay_ms"]] * len(ends), abs=1e-6)
    p50 = study.summary().set_index("commit_delay_ms")["response_latency_ms_p50"]
    assert p50[300.0] > p50[0.0]


def test_endpointers_are_run_by_workers_and_stand_by_their_names(tmp_path):
    plan = plan_of({"endpointer": [plugs.quick, plugs.patient]}, scripts=SPOKEN[:1], target=TARGET, oracle=True)
    store = tmp_path / "s.sqlite"
    study = run_sweep(plan, store=store, workers=1, progress=False)
    turns = study.turns_df()
    assert set(turns["endpointer"].dropna()) == {"plugs:quick", "plugs:patient"}
    cuts = turns.groupby("endpointer")["n_cut_holds"].sum()
    assert cuts["plugs:quick"] >= cuts["plugs:patient"] and set(turns["trial"]) == {t.key for t in plan.trials}
    said = {study.recording(trial).header.engine["turns"] for trial in plan.trials}
    assert said == {"client: plugs:quick", "client: plugs:patient", "client: end of turn by the script + 0 ms"}
    assert sorted(map(len, (commits(study.recording(t)) for t in plan.trials))) != [4, 4, 4]
    # The same call goes on with the same study, and a study that is opened knows names only.
    assert run_sweep(plan, store=store, workers=0, progress=False).plan == plan
    with pytest.raises(PlanError, match="at hand"):
        run_sweep(Study.open(store).plan, store=store, workers=0, progress=False)


def test_opening_a_study_imports_no_endpointer(tmp_path):
    """A name in a study is text, whatever it names."""
    store = tmp_path / "s.sqlite"
    run_sweep(plan_of({"endpointer": [plugs.quick]}), store=store, workers=0, progress=False, run=instant)
    (setting,) = Study.open(store).plan.settings
    assert setting["endpointer"] == "plugs:quick" and setting["endpointer"].make is None


def test_callables_that_workers_cannot_have_are_refused_before_anything_runs(tmp_path):
    def local():
        return plugs.Silence(3)

    plan = plan_of({"endpointer": [local]})
    with pytest.raises(PlanError, match="module's own function"):
        run_sweep(plan, store=tmp_path / "s.sqlite", progress=False, run=instant)
    assert not (tmp_path / "s.sqlite").exists()
    assert (
        run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=instant).states()["complete"] == 1
    )


def test_an_oracle_is_never_chosen_never_on_a_front_and_never_proposed(tmp_path):
    """Nothing beats it in both, so whoever forgot to leave it out would name it."""
    plan = plan_of({"silence_duration_ms": [200, 500]}, BASE, scripts=SPOKEN, target=TARGET, oracle=True)
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)
    best = study.best(where=None)
    assert set(best.closest) == {"silence_duration_ms"} and best.config != plan.configs[-1]
    assert all(set(setting) == {"silence_duration_ms"} for setting in front_settings(study))
    against = study.compare({"silence_duration_ms": 500}, {"commit_delay_ms": 0.0})
    assert len(against.frame)
    summary = study.summary()
    oracle = summary[summary["commit_delay_ms"].notna()].iloc[0]
    others = summary[summary["commit_delay_ms"].isna()]
    assert (oracle["response_latency_ms_p50"] < others["response_latency_ms_p50"]).all() and oracle["cutoff_rate"] == 0


def test_where_there_are_only_delays_one_of_them_may_be_chosen(tmp_path):
    plan = plan_of({"commit_delay_ms": [0, 300]}, scripts=SPOKEN, target=TARGET)
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)
    assert study.best(where=None).closest == {"commit_delay_ms": 0.0}


def test_a_replay_answers_for_the_delay_it_was_recorded_with(tmp_path):
    plan = plan_of({"commit_delay_ms": [0, 300]}, scripts=SPOKEN[:1], target=TARGET)
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)
    again = run_sweep(plan, replay(study), store=tmp_path / "r.sqlite", workers=0, progress=False)
    for trial, kept in zip(plan.trials, again.plan.trials, strict=True):
        assert commits(again.recording(kept.index)) == commits(study.recording(trial.index))
    other = plan_of({"commit_delay_ms": [0, 100]}, scripts=SPOKEN[:1])
    with pytest.raises(PlanError, match="not ended by"):
        run_sweep(other, replay(study), store=tmp_path / "n.sqlite", workers=0, progress=False)


def test_a_search_for_settings_leaves_the_oracle_alone(tmp_path):
    pytest.importorskip("optuna")
    plan = plan_of({"silence_duration_ms": [200, 500, 800]}, BASE, oracle=True)
    study = optimize(plan, settings=3, store=tmp_path / "s.sqlite", workers=0, progress=False, run=instant)
    states = study.trials_df().set_index("commit_delay_ms", append=True)["state"]
    assert study.states()["complete"] == 3 and states.iloc[-1] is not None


def test_estimates_hold_the_sessions_that_the_plan_would_hold():
    """A paid plan's estimate hears both ways to end a turn."""
    from realtime_lab.session import openai

    base = SessionConfig(model="gpt-realtime-2.1", turn_detection=ServerVad())
    plan = plan_of({"silence_duration_ms": [500]}, base, scripts=SPOKEN[:1], oracle=True)
    assert plan.estimate(openai(), like=TARGET).usd > 0
