"""diff: what was asked against what a server says; a field that was not asked for is no difference."""

from __future__ import annotations

from hypothesis import given
from strategies_config import configs

from realtime_lab.config import Difference, ServerVad, Session, SessionConfig

TD = "audio.input.turn_detection"


def said(**obj):
    return Session.from_wire(obj).config


def test_a_difference_reads_as_a_sentence():
    asked = SessionConfig(turn_detection=ServerVad(silence_duration_ms=500, threshold=0.5))
    got = said(
        turn_detection={"type": "server_vad", "silence_duration_ms": 200, "threshold": 0.5, "prefix_padding_ms": 300}
    )
    (difference,) = asked.diff(got)
    assert difference == Difference(f"{TD}.silence_duration_ms", 500, 200)
    assert str(difference) == "silence_duration_ms asked 500, server says 200"


def test_what_was_not_asked_for_is_no_difference():
    assert SessionConfig().diff(said(model="m", voice="ash", max_output_tokens=64)) == ()


@given(configs)
def test_a_session_does_not_differ_from_itself(config):
    assert config.diff(config) == ()


def test_null_asked_and_nothing_said_is_the_same():
    assert SessionConfig(turn_detection=None, include=None).diff(SessionConfig()) == ()
    (difference,) = SessionConfig(turn_detection=None).diff(SessionConfig(turn_detection=ServerVad(threshold=0.5)))
    assert str(difference) == 'turn_detection asked null, server says {"threshold":0.5,"type":"server_vad"}'


def test_a_field_the_server_does_not_mention_is_told_apart_from_null():
    asked = SessionConfig(max_output_tokens=64, turn_detection=ServerVad())
    assert [str(difference) for difference in asked.diff(said(turn_detection=None))] == [
        "turn_detection.type asked server_vad, server says null",
        "max_output_tokens asked 64, server does not say",
    ]


def test_single_precision_echoes_are_equal():
    assert (
        SessionConfig(turn_detection=ServerVad(threshold=0.3), speed=1).diff(
            said(turn_detection={"type": "server_vad", "threshold": 0.30000001192092896}, speed=1)
        )
        == ()
    )


def test_values_the_server_made_up_are_compared_too():
    assert [str(d) for d in SessionConfig(speed=1.5).diff(said(speed=3))] == ["speed asked 1.5, server says 3"]
    assert [str(d) for d in SessionConfig(parallel_tool_calls=True).diff(said(parallel_tool_calls=1))] == [
        "parallel_tool_calls asked true, server says 1"
    ]


def test_a_server_may_add_to_a_tool_but_not_change_it():
    asked = SessionConfig(tools=[{"type": "function", "name": "f"}])
    assert asked.diff(said(tools=[{"type": "function", "name": "f", "description": None}])) == ()
    assert len(asked.diff(said(tools=[{"type": "function", "name": "g"}]))) == 1
    assert len(asked.diff(said(tools=[]))) == 1


def test_secrets_and_long_texts_are_not_spelt_out():
    asked = SessionConfig(instructions="sk-canary0canary " + "x" * 500)
    (difference,) = asked.diff(said(instructions="other"))
    assert "canary" not in str(difference)
    assert len(str(difference)) < 150
