"""Three wire shapes: each carries what it can and back, names what it cannot, and keeps what a server adds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_config import configs_for, hostile_json, hostile_objects, outcome, server_vads

from realtime_lab.config import LOGPROBS, SemanticVad, ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError

SHAPES = ("ga", "seed", "flat")


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_every_configuration_a_shape_can_carry_comes_back_equal(shape, data):
    config = data.draw(configs_for[shape])
    wire = config.to_wire(shape)
    assert json.loads(json.dumps(wire)) == wire
    assert SessionConfig.from_wire(wire) == config
    assert SessionConfig.from_wire(wire, strict=False) == config
    assert SessionConfig.from_wire(json.loads(json.dumps(wire))).to_wire(shape) == wire


@given(configs_for["flat"])
def test_all_three_shapes_of_one_session_read_as_the_same_object(config):
    config = config.without("temperature")
    assert len({SessionConfig.from_wire(config.to_wire(shape)) for shape in SHAPES}) == 1


@pytest.mark.parametrize("strict", [True, False])
@given(obj=hostile_json)
def test_reading_anything_raises_nothing_but_config_errors(strict, obj):
    config = outcome(lambda: SessionConfig.from_wire(obj, strict=strict))
    if isinstance(config, ConfigError):
        assert config.errors
    else:
        assert repr(config) and config._repr_html_() and config.to_code()


@given(hostile_objects)
def test_what_a_server_says_is_kept_and_survives_every_further_reading(obj):
    config = outcome(lambda: SessionConfig.from_wire(obj, strict=False))
    if isinstance(config, ConfigError):
        return  # one field stated twice and differently, or a number that is not JSON
    assert SessionConfig.from_json(config.to_json()) == config
    config = config.without("temperature")
    for shape in ("ga", "seed"):
        assert SessionConfig.from_wire(config.to_wire(shape), strict=False) == config


def test_ga_sends_the_type_and_only_what_is_set():
    assert SessionConfig().to_wire() == {"type": "realtime"}
    config = SessionConfig(turn_detection=ServerVad(silence_duration_ms=500), voice="marin", transcription=None)
    assert config.to_wire("ga") == {
        "type": "realtime",
        "audio": {
            "input": {"transcription": None, "turn_detection": {"type": "server_vad", "silence_duration_ms": 500}},
            "output": {"voice": "marin"},
        },
    }


def test_seed_states_turn_detection_in_both_its_places_and_no_type():
    wire = SessionConfig(turn_detection=ServerVad(threshold=0.4)).to_wire("seed")
    vad = {"type": "server_vad", "threshold": 0.4}
    assert wire == {"audio": {"input": {"turn_detection": vad}}, "turn_detection": vad}


def test_flat_uses_the_older_names():
    config = SessionConfig(
        model="m",
        output_modalities=["audio"],
        turn_detection=None,
        transcription=Transcription(model="whisper-1"),
        noise_reduction={"type": "near_field"},
        input_format="audio/pcm",
        output_format="g711_ulaw",
        voice="alloy",
        speed=1.25,
        max_output_tokens="inf",
        temperature=0.8,
        logprobs=True,
    )
    assert config.to_wire("flat") == {
        "model": "m",
        "modalities": ["text", "audio"],
        "turn_detection": None,
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "input_audio_format": "pcm16",
        "output_audio_format": "g711_ulaw",
        "voice": "alloy",
        "speed": 1.25,
        "max_response_output_tokens": "inf",
        "temperature": 0.8,
        "include": [LOGPROBS],
    }


def test_the_whole_session_object_reads_in_its_own_shape():
    """All 13 fields of the session object, as a server of its time reports them."""
    vad = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
    obj = {
        "id": "sess_1",
        "object": "realtime.session",
        "expires_at": 1_756_324_625,
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Be kind.",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
                "turn_detection": vad,
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": "alloy", "speed": 1.0},
        },
        "include": [LOGPROBS],
        "max_output_tokens": "inf",
        "tools": [{"type": "function", "name": "f", "description": "", "parameters": {"type": "object"}}],
        "tool_choice": "auto",
        "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
        "turn_detection": vad,
    }
    reported = {"id", "object", "expires_at"}
    assert SessionConfig.from_wire(obj).to_wire("seed") == {k: v for k, v in obj.items() if k not in reported}


@given(server_vads)
def test_the_top_level_turn_detection_alone_is_read(vad):
    assert SessionConfig.from_wire({"turn_detection": vad.to_dict()}) == SessionConfig(turn_detection=vad)


@pytest.mark.parametrize(
    ("top", "inner"),
    [
        ({"type": "server_vad", "threshold": 0.5}, {"type": "server_vad", "threshold": 0.6}),
        (None, {"type": "server_vad"}),
        ({"type": "server_vad"}, {"type": "server_vad", "threshold": 0.6}),
    ],
)
def test_unequal_turn_detections_are_a_conflict_that_names_both_places(top, inner):
    with pytest.raises(ConfigError) as caught:
        SessionConfig.from_wire({"turn_detection": top, "audio": {"input": {"turn_detection": inner}}})
    (problem,) = caught.value.errors
    assert problem.path == "audio.input.turn_detection"
    assert problem.code == "conflicting_values"
    assert "turn_detection says" in problem.hint and "audio.input.turn_detection says" in problem.hint


def test_equal_turn_detections_are_one():
    vad = {"type": "server_vad", "threshold": 1}
    obj = {"turn_detection": vad, "audio": {"input": {"turn_detection": {"threshold": 1.0, "type": "server_vad"}}}}
    assert SessionConfig.from_wire(obj) == SessionConfig(turn_detection=ServerVad(threshold=1))


def test_a_server_may_say_more_in_one_place_than_in_the_other():
    """The older top-level place has four fields, the newer one all; what both state must still agree."""
    inner = {"type": "server_vad", "threshold": 0.5, "create_response": True}
    obj = {"turn_detection": {"type": "server_vad", "threshold": 0.5}, "audio": {"input": {"turn_detection": inner}}}
    config = SessionConfig.from_wire(obj, strict=False)
    assert config.turn_detection == ServerVad(threshold=0.5, create_response=True)
    obj["turn_detection"] = {"type": "server_vad", "threshold": 0.7}
    with pytest.raises(ConfigError, match="one value for one field"):
        SessionConfig.from_wire(obj, strict=False)


@pytest.mark.parametrize("given_modalities", [["text", "audio"], ["audio", "text"], ["audio"]])
def test_flat_text_and_audio_is_todays_audio(given_modalities):
    assert SessionConfig.from_wire({"modalities": given_modalities}).output_modalities == ("audio",)


@pytest.mark.parametrize(
    ("shape", "values", "paths"),
    [
        ("ga", {"temperature": 1.0}, ["temperature"]),
        ("seed", {"temperature": 1.0}, ["temperature"]),
        (
            "flat",
            {"truncation": "auto", "reasoning": {"effort": "low"}, "parallel_tool_calls": True, "voice": {"id": "v"}},
            ["truncation", "reasoning", "parallel_tool_calls", "audio.output.voice"],
        ),
        ("flat", {"session_type": "transcription"}, ["session_type"]),
    ],
)
def test_what_a_shape_cannot_carry_is_named_all_at_once(shape, values, paths):
    with pytest.raises(ConfigError) as caught:
        SessionConfig(**values).to_wire(shape)
    assert [problem.path for problem in caught.value.errors] == paths
    assert all(shape in problem.allowed for problem in caught.value.errors)


def test_an_unknown_shape_is_refused_with_the_three():
    with pytest.raises(ConfigError, match="ga, seed, flat"):
        SessionConfig().to_wire("beta")


def test_unknown_names_are_refused_from_people_and_kept_from_servers():
    obj = {
        "type": "realtime",
        "colour": "red",
        "audio": {"input": {"turn_detection": {"type": "server_vad", "mood": 1}, "echo": {"tail_ms": 5}}},
    }
    with pytest.raises(ConfigError) as caught:
        SessionConfig.from_wire(obj)
    assert {problem.path for problem in caught.value.errors} == {
        "colour",
        "audio.input.echo",
        "audio.input.turn_detection.mood",
    }
    config = SessionConfig.from_wire(obj, strict=False)
    assert config.to_wire("ga") == obj
    assert config.turn_detection == ServerVad()
    flat = config.to_wire("flat")
    assert flat["turn_detection"] == {"type": "server_vad", "mood": 1}
    assert SessionConfig.from_wire(flat, strict=False) == config


def test_a_value_no_field_accepts_is_kept_from_a_server():
    obj = {"type": "realtime", "audio": {"output": {"speed": 3}}, "reasoning": None, "max_output_tokens": 9000}
    config = SessionConfig.from_wire(obj, strict=False)
    assert (config.speed, config.get("speed"), config.get("max_output_tokens")) == (None, 3, 9000)
    assert config.to_wire("ga") == obj


def test_an_unknown_session_type_from_a_server_is_kept():
    config = SessionConfig.from_wire({"type": "translation"}, strict=False)
    assert config.session_type == "realtime"
    assert config.to_wire("ga") == {"type": "translation"}


def test_names_of_ours_are_unknown_on_the_wire():
    """`session_type` and `extra` are the configuration's own, so a server's fields of these names are strangers."""
    obj = {"type": "realtime", "session_type": "x", "extra": {"a": 1}, "logprobs": True}
    with pytest.raises(ConfigError) as caught:
        SessionConfig.from_wire(obj)
    assert {problem.path for problem in caught.value.errors} == {"session_type", "extra", "logprobs"}
    config = SessionConfig.from_wire(obj, strict=False)
    assert config.to_wire("ga") == obj
    assert SessionConfig.from_json(config.to_json()) == config


def test_a_transcription_session_travels_with_its_type():
    config = SessionConfig(session_type="transcription", transcription=Transcription(model="whisper-1"))
    wire = config.to_wire("ga")
    assert wire == {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    assert SessionConfig.from_wire(wire) == config == SessionConfig.from_wire(config.to_wire("seed"))
    assert SessionConfig.from_wire({"object": "realtime.transcription_session"}).session_type == "transcription"


def test_a_server_that_reports_more_in_a_transcription_session_is_read():
    obj = {"type": "transcription", "model": "", "audio": {"input": {}, "output": {"voice": "alloy"}}}
    config = SessionConfig.from_wire(obj, strict=False)
    assert config.session_type == "transcription"
    assert config.to_wire("ga") == {"type": "transcription", "model": "", "audio": {"output": {"voice": "alloy"}}}


def test_a_client_secret_is_not_kept():
    config = SessionConfig.from_wire({"client_secret": {"value": "ek_canary_0001"}}, strict=False)
    assert "canary" not in config.to_json() + repr(config)


@pytest.mark.parametrize("obj", [None, 3, "realtime", [], [{"model": "m"}]])
def test_what_is_not_an_object_is_refused(obj):
    with pytest.raises(ConfigError, match="a JSON object"):
        SessionConfig.from_wire(obj)


def test_depth_bombs_and_cycles_are_refused():
    deep: dict = {}
    for _ in range(100_000):
        deep = {"audio": deep}
    cycle: dict = {}
    cycle["tools"] = [cycle]
    for obj in (deep, cycle):
        with pytest.raises(ConfigError, match="nested"):
            SessionConfig.from_wire(obj, strict=False)
    with pytest.raises(ConfigError):
        SessionConfig.from_json('{"tools":' + "[" * 100_000)


def test_semantic_vad_reads_from_the_flat_shape():
    obj = {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}
    assert SessionConfig.from_wire(obj).turn_detection == SemanticVad(eagerness="high")


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_number_too_large_for_any_float_is_refused(value):
    with pytest.raises(ConfigError, match="threshold"):
        SessionConfig.from_wire({"turn_detection": {"type": "server_vad", "threshold": value}})


@pytest.mark.parametrize("value", [{1: 2}, {"a": {None: 1}}])
def test_a_key_that_is_no_text_is_refused_wherever_it_stands(value):
    with pytest.raises(ConfigError):
        SessionConfig(model="m").with_values({"tracing": value})
