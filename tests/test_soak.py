"""Two thousand live turns over loopback, and a hundred thousand mocked sessions: memory and descriptors stay flat.

    python3 .ci/up test tests/test_soak.py --full -s -n 0

prints what each process held a tenth of the way on and at the end: this one, its workers, and the server.
"""

from __future__ import annotations

import os
import statistics
import threading
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_servers import shortest_script

from realtime_lab.audio import babble, clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.session import mocked
from realtime_lab.session.targets import live
from realtime_lab.sweep import SweepPlan, start_sweep
from realtime_lab.testing.doctor import planted_server

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what a process holds"),
]
BASE = SessionConfig(model="gpt-realtime", turn_detection=ServerVad())
GROWTH_MB = 40.0
"""What a process may hold more at the end: 20 kB a live turn, which is less than a hundredth of what a session holds.

The allocator keeps some of what came and went, and each trial leaves a key and a state in the sweep's own process.
"""
LIVE_TURNS, MOCKED_TRIALS = 2_000, 100_000
SESSIONS = 40


def family():
    """This process and all that it started, as (process, command)."""
    parents, names = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = place.read_text().partition(" (")
            name, _, rest = rest.rpartition(") ")
        except OSError:  # it has ended since
            continue
        parents[int(number)], names[int(number)] = int(rest.split()[1]), name
    ours = {os.getpid()}
    while more := {one for one, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return [(one, names[one]) for one in sorted(ours)]


def held(process):
    """(memory in MB, open descriptors) of a process; None when it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{process}/fd"))
    except (OSError, IndexError):
        return None


@contextmanager
def watched(share, every_s=0.5):
    """Samples of (share of the way, MB, descriptors) by (process, command), taken while the block runs."""
    samples, over = defaultdict(list), threading.Event()

    def watch():
        while not over.wait(every_s):
            at = share()
            for one in family():
                found = held(one[0])
                if found is not None:
                    samples[one].append((at, *found))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def growth(samples):
    """(name, MB more, descriptors more) of every process that lasted, from the second tenth of the way to the last."""
    found = []
    for (process, name), rows in samples.items():
        early = [row for row in rows if 0.1 <= row[0] < 0.2]
        late = [row for row in rows if row[0] >= 0.9]
        if not early or not late:
            continue
        before, after = (statistics.median(row[1] for row in part) for part in (early, late))
        opened = max(row[2] for row in early)
        open_at_end = statistics.median_low([row[2] for row in late])
        print(f"{name} {process}: {before:.1f} -> {after:.1f} MB, {opened} -> {open_at_end} descriptors")
        found.append((name, after - before, open_at_end - opened))
    return found


def run(plan, target, store, **how):
    """Sweep a plan while everything that takes part is watched; the study and what grew."""
    sweep = start_sweep(plan, target=target, store=store, progress=False, **how)
    with watched(lambda: sweep.progress.done / len(plan.trials)) as samples:
        study = sweep.result()
    print(f"\n{len(plan.trials):,} trials, {study.states()}")
    return study, growth(samples)


def is_flat(grown):
    return all(mb <= GROWTH_MB and descriptors <= 0 for _, mb, descriptors in grown)


@pytest.mark.filterwarnings("ignore:.*trials failed:RuntimeWarning")
def test_two_thousand_live_turns_leave_nothing_behind(tmp_path):
    """Sessions come and go, 40 at a time: neither the worker nor the server keeps any of them.

    A machine that is busy otherwise may lose a few to silence; they are to leave nothing behind either.
    """
    plan = SweepPlan(BASE, {"threshold": [0.3, 0.5]}, [shortest_script()], repeats=LIVE_TURNS // 2)
    with planted_server() as url:
        target = live(url, api_key_env=None, sessions=SESSIONS)
        study, grown = run(plan, target, tmp_path / "s.sqlite", workers=1, keep_recordings=False)
    assert study.states().get("complete", 0) >= 0.95 * LIVE_TURNS
    assert len(grown) >= 3 and is_flat(grown)


def test_a_hundred_thousand_mocked_sessions_leave_only_their_rows(tmp_path):
    """Each is held, by two workers, with its rows in the study and no recording."""
    space = {"silence_duration_ms": range(200, 1200, 10), "threshold": [round(0.2 + 0.05 * n, 2) for n in range(10)]}
    repeats = MOCKED_TRIALS // 2_000
    plan = SweepPlan(BASE, space, [shortest_script()], conditions=[clean(), babble(3)], repeats=repeats)
    study, grown = run(plan, mocked(transcriber="simulated"), tmp_path / "s.sqlite", workers=2, keep_recordings=False)
    assert study.states() == {"complete": MOCKED_TRIALS}
    assert len(grown) >= 3 and is_flat(grown)
