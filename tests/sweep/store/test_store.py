"""The study file as it is written: acknowledged is kept, strangers are refused, one plain file remains."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from sweep_fakes import database, instant, script, small_plan, undeclared

from realtime_lab.analysis import columns
from realtime_lab.errors import (
    StudyDamagedError,
    StudyError,
    StudyLockedError,
    StudyMismatchError,
    StudyVersionError,
)
from realtime_lab.session import mocked
from realtime_lab.sweep import Study
from realtime_lab.sweep.store.content import study_content
from realtime_lab.sweep.store.reader import reading
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.workers.worker import TrialResult, TrialTask

PLAN = small_plan()
DATES = ("2026-01-01T00:00:00.000+00:00", "2026-01-01T00:00:01.000+00:00")


def content(plan=PLAN):
    return study_content(plan, mocked(), plan.trials)


def result_of(number, plan=PLAN, run=instant):
    trial = plan.trials[number]
    spoken = next(s for s in plan.scripts if s.id == trial.script_id)
    return run(TrialTask(number, trial.key, trial.config, spoken, trial.condition, trial.seed, mocked()))


def filled(path, numbers, plan=PLAN, **close):
    """A study in which some trials are complete, each committed alone."""
    writer = StudyWriter.open(path, content(plan))
    for number in numbers:
        writer.commit([result_of(number, plan)], *DATES)
    writer.close(**close)
    return path


def test_a_new_study_has_every_trial_planned(store):
    filled(store, [])
    assert Study.open(store).states() == {"planned": 6}


def test_what_is_committed_is_there_and_the_rest_is_unfinished(store):
    filled(store, [4, 1])
    writer = StudyWriter.open(store, content())
    assert writer.unfinished() == [0, 2, 3, 5]
    writer.close()


def test_a_closed_study_is_one_file_and_an_open_one_is_not(store):
    writer = StudyWriter.open(store, content())
    assert {path.name for path in store.parent.iterdir()} > {"s.sqlite", "s.sqlite.lock"}
    writer.close()
    assert [path.name for path in store.parent.iterdir()] == ["s.sqlite"]


def test_a_failed_trial_is_unfinished_and_its_next_attempt_counts_up(store):
    writer = StudyWriter.open(store, content())
    writer.commit([TrialResult(0, "failed", error="no", detail="Traceback")], *DATES)
    assert 0 in writer.unfinished()
    writer.commit([result_of(0)], *DATES)
    writer.close()
    frame = Study.open(store).trials_df()
    assert (frame.attempt[0], frame.state[0]) == (2, "complete")
    assert frame.error.isna()[0]
    with database(store) as db:
        rows = db.execute("SELECT attempt, state, detail FROM attempts ORDER BY id").fetchall()
    assert rows == [(1, "failed", "Traceback"), (2, "complete", None)]


def test_rows_of_a_replaced_attempt_are_left_out(store):
    writer = StudyWriter.open(store, content())
    writer.commit([result_of(0)], *DATES)
    writer.commit([result_of(0)], *DATES)
    writer.close()
    assert len(Study.open(store).turns_df()) == 2


def test_a_lost_trial_is_on_record_and_planned_again(store):
    writer = StudyWriter.open(store, content())
    writer.mark([0, 1], "running")
    writer.lose([0], "the worker died", *DATES)
    writer.close()
    frame = Study.open(store).trials_df()
    assert frame.state.tolist()[:2] == ["planned", "planned"]
    assert frame.attempt.isna().all()


def test_running_trials_of_a_dead_writer_are_planned_again(store):
    writer = StudyWriter.open(store, content())
    writer.mark([0], "running")
    assert Study(store).trials_df().state[0] == "running"
    writer.close()
    assert Study(store).trials_df().state[0] == "planned"
    StudyWriter.open(store, content()).close()
    assert Study(store).states() == {"planned": 6}


def test_rows_that_are_not_declared_fail_their_trial_and_say_why(store):
    writer = StudyWriter.open(store, content())
    stored = writer.commit([result_of(0, run=undeclared), result_of(1)], *DATES)
    writer.close()
    assert [result.state for result in stored] == ["failed", "complete"]
    assert "surprise" in Study(store).trials_df().error[0]


def test_rows_of_a_wrong_type_leave_nothing_half_written(store):
    writer = StudyWriter.open(store, content())
    bad = replace(result_of(0), rows={"turns": [{"turn": "zero"}]})
    stored = writer.commit([bad, result_of(1)], *DATES)
    writer.close()
    assert [result.state for result in stored] == ["failed", "complete"]
    assert Study(store).states() == {"complete": 1, "failed": 1, "planned": 4}


def test_compaction_changes_no_frame_and_leaves_few_batches(store, tmp_path):
    plan = small_plan(range(200, 230))
    numbers = list(range(60))
    whole = filled(tmp_path / "whole.sqlite", numbers, plan)
    loose = filled(store, numbers[::-1], plan, compact=False)
    count = []
    for path in (whole, loose):
        with database(path) as db:
            count.append(db.execute("SELECT count(*) FROM batches").fetchone()[0])
    assert count == [2, 120]
    assert Study(whole).turns_df().to_csv() == Study(loose).turns_df().to_csv()
    assert whole.stat().st_size < loose.stat().st_size / 3


def test_compaction_leaves_a_damaged_batch_for_the_reader_to_name(store):
    filled(store, [0, 1], compact=False)
    with database(store) as db:
        db.execute("UPDATE batches SET data = x'00' WHERE id = 1")
    StudyWriter.open(store, content()).close()
    with pytest.raises(StudyDamagedError, match=r"batch 1 \(trials\)"):
        Study(store).trials_df()
    assert len(Study(store).turns_df()) == 4


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((1 << 40).to_bytes(8, "little") + b"x", r"claims to unpack to 1,099,511,627,776 bytes"),
        ((1 << 20).to_bytes(8, "little") + b"no zstd frame", "cannot be unpacked"),
        ((1).to_bytes(8, "little") + pa.Codec("zstd").compress(bytes(5000), asbytes=True), "cannot be unpacked"),
        ((64).to_bytes(8, "little") + pa.Codec("zstd").compress(bytes(64), asbytes=True), "batch 1"),
        (b"", "batch 1"),
    ],
)
def test_a_batch_with_a_right_checksum_and_wrong_bytes_is_named(store, data, said):
    filled(store, [0, 1], compact=False)
    with database(store) as db:
        db.execute("UPDATE batches SET data = ?, sha256 = ? WHERE id = 1", (data, hashlib.sha256(data).hexdigest()))
    with pytest.raises(StudyDamagedError, match=said) as caught:
        Study(store).trials_df()
    assert "\n" not in str(caught.value)


def _packed(table, compression=None):
    """A batch as a stranger may write it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        stream.write_table(table)
    data = sink.getvalue()
    return data.size.to_bytes(8, "little") + pa.Codec("zstd").compress(data, asbytes=True)


def _rows(count, **columns):
    """A table of turns with a right trial and attempt in every row."""
    own = pa.array([0] * count, pa.int32()), pa.array([1] * count, pa.int32())
    return pa.table({"trial_number": own[0], "attempt": own[1], **columns})


def _bombs():
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), pa.array(["x" * 1_000_000]))
    yield "rows", _packed(_rows((1 << 20) + 1)), "it has 1,048,577 rows"
    yield "recurring text", _packed(_rows(600, transcript=text)), "texts too long to be written out"
    yield "columns packed one by one", _packed(_rows(9), "zstd"), "its columns are packed one by one"
    yield "recurring text packed", _packed(_rows(600, transcript=text), "zstd"), "its columns are packed one by one"


@pytest.mark.parametrize(("data", "said"), [pytest.param(*rest, id=name) for name, *rest in _bombs()])
def test_a_batch_that_would_fill_the_memory_is_refused(store, data, said):
    """S5: a few kilobytes that become a thousand times as much once read, text for text or column for column."""
    assert len(data) < 10_000
    filled(store, [0, 1], compact=False)
    with database(store) as db:
        told = data, hashlib.sha256(data).hexdigest()
        db.execute("UPDATE batches SET data = ?, sha256 = ? WHERE kind = 'turns'", told)
    with pytest.raises(StudyDamagedError, match=said):
        Study(store).turns_df()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("key", b"\xff\xfe", "in key"),
        ("attempt", "", "in attempt"),
        ("tainted", b"\0" * 100, "in tainted"),
        ("error", b"<b>", "in error"),
        ("seed", 1.5, "in seed"),
        ("setting", 99, "Index"),
        ("setting", -1, "Index"),
    ],
)
def test_trials_that_hold_what_no_sweep_writes_are_named_whatever_is_asked(store, column, value, said):
    """SQLite keeps bytes where text is declared, and text where numbers are."""
    filled(store, [0, 1])
    with database(store) as db:
        db.execute(f"UPDATE trials SET {column} = ? WHERE trial = 0", (value,))
    for ask in (Study.trials_df, Study.turns_df, Study.summary, lambda study: study.events_df(1)):
        with pytest.raises(StudyDamagedError, match=said) as caught:
            ask(Study(store))
        assert "\n" not in str(caught.value)


def test_attempts_that_hold_text_where_numbers_belong_are_named(store):
    filled(store, [0])
    with database(store) as db:
        db.execute("UPDATE attempts SET attempt = 'x'")
    with reading(store) as reader, pytest.raises(StudyDamagedError, match="its attempts hold text"):
        reader.attempts()


def test_a_recording_that_is_no_zlib_is_named(store):
    filled(store, [0])
    with database(store) as db:
        db.execute("UPDATE recordings SET data = x'00'")
    with pytest.raises(StudyDamagedError, match="the recording of trial 0 does not match its checksum"):
        Study(store).recording(0)


def test_what_was_sent_out_and_not_waited_for_is_on_record(store):
    writer = StudyWriter.open(store, content())
    writer.abandon([2], *DATES)
    writer.close()
    assert Study(store).states() == {"cancelled": 1, "planned": 5}
    with reading(store) as reader:
        assert reader.attempts() == [(2, None, "cancelled")]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"file.sub cannot be made"):
        StudyWriter.open(tmp_path / "file" / "sub" / "s.sqlite", content())


def test_a_second_writer_is_refused_and_the_first_goes_on(store):
    writer = StudyWriter.open(store, content())
    with pytest.raises(StudyLockedError, match="this very process"):
        StudyWriter.open(store, content())
    writer.commit([result_of(0)], *DATES)
    writer.close()
    assert Study(store).states()["complete"] == 1


def test_a_reader_at_the_end_costs_nothing_but_a_second_file(store):
    writer = StudyWriter.open(store, content())
    with reading(store) as reader:
        reader.states()
        writer.close()
    filled(store, [0])
    assert [path.name for path in store.parent.iterdir()] == ["s.sqlite"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (small_plan((200, 300)), "space"),
        (small_plan(seed=1), "seed"),
        (small_plan(repeats=2), "repeats"),
        (small_plan(scripts=("a", "c")), "scripts"),
        (small_plan().only({"silence_duration_ms": 200}), "chosen"),
    ],
)
def test_another_plan_is_refused_in_one_line_that_says_what_differs(store, other, said):
    filled(store, [0])
    before = store.read_bytes()
    with pytest.raises(StudyMismatchError, match=f"they differ in {said}; give another store") as caught:
        StudyWriter.open(store, content(other))
    assert "\n" not in str(caught.value)
    assert store.read_bytes() == before and not store.with_name("s.sqlite.lock").exists()


def test_another_target_is_refused(store):
    filled(store, [0])
    target = mocked("observed")
    with pytest.raises(StudyMismatchError, match="they differ in target"):
        StudyWriter.open(store, study_content(PLAN, target, PLAN.trials_for(target)))


def test_moving_the_audio_does_not_make_it_another_plan(store):
    filled(store, [0])
    moved = [script("a"), script("b")]
    for one in moved:
        object.__setattr__(one.turns[0].segments[0].clip, "path", Path("elsewhere.wav"))
    StudyWriter.open(store, content(replace(PLAN, scripts=moved))).close()
    with Study.open(store) as study:
        assert len(study.trials_df()) == len(PLAN.trials)


@pytest.mark.parametrize(("version", "hint"), [(2, "it, or let realtime-lab salvage"), (99, "it$")])
def test_another_schema_version_is_refused(store, version, hint):
    filled(store, [])
    with database(store) as db:
        db.execute(f"PRAGMA user_version = {version}")
    for attempt in (lambda: Study.open(store), lambda: StudyWriter.open(store, content())):
        with pytest.raises(StudyVersionError, match=f"schema version {version}, .*: open .* wrote {hint}"):
            attempt()


def test_another_metrics_version_is_never_pooled(store):
    filled(store, [])
    with database(store) as db:
        db.execute("UPDATE meta SET value = '0' WHERE name = 'metrics_version'")
    with pytest.raises(StudyVersionError, match=f"version 0, this is version {columns.METRICS_VERSION}"):
        StudyWriter.open(store, content())


def _not_sqlite(path):
    path.write_text("just some notes " * 500)


def _other_sqlite(path):
    with database(path) as db:
        db.execute("CREATE TABLE notes (x)")


def _with_trigger(path):
    filled(path, [])
    with database(path) as db:
        db.execute("CREATE TRIGGER t AFTER UPDATE ON trials BEGIN DELETE FROM trials; END")


def _with_view(path):
    filled(path, [])
    with database(path) as db:
        db.executescript("ALTER TABLE trials RENAME TO hidden; CREATE VIEW trials AS SELECT * FROM hidden;")


def _cut_short(path):
    filled(path, [0])
    with open(path, "r+b") as stream:
        stream.truncate(10_000)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (_not_sqlite, StudyDamagedError, "is not a study"),
        (_other_sqlite, StudyError, "not a study of this package"),
        (_with_trigger, StudyError, "tables that no study has"),
        (_with_view, StudyError, "tables that no study has"),
        (_cut_short, StudyDamagedError, "is damaged"),
        (Path.mkdir, StudyError, "is a folder"),
    ],
)
def test_what_is_not_a_sound_study_is_refused_in_one_line_and_left_alone(store, make, kind, said):
    make(store)
    before = store.read_bytes() if store.is_file() else None
    for attempt in (lambda: Study.open(store).trials_df(), lambda: StudyWriter.open(store, content())):
        with pytest.raises(kind, match=said) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert before is None or store.read_bytes() == before


def test_a_study_that_is_not_there_or_empty(store):
    with pytest.raises(StudyError, match="does not exist"):
        Study.open(store)
    store.touch()
    with pytest.raises(StudyError, match="is empty"):
        Study.open(store)
    filled(store, [0])
    assert Study.open(store).states() == {"complete": 1, "planned": 5}


def test_every_flipped_page_gives_sound_frames_or_a_named_error(store, full):
    filled(store, range(6))
    whole = store.read_bytes()
    frames = [Study(store).turns_df().to_csv(), Study(store).trials_df().to_csv()]
    said = []
    for start in range(0, len(whole), 4096 if full else 3 * 4096):
        store.write_bytes(whole[:start] + bytes(b ^ 0xFF for b in whole[start : start + 64]) + whole[start + 64 :])
        try:
            study = Study.open(store)
            study.plan  # noqa: B018
            assert [study.turns_df().to_csv(), study.trials_df().to_csv()] == frames
            study.recording(0)
        except StudyError as error:
            said.append(str(error))
    assert said and not any("\n" in line for line in said)


def test_a_torn_log_always_opens(store, tmp_path):
    writer = StudyWriter.open(store, content())
    for number in range(6):
        writer.commit([result_of(number)], *DATES)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.endswith("lock")}
    writer.close()
    log = files["s.sqlite-wal"]
    counts = []
    for cut in [*range(0, len(log), len(log) // 12), len(log)]:
        copy = tmp_path / f"cut{cut}"
        copy.mkdir()
        for name, data in files.items():
            (copy / name).write_bytes(data[:cut] if name.endswith("wal") else data)
        (copy / "s.sqlite-shm").unlink()
        filled(copy / "s.sqlite", [])
        counts.append(Study.open(copy / "s.sqlite").states().get("complete", 0))
    assert counts == sorted(counts) and counts[-1] == 6


def test_a_full_disk_keeps_what_was_finished(store):
    """The file may not grow: as on a full disk, writing fails, in one line, and reading goes on."""
    code = (
        "import sys, resource; sys.path.insert(0, sys.argv[1]); from tests.sweep.store.test_store import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "writer = StudyWriter.open(Path('s.sqlite'), content())\n"
        "writer.commit([result_of(0)], *DATES)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize('s.sqlite-wal') + 5000,) * 2)\n"
        "try:\n    writer.commit([result_of(n) for n in range(1, 6)], *DATES)\n"
        "except StudyError as error:\n    print(error)\n"
        "writer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parents[2] / "helpers")],
        cwd=store.parent,
        capture_output=True,
        text=True,
    )
    assert "cannot be written" in done.stdout and done.stdout.count("\n") == 1, done.stdout + done.stderr
    filled(store, [1])
    assert Study(store).states() == {"complete": 2, "planned": 4}
    assert os.path.exists(store) and signal.SIGXFSZ
