"""Servers that are Realtime-compatible in their own way: the session is held all the same, and its rows say no more
than was said.

All of them are spoken to at once, on loopback; what the plain server's rows say is the measure.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from dialects import (
    CreatedLate,
    DialectServer,
    another_rate,
    as_it_is,
    dropping,
    erring,
    nulls_for_absent,
    odd_pieces,
    older_names,
    older_session,
    session_says_nothing,
    whole_numbers_as_floats,
    with_more_fields,
    without,
)
from live_servers import serving
from sessions import spoken_script, tone_stage

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.audio import clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.protocol import UnknownEvent
from realtime_lab.protocol import events as ev
from realtime_lab.session.live.run import LiveRequest, run_live_together
from realtime_lab.session.targets import live

SPOKEN = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=200))
COMMITTED = SessionConfig(model="gpt-realtime", turn_detection=None, output_modalities=["text"])
SHORT = ((0, 10),)
SAME = (
    "outcome",
    "endpoint_delay_ms",
    "cut",
    "merged",
    "false_starts",
    "n_responses",
    "response_status",
    "output_tokens",
)
"""Columns that do not depend on the wall clock."""
TIMED = ("endpoint_latency_ms", "response_latency_ms", "first_byte_latency_ms", "from_response_created_ms")
UNHEARD = {"endpoint_delay_ms": None}


@dataclass(frozen=True)
class Case:
    way: Any
    config: SessionConfig = SPOKEN
    target: dict[str, Any] = field(default_factory=dict)
    binary: bool = False
    differs: dict[str, Any] = field(default_factory=dict)
    """Columns whose value is another one than the plain server's."""
    unknown: tuple[str, ...] = ()
    """Latencies that cannot be known."""


CASES = {
    "plain": Case(as_it_is),
    "older event names": Case(older_names),
    "older protocol": Case(older_session, target={"dialect": "flat"}),
    "no event ids": Case(without("event_id")),
    "no usage": Case(without("usage"), differs={"output_tokens": None}),
    "more fields": Case(with_more_fields),
    "whole numbers as floats": Case(whole_numbers_as_floats),
    "nulls for absent fields": Case(nulls_for_absent),
    "binary frames": Case(as_it_is, binary=True),
    "audio in odd pieces": Case(odd_pieces),
    "errors without codes, and news": Case(erring),
    "session.created late": Case(CreatedLate()),
    "no session.created": Case(dropping("session.created")),
    "no session.updated, as told": Case(dropping("session.updated"), target={"confirms": False}),
    "older protocol, no session.updated": Case(
        lambda event: [] if event["type"] == "session.updated" else older_session(event),
        target={"confirms": False},
    ),
    "a session that says nothing": Case(session_says_nothing),
    "no item events": Case(dropping("conversation.item")),
    "no output item and part events": Case(dropping("response.output_item", "response.content_part")),
    "no committed": Case(dropping("input_audio_buffer.committed")),
    "no speech events": Case(dropping("input_audio_buffer.speech"), differs=UNHEARD, unknown=("endpoint_latency_ms",)),
    "no offsets": Case(without("audio_start_ms", "audio_end_ms"), differs=UNHEARD),
    "no input events at all": Case(
        dropping("input_audio_buffer", "conversation"), differs=UNHEARD, unknown=("endpoint_latency_ms",)
    ),
    "no stop, no commit": Case(
        dropping("input_audio_buffer.speech_stopped", "input_audio_buffer.committed", "conversation"),
        differs=UNHEARD,
        unknown=("endpoint_latency_ms",),
    ),
    "no response.created": Case(dropping("response.created"), unknown=("from_response_created_ms",)),
    "no ids in deltas": Case(without("response_id", "output_index", "content_index")),
    "no ids at all": Case(without("response_id", "item_id", "id", "previous_item_id", "event_id")),
    "client commits": Case(as_it_is, COMMITTED),
    "client commits, older names": Case(older_names, COMMITTED),
    "client commits, committed without an id": Case(without("item_id", "previous_item_id"), COMMITTED),
    "client commits, never confirmed": Case(dropping("input_audio_buffer", "conversation"), COMMITTED),
}


@pytest.fixture(scope="module")
def recordings():
    """Every case's recording, and the sessions its server was asked for."""
    script = spoken_script("one", "two", gap_ms=200.0)
    stage = tone_stage(script, SHORT, SHORT)
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr("realtime_lab.session.live.session.FIRST_WORD_S", 0.2)
        servers = [
            stack.enter_context(serving(DialectServer, seed=3, way=case.way, binary=case.binary))
            for case in CASES.values()
        ]
        requests = [
            LiveRequest(case.config, script, clean(), live(server.url, api_key_env=None, **case.target), 3, stage)
            for case, server in zip(CASES.values(), servers, strict=True)
        ]
        held = run_live_together(requests)
    return dict(zip(CASES, zip(held, (server.heard for server in servers), strict=True), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_server_of_another_manner_is_heard_out_and_its_rows_are_the_plain_ones(recordings, name):
    case = CASES[name]
    recording, _ = recordings[name]
    plain, _ = recordings["plain" if case.config is SPOKEN else "client commits"]
    assert (recording.header.outcome, recording.header.failure) == ("complete", None)
    for row, same in zip(session_rows(recording).turns, session_rows(plain).turns, strict=True):
        assert {key: row[key] for key in SAME} == {**{key: same[key] for key in SAME}, **case.differs}
        assert [key for key in TIMED if row[key] is None] == [
            key for key in TIMED if same[key] is None or key in case.unknown
        ]
        assert all(row[key] >= 0 for key in TIMED if row[key] is not None)


def test_the_plain_rows_are_two_answered_turns(recordings):
    for name in ("plain", "client commits"):
        rows = session_rows(recordings[name][0]).turns
        assert [(row["outcome"], row["cut"], row["response_status"]) for row in rows] == [
            ("answered", False, "completed")
        ] * 2


def test_only_news_of_the_servers_own_is_left_unread(recordings):
    for name, (recording, _) in recordings.items():
        unread = {entry.event.type for entry in recording.events if isinstance(entry.event, UnknownEvent)}
        assert unread == ({"vendor.heartbeat"} if name.startswith("errors") else set()), name


def test_errors_are_kept_with_what_was_said(recordings):
    errors = [e.event.error for e in recordings["errors without codes, and news"][0].events if is_error(e)]
    assert [error.message for error in errors] == ["no code, no type", "no error object", "a string", ""] * 2


def is_error(entry):
    return isinstance(entry.event, ev.ErrorEvent)


def test_torn_samples_are_mended(recordings):
    """The pieces' lengths add up, they are one blob, and sound is found where it is, to the 10 ms it is judged by."""
    whole, torn = (audio_of(recordings[name][0]) for name in ("plain", "audio in odd pieces"))
    assert len(torn) > 5 * len(whole) > 0
    assert sum(ref.samples for ref in torn) == sum(ref.samples for ref in whole)
    assert torn[0].sha256 == whole[0].sha256
    assert abs(first_sound(torn) - first_sound(whole)) <= 240


def audio_of(recording):
    return [entry.event.delta for entry in recording.events if isinstance(entry.event, ev.AudioDelta)]


def first_sound(refs):
    return next(ref.offset_samples + ref.audible_sample for ref in refs if ref.audible_sample is not None)


def test_items_and_responses_without_ids_get_names_and_unannounced_items_say_so(recordings):
    nameless = session_rows(recordings["no ids at all"][0]).turns
    assert [(row["item_id"], row["response_id"]) for row in nameless] == [
        (f"unnamed_item_{number}", f"unnamed_response_{number}") for number in (1, 2)
    ]
    for name in ("no input events at all", "client commits, never confirmed"):
        rows = session_rows(recordings[name][0]).turns
        assert [row["item_id"] for row in rows] == ["unannounced_1", "unannounced_2"]


def test_a_server_that_does_not_say_what_audio_it_takes_is_told_what_it_gets(recordings):
    """In the words of its dialect; one that says it is not told."""
    pcm = {"type": "audio/pcm", "rate": 24_000}
    (told,) = recordings["a session that says nothing"][1]
    assert told["audio"]["input"]["format"] == told["audio"]["output"]["format"] == pcm
    assert told["audio"]["input"]["turn_detection"] == {"type": "server_vad", "silence_duration_ms": 200}
    (untold,) = recordings["plain"][1]
    assert "format" not in untold["audio"]["input"] and "output" not in untold["audio"]
    (older,) = recordings["older protocol"][1]
    assert "input_audio_format" not in older and older["turn_detection"]["silence_duration_ms"] == 200


def test_a_server_that_never_confirms_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr("realtime_lab.session.live.session.GREETING_TIMEOUT_S", 0.3)
    recording = one_session(dropping("session.updated"))
    assert recording.header.fault == "unconfirmed"
    assert "confirms=False" in recording.header.failure


def test_a_server_that_says_nothing_at_first_is_no_session(monkeypatch):
    monkeypatch.setattr("realtime_lab.session.live.session.GREETING_TIMEOUT_S", 0.3)
    monkeypatch.setattr("realtime_lab.session.live.run._FIRST_WAIT_S", 0.01)
    recording = one_session(dropping("session"))
    assert (recording.header.fault, recording.header.connections) == ("no_session", 3)


def test_a_server_that_takes_another_sample_rate_is_refused_by_its_name():
    recording = one_session(another_rate)
    assert recording.header.fault == "unconfirmed"
    assert "audio.input.format.rate = 16000" in recording.header.failure


def one_session(way):
    script = spoken_script("one")
    with serving(DialectServer, way=way) as server:
        target = live(server.url, api_key_env=None)
        (recording,) = run_live_together([LiveRequest(SPOKEN, script, clean(), target, 1, tone_stage(script, SHORT))])
    return recording
