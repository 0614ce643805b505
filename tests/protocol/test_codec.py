"""Frames to events and back: known events round-trip, unknown ones are kept whole, hostile bytes never escape."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_sessions import real_logs

from realtime_lab.errors import ProtocolError
from realtime_lab.protocol import codec
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import TranscriptionLanguage, TranscriptionUsage

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


IDS = {"event_id": "e", "item_id": "i", "output_index": 1}
CALL = {**IDS, "response_id": "r"}


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (
            {"type": "input_audio_buffer.dtmf_event_received", "event": "9", "received_at": 1763605109},
            ev.DtmfReceived(event="9", received_at=1763605109),
        ),
        (
            {"type": "mcp_list_tools.failed", "event_id": "e", "item_id": "i"},
            ev.McpToolsFailed(event_id="e", item_id="i"),
        ),
        ({"type": "response.mcp_call.in_progress", **IDS}, ev.McpCallInProgress(**IDS)),
        (
            {"type": "response.mcp_call_arguments.delta", **CALL, "delta": "{", "obfuscation": "x"},
            ev.McpArgumentsDelta(**CALL, delta="{", obfuscation="x"),
        ),
        (
            {"type": "response.mcp_call_arguments.done", **CALL, "arguments": "{}"},
            ev.McpArgumentsDone(**CALL, arguments="{}"),
        ),
        ({"type": "output_audio_buffer.cleared", "response_id": "r"}, ev.OutputAudioCleared(response_id="r")),
        (
            {"type": "session.input_transcript.delta", "delta": "ja", "elapsed_ms": 400},
            ev.TranslationHeardDelta(delta="ja", elapsed_ms=400),
        ),
        (
            {"type": "session.output_transcript.delta", "delta": " yes", "elapsed_ms": None},
            ev.TranslationSaidDelta(delta=" yes", elapsed_ms=None),
        ),
        (
            {"type": "session.output_audio.delta", "delta": "AA==", "sample_rate": 24000, "channels": 1},
            ev.TranslationAudioDelta(delta="AA==", sample_rate=24000, channels=1),
        ),
        ({"type": "session.closed"}, ev.SessionClosed()),
        (
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": "i",
                "transcript": "oui, yes",
                "usage": {"type": "duration", "seconds": 3},
                "languages": [{"code": "fr"}, {"code": "en"}],
            },
            ev.TranscriptionCompleted(
                item_id="i",
                transcript="oui, yes",
                usage=TranscriptionUsage(type="duration", seconds=3),
                languages=[TranscriptionLanguage(code="fr"), TranscriptionLanguage(code="en")],
            ),
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_events_of_calls_telephones_and_translations_are_read_as_what_they_are(frame, event):
    assert codec.decode_server(json.dumps(frame)) == event
    assert frame.items() <= {**json.loads(codec.encode(event)), "elapsed_ms": frame.get("elapsed_ms")}.items()


def lost(given, kept, path=""):
    """Paths of what a frame says and an event does not keep."""
    if isinstance(given, dict):
        for name, value in given.items():
            known = isinstance(kept, dict) and name in kept
            yield from lost(value, kept[name], f"{path}.{name}") if known else [f"{path}.{name}"]
    elif isinstance(given, list):
        for value, other in zip(given, kept, strict=True):
            yield from lost(value, other, f"{path}[]")


def test_recorded_public_sessions_are_read_whole():
    """What is not kept: a part said twice by Azure OpenAI, and fields of Azure Voice Live's own."""
    forgotten = set()
    for log in real_logs():
        for side, event in log:
            raw = json.dumps(event)
            read = codec.decode_server(raw) if side == "server" else codec.decode_client(raw)
            assert not isinstance(read, ev.UnknownEvent)
            forgotten |= set(lost(event, codec.event_to_builtins(read)))
    assert forgotten == {".content", ".response.voice", ".response.output_audio_format", ".response.temperature"}


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
