"""Scripts without audio and sessions without a server, for tests of sweeps; worker processes import these by name."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from realtime_lab.audio import Clip, Interval, Script, Segment, Turn
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.protocol.events import SessionCreated
from realtime_lab.recording import Header, RecordedEvent, Recording
from realtime_lab.sweep import SweepPlan
from realtime_lab.sweep.workers.worker import TrialResult, TrialTask, pack_recording
from realtime_lab.sweep.workers.worker import _finished as finished

BASE = SessionConfig(model="some-model", turn_detection=ServerVad())


def script(name: str, n_turns: int = 2) -> Script:
    """A script whose audio is nowhere."""
    clip = Clip(f"{name}.wav", Path(f"nowhere/{name}.wav"), name, "A", "private", "made up", f"{name:0>64}"[-64:],
                (Interval(100.0, 900.0),), "constructed")  # fmt: skip
    return Script(name, (Turn((Segment(clip),), text=name),) * n_turns, "made up")


def small_plan(values=(200, 300, 400), scripts=("a", "b"), **more) -> SweepPlan:
    """A plan over one axis, quick to run with the fakes below."""
    return SweepPlan(BASE, {"silence_duration_ms": values}, [script(name) for name in scripts], **more)


def recording_of(task: TrialTask) -> Recording:
    """What the fake session of a task leaves: one event, no audio."""
    header = Header(target=task.target.name, script_id=task.script.id, script_hash=task.script.content_hash,
                    condition=task.condition.name, seed=task.seed, requested=task.config.to_wire("ga"),
                    effective=task.config.to_wire("ga") | {"max_output_tokens": "inf"})  # fmt: skip
    event = SessionCreated(event_id="event_1", session={"id": "sess_1"})
    return Recording(header=header, reference=(), appends=(), events=(RecordedEvent(1.0, "server", event),), audio_ms=0)


def instant(task: TrialTask) -> TrialResult:
    """A session that takes no time; its rows follow from the task's seed."""
    rng = np.random.default_rng(task.seed)
    turns = [
        {"turn": n, "outcome": "answered", "cut": False, "response_latency_ms": float(rng.normal(1000, 90)),
         "n_holds": 1, "n_cut_holds": int(rng.integers(2)), "transcript": "=1+1"}
        for n in range(len(task.script.turns))
    ]  # fmt: skip
    rows = {"turns": turns, "trials": [{"outcome": "complete", "n_turns": len(turns)}], "tokens": [], "responses": []}
    recording = recording_of(task)
    effective = '{"audio":{"input":{"turn_detection":{"silence_duration_ms":200,"type":"server_vad"}}},"model":"m"}'
    return TrialResult(task.index, "complete", pack_recording(recording), rows, effective)


def depth(setting) -> float:
    """How far a setting is from the best one there is."""
    if "eagerness" in setting:
        return 1.5
    return abs(setting["silence_duration_ms"] - 500) / 1000 + abs(setting["threshold"] - 0.5)


def valley(task: TrialTask) -> TrialResult:
    """A session that waits and is cut off the more, the farther its setting is from the best one."""
    detection = task.config.get("turn_detection")
    far = 1.5
    if detection.type == "server_vad":
        far = depth({"silence_duration_ms": detection.silence_duration_ms, "threshold": detection.threshold})
    turns = [
        {"turn": n, "outcome": "answered", "cut": False, "response_latency_ms": 1000.0 + 500.0 * far, "n_holds": 100,
         "n_cut_holds": int(50 * far)}
        for n in range(2)
    ]  # fmt: skip
    return TrialResult(task.index, "complete", None, {"turns": turns, "trials": [{"n_turns": 2}]})


def slow(task: TrialTask) -> TrialResult:
    """A session that takes 20 ms."""
    time.sleep(0.02)
    return instant(task)


def slow_logged(task: TrialTask) -> TrialResult:
    """A session that takes 20 ms and leaves a line in $SWEEP_LOG when it ends."""
    time.sleep(0.02)
    return logged(task)


def endless(task: TrialTask) -> TrialResult:
    """A session that never ends."""
    time.sleep(3600)
    raise AssertionError


def logged(task: TrialTask) -> TrialResult:
    """A session that leaves a line in $SWEEP_LOG each time it is held."""
    with open(os.environ["SWEEP_LOG"], "a") as log:
        log.write(f"{task.key}\n")
    return instant(task)


def bad_at_300(task: TrialTask) -> TrialResult:
    """A session that cannot be held at 300 ms, unless $SWEEP_MENDED is set."""
    if task.config.get("silence_duration_ms") == 300 and "SWEEP_MENDED" not in os.environ:
        raise ValueError("300 is\nnot today")
    return logged(task)


def deadly_at_300(task: TrialTask) -> TrialResult:
    """A session that kills its process at 300 ms."""
    if task.config.get("silence_duration_ms") == 300:
        os._exit(7)
    return instant(task)


def deadly_once(task: TrialTask) -> TrialResult:
    """A session that kills its process the first time it is held at 300 ms."""
    flag = Path(os.environ["SWEEP_LOG"])
    if task.config.get("silence_duration_ms") == 300 and not flag.exists():
        flag.write_text("killed")
        os.kill(os.getpid(), 9)
    return instant(task)


def rowless(task: TrialTask) -> TrialResult:
    """A session in which nobody speaks."""
    return TrialResult(task.index, "complete", None, {"trials": [{"outcome": "complete", "n_turns": 0}]})


def refused(task: TrialTask) -> TrialResult:
    """A session that its server refuses; what is kept of it is the worker's to decide."""
    recording = recording_of(task)
    header = msgspec.structs.replace(recording.header, outcome="failed", failure="refused")
    return finished(task, msgspec.structs.replace(recording, header=header))


def undeclared(task: TrialTask) -> TrialResult:
    """A session whose rows are not what is declared."""
    return TrialResult(task.index, "complete", None, {"turns": [{"turn": 0, "surprise": 1}]})


def talkative(task: TrialTask) -> TrialResult:
    """A session that prints."""
    print("noise on standard output", flush=True)
    return instant(task)


def own_pid() -> int:
    """The process this runs in."""
    return os.getpid()


def fail(text: str) -> None:
    """Raise."""
    raise ValueError(text)


def vanish() -> None:
    """Kill the process this runs in."""
    os.kill(os.getpid(), 9)


def unsendable() -> object:
    """Something that cannot be pickled."""
    return lambda: None


def rest(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


@contextmanager
def database(path):
    """A study file as plain SQLite; commits and closes."""
    with closing(sqlite3.connect(path)) as db, db:
        yield db
