"""Whole numbers beyond 64 bits, which no column can hold, end where events enter."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import decode_server, event_to_builtins, within_64_bits

BIG = 10**30
ITEM = {"id": "i", "type": "message", "role": "assistant", "content": []}
RESPONSE = {"id": "r", "status": "completed", "output": [ITEM], "usage": {"total_tokens": 5}}
EVENTS = [
    {"type": "session.updated", "session": {"audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}}},
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 5},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 5},
    {"type": "response.done", "response": RESPONSE},
    {"type": "response.output_item.done", "response_id": "r", "output_index": 0, "item": ITEM},
    {"type": "rate_limits.updated", "rate_limits": [{"name": "tokens", "limit": 1, "remaining": 1}]},
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i",
        "content_index": 0,
        "transcript": "a",
        "logprobs": [{"token": "a", "logprob": -1, "bytes": [97]}],
    },
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from([BIG, -BIG, 2**63, -(2**63) - 1, 10**400]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


def put(value, path, other):
    """The value with another at one place."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = put(value[path[0]], path[1:], other)
    return copy


def numbers(value):
    """All whole numbers in a JSON value."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int):
        yield value


@given(st.data())
def test_no_value_in_any_place_of_an_event_is_beyond_64_bits(data):
    event = data.draw(st.sampled_from(EVENTS))
    path = data.draw(st.sampled_from([path for path in places(event) if path and path != ("type",)]))
    read = decode_server(json.dumps(put(event, path, data.draw(values))))
    told = event_to_builtins(read)
    assert read.type if isinstance(read, ev.UnknownEvent) else told["type"] == event["type"]
    assert all(-(2**63) <= number < 2**63 for number in numbers(told))
    assert msgspec.json.decode(msgspec.json.encode(told)) == told


def test_in_a_session_they_are_floats_and_elsewhere_taken_for_left_out():
    session = decode_server(json.dumps(put(EVENTS[0], ("session", "audio"), {"speed": BIG, "n": 3, "none": None})))
    assert session.session == {"audio": {"speed": 1e30, "n": 3, "none": None}}
    done = decode_server(json.dumps(put(EVENTS[3], ("response", "usage"), {"total_tokens": 5, "input_tokens": BIG})))
    assert done.response.usage.total_tokens == 5


@pytest.mark.parametrize("value", [0, -(2**63), 2**63 - 1, True, None, "x", 1.5])
def test_what_64_bits_hold_stays(value):
    assert within_64_bits({"a": [value]}) == {"a": [value]}
    assert type(within_64_bits([value])[0]) is type(value)


def test_what_no_float_holds_is_said_in_words():
    assert within_64_bits(10**400) == "a whole number of 1,329 bits"
