"""with_values, without and get: changes by path make another session, and every one that cannot be made is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from strategies_config import configs

from realtime_lab.config import AudioFormat, NoiseReduction, SemanticVad, ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError

TD = "audio.input.turn_detection"


def refused(config, changes):
    before = config.to_json()
    with pytest.raises(ConfigError) as caught:
        config.with_values(changes)
    assert config.to_json() == before
    return {problem.path: problem for problem in caught.value.errors}


def test_a_change_makes_another_and_leaves_the_first():
    base = SessionConfig(turn_detection=ServerVad(threshold=0.5), max_output_tokens=64)
    other = base.with_values({"silence_duration_ms": 200, "max_output_tokens": "inf"})
    assert other == SessionConfig(
        turn_detection=ServerVad(threshold=0.5, silence_duration_ms=200), max_output_tokens="inf"
    )
    assert base == SessionConfig(turn_detection=ServerVad(threshold=0.5), max_output_tokens=64)


@pytest.mark.parametrize(
    ("path", "value", "made"),
    [
        ("silence_duration_ms", 200, ServerVad(silence_duration_ms=200)),
        ("create_response", False, ServerVad(create_response=False)),
        ("eagerness", "high", SemanticVad(eagerness="high")),
        ("turn_detection.type", "semantic_vad", SemanticVad()),
        ("turn_detection", {"type": "server_vad"}, ServerVad()),
        ("turn_detection", SemanticVad(eagerness="low"), SemanticVad(eagerness="low")),
        ("turn_detection", None, None),
        ("transcription.model", "m", Transcription(model="m")),
        ("noise_reduction.type", "near_field", NoiseReduction(type="near_field")),
        ("input.format.type", "audio/pcmu", AudioFormat(type="audio/pcmu")),
    ],
)
def test_a_field_of_an_unset_object_makes_the_object(path, value, made):
    config = SessionConfig().with_values({path: value})
    assert config.get(path.removesuffix(".type").removesuffix(".model") if "." in path else path) in (made, value)
    assert config == SessionConfig().with_values(config.leaves())


def test_turn_detection_switches_whole():
    server = SessionConfig(turn_detection=ServerVad(threshold=0.5))
    assert server.with_values({"turn_detection": SemanticVad()}).turn_detection == SemanticVad()
    assert server.with_values({TD: None}).to_dict() == {"audio": {"input": {"turn_detection": None}}}


def test_an_object_is_set_before_its_fields_whatever_the_order():
    changes = {"silence_duration_ms": 300, "turn_detection": {"type": "server_vad", "threshold": 0.1}}
    assert SessionConfig().with_values(changes).turn_detection == ServerVad(threshold=0.1, silence_duration_ms=300)


def test_a_semantic_field_on_server_vad_is_a_clear_error():
    found = refused(SessionConfig(turn_detection=ServerVad()), {"eagerness": "low"})
    assert found[f"{TD}.eagerness"].allowed == "eagerness only with type semantic_vad"


def test_a_field_of_an_object_that_is_null_is_a_clear_error():
    found = refused(SessionConfig(turn_detection=None), {"threshold": 0.4})
    assert found[f"{TD}.threshold"].allowed == "only where turn_detection is an object; it is null"
    found = refused(SessionConfig(tracing="auto"), {"tracing.group_id": "g"})
    assert "it is 'auto'" in found["tracing.group_id"].allowed


def test_all_problems_come_at_once():
    changes = {"silence": 1, "type": "x", "max_output_tokens": 0, "threshold": 7, "speed": 1.0}
    found = refused(SessionConfig(turn_detection=ServerVad()), changes)
    assert set(found) == {"silence", "type", "max_output_tokens", f"{TD}.threshold"}
    assert found["silence"].value == 1


def test_two_paths_of_one_field_must_agree():
    assert SessionConfig().with_values({"threshold": 0.5, f"{TD}.threshold": 0.5}).turn_detection.threshold == 0.5
    assert refused(SessionConfig(), {"threshold": 0.5, f"{TD}.threshold": 0.6})[f"{TD}.threshold"].code == (
        "conflicting_values"
    )


def test_a_new_value_replaces_what_a_server_left_in_extra():
    said = SessionConfig.from_wire({"audio": {"output": {"speed": 3, "pitch": 1}}, "reasoning": None}, strict=False)
    changed = said.with_values({"speed": 1.0, "reasoning.effort": "low"})
    assert changed.speed == 1.0
    assert changed.extra == {"audio": {"output": {"pitch": 1}}}


def test_fields_can_be_unset():
    config = SessionConfig(turn_detection=ServerVad(threshold=0.5), voice="ash", extra={"a": 1})
    assert config.without("threshold", "voice") == SessionConfig(turn_detection=ServerVad(), extra={"a": 1})
    assert config.without("turn_detection", "voice") == SessionConfig(extra={"a": 1})
    with pytest.raises(ConfigError):
        config.without("volume")


def test_get_tells_unset_from_null():
    config = SessionConfig(turn_detection=None, transcription=Transcription(model="m"))
    assert config.get("turn_detection", "unset") is None
    assert config.get("threshold", "unset") == "unset"
    assert config.get("transcription.model") == "m"
    assert config.get("model") is None
    assert config.get("session_type") == "realtime"
    assert SessionConfig(turn_detection=ServerVad()).get("turn_detection.type") == "server_vad"
    with pytest.raises(ConfigError, match="one meaning"):
        config.get("type")


def test_a_copy_with_an_update_is_checked_too():
    with pytest.raises(ConfigError):
        SessionConfig().model_copy(update={"speed": 9})
    assert SessionConfig().model_copy(update={"speed": 1}).speed == 1


@given(configs)
def test_the_leaves_of_a_session_make_it_again(config):
    leaves = config.leaves()
    assert SessionConfig().with_values(leaves) == config
    never = object()
    assert all(config.get(path, never) is not never for path in leaves)
