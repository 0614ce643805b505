"""The faults a live session meets: each by the name it must get, with no hang and no false success.

`during` and `after` are in the first of two turns, so that the session is not over when they happen.
"""

from __future__ import annotations

import json
import threading
import time
from typing import get_args

import pytest
from live_servers import QUICK, LoudnessListener, undisturbed
from sessions import spoken_script, tone_stage

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.protocol import events as ev
from realtime_lab.session import run_session
from realtime_lab.session.targets import live
from realtime_lab.testing import FAULT_KINDS, MOMENTS, Fault, FaultServer, TcpProxy, held

CONFIG = SessionConfig(
    model="gpt-realtime",
    turn_detection=ServerVad(silence_duration_ms=200),
    transcription=Transcription(model="gpt-4o-transcribe"),
)
SHORT = ((0, 10),)
STAGES = [pytest.param(moment, marks=pytest.mark.full) for moment in ("greeting", "before", "after")] + ["during"]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr("realtime_lab.session.live.run._FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("realtime_lab.session.live.session.GREETING_TIMEOUT_S", 0.5)
    monkeypatch.setattr("realtime_lab.session.live.wire.CONNECT_TIMEOUT_S", 0.5)


def script():
    return spoken_script("one", "two", gap_ms=100.0)


def meet(*faults, faulty=None, turns=None, **target):
    """Hold a session with a server of these faults; the recording and the server."""
    turns = turns or script()
    stage = tone_stage(turns, SHORT, SHORT)
    server = FaultServer(QUICK, faults=faults, faulty=faulty, listen=lambda _: LoudnessListener())
    with held(server):
        began_s = time.monotonic()
        recording = run_session(
            CONFIG, turns, live(server.url, **{"api_key_env": None, "stall_s": 0.6, **target}), stage=stage
        )
        assert time.monotonic() - began_s < 12
    return recording, server


@pytest.mark.parametrize("moment", STAGES)
@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"kind": "close", "code": 1011, "reason": "boom"}, "closed"),
        ({"kind": "close", "code": 1001}, "session_expired"),
        ({"kind": "close", "code": 3000, "reason": "invalid_request_error.invalid_api_key"}, "invalid_key"),
        ({"kind": "reset"}, "reset"),
        ({"kind": "silence"}, None),
        ({"kind": "error", "name": "session_expired"}, "session_expired"),
        ({"kind": "error", "name": "insufficient_quota"}, "insufficient_quota"),
        ({"kind": "fail", "name": "insufficient_quota"}, "insufficient_quota"),
        ({"kind": "fail", "name": "rate_limit_exceeded"}, "rate_limited"),
    ],
)
def test_what_ends_a_session_has_its_name_wherever_it_happens(fault, name, moment):
    if fault["kind"] == "fail" and moment == "greeting":
        pytest.skip("no response fails before there is a session")
    recording, server = meet(Fault(moment=moment, **fault))
    header = recording.header
    silence = {"greeting": "no_session", "before": "no_response", "during": "stalled"}
    if fault["kind"] == "silence" and moment == "after":  # as of a server that does not hear the caller
        assert header.outcome == "complete"
        assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "missed"]
        return
    assert header.outcome == "failed"
    assert header.fault == (name or silence[moment])
    again = moment == "greeting" and header.fault in ("closed", "reset", "no_session", "rate_limited")
    assert server.attempts == header.connections == (3 if again else 1)
    if fault.get("code") == 1011:
        assert "1011" in header.failure and "boom" in header.failure


@pytest.mark.parametrize(
    ("status", "name", "attempts"),
    [(401, "handshake_401", 1), (403, "handshake_403", 1), (404, "handshake_404", 1), (400, "handshake_400", 1)]
    + [(500, "handshake_500", 3), (503, "handshake_503", 3), (429, "rate_limited", 3)],
)
def test_a_refused_upgrade_is_named_by_its_status(status, name, attempts):
    recording, server = meet(Fault("status", "connect", code=status, retry_after="0.01"))
    assert (recording.header.fault, server.attempts) == (name, attempts)
    assert str(status) in recording.header.failure


def test_retry_after_is_waited_for_and_the_next_connection_may_succeed():
    began_s = time.monotonic()
    recording, server = meet(Fault("status", "connect", code=429, retry_after="0.3"), faulty=1)
    assert (recording.header.outcome, recording.header.connections, server.attempts) == ("complete", 2, 2)
    assert time.monotonic() - began_s > 0.3


@pytest.mark.parametrize(("kind", "name"), [("silence", "handshake_timeout"), ("reset", "reset")])
def test_a_handshake_that_never_ends_is_left(kind, name):
    recording, server = meet(Fault(kind, "connect"))
    assert (recording.header.fault, server.attempts) == (name, 3)


def test_greet_then_drop_costs_three_connections_at_most():
    recording, server = meet(Fault("drop", "greeting", name="session.updated"))
    assert (recording.header.fault, server.attempts) == ("unconfirmed", 1)
    recording, server = meet(Fault("close", "greeting", code=1012))
    assert (recording.header.fault, server.attempts) == ("closed", 3)


def test_a_server_that_confirms_nothing_can_be_used_when_that_is_said():
    recording, _ = meet(Fault("drop", "greeting", name="session.updated"), confirms=False)
    assert recording.header.outcome == "complete"


def test_a_failed_response_is_a_missed_turn_and_the_session_goes_on():
    """The failure stands beside the response; nothing but the row is lost."""
    recording, _ = meet(Fault("fail", "after", name="server_error"))
    assert recording.header.outcome == "complete"


@pytest.mark.parametrize("moment", STAGES)
def test_an_error_event_leaves_the_session_open(moment):
    recording, _ = meet(Fault("error", moment, name="item_retrieve_invalid_item_id"))
    expected = "failed" if moment == "greeting" else "complete"
    assert recording.header.outcome == expected
    assert any(isinstance(event, ev.ErrorEvent) for event in recording.server_events())


def test_a_response_that_never_ends_is_named():
    recording, _ = meet(Fault("drop", "greeting", name="response.done"))
    assert recording.header.fault == "stalled"


def test_a_response_of_which_nothing_comes_is_named():
    kinds = [str(kind.__struct_config__.tag) for kind in get_args(ev.ServerEvent)]
    drops = [Fault("drop", "greeting", name=kind) for kind in kinds if kind.startswith("response.")]
    recording, _ = meet(*drops)
    assert recording.header.fault == "no_response"


@pytest.mark.full
def test_a_missing_transcription_does_not_hold_the_session(monkeypatch):
    monkeypatch.setattr("realtime_lab.session.caller.RESPONSE_DEADLINE_MS", 800.0)
    ends = ("completed", "failed")
    drops = [Fault("drop", "greeting", name=f"conversation.item.input_audio_transcription.{end}") for end in ends]
    recording, _ = meet(*drops)
    assert recording.header.outcome == "complete"
    assert [row["transcription"] for row in session_rows(recording).turns] == ["missing", "missing"]


ODD = {
    "malformed": '{"type": "response.do',
    "binary": b"\x00\xff\x01",
    "huge": json.dumps({"type": "x", "y": "z" * 3_000_000}),
    "null-filled": json.dumps({"type": "response.done", "response": None}),
    "wrongly typed": json.dumps({"type": "response.output_audio.delta", "delta": 3}),
    "no base64": json.dumps({"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "!"}),
    "unknown": json.dumps({"type": "response.new_thing", "x": [1]}),
    "list": "[" * 50_000,
    "another item": json.dumps(
        {"type": "response.output_audio.delta", "response_id": "other", "item_id": "other", "delta": "AAAA"}
    ),
    "empty": "",
}


def test_odd_frames_of_every_kind_are_kept_and_end_nothing():
    faults = [Fault("raw", moment, raw=raw) for moment in ("greeting", "during") for raw in ODD.values()]
    recording, _ = meet(*faults)
    assert recording.header.outcome == "complete"
    unknown = [event for event in recording.server_events() if isinstance(event, ev.UnknownEvent)]
    assert len(unknown) == 2 * (len(ODD) - 1)
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "answered"]


@pytest.mark.full
@pytest.mark.parametrize("moment", ["greeting", "during"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_frame_is_kept_and_ends_nothing(name, moment):
    recording, _ = meet(Fault("raw", moment, raw=ODD[name]))
    assert recording.header.outcome == "complete"
    if name != "another item":
        assert any(isinstance(event, ev.UnknownEvent) for event in recording.server_events())
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "answered"]


@pytest.mark.full
@pytest.mark.parametrize("kind", ["twice", "swap"])
def test_doubled_and_reordered_events_give_the_same_outcomes(kind):
    recording, _ = meet(Fault(kind, "greeting"))
    if kind == "swap" and recording.header.outcome == "failed":
        assert recording.header.fault in ("no_session", "unconfirmed")
        return
    assert recording.header.outcome == "complete"
    assert [row["outcome"] for row in session_rows(recording).turns] == ["answered", "answered"]


def through_proxy(act, after_s=0.5, **options):
    """A session through a proxy that does something while it runs; how long it took as well."""
    turns = spoken_script("one", "two", gap_ms=4000.0)
    stage = tone_stage(turns, SHORT, SHORT)
    server = FaultServer(QUICK, listen=lambda _: LoudnessListener())
    with held(server), held(TcpProxy(server.port, **options)) as proxy:
        timer = threading.Timer(after_s, act, (proxy,))
        timer.start()
        began_s = time.monotonic()
        recording = run_session(CONFIG, turns, live(proxy.url, api_key_env=None), stage=stage)
        timer.join()
    return recording, time.monotonic() - began_s


def test_a_dead_link_is_found_within_six_seconds_and_left():
    recording, took_s = through_proxy(lambda proxy: proxy.blackhole())
    assert recording.header.fault == "half_open"
    assert took_s - 0.5 < 6


def test_a_cut_link_is_a_reset():
    recording, _ = through_proxy(lambda proxy: proxy.cut())
    assert (recording.header.fault, recording.header.connections) == ("reset", 1)


def test_a_delayed_link_changes_the_latency_by_the_delay_and_nothing_else():
    def latency(delay_ms):
        turns = spoken_script("one")
        server = FaultServer(QUICK, same_seed=True, listen=lambda _: LoudnessListener())
        with held(server), held(TcpProxy(server.port, delay_ms=delay_ms)) as proxy:
            target = live(proxy.url, api_key_env=None)
            recording = undisturbed(lambda: run_session(CONFIG, turns, target, stage=tone_stage(turns, SHORT)))
        return session_rows(recording).turns[0]["response_latency_ms"]

    assert latency(100.0) - latency(0.0) == pytest.approx(200.0, abs=60.0)


@pytest.mark.full
def test_a_server_that_ignores_the_close_is_left_after_two_seconds():
    began_s = time.monotonic()
    recording, _ = meet(Fault("silence", "after"), turns=spoken_script("one"))
    assert recording.header.outcome in ("complete", "failed")
    assert time.monotonic() - began_s < 9


@pytest.mark.parametrize("fault", [("status", "during"), ("drop", "connect"), ("nothing", "after"), ("reset", "never")])
def test_a_fault_that_cannot_be_is_refused(fault):
    with pytest.raises(ValueError, match="fault"):
        Fault(*fault)
    assert len(FAULT_KINDS) == 10 and len(MOMENTS) == 5
