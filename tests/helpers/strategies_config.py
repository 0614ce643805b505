"""Session configurations and hostile JSON for hypothesis, and a way to look at either outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from realtime_lab.config import LOGPROBS, SemanticVad, ServerVad, SessionConfig
from realtime_lab.errors import ConfigError

T = TypeVar("T")


def outcome(build: Callable[[], T]) -> T | ConfigError:
    """What a call gives, or the ConfigError it raises; any other exception escapes."""
    try:
        return build()
    except ConfigError as error:
        return error


texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
flags = st.booleans()
json_values = st.recursive(
    st.none() | flags | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with any subset of the fields: what is left out is unset."""
    return st.fixed_dictionaries({}, optional=fields)


server_vads = some(
    threshold=st.floats(0, 1),
    prefix_padding_ms=st.integers(0, 3_600_000),
    silence_duration_ms=st.integers(0, 3_600_000),
    create_response=flags,
    interrupt_response=flags,
    idle_timeout_ms=st.none() | st.integers(5_000, 30_000),
).map(lambda fields: ServerVad(**fields))
semantic_vads = some(
    eagerness=st.sampled_from(("low", "medium", "high", "auto")), create_response=flags, interrupt_response=flags
).map(lambda fields: SemanticVad(**fields))
transcriptions = some(
    model=names,
    language=texts,
    prompt=texts,
    languages=st.lists(texts, max_size=2),
    keywords=st.lists(texts, max_size=2),
    delay=st.sampled_from(("minimal", "xhigh")),
)
formats = st.sampled_from(({"type": "audio/pcm"}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}))
noise_reductions = some(type=st.sampled_from(("near_field", "far_field")), strength=st.floats(0, 4))
tools = st.fixed_dictionaries(
    {"type": st.just("function"), "name": names}, optional={"description": texts, "parameters": json_objects}
) | st.fixed_dictionaries(
    {"type": st.just("mcp"), "server_label": names},
    optional={
        "authorization": texts,
        "headers": st.dictionaries(texts, texts, max_size=2),
        "allowed_tools": st.lists(texts, max_size=2),
    },
)
inputs = some(
    format=formats,
    noise_reduction=st.none() | noise_reductions,
    transcription=st.none() | transcriptions,
    turn_detection=st.none() | server_vads | semantic_vads,
)
outputs = {"format": formats, "speed": st.floats(0.25, 1.5)}
everywhere = {
    "model": names,
    "output_modalities": st.sampled_from((["audio"], ["text"])),
    "instructions": texts,
    "include": st.sampled_from((None, [], [LOGPROBS])),
    "max_output_tokens": st.just("inf") | st.integers(1, 4096),
    "tools": st.lists(tools, max_size=2),
    "tool_choice": st.sampled_from(("auto", "none", "required"))
    | st.builds(lambda name: {"type": "function", "name": name}, names),
    "tracing": st.none() | st.just("auto") | some(workflow_name=texts, group_id=texts, metadata=json_objects),
    "prompt": st.none()
    | st.fixed_dictionaries(
        {"id": names}, optional={"version": texts, "variables": st.dictionaries(texts, texts, max_size=2)}
    ),
}
newer = {
    "truncation": st.sampled_from(("auto", "disabled"))
    | st.builds(lambda ratio: {"type": "retention_ratio", "retention_ratio": ratio}, st.floats(0, 1)),
    "reasoning": some(effort=st.sampled_from(("minimal", "xhigh"))),
    "parallel_tool_calls": flags,
}


def _config(fields: dict[str, Any]) -> SessionConfig:
    """Log-probabilities are only asked for beside a recogniser, as the warning wants."""
    heard = ((fields.get("audio") or {}).get("input") or {}).get("transcription") or {}
    if fields.get("include") and "model" not in heard:
        fields = {**fields, "include": []}
    return SessionConfig(**fields)


def _audio(**voice: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return some(input=inputs, output=some(**outputs, **voice))


_voices = names | st.builds(lambda name: {"id": name}, names)
_transcription_sessions = some(audio=some(input=inputs), include=st.none())
configs_for = {
    "ga": some(**everywhere, **newer, audio=_audio(voice=_voices)).map(_config),
    "seed": some(**everywhere, **newer, audio=_audio(voice=_voices)).map(_config),
    "flat": some(**everywhere, temperature=st.floats(0, 2), audio=_audio(voice=names)).map(_config),
}
"""Configurations that a wire shape can carry, by shape."""
configs = st.one_of(
    configs_for["ga"],
    configs_for["flat"],
    _transcription_sessions.map(lambda fields: _config({**fields, "session_type": "transcription"})),
)
"""Any configuration."""

_known_keys = st.sampled_from(
    (
        *("type", "id", "object", "expires_at", "client_secret", "extra", "session_type", "model", "include", "tools"),
        *("audio", "input", "output", "format", "turn_detection", "transcription", "noise_reduction", "threshold"),
        *("silence_duration_ms", "eagerness", "rate", "voice", "speed", "truncation", "retention_ratio", "prompt"),
        *("modalities", "output_modalities", "input_audio_format", "max_response_output_tokens", "tracing", "name"),
        *("max_output_tokens", "tool_choice", "token_limits", "post_instructions", "reasoning", "temperature"),
    )
)
_known_texts = st.sampled_from(
    ("server_vad", "semantic_vad", "realtime", "transcription", "audio/pcm", "pcm16", "g711_ulaw", "inf", "auto")
    + ("function", "mcp", "retention_ratio", "text", "audio", LOGPROBS, "gpt-realtime-whisper")
)
hostile_json = st.recursive(
    st.none() | flags | st.integers() | st.floats() | texts | _known_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_known_keys | texts, inner, max_size=5),
    max_leaves=25,
)
"""JSON that looks like a session and is not; its numbers may be NaN or infinite, as Python's parser lets them."""
hostile_objects = st.dictionaries(_known_keys | texts, hostile_json, max_size=6)
