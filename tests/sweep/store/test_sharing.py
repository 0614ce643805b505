"""A study given away: nothing of this machine in it, its plan run again elsewhere, its audio found or named."""

from __future__ import annotations

import json
import os
import shutil
import socket

import pytest
import sweep_fakes
from sweep_fakes import BASE, database
from typer.testing import CliRunner

import realtime_lab as rl
from realtime_lab.audio import load_scripts
from realtime_lab.cli import app
from realtime_lab.errors import ArgumentError, ConfigError, ScriptError, StudyDamagedError, StudyError
from realtime_lab.report import listen
from realtime_lab.resources import data_path
from realtime_lab.sweep import Study, SweepPlan, run_sweep

SPACE = {"silence_duration_ms": [300, 700]}


@pytest.fixture
def calls(tmp_path):
    """A user's folder with one recording."""
    folder = tmp_path / "my calls"
    folder.mkdir()
    clip = load_scripts("orders")[0].clips[0]
    shutil.copy(clip.path, folder / "call one.flac")
    return folder


@pytest.fixture
def study(calls, tmp_path):
    plan = SweepPlan(BASE, SPACE, load_scripts(calls), seed=3)
    return run_sweep(plan, store=tmp_path / "mine" / "s.sqlite", workers=0, progress=False)


def frames(study):
    return [frame.to_csv() for frame in (study.trials_df(), study.turns_df(), study.responses_df(), study.summary())]


def test_what_is_given_away_reads_the_same_and_names_nothing_of_this_machine(study, tmp_path):
    shared = Study.open(study.export(tmp_path / "share.sqlite"))
    assert frames(shared) == frames(study)
    data = shared.path.read_bytes()
    for private in (str(tmp_path), str(study.plan.scripts[0].clips[0].path), socket.gethostname()):
        assert private.encode() not in data
    with database(shared.path) as db:
        assert set(db.execute("SELECT host, pid, detail FROM attempts")) == {("", 0, None)}
    assert [path.name for path in tmp_path.glob("*share*")] == ["share.sqlite"]
    with pytest.raises(StudyError, match="is there already"):
        study.export(tmp_path / "share.sqlite")


def test_a_colleague_with_the_audio_in_the_file_gets_the_same_frames(study, calls, tmp_path, monkeypatch):
    shared = Study.open(study.export(tmp_path / "share.sqlite", audio=True))
    shutil.rmtree(calls)
    monkeypatch.setenv("REALTIME_LAB_CACHE", str(tmp_path / "colleague"))
    assert len(listen(shared, 0, 0).samples) > 24_000
    plan = shared.plan_here()
    assert plan.hash == study.plan.hash
    again = run_sweep(plan, store=tmp_path / "theirs.sqlite", workers=0, progress=False)
    assert frames(again) == frames(study)
    places = list((tmp_path / "colleague" / "audio").iterdir())
    assert [place.name for place in places] == [f"{plan.scripts[0].clips[0].sha256}.flac"]


def test_audio_that_is_elsewhere_is_found_by_its_hash_whatever_its_name(study, calls, tmp_path):
    shared = Study.open(study.export(tmp_path / "share.sqlite"))
    (tmp_path / "theirs" / "deep").mkdir(parents=True)
    shutil.move(calls / "call one.flac", tmp_path / "theirs" / "deep" / "renamed.flac")
    (tmp_path / "theirs" / "other.wav").write_bytes(b"RIFF")
    assert shared.plan_here(tmp_path / "theirs").scripts[0].clips[0].path.name == "renamed.flac"


def test_missing_audio_is_named_by_file_and_hash(study, calls, tmp_path):
    sha256 = study.plan.scripts[0].clips[0].sha256
    shared = Study.open(study.export(tmp_path / "share.sqlite"))
    with pytest.raises(ScriptError, match=rf"'call one.flac' \(SHA-256 {sha256}\); name a folder"):
        shared.plan_here(tmp_path / "nowhere")
    (calls / "call one.flac").write_bytes(b"changed")
    with pytest.raises(StudyError, match=rf"missing or has changed: call one.flac \(SHA-256 {sha256}\)"):
        study.export(tmp_path / "with.sqlite", audio=True)
    assert [path.name for path in tmp_path.glob("*with*")] == []


def test_the_command_runs_a_colleagues_plan_here(study, calls, tmp_path):
    study.export(tmp_path / "share.sqlite")
    words = ["sweep", "--like", str(tmp_path / "share.sqlite"), "--store", str(tmp_path / "mine.sqlite")]
    lost = CliRunner().invoke(app, words)
    assert lost.exit_code == 3 and "'call one.flac' (SHA-256" in lost.stderr and lost.stderr.count("\n") == 1
    found = CliRunner().invoke(app, [*words, "--audio", str(calls)])
    assert found.exit_code == 0, found.output
    assert frames(Study(tmp_path / "mine.sqlite")) == frames(study)
    both = CliRunner().invoke(app, [*words, "plan.toml"])
    assert both.exit_code == 3 and "either a plan file or --like" in both.stderr


def test_a_strangers_study_sends_no_key_unasked_and_calls_no_paid_service_free(tmp_path):
    """A target in a file names any variable and any address; run as it stands, it would send the one to the other."""
    plan = SweepPlan(BASE, SPACE, load_scripts("orders")[:1])
    run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=sweep_fakes.instant)
    shared = Study(tmp_path / "s.sqlite").export(tmp_path / "share.sqlite")

    def retarget(url):
        told = {"kind": "live", "live": {"url": url, "api_key_env": "AWS_SECRET", "headers": {}, "paid": False,
                                         "from_file": False}}  # fmt: skip
        with database(shared) as db:
            db.execute("UPDATE meta SET value = ? WHERE name = 'target'", (json.dumps(told),))

    retarget("https://evil.invalid/v1")
    words = ["sweep", "--like", str(shared), "--store", str(tmp_path / "mine.sqlite")]
    for named in ("https://evil.invalid", "https://evil.invalid/v1", "OPENAI_API_KEY=https://evil.invalid/v1"):
        refused = CliRunner().invoke(app, [*words, "--key-to", named])
        assert (refused.exit_code, refused.stderr.count("\n")) == (3, 1)
        assert "the key in AWS_SECRET to be sent there" in refused.stderr
        assert "--key-to AWS_SECRET=https://evil.invalid/v1" in refused.stderr
    assert not (tmp_path / "mine.sqlite").exists()
    asked = CliRunner().invoke(app, [*words, "--key-to", "AWS_SECRET=https://evil.invalid/v1"])
    assert asked.exit_code == 3 and "AWS_SECRET" in asked.stderr and "is set" in asked.stderr
    with pytest.raises(ArgumentError, match="AWS_SECRET to be sent there"):
        run_sweep(Study(shared).plan_here(), store=tmp_path / "mine.sqlite", progress=False)
    assert not Study(shared).plan.target.paid
    retarget("https://api.openai.com/v1")
    assert Study(shared).plan.target.paid


@pytest.mark.parametrize("table", ["target", "targets", "confirm"])
def test_a_plan_file_sends_no_key_unasked_wherever_it_names_its_target(tmp_path, table):
    """The very same rule: whoever wrote the file, its target is no one the caller named."""
    live = 'kind = "live"\nurl = "http://127.0.0.1:9/v1"\napi_key_env = "OPENAI_API_KEY"\n'
    heads = {"target": "[target]\n", "targets": "[[targets]]\n", "confirm": "[confirm]\n[confirm.target]\n"}
    path = tmp_path / "plan.toml"
    path.write_text('scripts = "orders"\n[space]\nsilence_duration_ms = [200, 300]\n' + heads[table] + live)
    plan = SweepPlan.load(path)
    target = plan.confirm.target if plan.confirm else plan.answering[0]
    again = SweepPlan.load(plan.save(tmp_path / "again.toml"))
    for one in (target, *([again.answering[0]] if plan.confirm is None else [again.confirm.target])):
        with pytest.raises(ArgumentError, match="a file asks for the key in OPENAI_API_KEY to be sent there"):
            run_sweep(plan, one, store=tmp_path / "s.sqlite", progress=False)
        with pytest.raises(ArgumentError, match="an address that you name yourself"):
            rl.run_session(plan.base, plan.scripts[0], one)
        with pytest.raises(ConfigError, match=r"OPENAI_API_KEY.*is set"):  # allowed, and looked for
            run_sweep(plan, one, store=tmp_path / "s.sqlite", progress=False, key_to=one.url)
    assert target == rl.live("http://127.0.0.1:9/v1") and not target.paid


def test_a_study_of_shipped_speech_needs_no_audio(tmp_path):
    plan = SweepPlan(BASE, SPACE, load_scripts("orders")[:1])
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False, run=sweep_fakes.instant)
    shared = Study(study.export(tmp_path / "share.sqlite", audio=True))
    assert shared.plan_here() == plan
    assert str(data_path("speech")).encode() not in shared.path.read_bytes()


def test_a_study_being_written_can_be_given_away_as_far_as_it_is(tmp_path):
    from realtime_lab.sweep.store.writer import StudyWriter
    from tests.sweep.store.test_store import DATES, content, result_of

    writer = StudyWriter.open(tmp_path / "s.sqlite", content())
    writer.commit([result_of(0)], *DATES)
    writer.mark([1], "running")
    shared = Study(Study(tmp_path / "s.sqlite").export(tmp_path / "share.sqlite"))
    writer.close()
    assert shared.states() == {"complete": 1, "planned": 5}


HOSTILE_NAMES = [
    "../../escape.wav", "/etc/passwd", "..%2fescape.wav", "a\0b.wav", "x" * 300 + ".wav", "C:\\escape.wav", "~/x.wav",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_and_places_lead_nowhere(study, calls, tmp_path, monkeypatch, name):
    """S4: whatever a file calls its audio, only a hash names what is written, and only below the cache."""
    monkeypatch.setenv("REALTIME_LAB_CACHE", str(tmp_path / "cache"))
    shared = Study(study.export(tmp_path / "share.sqlite", audio=True))
    for place in ("", name):
        with database(shared.path) as db:
            record = json.loads(db.execute("SELECT value FROM meta WHERE name = 'plan'").fetchone()[0])
            record["scripts"]["clips"][0] |= {"file": name, "path": place}
            db.execute("UPDATE meta SET value = ? WHERE name = 'plan'", (json.dumps(record),))
        before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
        plan = shared.plan_here()
        clip = plan.scripts[0].clips[0]
        assert clip.path.parent == tmp_path / "cache" / "audio" and clip.path.stem == clip.sha256
        assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    os.unlink(shared.path)


def test_audio_that_is_not_what_its_hash_says_is_not_taken_out(study, tmp_path):
    shared = Study(study.export(tmp_path / "share.sqlite", audio=True))
    with database(shared.path) as db:
        db.execute("UPDATE blobs SET data = x'00' WHERE codec = 'file'")
    with pytest.raises(StudyDamagedError, match="does not match its checksum"):
        Study(shared.path).plan_here()


def test_opening_any_part_of_a_strangers_study_runs_no_code():
    """S3: nothing reads pickles or evaluates text; workers' pipes carry our own, and `plugged` only writes one."""
    import ast
    from pathlib import Path

    import realtime_lab

    found, called = set(), set()
    for path in Path(realtime_lab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.id] if isinstance(node, ast.Name) else []
            names += [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            found |= {(path.name, name) for name in names if name in {"pickle", "eval", "exec", "yaml", "marshal"}}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pickle":
                called.add((path.name, node.attr))
    assert found == {("pool.py", "pickle"), ("child.py", "pickle"), ("plugged.py", "pickle")}
    assert {(name, attr) for name, attr in called if name == "plugged.py"} == {("plugged.py", "dumps")}


def test_a_mocked_recording_that_was_not_kept_is_made_again(tmp_path):
    plan = SweepPlan(BASE, SPACE, load_scripts("orders")[:1], seed=4)
    kept, lean = (
        run_sweep(plan, store=tmp_path / f"{keep}.sqlite", workers=0, progress=False, keep_recordings=keep)
        for keep in (True, False)
    )
    assert frames(kept) == frames(lean)
    assert lean.recording(1) == kept.recording(1)
    assert lean.events_df(0).equals(kept.events_df(0))
    assert lean.path.stat().st_size < kept.path.stat().st_size
    with database(lean.path) as db:
        assert db.execute("SELECT max(length(data)) FROM recordings").fetchone() == (0,)
        db.execute("UPDATE recordings SET sha256 = 'other'")
    with pytest.raises(StudyError, match="makes another one"):
        lean.recording(1)


def test_recordings_of_failed_sessions_are_always_kept(tmp_path):
    with pytest.warns(RuntimeWarning):
        study = run_sweep(
            SweepPlan(BASE, {"turn_detection": [{"type": "server_vad"}, None]}, load_scripts("edges")[:1]),
            store=tmp_path / "s.sqlite", workers=0, progress=False, keep_recordings=False, run=sweep_fakes.refused,
        )  # fmt: skip
    assert study.states() == {"failed": 2}
    with database(study.path) as db:
        assert db.execute("SELECT min(length(data)) FROM recordings").fetchone()[0] > 100
