"""Live sessions under hardship: stopped processes, clocks that jump, and thousands of frames no server should send."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import count, islice
from pathlib import Path

import pytest
from live_servers import QUICK, LoudnessListener, ToneServer, serving
from sessions import spoken_script, tone_stage

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ProtocolError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import SERVER_TYPES, decode_server
from realtime_lab.session import run_session
from realtime_lab.session.targets import live
from realtime_lab.testing import Fault, FaultServer, held

CONFIG = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=200))
SHORT = ((0, 10),)
LATENCIES = ("endpoint_latency_ms", "response_latency_ms", "first_byte_latency_ms")


def latencies(recording):
    return [row[name] for row in session_rows(recording).turns for name in LATENCIES if row[name] is not None]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_wall_clock_that_jumps_by_an_hour_changes_no_latency(monkeypatch, jump_s):
    script, real, calls = spoken_script("one", "two", gap_ms=100.0), time.time, [0]

    def jumping():
        calls[0] += 1
        return real() + jump_s * calls[0]

    monkeypatch.setattr(time, "time", jumping)
    with serving(ToneServer) as server:
        recording = run_session(
            CONFIG, script, live(server.url, api_key_env=None), stage=tone_stage(script, SHORT, SHORT)
        )
    assert recording.header.outcome == "complete"
    found = latencies(recording)
    assert len(found) == 6 and all(0 < ms < 1500 for ms in found)


HOLD = """
import pickle, sys
sys.path[:0] = [{tests!r}, {root!r}]
from tests.session.live.test_hardship import CONFIG, SHORT
from sessions import spoken_script, tone_stage
from realtime_lab.session import run_session
from realtime_lab.session.targets import live
script = spoken_script("one", "two", gap_ms=3000.0)
print("ready", flush=True)
recording = run_session(CONFIG, script, live({url!r}, api_key_env=None), stage=tone_stage(script, SHORT, SHORT))
sys.stdout.buffer.write(pickle.dumps(recording))
"""


@pytest.mark.full
def test_a_process_that_was_stopped_for_five_seconds_is_flagged_and_tells_no_false_latency(root):
    with serving(ToneServer) as server:
        program = HOLD.format(tests=str(Path(__file__).parents[2] / "helpers"), root=str(root), url=server.url)
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(1.5)
            os.kill(child.pid, signal.SIGSTOP)
            resume = threading.Timer(5.0, os.kill, (child.pid, signal.SIGCONT))
            resume.start()
            recording = pickle.loads(child.communicate(timeout=60)[0])
            resume.join()
    header = recording.header
    assert header.tainted and header.loop_lag_ms > 4000
    assert header.fault in (None, "reset", "closed")
    assert all(ms > 0 for ms in latencies(recording))


def generated(wanted):
    """Frames that cannot be read: every type with fields of wrong types, cut and flipped texts, bytes at random."""
    return list(islice(filter(_unreadable, _frames()), wanted))


def _unreadable(raw):
    try:
        return isinstance(decode_server(raw if isinstance(raw, bytes) else raw.encode()), ev.UnknownEvent)
    except ProtocolError:
        return True


def _frames(seed=0):
    rng = random.Random(seed)
    values = [None, True, -1, 2**70, 1e308, "", "x" * 300, [], {}, [None], {"a": {"b": []}}, "\u202e<b>", "item_x"]
    names = ["item_id", "response_id", "delta", "response", "item", "session", "part", "audio_start_ms", "transcript"]
    names += [
        "event_id",
        "content_index",
        "output_index",
        "logprobs",
        "usage",
        "error",
        "rate_limits",
        "previous_item_id",
    ]
    kinds = [kind for kind in sorted(SERVER_TYPES) if kind != "error"]
    for number in count():
        event = {"type": rng.choice(kinds)} | {name: rng.choice(values) for name in rng.sample(names, rng.randrange(9))}
        text = json.dumps(event)
        if number % 4 == 1:
            text = text[: rng.randrange(len(text))]
        elif number % 4 == 2:
            place = rng.randrange(len(text))
            text = text[:place] + chr(rng.randrange(32, 1000)) + text[place + 1 :]
        yield text if number % 7 else rng.randbytes(rng.randrange(60))


def test_thousands_of_frames_that_no_server_should_send_end_no_session(full):
    """R10: no error escapes, no turn is lost, and what could not be read is kept as it came."""
    script = spoken_script("one", "two", gap_ms=100.0)
    faults = [Fault("raw", "during", raw=raw) for raw in generated(10_000 if full else 1_000)]
    with held(FaultServer(QUICK, faults=faults, listen=lambda _: LoudnessListener())) as server:
        recording = run_session(
            CONFIG, script, live(server.url, api_key_env=None), stage=tone_stage(script, SHORT, SHORT)
        )
    assert (recording.header.outcome, recording.header.failure) == ("complete", None)
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "answered"]
    assert sum(isinstance(event, ev.UnknownEvent) for event in recording.server_events()) == len(faults)


@pytest.mark.parametrize(
    "session", [{"audio": {"input": {"format": {"type": "x"}}}}, {"audio": 3}, {"audio": {"input": [1]}}, {}]
)
def test_a_session_that_is_reported_later_and_cannot_be_read_ends_nothing(session):
    script = spoken_script("one", "two", gap_ms=100.0)
    faults = [Fault("raw", "during", raw=json.dumps({"type": "session.updated", "event_id": "e", "session": session}))]
    with held(FaultServer(QUICK, faults=faults, listen=lambda _: LoudnessListener())) as server:
        recording = run_session(
            CONFIG, script, live(server.url, api_key_env=None), stage=tone_stage(script, SHORT, SHORT)
        )
    assert (recording.header.outcome, recording.header.failure) == ("complete", None)
    assert recording.header.effective["audio"]["input"]["format"]["type"] == "audio/pcm"
