"""SessionConfig: unset is not the default, every mistake comes at once, and equal sessions have one form."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from strategies_config import configs

from realtime_lab.config import (
    LOGPROBS,
    Audio,
    AudioFormat,
    AudioInput,
    ConfigWarning,
    CustomVoice,
    FunctionTool,
    McpTool,
    NoiseReduction,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
)
from realtime_lab.errors import ConfigError

TD = "audio.input.turn_detection"


def problems(**values):
    with pytest.raises(ConfigError) as caught:
        SessionConfig(**values)
    return {problem.path: problem for problem in caught.value.errors}


def test_nothing_given_is_nothing_set():
    config = SessionConfig()
    assert config.to_dict() == config.leaves() == {}
    assert config.model is config.turn_detection is config.max_output_tokens is None
    assert repr(config) == "SessionConfig()"


def test_unset_null_and_the_default_are_three_things():
    unset, null = SessionConfig(), SessionConfig(turn_detection=None)
    default = SessionConfig(turn_detection=ServerVad())
    assert len({unset, null, default}) == 3
    assert len({config.to_json() for config in (unset, null, default)}) == 3
    assert ServerVad() != ServerVad(threshold=0.5)
    assert ServerVad(idle_timeout_ms=None) != ServerVad()
    assert null.to_dict() == {"audio": {"input": {"turn_detection": None}}}


@given(configs)
def test_equality_hash_json_pickle_and_copies_agree(config):
    for twin in (
        SessionConfig.from_json(config.to_json()),
        SessionConfig(**config.to_dict()),
        SessionConfig.model_validate(config.to_dict()),
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
        config.with_values({}),
    ):
        assert twin == config
        assert hash(twin) == hash(config)
        assert twin.to_json() == config.to_json()


def test_one_value_has_one_form():
    assert SessionConfig(session_type="realtime") == SessionConfig()
    assert SessionConfig(audio={}) == SessionConfig(audio={"input": {}}) == SessionConfig()
    assert SessionConfig(extra={}) == SessionConfig()
    assert SessionConfig(turn_detection={"type": "server_vad", "threshold": 1}) == SessionConfig(
        turn_detection=ServerVad(threshold=1.0)
    )
    assert ServerVad(threshold=-0.0).to_json() == ServerVad(threshold=0).to_json()
    assert SessionConfig(max_output_tokens=float("inf")) == SessionConfig(max_output_tokens="inf")
    assert SessionConfig(input_format={"type": "audio/pcm"}) == SessionConfig(input_format="pcm16")


def test_json_is_canonical():
    one = SessionConfig(model="é", max_output_tokens=64, voice="ash", speed=1)
    other = SessionConfig(speed=1.0, voice="ash", max_output_tokens=64.0, model="é")
    assert one.to_json() == other.to_json()
    assert one.to_json() == (
        '{"audio":{"output":{"speed":1.0,"voice":"ash"}},"max_output_tokens":64,"model":"\\u00e9"}'
    )


def test_flat_keywords_and_nested_places_are_the_same():
    flat = SessionConfig(
        turn_detection=SemanticVad(eagerness="low"),
        transcription={"model": "whisper-1"},
        noise_reduction=NoiseReduction(type="far_field"),
        voice=CustomVoice(id="v"),
        speed=1.5,
        input_format="audio/pcmu",
        output_format=AudioFormat(type="audio/pcm"),
        logprobs=True,
    )
    nested = SessionConfig(
        audio={
            "input": AudioInput(
                turn_detection={"type": "semantic_vad", "eagerness": "low"},
                transcription=Transcription(model="whisper-1"),
                noise_reduction={"type": "far_field"},
                format={"type": "audio/pcmu"},
            ),
            "output": {"voice": {"id": "v"}, "speed": 1.5, "format": {"type": "audio/pcm", "rate": 24000}},
        },
        include=[LOGPROBS],
    )
    assert flat == nested
    assert flat.turn_detection == SemanticVad(eagerness="low") == flat.get("turn_detection")
    assert flat.transcription == Transcription(model="whisper-1")
    assert flat.noise_reduction == NoiseReduction(type="far_field")
    assert flat.input_format == AudioFormat(type="audio/pcmu")
    assert flat.output_format == AudioFormat(type="audio/pcm", rate=24000)
    assert (flat.voice, flat.speed, flat.logprobs) == (CustomVoice(id="v"), 1.5, True)


def test_the_same_value_in_two_places_is_fine_and_two_values_are_a_conflict():
    nested = Audio(input=AudioInput(turn_detection=ServerVad(threshold=0.5)))
    assert SessionConfig(turn_detection=ServerVad(threshold=0.5), audio=nested).turn_detection.threshold == 0.5
    found = problems(
        turn_detection=ServerVad(threshold=0.6), audio=nested, voice="ash", logprobs=True, include=[], speed=9
    )
    assert set(found) == {TD, "include", "audio.output.speed"}
    assert found[TD].code == "conflicting_values"
    assert "turn_detection says {'threshold': 0.6}, audio.input.turn_detection says {'threshold': 0.5}" in (
        found[TD].hint
    )


@pytest.mark.parametrize("wanted", [False, True])
def test_logprobs_is_include(wanted):
    config = SessionConfig(logprobs=wanted, transcription=Transcription(model="m"))
    assert config.include == ((LOGPROBS,) if wanted else None)
    assert problems(logprobs=1)["logprobs"].code == "invalid_type"
    assert "include" in problems(logprobs=False, include=[LOGPROBS])


def test_five_mistakes_are_five_errors_in_field_order():
    with pytest.raises(ConfigError) as caught:
        SessionConfig(
            max_output_tokens=5000,
            output_modalities=["audio", "text"],
            turn_detection={"type": "server_vad", "threshold": 2, "silence_duration_ms": "500"},
            voise="ash",
        )
    errors = caught.value.errors
    assert [(problem.path, problem.value, problem.code) for problem in errors] == [
        ("output_modalities", ["audio", "text"], "invalid_value"),
        (f"{TD}.threshold", 2, "decimal_above_max_value"),
        (f"{TD}.silence_duration_ms", "500", "invalid_type"),
        ("max_output_tokens", 5000, "integer_above_max_value"),
        ("voise", "ash", "unknown_parameter"),
    ]
    assert errors[1].allowed == "a number from 0 to 1"
    assert errors[4].hint == "did you mean voice?"
    assert "5 mistakes" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("max_output_token", "max_output_tokens"),
        ("modalities", "output_modalities"),
        ("silence_duration_ms", "audio.input.turn_detection.silence_duration_ms"),
        ("input_formt", "input_format"),
        ("max_response_output_tokens", "max_output_tokens"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_known(name, hint):
    assert hint in problems(**{name: 1})[name].hint


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "integer_below_min_value"),
        (4097, "integer_above_max_value"),
        (10**400, "integer_above_max_value"),
        (True, "invalid_type"),
        (1.5, "invalid_type"),
        ("64", "invalid_type"),
        ("infinite", "invalid_type"),
        (None, "invalid_type"),
        (float("nan"), "invalid_value"),
        (float("-inf"), "invalid_value"),
        ([64], "invalid_type"),
    ],
)
def test_max_output_tokens_refuses(value, code):
    assert problems(max_output_tokens=value)["max_output_tokens"].code == code


@pytest.mark.parametrize("value", [["text", "audio"], [], ["audio", "audio"], ["video"], "audio", None, [1], {"a": 1}])
def test_output_modalities_is_exactly_audio_or_text(value):
    assert problems(output_modalities=value)["output_modalities"].allowed == '["audio"] or ["text"]'


def test_numbers_of_numpy_are_numbers():
    config = SessionConfig(
        max_output_tokens=np.int64(64), turn_detection=ServerVad(threshold=np.float32(0.5), create_response=np.True_)
    )
    assert config.to_dict()["max_output_tokens"] == 64
    assert type(config.max_output_tokens) is int
    assert type(config.turn_detection.threshold) is float
    assert config.turn_detection.create_response is True


@pytest.mark.parametrize(
    "value",
    [
        {"type": "function"},
        {"type": "function", "name": ""},
        {"type": "mcp"},
        {"name": "f"},
        {"type": "shell", "name": "f"},
        {"type": "function", "name": "f", "parameters": {"a": float("nan")}},
        {"type": "function", "name": "f", "parameters": {"a": {1, 2}}},
        {"type": "function", "name": "f", "parameters": []},
        {"type": "mcp", "server_label": "s", "headers": {"a": 1}},
        {"type": "function", "name": "f", "nmae": 1},
        "f",
    ],
)
def test_a_tool_that_is_wrong_is_one_error_at_its_index(value):
    (problem,) = problems(tools=[{"type": "function", "name": "ok"}, value]).values()
    assert problem.path.startswith("tools[1]")


def test_tools_and_choices_are_typed():
    config = SessionConfig(
        tools=[
            FunctionTool(name="f", parameters={"type": "object", "required": ["a"]}),
            {"type": "mcp", "server_label": "s"},
        ],
        tool_choice={"type": "mcp", "server_label": "s"},
        truncation={"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 8000}},
        tracing={"workflow_name": "w", "metadata": {"a": [1, {"b": None}]}},
        prompt={"id": "p", "variables": {"x": "y"}},
        reasoning={"effort": "low"},
    )
    assert isinstance(config.tools[0], FunctionTool) and isinstance(config.tools[1], McpTool)
    assert isinstance(config.truncation, RetentionRatio)
    assert config.to_dict()["tools"][0]["parameters"] == {"type": "object", "required": ["a"]}
    assert SessionConfig(tools=[]).to_dict() == {"tools": []}


@pytest.mark.parametrize(
    "values",
    [
        {"tool_choice": "always"},
        {"tool_choice": {"type": "function"}},
        {"tracing": "on"},
        {"truncation": "none"},
        {"truncation": {"type": "retention_ratio"}},
        {"truncation": {"type": "retention_ratio", "retention_ratio": 1.5}},
        {"prompt": {"version": "1"}},
        {"prompt": {"id": "p", "variables": {"a": 1}}},
        {"reasoning": {"effort": "huge"}},
        {"reasoning": None},
        {"parallel_tool_calls": 1},
        {"voice": ""},
        {"voice": {"name": "v"}},
        {"speed": 2},
        {"speed": float("nan")},
        {"model": ""},
        {"model": None},
        {"include": ["item.everything"]},
        {"include": [LOGPROBS, LOGPROBS]},
        {"audio": 5},
        {"audio": {"input": None}},
        {"session_type": "translation"},
        {"transcription": {"delay": "long"}},
        {"transcription": {"languages": "en"}},
        {"transcription": {"language": None}},
        {"input_format": "mp3"},
        {"input_format": {"type": "audio/pcm", "rate": 16000}},
        {"input_format": {"rate": 24000}},
        {"extra": [1]},
        {"extra": {"a": float("inf")}},
    ],
)
def test_other_values_out_of_range_are_refused(values):
    assert problems(**values)


def test_a_part_that_is_not_a_mapping_at_all_does_not_crash():
    found = problems(turn_detection=object(), audio=7, transcription=np.zeros(3), voice=np.array(["a", "b"]))
    assert "audio" in found


def test_transcription_sessions_have_few_fields():
    found = problems(
        session_type="transcription",
        model="gpt-realtime",
        voice="ash",
        max_output_tokens=64,
        transcription={"model": "gpt-realtime-whisper"},
        turn_detection=ServerVad(),
    )
    assert set(found) == {"model", "max_output_tokens", "audio.output", TD}
    assert SessionConfig(
        session_type="transcription", turn_detection=None, transcription={"model": "gpt-live-transcribe"}
    )


def test_extra_lays_unknown_names_over_what_is_sent():
    config = SessionConfig(voice="ash", extra={"audio": {"output": {"pitch": 2}}, "vendor": {"x": [1]}})
    assert config.to_wire()["audio"] == {"output": {"voice": "ash", "pitch": 2}}
    assert config.to_wire()["vendor"] == {"x": [1]}
    assert (
        "set already"
        in problems(voice="ash", extra={"audio": {"output": {"voice": "elm"}}})["extra.audio.output.voice"].hint
    )


def test_nothing_in_a_configuration_can_change():
    parameters = {"type": "object"}
    config = SessionConfig(tools=[{"type": "function", "name": "f", "parameters": parameters}], extra={"a": {"b": 1}})
    before = config.to_json()
    parameters["type"] = "array"
    with pytest.raises(ValueError, match="frozen"):
        config.model = "m"
    with pytest.raises(TypeError, match="with_values"):
        config.tools[0].parameters["type"] = "array"
    with pytest.raises(TypeError, match="with_values"):
        config.extra["a"]["b"] = 2
    config.to_dict()["extra"]["a"]["b"] = 3
    assert config.to_json() == before


def test_logprobs_without_a_recogniser_warn_and_name_both_paths():
    with pytest.warns(ConfigWarning, match=r"include asks .* audio\.input\.transcription\.model") as caught:
        SessionConfig(logprobs=True)
    assert caught[0].filename == __file__
    for transcription in (None, Transcription()):
        with pytest.warns(ConfigWarning):
            SessionConfig(include=[LOGPROBS], transcription=transcription)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SessionConfig(logprobs=True, transcription=Transcription(model="m"))
        SessionConfig.from_wire({"include": [LOGPROBS]}, strict=False)


def test_a_copy_does_not_repeat_the_warning():
    with pytest.warns(ConfigWarning):
        config = SessionConfig(logprobs=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config.with_values({"max_output_tokens": 64})


def test_no_secret_is_shown_and_none_is_lost():
    tool = McpTool(server_label="s", authorization="canary-token-1", headers={"x-api-key": "canary-2"})
    config = SessionConfig(tools=[tool], instructions="use sk-canary3canary3")
    assert "canary" not in repr(config) + repr(tool) + config._repr_html_()
    assert config.to_json().count("canary") == 4
    found = problems(
        api_key="canary-4", model=["Bearer canary-5"], tools=[{**tool.to_dict(), "nmae": "sk-canary6canary6"}]
    )
    assert "canary" not in str(ConfigError(tuple(found.values())))


def test_errors_carry_nothing_of_the_validator():
    with pytest.raises(ConfigError) as caught:
        SessionConfig(speed="fast")
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    assert "pydantic" not in str(error)
    assert pickle.loads(pickle.dumps(error)).errors == error.errors


def test_hostile_names_are_cut_and_quoted():
    (path,) = problems(**{"<script>" * 50: 1})
    assert len(path) < 60 and path.startswith("'")


@pytest.mark.parametrize("text", ["", "null", "[]", "{", b"\xff", '"x"', "NaN"])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(ConfigError, match="a JSON object"):
        SessionConfig.from_json(text)


def test_json_with_a_misspelt_name_is_refused():
    with pytest.raises(ConfigError, match="did you mean model"):
        SessionConfig.from_json('{"modle": "m"}')


def test_the_signature_tells_what_each_keyword_accepts():
    import inspect

    parameters = inspect.signature(SessionConfig).parameters
    assert parameters["speed"].annotation == "a number from 0.25 to 1.5"
    assert repr(parameters["turn_detection"].default) == "unset"
    assert inspect.signature(CustomVoice).parameters["id"].default is inspect.Parameter.empty
