"""Waiting for what another process or thread brings about: the one place where the tests look again and again."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress

LOOK_EVERY_S = 0.01


def until(true, seconds=60.0, what="it"):
    """Return once `true()` is; fail when it is not by then."""
    deadline_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline_s, f"{what} did not come within {seconds:g} s"
        time.sleep(LOOK_EVERY_S)


def free_port():
    """A port of 127.0.0.1 that nothing listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until_listening(port, process, seconds=60.0):
    """Return once something listens on a port of 127.0.0.1; fail when the process ends instead."""

    def listens():
        if process.poll() is not None:
            said = process.stdout.read()[-2000:] if process.stdout else "see its log"
            raise AssertionError(f"the server ended instead of listening: {said}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
        return False

    until(listens, seconds, "a listening server")


def end(process, seconds=10.0):
    """End a process, by force when it does not of itself."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if process.poll() is None:
        process.kill()
        process.wait()
