"""The inside of one worker process: takes pickled calls from its parent, answers with pickled outcomes.

Started by `pool.WorkerPool`, never by hand. It reads nothing but its parent's pipe and ends when that closes, in the
middle of a call too, so a parent that is killed leaves no orphan. What the calls do is not known here.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import IO, Any

Outcome = tuple[bool, Any]
"""(True, the call's value) or (False, the exception it raised)."""

_LENGTH = struct.Struct("<Q")


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next length-prefixed frame; None at the end of the stream, also in the middle of a frame."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Write `body` behind its length."""
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def main() -> None:
    """Serve calls until the parent closes the pipe."""
    # The parent decides what an interrupt means; it reaches the whole terminal group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls, outcomes = _private_pipes()
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(calls, inbox), daemon=True).start()
    write_frame(outcomes, dump_outcome((True, os.getpid())))
    while True:
        outcome = _perform(inbox.get())
        try:
            write_frame(outcomes, outcome)
        except BrokenPipeError:
            os._exit(0)


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the parent's pipe for ourselves: what a session prints goes to standard error instead."""
    calls = os.fdopen(os.dup(0), "rb")
    outcomes = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return calls, outcomes


def _receive(calls: IO[bytes], inbox: SimpleQueue[bytes]) -> None:
    while (body := read_frame(calls)) is not None:
        inbox.put(body)
    os._exit(0)


def _perform(body: bytes) -> bytes:
    try:
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] = pickle.loads(body)
        function, args, kwargs = call
        return dump_outcome((True, function(*args, **kwargs)))
    except Exception as error:
        return dump_outcome((False, error))


def dump_outcome(outcome: Outcome) -> bytes:
    """Pickle an outcome; an exception or value that cannot travel becomes a RuntimeError that says what it was."""
    try:
        return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        what = outcome[1]
        text = f"{type(what).__name__} cannot be sent between processes ({error}): {what!r:.500}"
        return pickle.dumps((False, RuntimeError(text)), pickle.HIGHEST_PROTOCOL)
