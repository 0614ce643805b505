"""A study that cannot be written for a while: the sweep waits, loses nothing, holds nothing twice, and goes on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sweep_fakes
from sweep_fakes import small_plan
from waiting import until

from realtime_lab.errors import StudyUnwritableError
from realtime_lab.sweep import Study, start_sweep
from realtime_lab.sweep.running import dispatch as patient
from realtime_lab.sweep.running.dispatch import BROKEN_PATIENCE_S, FULL_PATIENCE_S, PatientWriter

PLAN = small_plan(range(200, 250))


class Clogged:
    """A writer that fails so many times."""

    def __init__(self, times, full=True):
        self.times, self.full, self.stored = times, full, []

    def commit(self, results, *dates):
        if self.times:
            self.times -= 1
            raise StudyUnwritableError(
                "no", reason="the disk is full" if self.full else "disk I/O error", full=self.full
            )
        self.stored += results
        return results


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(patient, "AGAIN_AFTER_S", 0.01)


def test_what_came_back_is_kept_and_written_once_there_is_room():
    writer, told = Clogged(3), []
    assert PatientWriter(writer, threading.Event(), told.append).commit(["r"], "", "") == ["r"]
    assert writer.stored == ["r"] and told == ["the disk is full"] * 3 + [None]


@pytest.mark.parametrize(("full", "patience_s"), [(True, FULL_PATIENCE_S), (False, BROKEN_PATIENCE_S)])
def test_patience_ends_sooner_where_more_than_room_is_wanting(full, patience_s):
    writer, instants = Clogged(10**9, full), iter([0.0, 1.0, patience_s - 1, patience_s])
    with pytest.raises(StudyUnwritableError):
        PatientWriter(writer, threading.Event(), lambda _: None, lambda: next(instants)).commit([], "", "")
    assert not list(instants)


def test_who_cancels_waits_no_longer():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(StudyUnwritableError):
        PatientWriter(Clogged(10**9), cancelled, lambda _: None).commit([], "", "")


def paused(run):
    def waits():
        assert run.progress.state == "running", run.progress
        return run.progress.paused is not None

    until(waits)
    return str(run.progress)


@pytest.fixture
def megabyte(tmp_path):
    """A disk of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_pauses_a_sweep_until_there_is_room(megabyte, tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_LOG", str(tmp_path / "log"))
    store = megabyte / "s.sqlite"
    run = start_sweep(PLAN, store=store, workers=2, progress=False, run=sweep_fakes.slow_logged)
    said = paused(run)
    kept = Study(store).states()["complete"]
    assert re.search(r"paused \(the disk is full\), goes on when", said) and kept < 100
    subprocess.run(["mount", "-o", "remount,size=16m", megabyte], check=True)
    assert run.result().states() == {"complete": 100}
    assert run.progress.paused is None and run.progress.state == "finished"
    log = (tmp_path / "log").read_text().split()
    print(f"1 MB disk full after {kept} of 100 trials; with room: 100 complete, {len(log)} sessions held")
    assert sorted(log) == sorted(trial.key for trial in PLAN.trials)


def test_cancelling_while_the_disk_is_full_closes_what_was_acknowledged(megabyte):
    store = megabyte / "s.sqlite"
    plan = small_plan(range(200, 700))
    run = start_sweep(plan, store=store, workers=0, progress=False, run=sweep_fakes.instant)
    paused(run)
    kept = Study(store).states()["complete"]
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 1
    with pytest.raises(StudyUnwritableError, match="the disk is full"):
        run.result()
    assert Study(store).states()["complete"] == kept


TESTS = Path(__file__).parents[2]
LIMITED = """
import os, resource, signal, sys, time
sys.path[:0] = sys.argv[1:]
from tests.sweep.running.test_patient import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
run = start_sweep(PLAN, store="s.sqlite", workers=0, progress=False, run=sweep_fakes.logged)
print(paused(run))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(run.result().states())
"""


def test_a_file_that_may_not_grow_pauses_a_sweep_until_it_may(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(TESTS.parent), str(TESTS / "helpers")],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "SWEEP_LOG": str(tmp_path / "log")},
    )  # fmt: skip
    said, states = done.stdout.splitlines()
    assert "paused (" in said and states == "{'complete': 100}", done.stderr
    assert len((tmp_path / "log").read_text().split()) == 100
