"""A second end-of-turn estimate, plugged into the mocked target: in sessions, sweeps, workers and behind the socket."""

from __future__ import annotations

from functools import partial

import plugs
import pytest

from realtime_lab.audio import load_scripts
from realtime_lab.config import SemanticVad, SessionConfig
from realtime_lab.errors import ConfigError, MissingExtraError, PlanError
from realtime_lab.protocol import events as ev
from realtime_lab.server.hearing.semantic import PAUSE_MS
from realtime_lab.session import mocked, run_session
from realtime_lab.sweep import Study, SweepPlan, run_sweep

SEMANTIC = SessionConfig(model="gpt-realtime", turn_detection=SemanticVad(eagerness="low"))
SCRIPT = load_scripts("orders")[0]
SURE = mocked(transcriber="simulated", end_of_turn=plugs.Sure)
UNSURE = mocked(transcriber="simulated", end_of_turn=partial(plugs.Sure, probability=0.5))


def stops(recording):
    return [entry.event.audio_end_ms for entry in recording.events if isinstance(entry.event, ev.SpeechStopped)]


def test_semantic_turns_wait_for_the_plugged_estimate_and_name_it():
    """Never in doubt: every pause of 640 ms ends a turn, and no recogniser is asked for."""
    recording = run_session(SEMANTIC, SCRIPT, SURE)
    assert recording.header.engine["turns"].endswith("never in doubt") and len(stops(recording)) >= len(SCRIPT.turns)
    last = recording.reference[-1].speech_ms[-1].end_ms
    assert abs(stops(recording)[-1] - last - PAUSE_MS) <= 100
    assert recording.header.target == "mocked:documented, end of turn by plugs:Sure"


def test_without_recogniser_and_without_estimate_semantic_vad_is_refused():
    with pytest.raises(MissingExtraError):
        run_session(SEMANTIC, SCRIPT, mocked(transcriber="simulated"))


def test_two_estimates_are_two_targets_of_one_sweep_whose_workers_make_them_anew(tmp_path):
    plan = SweepPlan(SEMANTIC, {"eagerness": ["low", "high"]}, [SCRIPT], targets=[SURE, UNSURE])
    assert plan.gaps == ()
    store = tmp_path / "s.sqlite"
    study = run_sweep(plan, store=store, workers=1, progress=False)
    turns = study.turns_df()
    names = {"mocked:documented, end of turn by plugs:Sure"}
    names |= {"mocked:documented, end of turn by plugs:Sure(probability=0.5)"}
    assert set(turns["target"]) == set(study.trials_df()["target"]) == names
    uncut = turns[~turns["cut"].astype(bool)]
    waits = uncut.groupby(["target", "eagerness"])["endpoint_delay_ms"].median()
    sure, unsure = (waits[name] for name in sorted(names))
    assert abs(sure["low"] - sure["high"]) < 1 and unsure["low"] >= sure["low"]
    assert study.plan == plan and run_sweep(plan, store=store, workers=0, progress=False).plan == plan
    with pytest.raises(PlanError, match="at hand"):
        run_sweep(Study.open(store).plan, store=store, workers=0, progress=False)


def test_an_estimate_may_be_named_by_where_it_is():
    named = mocked(transcriber="simulated", end_of_turn="plugs:Sure")
    assert named == SURE and named.end_of_turn.make is plugs.Sure


@pytest.mark.parametrize("wrong", ["plugs", "plugs:", ":Sure", "nowhere_at_all:Sure", "plugs:Nobody", "plugs:LOUD", 3])
def test_what_is_no_callable_is_told(wrong):
    with pytest.raises(ConfigError, match="a callable"):
        mocked(transcriber="simulated", end_of_turn=wrong)


def test_a_plan_file_holds_no_code(tmp_path):
    plan = SweepPlan(SEMANTIC, {"eagerness": ["low", "high"]}, [SCRIPT], target=SURE)
    with pytest.raises(PlanError, match="no code in a plan file"):
        plan.save(tmp_path / "plan.toml")


def test_what_a_lambda_estimates_stays_in_this_process(tmp_path):
    plan = SweepPlan(SEMANTIC, {"eagerness": ["low"]}, [SCRIPT])
    target = mocked(transcriber="simulated", end_of_turn=lambda heard: plugs.Sure(heard))
    with pytest.raises(PlanError, match="worker processes"):
        run_sweep(plan, target, store=tmp_path / "s.sqlite", progress=False)
    assert run_sweep(plan, target, store=tmp_path / "s.sqlite", workers=0, progress=False).states()["complete"] == 1
