"""Runs in a process of its own: sweeps on worker processes, killed at random instants and started again.

usage: python trust_kills.py KILLS SEED

Each session is held by a server in another process, which keeps a log of its own; each trial that a sweep has
acknowledged comes through a pipe. Everything is imported once and each sweep is a fork of this process, two at a time.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sweep_fakes import instant, small_plan
from trust_driver import AT_ONCE, COUNT, compared, in_a_fork, tell_kept

from realtime_lab.sweep import run_sweep
from realtime_lab.sweep.store import tables

PLAN = small_plan(range(200, 200 + COUNT // 2))
SESSION_S = 0.004


def held(task):
    """A session at the server; runs in a worker."""
    with socket.create_connection(("127.0.0.1", int(os.environ["TRUST_PORT"]))) as link:
        link.sendall(b"%d\n" % task.index)
        assert link.recv(1) == b"."
    return instant(task)


def server(log):
    """(port, process) of a server that writes a line when a session begins and one when it has ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid:
        return listener.getsockname()[1], pid
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        link, _ = listener.accept()
        with link:
            number = link.recv(20).strip()
            if number:
                os.write(out, b"held %s\n" % number)
                time.sleep(SESSION_S)
                os.write(out, b"ended %s\n" % number)
                try:
                    link.sendall(b".")
                except OSError:  # killed in the middle
                    pass


def entries(path):
    """The lines of a log."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(word, int(number)) for word, number in map(str.split, lines)]


def settle(session):
    """Wait for the workers of a killed sweep, which end by themselves; what they began until then was under way.

    The server takes one after another: when it has answered a caller without a number, whatever a worker asked it for
    before stands in its log.
    """
    while subprocess.run(["pgrep", "-r", "DRSTt", "-s", str(session)], capture_output=True).stdout:
        time.sleep(0.002)
    with socket.create_connection(("127.0.0.1", int(os.environ["TRUST_PORT"]))) as link:
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""


def sweep_until(path, log, enough, then_s):
    """(acknowledged, whether it was killed): a sweep, killed some seconds after so many lines of the server's log."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()  # by which its workers are found, also one that is just being started
        tell_kept(write)
        run_sweep(PLAN, store=path, workers=1, progress=False, run=HELD)
        os._exit(0)
    os.close(write)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if len(entries(log)) < enough:
            time.sleep(0.002)
            continue
        time.sleep(then_s)
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        settle(pid)
        break
    else:
        status = 0
    with os.fdopen(read) as lines:
        return [("kept", int(line.split()[1])) for line in lines if line.endswith("\n")], status != 0


def study_of_kills(folder, draw, most):
    """(kills, lost, doubled, held again) of one study: killed until a sweep comes to its end."""
    path, log = Path(folder) / "s.sqlite", Path(folder) / "log"
    port, pid = server(log)
    os.environ["TRUST_PORT"] = str(port)
    told, kills, killed, twice = [], 0, True, 0
    while killed:
        seen = len(entries(log))
        enough = seen + draw.randint(0, 24) if kills < most else 10**9
        kept, killed = sweep_until(path, log, enough, draw.random() * 0.03)
        kills += killed
        now = [entry for entry in entries(log)[seen:] if entry[0] == "held"]
        twice += len(now) - len(set(now))
        # What was acknowledged in this round may have been held in it; in later ones it may not.
        told += [*now, *kept]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lost, doubled = compared(path, told)
    if doubled + twice:
        print(f"{doubled} acknowledged and held again, {twice} held twice in one sweep", file=sys.stderr)
    ended = {number for word, number in entries(log) if word == "ended"}
    again = sum(word == "held" for word, _ in told) - COUNT
    return kills, lost + len(set(range(COUNT)) - ended), doubled + twice, again


def lane(kills, seed):
    """The sums of `study_of_kills` over as many studies as it takes, as text."""
    draw = random.Random(seed)
    total = [0, 0, 0, 0]
    while total[0] < kills:
        with tempfile.TemporaryDirectory() as folder:
            told = study_of_kills(folder, draw, kills - total[0])
        total = [sum(both) for both in zip(total, told, strict=True)]
    return " ".join(map(str, total))


def main(kills, seed):
    began = time.monotonic()
    tables.table_of("turns", [])  # slow imports before the first fork
    lanes = [in_a_fork(lambda n=n: lane(kills // AT_ONCE, 1000 * seed + n)) for n in range(AT_ONCE)]
    kills, lost, doubled, again = map(sum, zip(*(map(int, told().split()) for told in lanes), strict=True))
    print(f"{kills} kills, {lost} lost, {doubled} doubled, {again} sessions that were under way held again")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    import trust_kills

    HELD = trust_kills.held  # by a name that workers can import
    main(int(sys.argv[1]), int(sys.argv[2]))
