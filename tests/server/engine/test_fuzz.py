"""Generated client frames, in any order and of any shape: the engine never stops, and what it says is in order.

The frames mix wholly wrong ones with right ones whose fields are swapped for odd values, so that both the refusals
and the states behind them are met. 500 frames by default, 10,000 with --full.
"""

import base64
import copy
import json
import random

import pytest
from engine_talk import Talk, kinds, profile_with
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.protocol import decode_server
from realtime_lab.protocol.codec import CLIENT_TYPES, encode
from realtime_lab.protocol.events import ErrorEvent, UnknownEvent
from realtime_lab.server.serving.conformance import conformance_rows

SPEECH = base64.b64encode(b"\x40\x1f" * 768 * 4).decode()
QUIET = base64.b64encode(b"\x03\x00" * 768 * 12).decode()
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "be brief",
    "max_output_tokens": 50,
    "tools": [TOOL],
    "tool_choice": "auto",
    "include": ["item.input_audio_transcription.logprobs"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": {"type": "near_field"},
            "transcription": {"model": "whisper-1"},
            "turn_detection": VAD,
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
    },
}
ITEM = {"id": "item_a", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
GOOD = [
    {"type": "input_audio_buffer.append", "audio": SPEECH},
    {"type": "input_audio_buffer.append", "audio": SPEECH},
    {"type": "input_audio_buffer.append", "audio": QUIET},
    {"type": "input_audio_buffer.append", "audio": QUIET},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "session.update", "session": SESSION},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": VAD}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}}},
    {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
    },
    {"type": "conversation.item.create", "item": ITEM},
    {"type": "conversation.item.create", "item": {**ITEM, "id": "item_b"}, "previous_item_id": "item_a"},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "call_x", "output": "1"}},
    {"type": "conversation.item.retrieve", "item_id": "item_a"},
    {"type": "conversation.item.delete", "item_id": "item_a"},
    {"type": "conversation.item.delete", "item_id": "item_b"},
    {"type": "conversation.item.truncate", "item_id": "item_a", "content_index": 0, "audio_end_ms": 100},
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"}, "input": [ITEM]}},
    {
        "type": "response.create",
        "response": {"output_modalities": ["text"], "tools": [TOOL], "tool_choice": "required"},
    },
    {"type": "response.cancel"},
    {"type": "response.cancel", "response_id": "resp_x"},
    {"type": "output_audio_buffer.clear"},
]
ODD = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    -(10**30),
    1e308,
    "",
    "x" * 5000,
    "\ud800",
    "\0",
    "item_a",
    [],
    {},
    [[]],
    [None],
]
ODD += [{"type": "message"}, {"type": None}, {"": ""}, "audio/pcmu", "semantic_vad", "none", "inf", 4096, 30_000]
BROKEN = [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"type": 3}', b'{"type": "x"}', b"[" * 20_000]
BROKEN += [b'{"type":"session.update","session":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, b'{"a":1}', b'"type"']
BROKEN += [b'{"type":"input_audio_buffer.append","audio":"***"}', b'{"type":"response.create","response":null}']


CODES = {row.name for row in conformance_rows() if row.kind == "error code"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.sampled_from(sorted({key for frame in GOOD for key in frame})), JSON, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(CLIENT_TYPES)), FIELDS) | st.text() | st.binary(), max_size=12))
def test_any_json_in_any_field_is_answered_or_taken(pieces):
    talk = Talk()
    for piece in pieces:
        talk.frame(piece if isinstance(piece, str | bytes) else json.dumps({**piece[1], "type": piece[0]}))
        talk.wait(50)
    talk.wait(60_000)
    assert talk.in_order() == []
    assert kinds(talk.ask("input_audio_buffer.clear"))[-1] == "input_audio_buffer.cleared"


def places(value, path=()):
    """Every place in a JSON value."""
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in rows:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mangled(rng, frame):
    """A copy with one to three places set to something odd, taken out, or given company."""
    frame = copy.deepcopy(frame)
    for _ in range(rng.randint(1, 3)):
        spots = [path for path in places(frame) if path != ("type",) or rng.random() < 0.05]
        if not spots:
            frame[rng.choice(["event_id", "x", "item", "response"])] = rng.choice(ODD)
            continue
        *above, last = rng.choice(spots)
        owner = frame
        for step in above:
            owner = owner[step]
        act = rng.random()
        if act < 0.7:
            owner[last] = copy.deepcopy(rng.choice(ODD))
        elif act < 0.85 and isinstance(owner, dict):
            del owner[last]
        elif isinstance(owner, dict):
            owner[str(rng.choice(["event_id", "x", "type2", "tools"]))] = copy.deepcopy(rng.choice(ODD))
    return frame


def names_met(talk):
    """Ids of items and responses the session has spoken of."""
    found = []
    for event in talk.events[-200:]:
        found += [(name, event[name]) for name in ("item_id", "response_id") if isinstance(event.get(name), str)]
        if event["type"] == "response.created":
            found.append(("response_id", event["response"]["id"]))
        found += [("call_id", item.get("call_id")) for item in (event.get("response") or {}).get("output") or []]
    return found


def frames(rng, talk, count):
    """`count` frames: good, aimed at what the session has spoken of, mangled, and broken."""
    for _ in range(count):
        act = rng.random()
        frame = copy.deepcopy(rng.choice(GOOD))
        if act < 0.07:
            yield rng.choice(BROKEN)
            continue
        met = names_met(talk) if act < 0.5 else []
        if met:
            name, value = rng.choice(met)
            if name in frame:
                frame[name] = value
            elif name == "call_id" and frame.get("item", {}).get("type") == "function_call_output":
                frame["item"]["call_id"] = value
        if act > 0.55:
            frame = mangled(rng, frame)
        if rng.random() < 0.3:
            frame.setdefault("event_id", f"client_{rng.randint(0, 99)}")
        yield json.dumps(frame).encode("utf-8", "surrogatepass")


class Guess:
    name = "a guess"

    def probability(self, start_ms, end_ms):
        return start_ms % 97 / 96


def hold(seed, count):
    """One session of `count` frames; what went wrong."""
    rng = random.Random(seed)
    intent = "transcription" if seed % 7 == 6 else None
    profile = profile_with(
        tokens_per_minute=20_000 if seed % 3 else 2_000_000, quota_tokens=None if seed % 5 else 40_000
    )
    talk = Talk(profile, seed, end_of_turn=Guess() if seed % 2 else None, intent=intent)
    refused = 0
    for raw in frames(rng, talk, count):
        talk.frame(raw)
        said = talk.wait(rng.choice([0, 1, 20, 200, 3000]))
        refused += kinds(said).count("error")
    talk.wait(120_000)
    return talk, refused


@pytest.mark.parametrize(
    "sessions", [pytest.param(10, id="500"), pytest.param(200, id="10000", marks=pytest.mark.full)]
)
def test_generated_frames_never_stop_the_engine_and_every_answer_is_in_order(sessions):
    refused = met = 0
    seen = set()
    for seed in range(sessions):
        talk, errors = hold(seed, 50)
        assert talk.in_order() == [], f"seed {seed}"
        refused += errors
        for event in talk.received:
            seen.add(type(event).__name__)
            met += 1
            if isinstance(event, ErrorEvent):
                assert (
                    event.error.code in CODES and len(event.error.message) < 1000 and len(event.error.param or "") < 300
                )
            assert not isinstance(decode_server(encode(event)), UnknownEvent), f"seed {seed}: {event}"
    assert refused >= sessions * 8  # the frames do meet refusals,
    assert len(seen) >= 20, seen  # and the states behind them


def test_a_frame_that_was_met_leaves_the_session_usable():
    talk = Talk()
    for raw in BROKEN:
        talk.frame(raw)
        (answer,) = talk.wait(15)[-1:]
        assert answer["type"] == "error" and answer["error"]["code"]
    assert kinds(talk.ask("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        ({"type": "session.update", "session": 3}, "invalid_type", "session"),
        (
            {"type": "session.update", "session": {"type": "realtime", "turn_detection": None}},
            "unknown_parameter",
            "session.turn_detection",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "max_output_tokens": 0}},
            "integer_below_min_value",
            "session.max_output_tokens",
        ),
        ({"type": "session.update", "session": {"type": "sing"}}, "invalid_value", "session.type"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": 3}, "invalid_type", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "***"}, "invalid_value", "audio"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({"type": "conversation.item.create", "item": {}}, "missing_required_parameter", "item.type"),
        ({"type": "conversation.item.create", "item": {"type": "song"}}, "invalid_value", "item.type"),
        ({"type": "conversation.item.create", "item": {"type": "mcp_call"}}, "unsupported_value", "item.type"),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}},
            "missing_required_parameter",
            "item.content",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "role": "king", "content": []}},
            "invalid_value",
            "item.role",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:"}]},
            },
            "unsupported_value",
            "item.content[0].type",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user", "content": [{"type": "output_text", "text": ""}]},
            },
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user", "content": [{"type": "input_text"}]},
            },
            "missing_required_parameter",
            "item.content[0].text",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "function_call", "name": "f"}},
            "missing_required_parameter",
            "item.arguments",
        ),
        (
            {"type": "conversation.item.create", "item": ITEM, "previous_item_id": "nobody"},
            "item_create_invalid_previous_item_id",
            "previous_item_id",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "content": []}},
            "missing_required_parameter",
            "item.role",
        ),
        (
            {"type": "conversation.item.create", "item": {**ITEM, "content": [{"type": "input_audio"}]}},
            "missing_required_parameter",
            "item.content[0].audio",
        ),
        (
            {"type": "conversation.item.create", "item": {**ITEM, "content": [{"type": "input_audio", "audio": "*"}]}},
            "invalid_value",
            "item.content[0].audio",
        ),
        ({"type": "conversation.item.retrieve", "item_id": "nobody"}, "item_retrieve_invalid_item_id", "item_id"),
        ({"type": "conversation.item.delete", "item_id": "nobody"}, "item_delete_invalid_item_id", "item_id"),
        (
            {"type": "conversation.item.truncate", "item_id": "nobody", "content_index": 0, "audio_end_ms": 0},
            "item_truncate_invalid_item_id",
            "item_id",
        ),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "response.create", "response": 3}, "invalid_type", "response"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value", "type"),
        ({"type": "sing"}, "invalid_value", "type"),
        ({"type": "session.created", "session": {}}, "invalid_value", "type"),
    ],
)
def test_each_mistake_has_its_code_its_parameter_and_the_clients_event_id(frame, code, param):
    talk = Talk()
    talk.wait(20)
    talk.frame(json.dumps({**frame, "event_id": "mine"}))
    (answer,) = talk.wait(15)
    assert answer["type"] == "error", answer
    error = answer["error"]
    assert (error["type"], error["code"], error["param"], error["event_id"]) == (
        "invalid_request_error",
        code,
        param,
        "mine",
    )
