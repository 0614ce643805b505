"""Session: what a server answers, with everything it said and without its secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from strategies_config import hostile_json, outcome

from realtime_lab.config import ServerVad, Session, SessionConfig
from realtime_lab.errors import ConfigError

CREATED = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "Your knowledge cutoff is 2023-10.",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "expires_at": 1_756_324_625,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
    "include": None,
}
"""A session in the form today's service reports it."""


def test_a_reported_session_is_read_whole():
    session = Session.from_wire(CREATED)
    assert (session.id, session.object, session.expires_at) == ("sess_1", "realtime.session", 1_756_324_625)
    assert session.config.get("silence_duration_ms") == 200
    assert session.extra == {}
    assert session.to_wire("ga") == CREATED
    asked = SessionConfig(turn_detection=ServerVad(silence_duration_ms=500), voice="marin")
    assert [str(difference) for difference in session.differences(asked)] == [
        "silence_duration_ms asked 500, server says 200"
    ]


@pytest.mark.parametrize("shape", ["ga", "seed"])
def test_a_session_comes_back_from_the_shapes_that_carry_it(shape):
    session = Session.from_wire(CREATED)
    assert Session.from_wire(session.to_wire(shape)) == session
    assert hash(session) == hash(Session.from_wire(CREATED))


def test_what_the_server_adds_is_kept():
    session = Session.from_wire({**CREATED, "reasoning": None, "mood": {"happy": True}, "model": None})
    assert session.extra == {"reasoning": None, "mood": {"happy": True}, "model": None}
    assert session.to_wire("ga") == {**CREATED, "reasoning": None, "mood": {"happy": True}, "model": None}


def test_a_flat_server_is_read():
    session = Session.from_wire(
        {
            "id": "s",
            "object": "realtime.session",
            "modalities": ["audio", "text"],
            "input_audio_format": "pcm16",
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
            "temperature": 0.8,
            "client_secret": None,
        }
    )
    assert session.config.output_modalities == ("audio",)
    assert session.config.temperature == 0.8
    assert session.config.turn_detection == ServerVad(silence_duration_ms=200)


def test_a_client_secret_leaves_no_mark():
    session = Session.from_wire({**CREATED, "client_secret": {"value": "ek_canary_123456", "expires_at": 1}})
    assert "canary" not in repr(session) + str(session.to_wire())


@pytest.mark.parametrize(
    ("name", "value"), [("id", 5), ("id", None), ("expires_at", "soon"), ("expires_at", -1), ("expires_at", True)]
)
def test_an_envelope_of_wrong_types_is_read_as_missing(name, value):
    assert getattr(Session.from_wire({**CREATED, name: value}), name) is None


@given(hostile_json)
def test_any_answer_is_read_or_refused_in_words(obj):
    session = outcome(lambda: Session.from_wire(obj))
    assert session.errors if isinstance(session, ConfigError) else repr(session)
