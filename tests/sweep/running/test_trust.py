"""What a study promises, with its figures: kills and faults at every write, torn logs, cut files, many writers."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import faulty_writes
import pytest
from sweep_fakes import BASE, small_plan

from realtime_lab.audio import load_scripts
from realtime_lab.errors import RecordingError, StudyError
from realtime_lab.recording import recording_from_bytes, recording_to_bytes
from realtime_lab.session import run_session
from realtime_lab.sweep import Study
from realtime_lab.sweep.store.writer import StudyWriter
from tests.sweep.store.test_store import DATES, content, filled, result_of

HERE = Path(__file__).parents[2] / "helpers"
PLAN = small_plan(range(200, 215))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    found = faulty_writes.built(tmp_path_factory.mktemp("faulty"))
    if found is None:
        pytest.skip("no C compiler on this machine")
    return found


def driven(name, *words, timeout, **surroundings):
    """What a driver of its own process printed."""
    done = subprocess.run(
        [sys.executable, HERE / name, *map(str, words)],
        env={**os.environ, **surroundings}, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    return done.stdout


def _step(mode, full):
    """Every write for a kill, which is what a promise is about; one in seven for the rest."""
    return 193 if not full else 1 if mode == "kill" else 7


@pytest.mark.parametrize("mode", ["kill", "tear", "no_space", "broken"])
def test_a_fault_at_every_write_of_a_sweep_of_30_trials_loses_and_doubles_nothing(library, mode, full):
    """R1, R3: killed at a write or in it, the disk full for a while, a write that fails; the same call goes on."""
    told = driven("trust_driver.py", library, mode, _step(mode, full), timeout=3000, LD_PRELOAD=str(library))
    found = re.fullmatch(
        r"\w+: (\d+) writes, (\d+) faults, (\d+) sweeps ended .*, 0 lost, 0 doubled, 0 manual .*\n", told
    )
    assert found
    writes, faults, ended = map(int, found.groups())
    assert writes > 500 and faults >= writes // _step(mode, full)
    # A sweep that cannot write waits; only where the file is being made or closed does it end, with one line.
    assert ended == faults if mode in ("kill", "tear") else ended <= max(1, faults // 10)


def test_a_sweep_killed_at_random_instants_agrees_with_the_servers_own_log(full):
    """R1: 200 kills in --full, of sweeps on worker processes; what was under way is held again, and nothing else."""
    kills = 200 if full else 20
    told = driven("trust_kills.py", kills, 7, timeout=1500)
    found = re.fullmatch(r"(\d+) kills, 0 lost, 0 doubled, (\d+) sessions .*\n", told)
    assert found and int(found[1]) >= kills and int(found[2]) > 0


def test_a_log_cut_at_every_frame_always_opens(tmp_path, full):
    """R2: whatever is cut off, the study opens, holds whole trials only, and more of them the less is cut."""
    store = tmp_path / "s.sqlite"
    writer = StudyWriter.open(store, content(PLAN))
    for number in range(30):
        writer.commit([result_of(number, PLAN)], *DATES)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix in (".sqlite", ".sqlite-wal")}
    writer.close()
    log = files["s.sqlite-wal"]
    frames = range(32, len(log) + 1, 24 + 4096)
    cuts = sorted({*frames[:: 1 if full else 60], *(at + 2000 for at in frames[:: 1 if full else 90]), len(log)})
    counts = []
    for cut in cuts:
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "s.sqlite").write_bytes(files["s.sqlite"])
        (copy / "s.sqlite-wal").write_bytes(log[:cut])
        StudyWriter.open(copy / "s.sqlite", content(PLAN)).close(compact=False)
        study = Study.open(copy / "s.sqlite")
        counts.append(study.states().get("complete", 0))
        assert len(study.turns_df()) == 2 * counts[-1]
        for path in copy.iterdir():
            path.unlink()
        copy.rmdir()
    print(f"{len(cuts)} cuts of a log of {len(frames)} frames: all opened, 0 to {counts[-1]} trials")
    assert counts == sorted(counts) and counts[-1] == 30


def test_a_main_file_cut_or_flipped_at_every_page_is_named_or_right(tmp_path, full):
    """R2: never a wrong frame, never more than one line; what is whole is for salvage (see its tests)."""
    store = filled(tmp_path / "s.sqlite", range(30), PLAN)
    whole = store.read_bytes()
    sound = [Study(store).turns_df().to_csv(), Study(store).trials_df().to_csv()]
    named = 0
    pages = range(1, len(whole) // 4096)
    for page in pages if full else random.Random(1).sample(pages, min(4, len(pages))):
        at = page * 4096
        for damaged in (whole[:at], whole[:at] + bytes(b ^ 0xFF for b in whole[at : at + 4096]) + whole[at + 4096 :]):
            store.write_bytes(damaged)
            try:
                study = Study.open(store)
                assert [study.turns_df().to_csv(), study.trials_df().to_csv()] == sound
            except StudyError as error:
                named += 1
                assert "\n" not in str(error) and str(store) in str(error)  # noqa: PT017
    print(f"{named} damages named, the others without effect")
    assert named


def test_a_recording_cut_or_flipped_anywhere_is_named_or_whole(full):
    """R2 for recordings as files: no line of another error."""
    whole = recording_to_bytes(run_session(BASE, load_scripts("orders")[0]))
    lines = whole.splitlines(keepends=True)
    for number in range(0, len(lines), 1 if full else max(1, len(lines) // 20)):
        cut = b"".join(lines[:number]) + lines[number][: len(lines[number]) // 2]
        with pytest.raises(RecordingError):
            recording_from_bytes(cut)
    draw = random.Random(2)
    for _ in range(2_000 if full else 100):
        at = draw.randrange(len(whole))
        try:
            recording_from_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        except RecordingError as error:
            assert "\n" not in str(error)  # noqa: PT017


WRITER = """
import random, re, sys, time
sys.path.insert(0, sys.argv[1])
from tests.sweep.running.test_trust import *
from realtime_lab.errors import StudyLockedError
number, each = int(sys.argv[2]), int(sys.argv[3])
plan = crowd(each)
told = content(plan)
mine = list(range(number * each, (number + 1) * each))
draw, refused = random.Random(number), 0
while mine:
    try:
        writer = StudyWriter.open("s.sqlite", told)
    except StudyLockedError as error:
        assert re.search(r"being written by (process [0-9]+ on|another process)", str(error)), error
        refused += 1
        time.sleep(0.002 + 0.02 * draw.random())
        continue
    for _ in range(min(len(mine), draw.randint(1, 40))):
        trial = mine.pop(0)
        writer.mark([trial], "running")
        writer.commit([result_of(trial, plan)], *DATES)
    writer.close(compact=False)
print(refused)
"""


def crowd(each):
    """A plan with so many trials for each of four writers."""
    return small_plan(range(200, 200 + 2 * each))


def test_four_processes_write_one_study_each_row_once_or_a_refusal_that_names_the_holder(tmp_path, full):
    """R5: 4 x 300 writes in --full."""
    each = 300 if full else 20
    began = time.monotonic()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(HERE), str(number), str(each)], cwd=tmp_path, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for number in range(4)
    ]  # fmt: skip
    told = [writer.communicate(timeout=500) for writer in writers]
    assert all(writer.returncode == 0 for writer in writers), told
    study = Study.open(tmp_path / "s.sqlite")
    assert study.states() == {"complete": 4 * each}
    assert len(study.turns_df()) == 8 * each and set(study.trials_df().attempt) == {1}
    refused = sum(int(out) for out, _ in told)
    print(f"4 x {each} writes, {refused} refusals, in {time.monotonic() - began:.0f} s")
