"""A damaged study: every whole batch comes out of it, whatever is broken, and the file itself stays as it is."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
import sweep_fakes
from sweep_fakes import BASE, database, small_plan
from typer.testing import CliRunner

from realtime_lab.audio import load_scripts
from realtime_lab.cli import app
from realtime_lab.errors import StudyDamagedError, StudyError
from realtime_lab.sweep import Study, SweepPlan, run_sweep
from realtime_lab.sweep.store.pages import rows_in_pages, with_log
from realtime_lab.sweep.store.salvage import _Found, salvage
from realtime_lab.sweep.store.writer import StudyWriter
from tests.sweep.store.test_store import DATES, content, filled, result_of

PLAN = small_plan(range(200, 230))
NUMBERS = list(range(60))


def written(path, plan):
    """A whole study without recordings, so that what is lost is lost."""
    writer = StudyWriter.open(path, content(plan))
    for number in range(len(plan.trials)):
        writer.commit([replace(result_of(number, plan), recording=None)], *DATES)
    writer.close(compact=False)
    return path


@pytest.fixture
def store(tmp_path):
    return written(tmp_path / "s.sqlite", PLAN)


def frames(path):
    return [Study(path).turns_df().to_csv(), Study(path).trials_df().to_csv()]


@pytest.mark.parametrize("compact", [True, False])
def test_a_sound_study_comes_out_as_it_was(tmp_path, compact):
    store = filled(tmp_path / "s.sqlite", NUMBERS, PLAN, compact=compact)
    before = store.read_bytes()
    done = salvage(store, tmp_path / "new.sqlite")
    assert (done.trials, done.complete, done.recomputed, done.lost) == (60, 60, 0, 0)
    assert frames(tmp_path / "new.sqlite") == frames(store)
    assert Study(tmp_path / "new.sqlite").recording(7) == Study(store).recording(7)
    assert store.read_bytes() == before
    assert "60 of 60 trials whole" in str(done)


def test_each_row_that_sqlite_reads_is_found_in_the_pages(store):
    found = [row for row in rows_in_pages(store.read_bytes()) if len(row) in (2, 4, 5, 6, 9, 14)]
    with database(store) as db:
        for table in ("meta", "trials", "attempts", "blobs", "recordings", "batches"):
            for row in db.execute(f"SELECT * FROM {table}"):
                assert list(row) in found, table


FEW = small_plan(range(200, 210))
KINDS = {5: "interior", 13: "leaf", 10: "index", 0: "overflow"}


def test_every_page_may_be_destroyed_and_only_what_was_in_it_is_lost(tmp_path, full):
    """A page each time, all of it or a few bytes: what is left is complete and right, or the plan is asked for."""
    store = written(tmp_path / "s.sqlite", FEW)
    whole, sound = store.read_bytes(), Study(store).turns_df()
    pages = range(len(whole) // 4096)
    kinds = Counter(KINDS[whole[page * 4096 + (0 if page else 100)]] for page in pages)
    assert set(kinds) == set(KINDS.values())
    kept = []
    for page in pages if full else random.Random(5).sample(pages, 5):
        for width in (4096, 8):
            damaged, out = tmp_path / "d.sqlite", tmp_path / f"{page}-{width}.sqlite"
            start = page * 4096 + (0 if width == 4096 else 1000)
            damaged.write_bytes(whole[:start] + b"\xa5" * width + whole[start + width :])
            try:
                done = salvage(damaged, out)
            except StudyDamagedError:  # the page held the plan
                done = salvage(damaged, out, FEW)
            rescued = Study(out).turns_df()
            expected = sound[sound.trial.isin(rescued.trial)].reset_index(drop=True)
            assert rescued.drop(columns="attempt").equals(expected.drop(columns="attempt"))
            assert Study(out).states() == {"complete": done.complete} | (
                {"planned": 20 - done.complete} if done.complete < 20 else {}
            )
            kept.append(done.complete)
            assert damaged.read_bytes()[start : start + width] == b"\xa5" * width
            out.unlink()
    print(f"{len(pages)} pages ({dict(kinds)}), {len(kept)} damages: {min(kept)} to {max(kept)} of 20 trials kept")
    assert min(kept) >= 18


def test_a_file_cut_at_any_page_gives_what_is_before_the_cut(store, tmp_path, full):
    whole = store.read_bytes()
    counts = []
    for pages in range(1, len(whole) // 4096, 1 if full else 17):
        damaged, out = tmp_path / "d.sqlite", tmp_path / f"{pages}.sqlite"
        damaged.write_bytes(whole[: pages * 4096])
        counts.append(salvage(damaged, out, PLAN).complete)
        assert Study(out).states().get("complete", 0) == counts[-1]
    assert counts[0] == 0 and counts[-1] >= 50


def test_the_command_ends_with_1_where_nothing_was_whole(store, tmp_path, monkeypatch):
    monkeypatch.setattr(SweepPlan, "load", lambda path: PLAN)
    out = tmp_path / "new.sqlite"
    for pages, code in ((1, 1), (len(store.read_bytes()) // 4096, 0)):
        damaged = tmp_path / "damaged.sqlite"
        damaged.write_bytes(store.read_bytes()[: pages * 4096])
        ended = CliRunner().invoke(app, ["salvage", *map(str, (damaged, "--out", out, "--plan", "plan.toml"))])
        assert ended.exit_code == code, ended.output
        out.unlink()


def test_the_same_sweep_finishes_a_salvaged_study(store, tmp_path):
    whole = store.read_bytes()
    store.write_bytes(whole[: len(whole) * 2 // 3])
    out = tmp_path / "new.sqlite"
    done = salvage(store, out, PLAN)
    assert 0 < done.complete < 60
    study = run_sweep(PLAN, store=out, workers=0, progress=False, run=sweep_fakes.instant)
    assert study.states() == {"complete": 60}


def test_what_stands_only_in_the_log_is_salvaged_too(tmp_path):
    store = tmp_path / "s.sqlite"
    writer = StudyWriter.open(store, content())
    for number in range(6):
        writer.commit([result_of(number)], *DATES)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if "lock" not in path.name}
    writer.close()
    assert with_log(files["s.sqlite"], files["s.sqlite-wal"]) != files["s.sqlite"]
    for name, data in files.items():
        (tmp_path / f"copy-{name}").write_bytes(data)
    assert salvage(tmp_path / "copy-s.sqlite", tmp_path / "new.sqlite").complete == 6
    torn = files["s.sqlite-wal"][: len(files["s.sqlite-wal"]) // 2]
    assert with_log(files["s.sqlite"], torn[:7]) == files["s.sqlite"]
    (tmp_path / "copy-s.sqlite-wal").write_bytes(torn)
    assert 0 < salvage(tmp_path / "copy-s.sqlite", tmp_path / "half.sqlite").complete < 6


def test_rows_that_are_lost_are_computed_again_from_the_recording(tmp_path):
    plan = SweepPlan(BASE, {"silence_duration_ms": [300, 600]}, load_scripts("orders")[:1])
    study = run_sweep(plan, store=tmp_path / "s.sqlite", workers=0, progress=False)
    before = frames(study.path)
    with database(study.path) as db:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("UPDATE batches SET data = x'00' WHERE kind = 'turns'")
    done = salvage(study.path, tmp_path / "new.sqlite")
    assert (done.complete, done.recomputed, done.lost) == (2, 2, 0)
    assert frames(tmp_path / "new.sqlite") == before


def test_what_is_no_study_and_what_is_in_the_way_are_refused(tmp_path, store):
    (tmp_path / "notes").write_bytes(b"just some notes " * 1000)
    with pytest.raises(StudyDamagedError, match="it is not a study"):
        salvage(tmp_path / "notes", tmp_path / "new.sqlite")
    with pytest.raises(StudyError, match="cannot be read"):
        salvage(tmp_path / "nowhere", tmp_path / "new.sqlite")
    with pytest.raises(StudyError, match="is there already"):
        salvage(store, store)
    assert not (tmp_path / "new.sqlite").exists()


@pytest.mark.parametrize("seed", range(20))
def test_pages_of_noise_give_nothing_and_never_an_error(seed):
    """Pages that claim to be leaves full of cells: what noise spells is no row of a study."""
    rng = random.Random(seed)
    data = bytearray(rng.randbytes(8 * 4096))
    for start in range(0, len(data), 4096):
        data[start] = rng.choice([2, 10, 13])
        data[start + 3 : start + 5] = rng.choice([b"\0\x09", b"\xff\xff"])
    found = _Found()
    for row in rows_in_pages(bytes(data)):
        found.take(row)
    assert found == _Found()


@pytest.mark.parametrize("seed", range(5))
def test_noise_among_sound_pages_changes_nothing_that_is_found(seed, store):
    """Pages of noise before, between and after whole pages: each row is found, and none that was not written."""
    rng = random.Random(seed)
    whole = store.read_bytes()
    noise = bytearray(rng.randbytes(3 * 4096))
    for start in range(0, len(noise), 4096):
        noise[start] = rng.choice([2, 10, 13])
    rows = list(rows_in_pages(whole))
    assert len(rows) > 3 * 60  # a trial, an attempt and two batches each
    mixed = [row for row in rows_in_pages(whole + bytes(noise)) if row not in rows]
    found = _Found()
    for row in mixed:
        found.take(row)
    assert list(rows_in_pages(whole + bytes(noise)))[: len(rows)] == rows and found == _Found()


@pytest.mark.parametrize("seed", range(20))
def test_a_log_of_noise_changes_no_byte_of_the_file(seed):
    rng = random.Random(seed)
    data = rng.randbytes(8 * 4096)
    assert with_log(data, b"\x37\x7f\x06\x82" + rng.randbytes(9000)) == data
