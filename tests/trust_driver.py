"""Runs in a process of its own, under `faulty_writes`: a sweep of 30 trials with a fault at one write after another.

usage: python trust_driver.py LIBRARY MODE STEP   (MODE: kill, tear, no_space, broken; every STEP-th write)
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sweep_fakes import small_plan
from test_sweep_store import DATES, content, result_of

from realtime_lab.errors import StudyError
from realtime_lab.sweep import schema, tables
from realtime_lab.sweep.store import StudyWriter

MODES = {"count": 0, "kill": 1, "tear": 2, "no_space": 3, "broken": 4}
PLAN = small_plan(range(200, 215))
COUNT = 30


def child(path, out, fault, at, mode):
    """Sweep what is left of the plan; every acknowledged trial is told through the pipe."""
    fault.fault_arm(at, MODES[mode])
    try:
        writer = StudyWriter.open(path, CONTENT)
        try:
            for number in writer.unfinished():
                writer.mark([number], "running")
                writer.commit([RESULTS[number]], *DATES)
                os.write(out, b"%d\n" % number)
        finally:
            writer.close()
    except StudyError as error:
        os._exit(3 if "\n" not in str(error) else 4)
    os.write(out, b"writes %d\n" % fault.fault_seen())
    os._exit(0)


def swept(path, fault, at=-1, mode="count"):
    """(what was told, exit status) of one child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(path, write, fault, at, mode)
    os.close(write)
    with os.fdopen(read) as lines:
        told = [line.strip() for line in lines if line.endswith("\n")]
    return told, os.waitpid(pid, 0)[1]


def checked(path, acknowledged):
    """(lost, doubled) in a finished study."""
    db = schema.connect(path, write=False)
    complete = {number for (number,) in db.execute("SELECT trial FROM trials WHERE state = 'complete'")}
    doubled = len(acknowledged) - len(set(acknowledged))
    doubled += db.execute("SELECT count(*) - count(DISTINCT trial) FROM recordings").fetchone()[0]
    doubled += sum(n for (n,) in db.execute("SELECT n FROM batches WHERE kind = 'turns'")) - 2 * COUNT
    db.close()
    return len((set(acknowledged) | set(range(COUNT))) - complete), doubled


def main(library, mode, step):
    fault = ctypes.CDLL(library)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        told, _ = swept(Path(folder) / "whole.sqlite", fault, 10**9)
        writes = int(told[-1].split()[1])
        faults = lost = doubled = manual = 0
        for at in range(1, writes + 1, step):
            path = Path(folder) / f"{at}.sqlite"
            first, status = swept(path, fault, at, mode)
            faults += status != 0
            again, status = swept(path, fault)
            manual += status != 0
            told = [int(word) for word in first + again if word.isdecimal()]
            missing, twice = checked(path, told)
            lost, doubled = lost + missing, doubled + twice
            path.unlink()
    print(f"{mode}: {writes} writes, {faults} faults, {lost} lost, {doubled} doubled, {manual} manual steps")


tables.table_of("turns", [])  # slow imports before the first fork
CONTENT = content(PLAN)
RESULTS = [result_of(number, PLAN) for number in range(COUNT)]

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
