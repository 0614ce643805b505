"""The objects inside a session, each built on its own: ranges, kinds, null, and messages that name the full path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_config import hostile_objects, outcome

from realtime_lab.config import (
    AudioFormat,
    AudioInput,
    FunctionTool,
    NoiseReduction,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    Transcription,
)
from realtime_lab.errors import ConfigError

TD = "audio.input.turn_detection"


def one_problem(build, **values):
    with pytest.raises(ConfigError) as caught:
        build(**values)
    (problem,) = caught.value.errors
    return problem


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"threshold": 1.01}, "decimal_above_max_value"),
        ({"threshold": -0.01}, "decimal_below_min_value"),
        ({"threshold": float("nan")}, "invalid_value"),
        ({"threshold": float("inf")}, "invalid_value"),
        ({"threshold": True}, "invalid_type"),
        ({"threshold": "0.5"}, "invalid_type"),
        ({"threshold": None}, "invalid_type"),
        ({"silence_duration_ms": -1}, "integer_below_min_value"),
        ({"silence_duration_ms": 3_600_001}, "integer_above_max_value"),
        ({"silence_duration_ms": 200.5}, "invalid_type"),
        ({"silence_duration_ms": False}, "invalid_type"),
        ({"prefix_padding_ms": -1}, "integer_below_min_value"),
        ({"create_response": None}, "invalid_type"),
        ({"create_response": 1}, "invalid_type"),
        ({"interrupt_response": "true"}, "invalid_type"),
        ({"idle_timeout_ms": 4_999}, "integer_below_min_value"),
        ({"idle_timeout_ms": 30_001}, "integer_above_max_value"),
        ({"type": "semantic_vad"}, "invalid_value"),
        ({"eagerness": "low"}, "unknown_parameter"),
    ],
)
def test_server_vad_refuses(values, code):
    problem = one_problem(ServerVad, **values)
    (name,) = values
    assert (problem.path, problem.code) == (f"{TD}.{name}", code)


def test_null_is_refused_with_advice_where_the_service_refuses_it():
    assert "leave the field out" in one_problem(ServerVad, create_response=None).hint


def test_server_vad_accepts_its_bounds():
    vad = ServerVad(threshold=0, prefix_padding_ms=0, silence_duration_ms=3_600_000, idle_timeout_ms=5_000)
    assert ServerVad(**vad.to_dict()) == vad
    assert ServerVad(idle_timeout_ms=None).to_dict() == {"type": "server_vad", "idle_timeout_ms": None}
    assert ServerVad(silence_duration_ms=500.0).silence_duration_ms == 500


@pytest.mark.parametrize("name", ["threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"])
def test_semantic_vad_has_none_of_server_vads_fields(name):
    with pytest.raises(ConfigError) as caught:
        AudioInput(turn_detection={"type": "semantic_vad", name: 5000})
    (problem,) = caught.value.errors
    assert problem.path == f"{TD}.{name}"
    assert problem.allowed == f"{name} only with type server_vad"
    assert "eagerness" in problem.hint


def test_turn_detection_needs_a_kind():
    for given_type, code in (({}, "missing_required_parameter"), ({"type": "none"}, "invalid_value")):
        problem = one_problem(AudioInput, turn_detection={"threshold": 0.5, **given_type})
        assert (problem.path, problem.code) == (f"{TD}.type", code)
        assert problem.allowed.startswith('"server_vad", "semantic_vad"')


def test_g711_has_no_rate_and_pcm_has_one():
    assert AudioFormat(type="audio/pcm").rate == 24_000
    assert one_problem(AudioFormat, type="audio/pcma", rate=8000).path == "audio.input.format.rate"
    assert one_problem(AudioFormat, type="audio/pcm", rate=16000).allowed == "24000"
    assert one_problem(AudioFormat, rate=24000).code == "missing_required_parameter"


def test_equal_parts_of_different_kinds_differ():
    assert Transcription() != NoiseReduction()
    assert ServerVad() != SemanticVad()
    assert ServerVad() != {"type": "server_vad"}


def test_a_repr_shows_what_is_set():
    assert repr(ServerVad(threshold=0.5, idle_timeout_ms=None)) == "ServerVad(threshold=0.5, idle_timeout_ms=None)"
    assert repr(FunctionTool(name="f")) == "FunctionTool(name='f')"
    assert str(AudioFormat(type="audio/pcmu")) == "AudioFormat(type='audio/pcmu')"


def test_a_missing_field_is_named():
    assert one_problem(RetentionRatio).hint == "it is required here"


@given(st.sampled_from((ServerVad, SemanticVad, AudioInput, FunctionTool, RetentionRatio)), hostile_objects)
def test_any_mapping_gives_a_part_or_config_errors(part, values):
    result = outcome(lambda: part(**values))
    if isinstance(result, ConfigError):
        assert result.errors
    else:
        assert part.model_validate(result.to_dict()) == result == part.model_validate_json(result.to_json())


@pytest.mark.parametrize("obj", [None, 3, "x", [("type", "server_vad")], {1: 2}])
def test_validation_of_something_else_raises_config_errors(obj):
    with pytest.raises(ConfigError):
        ServerVad.model_validate(obj)
    with pytest.raises(ConfigError):
        ServerVad.model_validate_json("nonsense")
