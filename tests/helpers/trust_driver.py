"""Runs in a process of its own, under `faulty_writes`: a sweep of 30 trials with a fault at one write after another.

usage: python trust_driver.py LIBRARY MODE STEP   (MODE: kill, tear, no_space, broken; every STEP-th write)

Everything is imported once and each sweep is a fork of this process, on two cores. A sweep is `run_sweep` with a
trial in a batch. Every session it holds and every trial it has acknowledged goes into a log that this process keeps,
as a server would that outlives its client.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sweep_fakes import instant, small_plan

from realtime_lab.errors import StudyError
from realtime_lab.sweep import run_sweep
from realtime_lab.sweep.running import dispatch as patient
from realtime_lab.sweep.running import schedule
from realtime_lab.sweep.store import schema, tables
from realtime_lab.sweep.store.writer import StudyWriter

MODES = {"count": 0, "kill": 1, "tear": 2, "no_space": 3, "broken": 4}
PLAN = small_plan(range(200, 215))
COUNT = 30
AT_ONCE = 2
commit = StudyWriter.commit


def tell_kept(log):
    """From now on, each trial that is acknowledged leaves a line."""

    def acknowledged(writer, results, *dates):
        stored = commit(writer, results, *dates)
        os.write(log, b"".join(b"kept %d\n" % result.index for result in stored))
        return stored

    StudyWriter.commit = acknowledged


def child(path, log, fault, at, mode):
    """Sweep what is left of the plan, in this process; sessions and acknowledged trials are logged."""

    def held(task):
        os.write(log, b"held %d\n" % task.index)
        return instant(task)

    tell_kept(log)
    fault.fault_arm(at, MODES[mode])
    try:
        run_sweep(PLAN, store=path, workers=0, progress=False, run=held)
    except StudyError as error:
        os._exit(3 if "\n" not in str(error) else 4)
    os.write(log, b"writes %d\nfailed %d\n" % (fault.fault_seen(), fault.fault_failed()))
    os._exit(0)


def swept(path, fault, at=-1, mode="count"):
    """(log, exit status) of one child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(path, write, fault, at, mode)
    os.close(write)
    with os.fdopen(read) as lines:
        log = [line.split() for line in lines if line.endswith("\n")]
    return [(word, int(number)) for word, number in log], os.waitpid(pid, 0)[1]


def compared(path, log):
    """(lost, doubled): a finished study beside the log of all sweeps of it."""
    db = schema.connect(path, write=False)
    complete = {number for (number,) in db.execute("SELECT trial FROM trials WHERE state = 'complete'")}
    doubled = db.execute("SELECT count(*) - count(DISTINCT trial) FROM recordings").fetchone()[0]
    doubled += sum(n for (n,) in db.execute("SELECT n FROM batches WHERE kind = 'turns'")) - 2 * COUNT
    db.close()
    kept = set()
    for word, number in log:
        if word not in ("held", "kept"):
            continue
        doubled += number in kept  # held or stored again, although acknowledged
        kept |= {number} if word == "kept" else set()
    return len(set(range(COUNT)) - complete) + len(kept - complete), doubled


def faulted(folder, fault, at, mode):
    """Of a sweep with a fault at one write, and of the same sweep after it, the sums that `main` prints."""
    path = Path(folder) / f"{at}.sqlite"
    first, status = swept(path, fault, at, mode)
    again, failed = swept(path, fault)
    lost, doubled = compared(path, first + again)
    path.unlink()
    faults = status != 0 or dict(first)["failed"] > 0
    return faults, status != 0, lost, doubled, failed != 0


def total(folder, fault, places, mode):
    """The sums of `faulted` over some writes, as text."""
    return " ".join(map(str, map(sum, zip(*(faulted(folder, fault, at, mode) for at in places), strict=True))))


def in_a_fork(work):
    """Start `work` in a fork of this process; what is returned waits for its text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, work().encode())
        os._exit(0)
    os.close(write)

    def text():
        with os.fdopen(read) as lines:
            told = lines.read()
        os.waitpid(pid, 0)
        return told

    return text


def main(library, mode, step):
    began = time.monotonic()
    schedule.TARGET_TASK_S = 0.0  # a trial a batch: as many writes as can be, and the same in every run
    patient.AGAIN_AFTER_S = 0.0
    warnings.simplefilter("error")
    tables.table_of("turns", [])  # slow imports before the first fork
    fault = ctypes.CDLL(library)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        log, _ = swept(Path(folder) / "whole.sqlite", fault, 10**9)
        writes = dict(log)["writes"]
        places = range(1, writes + 1, step)
        shares = [places[lane::AT_ONCE] for lane in range(AT_ONCE)]
        lanes = [in_a_fork(lambda share=share: total(folder, fault, share, mode)) for share in shares]
        faults, ended, lost, doubled, manual = map(sum, zip(*(map(int, lane().split()) for lane in lanes), strict=True))
    print(
        f"{mode}: {writes} writes, {faults} faults, {ended} sweeps ended by them, "
        f"{lost} lost, {doubled} doubled, {manual} manual steps"
    )
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
