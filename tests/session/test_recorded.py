"""Replay: a recorded session answers again, for what it was made with and for nothing else."""

from __future__ import annotations

import pickle

import msgspec
import pytest
from live_servers import ToneServer, serving, shortest_script
from sessions import spoken_script, tone_stage

import realtime_lab as rl
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import PlanError, RecordingError
from realtime_lab.recording import save_recording
from realtime_lab.session import mocked, run_session
from realtime_lab.session.targets import live

CONFIG = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=200))
SHORT = ((0, 10),)
SCRIPT = spoken_script("one", "two", gap_ms=100.0)
PLAN = rl.SweepPlan(
    CONFIG,
    {"silence_duration_ms": [200, 500]},
    [shortest_script(), rl.load_scripts("orders")[0]],
    conditions=[rl.clean(), rl.babble(snr_db=3)],
    repeats=2,
    seed=4,
)


@pytest.fixture(scope="module")
def recorded():
    """A session held live."""
    with serving(ToneServer) as server:
        return run_session(
            CONFIG, SCRIPT, live(server.url, api_key_env=None), stage=tone_stage(SCRIPT, SHORT, SHORT), seed=9
        )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return rl.run_sweep(PLAN, store=tmp_path_factory.mktemp("s") / "s.sqlite", workers=0, progress=False)


def test_a_recorded_session_answers_again_with_equal_rows(recorded):
    again = run_session(CONFIG, SCRIPT, rl.replay(recorded), seed=1)
    assert session_rows(again) == session_rows(recorded)
    assert again.events == recorded.events and again.appends == recorded.appends
    assert again.header.target == f"replay:{recorded.header.target}"


def test_a_recording_from_a_file_answers_as_the_one_in_memory(recorded, tmp_path):
    path = save_recording(recorded, tmp_path / "one.jsonl.gz")
    assert rl.replay(path) == rl.replay(recorded) == rl.replay([recorded])
    assert session_rows(run_session(CONFIG, SCRIPT, rl.replay(str(path)))) == session_rows(recorded)
    assert pickle.loads(pickle.dumps(rl.replay(path))) == rl.replay(path)


def test_a_failed_session_fails_again(recorded):
    header = msgspec.structs.replace(recorded.header, outcome="failed", failure="it was cut")
    again = run_session(CONFIG, SCRIPT, rl.replay(msgspec.structs.replace(recorded, header=header)))
    assert (again.header.outcome, again.header.failure) == ("failed", "it was cut")


@pytest.mark.parametrize(
    ("config", "script", "condition", "named"),
    [
        (
            CONFIG.with_values({"silence_duration_ms": 300}),
            SCRIPT,
            None,
            r"silence_duration_ms: recorded 200, asked 300",
        ),
        (CONFIG.with_values({"max_output_tokens": 64}), SCRIPT, None, "max_output_tokens: recorded unset, asked 64"),
        (CONFIG, spoken_script("one", "two", gap_ms=101.0), None, "script 'tones'.*with another content"),
        (CONFIG, shortest_script(), None, "script 'short': there are 'tones'"),
        (CONFIG, SCRIPT, rl.babble(snr_db=3), "condition .*babble.*: there are 'clean'"),
    ],
)
def test_what_was_not_recorded_is_refused_with_the_difference(recorded, config, script, condition, named):
    with pytest.raises(RecordingError, match=named):
        run_session(config, script, rl.replay(recorded), condition=condition)


def test_tracing_makes_no_difference(recorded):
    asked = CONFIG.with_values({"tracing": "auto"})
    assert session_rows(run_session(asked, SCRIPT, rl.replay(recorded))) == session_rows(recorded)


@pytest.mark.parametrize("given", [[], [3], "nowhere.jsonl"])
def test_what_holds_no_recording_is_refused(given):
    with pytest.raises(RecordingError):
        rl.replay(given)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_study_answers_again_and_its_frames_are_equal(study, tmp_path, workers):
    target = rl.replay(study)
    again = rl.run_sweep(PLAN, target=target, store=tmp_path / "again.sqlite", workers=workers, progress=False)
    assert again.states() == {"complete": 16}
    keys = ["silence_duration_ms", "script", "condition", "repeat"]
    for frame in ("turns_df", "responses_df", "tokens_df", "trials_df"):
        one, other = (
            getattr(each, frame)().drop(columns=["trial", "target", "seed", "block"], errors="ignore")
            for each in (study, again)
        )
        one, other = (each.sort_values(keys, kind="stable").reset_index(drop=True) for each in (one, other))
        assert one.equals(other), frame
    assert set(again.trials_df()["target"]) == {"replay:mocked:documented"}
    assert again.plan.target == target
    page = rl.report(again, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Not verified against a live service" in page


def test_a_plan_that_was_not_recorded_is_refused_before_anything_is_run(study, tmp_path):
    other = rl.SweepPlan(CONFIG, {"silence_duration_ms": [200, 700]}, PLAN.scripts, conditions=[rl.pink(snr_db=3)])
    with pytest.raises(PlanError, match=r"condition .*pink.*: there are"):
        rl.run_sweep(other, target=rl.replay(study), store=tmp_path / "x.sqlite", progress=False)
    more = rl.SweepPlan(CONFIG, {"silence_duration_ms": [200, 500]}, PLAN.scripts, repeats=3)
    with pytest.raises(PlanError, match="repeat 3 of script"):
        rl.run_sweep(more, target=rl.replay(study), store=tmp_path / "x.sqlite", progress=False)
    assert not (tmp_path / "x.sqlite").exists()


def test_a_part_of_what_was_recorded_can_be_replayed(study, tmp_path):
    few = PLAN.only({"silence_duration_ms": 500})
    again = rl.run_sweep(few, target=rl.replay(study), store=tmp_path / "few.sqlite", workers=0, progress=False)
    assert again.states() == {"complete": 8}


def test_a_study_of_a_replay_without_its_recordings_says_so(study, tmp_path):
    again = rl.run_sweep(PLAN, target=rl.replay(study), store=tmp_path / "a.sqlite", workers=0, progress=False)
    with pytest.raises(PlanError, match="not at hand"):
        rl.run_sweep(PLAN, target=again.plan.target, store=tmp_path / "b.sqlite", progress=False)


def test_mocked_and_replay_are_free_and_have_no_plan_file(recorded, tmp_path):
    assert not rl.replay(recorded).paid and not mocked().paid
    plan = rl.SweepPlan(CONFIG, {"threshold": [0.5]}, "orders", target=rl.replay(recorded))
    with pytest.raises(PlanError, match="run_sweep"):
        plan.save(tmp_path / "plan.toml")
    assert "free" in str(plan.estimate())
