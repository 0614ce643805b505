"""Frames to events and back: known events round-trip, unknown ones are kept whole, hostile bytes never escape."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.errors import ProtocolError
from realtime_lab.protocol import codec
from realtime_lab.protocol import events as ev

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
types = st.sampled_from(sorted(codec._KNOWN_TYPES)) | st.text()


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_an_event_or_a_protocol_error(raw):
    try:
        assert isinstance(codec.decode_server(raw), ev.Event | ev.UnknownEvent)
    except ProtocolError:
        pass


@given(types, st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_object_with_a_type_is_an_event(kind, fields):
    raw = json.dumps({**fields, "type": kind}).encode()
    for decode in (codec.decode_server, codec.decode_client):
        event = decode(raw)
        if isinstance(event, ev.UnknownEvent) and kind not in codec.FLAT_NAMES:
            assert event.raw == raw and event.type == kind


def test_an_unknown_type_is_kept_whole():
    raw = b'{"type": "response.hologram.delta", "depth": 3}'
    event = codec.decode_server(raw)
    assert event == ev.UnknownEvent(type="response.hologram.delta", raw=raw)
    assert codec.encode(event) == raw


def test_a_known_type_with_wrong_fields_is_kept_with_the_reason():
    event = codec.decode_server(b'{"type": "input_audio_buffer.speech_started", "item_id": 5}')
    assert isinstance(event, ev.UnknownEvent)
    assert "item_id" in event.problem


@pytest.mark.parametrize(
    "event",
    [ev.UnknownEvent(type="x", raw=b'{"type":"x"}', problem="why"), ev.SpeechStopped(item_id="i", audio_end_ms=9)],
)
def test_an_event_survives_as_a_plain_mapping(event):
    assert codec.event_from_builtins(codec.event_to_builtins(event), from_server=True) == event
    assert ev.event_type(event) == codec.event_to_builtins(event)["type"]


@pytest.mark.parametrize("fields", [None, 3, "x", [], {}, {"type": 3}])
def test_what_is_no_mapping_with_a_type_is_no_event(fields):
    with pytest.raises(ProtocolError, match="no JSON object with a string 'type'"):
        codec.event_from_builtins(fields, from_server=False)


def test_older_names_are_read_as_todays():
    event = codec.decode_server('{"type":"response.audio.delta","response_id":"r","item_id":"i","delta":"AA=="}')
    assert event == ev.AudioDelta(response_id="r", item_id="i", delta="AA==")


def test_zero_indexes_and_nulls_stand_on_the_wire():
    event = ev.AudioDelta(response_id="r", item_id="i", delta="AA==")
    fields = json.loads(codec.encode(event))
    assert fields["output_index"] == 0 and fields["content_index"] == 0
    committed = json.loads(codec.encode(ev.InputAudioCommitted(item_id="i")))
    assert committed["previous_item_id"] is None


def test_too_large_a_frame_is_refused():
    with pytest.raises(ProtocolError, match="over the protocol's"):
        codec.decode_server(b" " * (codec.MAX_FRAME_BYTES + 1))


def test_deep_nesting_is_a_protocol_error():
    raw = b'{"type":"session.created","session":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    with pytest.raises(ProtocolError, match="JSON"):
        codec.decode_server(raw)
