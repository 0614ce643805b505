"""Study: frames with their keys, the same bytes every time, and files from anybody."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sweep_fakes import BASE, database, instant, script, small_plan

from realtime_lab.analysis.columns import KEYS, METRICS_VERSION, TURNS
from realtime_lab.audio import babble, clean
from realtime_lab.config import SemanticVad, ServerVad
from realtime_lab.errors import RealtimeLabError, StudyDamagedError, StudyError
from realtime_lab.sweep import Study, SweepPlan, run_sweep
from tests.sweep.store.test_store import filled

PLAN = SweepPlan(
    BASE,
    {
        "turn_detection.silence_duration_ms": [200, 500],
        "max_output_tokens": [64, "inf"],
        "create_response": [True, False],
    },
    [script("a"), script("b", 3)],
    conditions=[clean(), babble(3)],
    seed=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_sweep(PLAN, store=tmp_path_factory.mktemp("study") / "s.sqlite", workers=0, progress=False, run=instant)


@pytest.fixture
def copy(study, tmp_path):
    (tmp_path / "s.sqlite").write_bytes(study.path.read_bytes())
    return Study(tmp_path / "s.sqlite")


def change(study, *statements):
    with database(study.path) as db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)


def test_every_frame_carries_keys_settings_and_version(study):
    for frame in (study.trials_df(), study.turns_df(), study.responses_df(), study.tokens_df(), study.events_df(0)):
        assert list(frame.columns[:10]) == [
            "trial", "attempt", "script", "condition", "repeat", "target", "turn_detection.silence_duration_ms",
            "max_output_tokens", "create_response", "metrics_version",
        ]  # fmt: skip
        assert {entry.name for entry in KEYS} <= set(frame.columns)
        assert (frame.metrics_version == METRICS_VERSION).all()
        types = [str(dtype) for dtype in frame.dtypes.iloc[:10]]
        assert types == [
            "string",
            "Int64",
            "string",
            "string",
            "Int64",
            "string",
            "Int64",
            "Float64",
            "boolean",
            "Int64",
        ]
    assert list(study.turns_df().columns[10:]) == [entry.name for entry in TURNS]


def test_rows_stand_in_plan_order_with_their_own_trial(study):
    turns, trials = study.turns_df(), {trial.key: trial for trial in PLAN.trials}
    assert turns.trial.drop_duplicates().tolist() == list(trials)
    for row in turns.itertuples():
        trial = trials[row.trial]
        assert (row.script, row.condition) == (trial.script_id, trial.condition.name)
        assert row._7 == trial.setting["turn_detection.silence_duration_ms"]
        expected = np.random.default_rng(trial.seed).normal(1000, 90)
        assert row.turn > 0 or row.response_latency_ms == expected


def test_infinite_tokens_are_infinite(study):
    assert sorted(study.turns_df().max_output_tokens.unique()) == [64.0, np.inf]
    assert study.turns_df().max_output_tokens.notna().all()


def test_trials_have_state_and_effective_values(study):
    frame = study.trials_df()
    assert len(frame) == len(study) == len(PLAN.trials)
    assert frame.trial.tolist() == [trial.key for trial in PLAN.trials]
    assert set(frame.state) == {"complete"}
    assert not frame.tainted.any()
    assert frame.seed.tolist() == [trial.seed for trial in PLAN.trials]
    assert set(frame["effective.audio.input.turn_detection.silence_duration_ms"]) == {200}
    assert frame["effective.audio.input.turn_detection.silence_duration_ms"].dtype == "Int64"
    assert (frame.n_turns == frame.script.map({"a": 2, "b": 3})).all()


def test_a_study_not_run_yet_has_frames_too(tmp_path):
    empty = Study.open(filled(tmp_path / "s.sqlite", []))
    frame = empty.trials_df()
    assert set(frame.state) == {"planned"} and frame.attempt.isna().all() and frame.n_turns.isna().all()
    assert len(empty.turns_df()) == 0
    assert [str(dtype) for dtype in empty.turns_df().dtypes.iloc[:3]] == ["string", "Int64", "string"]


def test_summary_is_over_the_swept_settings_unless_told(study):
    frame = study.summary()
    assert len(frame) == 16
    assert (frame.n_turns == 5).all()
    assert study.summary(by="condition").n_turns.tolist() == [40, 40]
    assert study.summary(by=[]).n_turns.tolist() == [80]
    with pytest.raises(RealtimeLabError, match="nonsense"):
        study.summary(by="nonsense")


def test_a_trial_is_named_by_key_beginning_number_or_itself(study):
    trial = PLAN.trials[3]
    for name in (trial, trial.key, trial.key[:12], 3):
        assert study.recording(name).header.seed == trial.seed
        assert set(study.events_df(name).trial) == {trial.key}
    for name in ("zzz", "", -1, 99, True):
        with pytest.raises(StudyError, match="there is no trial"):
            study.recording(name)


def test_a_trial_that_was_not_run_has_no_recording(tmp_path):
    with pytest.raises(StudyError, match="has no recording: it is planned"):
        Study(filled(tmp_path / "s.sqlite", [])).recording(0)


def test_the_plan_comes_out_of_its_study(study):
    assert Study.open(study.path).plan == PLAN
    assert Study.open(study.path).plan.trials == PLAN.trials
    part = run_sweep(PLAN.only({"max_output_tokens": 64}), store=study.path.with_name("part.sqlite"), workers=0,
                     progress=False, run=instant)  # fmt: skip
    assert part.plan == PLAN.only({"max_output_tokens": 64})


def test_objects_and_null_may_be_swept(tmp_path):
    plan = SweepPlan(BASE, {"turn_detection": [ServerVad(), SemanticVad(), None]}, [script("a")])
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=instant)
    values = study.turns_df().turn_detection.drop_duplicates()
    assert set(values.dropna()) == {'{"type":"server_vad"}', '{"type":"semantic_vad"}'}
    assert values.isna().sum() == 1
    assert study.plan == plan


def test_a_secret_in_the_configuration_is_not_in_the_file(tmp_path):
    tool = {"type": "mcp", "server_label": "x", "server_url": "https://x", "authorization": "canary-value"}
    plan = SweepPlan(BASE.with_values({"tools": [tool]}), {"threshold": [0.5]}, [script("a")])
    filled(tmp_path / "s.sqlite", [], plan)
    assert b"canary" not in (tmp_path / "s.sqlite").read_bytes()
    assert Study(tmp_path / "s.sqlite").plan.base.tools[0].authorization == "***"


def test_reprs_are_short_and_escaped(study, tmp_path):
    assert repr(study).endswith("s.sqlite': 32 complete>")
    (tmp_path / "<img src=x>.sqlite").write_bytes(study.path.read_bytes())
    page = Study(tmp_path / "<img src=x>.sqlite")._repr_html_()
    assert "<img" not in page and "32" in page
    assert "does not exist" in repr(Study(tmp_path / "none.sqlite"))
    assert "does not exist" in Study(tmp_path / "none.sqlite")._repr_html_()


def test_a_study_is_a_context_manager_and_holds_nothing_open(study):
    with Study.open(study.path) as opened:
        opened.turns_df()
    assert opened.states() == {"complete": 32}


def test_export_is_safe_in_a_spreadsheet_and_whole_in_parquet(study, tmp_path):
    folder = study.export(tmp_path / "out")
    turns = pd.read_csv(folder / "turns.csv", keep_default_na=False)
    assert set(turns.transcript) == {"'=1+1"}
    whole = pd.read_parquet(folder / "turns.parquet")
    assert whole.transcript.tolist() == study.turns_df().transcript.tolist()
    assert len(list(folder.iterdir())) == 8
    with pytest.raises(StudyError, match="no 'songs' to export"):
        study.export(tmp_path, ["songs"])
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be written"):
        study.export(tmp_path / "file")


HOSTILE = [
    ("UPDATE batches SET data = x'00'", "turns", "checksum"),
    ("UPDATE batches SET kind = 'tokens' WHERE kind = 'turns'", "tokens", "does not hold tokens"),
    ("UPDATE meta SET value = '[' WHERE name = 'settings'", "turns", "settings is not JSON"),
    ("UPDATE meta SET value = '[]' WHERE name = 'settings'", "turns", "is damaged"),
    ("UPDATE meta SET value = '7' WHERE name = 'axes'", "turns", "cannot be read"),
    ("DELETE FROM meta WHERE name = 'axes'", "turns", "axes is missing"),
    ("UPDATE trials SET setting = 'x' WHERE trial = 3", "turns", "what does not belong there"),
    ("UPDATE trials SET setting = 99 WHERE trial = 3", "turns", "is damaged"),
    ("UPDATE trials SET setting = -1 WHERE trial = 3", "turns", "is damaged"),
    ("UPDATE trials SET trial = 1000 WHERE trial = 31", "turns", "not numbered"),
    ("DELETE FROM trials WHERE trial > 7", "turns", "rows of trials that it does not have"),
    ("UPDATE trials SET attempt = 'x' WHERE trial = 3", "trials", "is damaged"),
    ("UPDATE blobs SET data = '['", "trials", "not a JSON object"),
    ("UPDATE recordings SET data = x'00'", "recording", "does not match its checksum"),
    ("UPDATE recordings SET size = size - 1", "recording", "does not match its checksum"),
    ("UPDATE recordings SET size = 99999999999", "recording", "of an unknown kind"),
    ("UPDATE recordings SET codec = 'python'", "recording", "of an unknown kind"),
    ("UPDATE meta SET value = '{}' WHERE name = 'plan'", "plan", "its plan cannot be read"),
    ("UPDATE meta SET value = replace(value, 'mocked', 'other') WHERE name = 'target'", "plan", "is not known"),
    ("UPDATE meta SET value = hex(zeroblob(20000000)) WHERE name = 'plan'", "plan", "more than the 32,000,000"),
]


@pytest.mark.parametrize(("statement", "asked", "said"), HOSTILE, ids=[statement for statement, _, _ in HOSTILE])
def test_a_file_that_was_tampered_with_is_named_in_one_line(copy, statement, asked, said):
    change(copy, statement)
    ask = {
        "turns": copy.turns_df, "tokens": copy.tokens_df, "trials": copy.trials_df,
        "recording": lambda: copy.recording(0), "plan": lambda: copy.plan,
    }  # fmt: skip
    with pytest.raises(StudyDamagedError, match=said) as caught:
        ask[asked]()
    assert "\n" not in str(caught.value)


def test_scripts_of_a_hostile_plan_do_not_leave_the_shipped_data(copy):
    with database(copy.path) as db:
        record = json.loads(db.execute("SELECT value FROM meta WHERE name = 'plan'").fetchone()[0])
        record["scripts"]["clips"][0] |= {"path": None, "file": "../../../etc/passwd"}
        db.execute("UPDATE meta SET value = ? WHERE name = 'plan'", (json.dumps(record),))
    assert copy.plan.scripts[0].clips[0].path.name == "speech"


def test_effective_values_that_make_no_sense_are_left_out(copy):
    change(copy, "UPDATE blobs SET data = '{\"max_output_tokens\": [1]}'")
    assert len(copy.trials_df()) == 32


@pytest.mark.parametrize("value", ["1" + "0" * 30, "1" + "0" * 400, "1e400", "[1, 2]", '{"a": 1}', '"\\ud800"', "true"])
@pytest.mark.parametrize("field", ["max_output_tokens", "model"])
def test_one_strange_effective_value_takes_no_trial_with_it(copy, field, value):
    """A study of an earlier version holds what the server said, of whatever size and type."""
    change(copy, f"UPDATE blobs SET data = '{{\"{field}\": {value}}}'")
    assert len(copy.trials_df()) == 32
    assert len(copy.turns_df()) > 0 and len(copy.summary()) > 0


def test_shipped_scripts_are_found_wherever_the_package_is(tmp_path):
    plan = SweepPlan(BASE, {"threshold": [0.5]}, "orders")
    filled(tmp_path / "s.sqlite", [], plan)
    assert str(plan.scripts[0].clips[0].path.parent).encode() not in (tmp_path / "s.sqlite").read_bytes()
    assert Study(tmp_path / "s.sqlite").plan.scripts == plan.scripts


def test_a_million_rows_are_quick_to_read(tmp_path, full):
    """Target: 1e6 token rows in 0.3 s; a tenth of them in a second keeps the machine's noise out."""
    import time

    from realtime_lab.session import mocked
    from realtime_lab.sweep.store.content import study_content
    from realtime_lab.sweep.store.writer import StudyWriter
    from realtime_lab.sweep.workers.worker import TrialResult

    plan = small_plan(range(200, 220))
    each = 25_000 if full else 2_500
    tokens = [
        {"turn": 0, "item_id": "item_1", "token_index": n, "token": f"t{n % 99}", "logprob": -0.1} for n in range(each)
    ]
    writer = StudyWriter.open(tmp_path / "s.sqlite", study_content(plan, mocked(), plan.trials))
    for number in range(40):
        writer.commit([TrialResult(number, "complete", None, {"tokens": tokens})], "", "")
    writer.close()
    study = Study(tmp_path / "s.sqlite")
    began = time.perf_counter()
    frame = study.tokens_df()
    seconds = time.perf_counter() - began
    print(f"{len(frame):,} token rows in {seconds:.2f} s, {study.path.stat().st_size / len(frame):.1f} bytes a row")
    assert len(frame) == 40 * each
    assert seconds < (3 if full else 1)
    assert study.path.stat().st_size < 20 * len(frame) + 100_000
