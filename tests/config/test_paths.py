"""Paths: any unambiguous ending names a field; the table of fields is whole; the mocked server's treatment of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_config import outcome

from realtime_lab.config import (
    FIELDS,
    SemanticVad,
    ServerVad,
    SessionConfig,
    field_info,
    resolve_path,
    short_path,
    treatment,
    treatment_reason,
)
from realtime_lab.config.parts.audio import TURN_DETECTIONS
from realtime_lab.config.treatments import TREATED
from realtime_lab.errors import ConfigError

TD = "audio.input.turn_detection"
PATHS = [field.path for field in FIELDS]


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        ("silence_duration_ms", f"{TD}.silence_duration_ms"),
        ("turn_detection.threshold", f"{TD}.threshold"),
        (f"{TD}.threshold", f"{TD}.threshold"),
        ("input.turn_detection", TD),
        ("turn_detection", TD),
        ("turn_detection.type", f"{TD}.type"),
        ("max_output_tokens", "max_output_tokens"),
        ("transcription.model", "audio.input.transcription.model"),
        ("model", "model"),
        ("prompt", "prompt"),
        ("input_format", "audio.input.format"),
        ("output.format", "audio.output.format"),
        ("group_id", "tracing.group_id"),
        (f"session.{TD}.threshold", f"{TD}.threshold"),
    ],
)
def test_an_ending_means_its_field(ending, path):
    assert resolve_path(ending) == path


@pytest.mark.parametrize("path", PATHS)
def test_every_path_means_itself_and_has_a_shortest_ending(path):
    assert resolve_path(path) == path
    assert resolve_path(short_path(path)) == path


@pytest.mark.parametrize(
    ("ending", "candidates"),
    [("type", ["turn_detection.type", "input.format.type"]), ("format", ["input.format", "output.format"])],
)
def test_an_ending_of_several_fields_names_them(ending, candidates):
    with pytest.raises(ConfigError) as caught:
        resolve_path(ending)
    assert all(candidate in caught.value.errors[0].allowed for candidate in candidates)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("silence_duration", "silence_duration_ms"),
        ("turn_detection.treshold", "threshold"),
        ("max_token", "max_output_tokens"),
        ("instruction", "instructions"),
    ],
)
def test_an_unknown_ending_is_answered_with_the_nearest(wrong, nearest):
    with pytest.raises(ConfigError, match=nearest) as caught:
        resolve_path(wrong)
    assert caught.value.errors[0].code == "unknown_parameter"


@given(st.text() | st.none() | st.integers())
def test_any_other_path_is_a_config_error(path):
    result = outcome(lambda: resolve_path(path))
    assert len(result.errors) == 1 if isinstance(result, ConfigError) else result in PATHS


def test_the_table_of_fields_is_whole():
    assert len(set(PATHS)) == len(PATHS) == len(TREATED)
    assert set(PATHS) == set(TREATED)
    for field in FIELDS:
        assert field.doc.endswith("."), field.path
        assert field.reason and not field.reason.endswith("."), field.path
        assert field.treatment in ("modelled", "approximated", "ignored")
        assert field.shapes and set(field.shapes) <= {"ga", "seed", "flat"}
        assert field.type in ("number", "integer", "boolean", "string", "choice", "list", "object")
        assert field.usual is None or field.usual[0] < field.usual[1]
        assert (field.type in ("number", "integer")) == (field.usual is not None), field.path


def test_every_documented_default_is_accepted_by_its_field():
    for field in FIELDS:
        if field.default is not None and "." not in field.path:
            assert SessionConfig(**{field.path: field.default})
        elif (
            field.default is not None and field.path.startswith("audio") and not field.path.endswith((".rate", ".type"))
        ):
            assert SessionConfig().with_values({field.path: field.default}).get(field.path) == field.default


def test_a_panel_finds_all_it_needs_of_a_field():
    silence = field_info("silence_duration_ms")
    assert (silence.type, silence.minimum, silence.maximum, silence.default) == ("integer", 0, 3_600_000, 500)
    assert silence.default_note == "documented; 200 was observed"
    assert silence.applies_to == ("server_vad",)
    assert silence.usual == (100.0, 2000.0)
    assert field_info("create_response").applies_to == ("server_vad", "semantic_vad")
    assert field_info("turn_detection.type").choices == tuple(kind().type for kind in TURN_DETECTIONS)
    assert field_info("eagerness").choices == ("low", "medium", "high", "auto")
    assert field_info("idle_timeout_ms").nullable
    assert not field_info("create_response").nullable
    assert "marin" in field_info("voice").suggestions
    assert field_info("temperature").shapes == ("flat",)
    assert "flat" not in field_info("retention_ratio").shapes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("silence_duration_ms", "modelled"),
        ("max_output_tokens", "modelled"),
        ("output_modalities", "modelled"),
        ("include", "modelled"),
        ("speed", "modelled"),
        ("eagerness", "approximated"),
        ("noise_reduction", "approximated"),
        ("transcription.model", "ignored"),
        ("transcription.language", "approximated"),
        ("transcription.prompt", "approximated"),
        ("tools", "approximated"),
        ("instructions", "ignored"),
        ("voice", "ignored"),
        ("model", "ignored"),
        ("truncation.type", "ignored"),
        ("temperature", "ignored"),
    ],
)
def test_each_field_says_how_the_mock_treats_it(path, expected):
    assert treatment(path) == field_info(path).treatment == expected
    assert treatment_reason(path)


def test_turn_detection_is_treated_by_its_kind():
    for path in ("turn_detection", "turn_detection.type"):
        assert treatment(path, "semantic_vad") == "approximated"
        assert treatment(path, "server_vad") == "modelled"
        assert "estimate" in treatment_reason(path, "semantic_vad")
    assert treatment("turn_detection", SemanticVad()) == "approximated"
    assert treatment("turn_detection", {"type": "semantic_vad"}) == "approximated"
    assert treatment("turn_detection", ServerVad()) == treatment("turn_detection", None) == "modelled"


def test_a_configuration_lists_the_treatment_of_what_it_sets():
    config = SessionConfig(turn_detection=SemanticVad(), voice="ash", max_output_tokens=64)
    assert config.treatments() == {
        f"{TD}.type": "approximated",
        "audio.output.voice": "ignored",
        "max_output_tokens": "modelled",
    }
