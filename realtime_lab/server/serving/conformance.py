"""The conformance table: every client event, server event, session field and error code, each with its test.

What this server does not do says so, with the frame that is refused and the named error that answers it.
`realtime-lab serve --conformance` prints the table; CONFORMANCE.md beside this file is the same text. That the file is
current, that every test exists, that every refusal is as said and that what is said to be seen in recordings is, is
tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from realtime_lab.config.fields import FIELDS
from realtime_lab.protocol.codec import CLIENT_TYPES, SERVER_TYPES
from realtime_lab.server.engine.priors import priors_table

RECORDED = 6
"""Public sessions that the mocked server was held against: pydantic-ai's test cassettes (MIT, snapshots 4fda389 and
ad40528): OpenAI 3, Azure OpenAI 2, Azure Voice Live 1."""
SEEN_EVENTS: dict[str, int] = {
    "session.update": 6,
    "input_audio_buffer.append": 4,
    "conversation.item.create": 1,
    "response.create": 2,
    "session.created": 5,
    "session.updated": 6,
    "input_audio_buffer.speech_started": 4,
    "input_audio_buffer.speech_stopped": 4,
    "input_audio_buffer.committed": 5,
    "input_audio_buffer.timeout_triggered": 1,
    "conversation.item.added": 5,
    "conversation.item.created": 1,
    "conversation.item.done": 5,
    "conversation.item.input_audio_transcription.delta": 3,
    "conversation.item.input_audio_transcription.completed": 4,
    "conversation.item.input_audio_transcription.failed": 1,
    "response.created": 6,
    "response.output_item.added": 6,
    "response.content_part.added": 5,
    "response.output_text.delta": 1,
    "response.output_text.done": 1,
    "response.output_audio_transcript.delta": 5,
    "response.output_audio_transcript.done": 4,
    "response.output_audio.delta": 5,
    "response.output_audio.done": 5,
    "response.function_call_arguments.delta": 1,
    "response.function_call_arguments.done": 1,
    "response.content_part.done": 5,
    "response.output_item.done": 5,
    "response.done": 6,
    "rate_limits.updated": 1,
}
"""In how many of them each event is, under today's name; of one of the six only the timed events are known."""
SEEN_FIELDS: dict[str, int] = {
    "session_type": 4,
    "model": 5,
    "output_modalities": 5,
    "instructions": 5,
    "audio.input.format": 5,
    "audio.input.format.type": 5,
    "audio.input.format.rate": 5,
    "audio.input.noise_reduction": 5,
    "audio.input.transcription": 5,
    "audio.input.transcription.model": 5,
    "audio.input.transcription.language": 5,
    "audio.input.transcription.prompt": 5,
    "audio.input.turn_detection": 5,
    "audio.input.turn_detection.type": 5,
    "audio.input.turn_detection.threshold": 5,
    "audio.input.turn_detection.prefix_padding_ms": 5,
    "audio.input.turn_detection.silence_duration_ms": 5,
    "audio.input.turn_detection.create_response": 5,
    "audio.input.turn_detection.interrupt_response": 5,
    "audio.input.turn_detection.idle_timeout_ms": 5,
    "audio.output.format": 5,
    "audio.output.format.type": 5,
    "audio.output.format.rate": 5,
    "audio.output.voice": 5,
    "audio.output.speed": 4,
    "include": 5,
    "max_output_tokens": 5,
    "tools": 5,
    "tool_choice": 5,
    "tracing": 4,
    "truncation": 4,
    "prompt": 4,
}
"""In how many of them the server reported each field, as null too."""


class Row(NamedTuple):
    """One line of the table."""

    kind: str
    """client event, server event, field or error code."""
    name: str
    how: str
    """For fields modelled, approximated or ignored; for the rest answered, sent or not supported."""
    evidence: str
    """The test, as file::name; for what is not supported: the error, or why it is never sent."""
    seen: int = 0
    """In how many of the recorded sessions it is."""


class Unsupported(NamedTuple):
    """A frame that the service takes and this server does not."""

    frame: Mapping[str, Any]
    code: str
    param: str


def _message(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [part]}}


_MCP = {"type": "mcp", "server_label": "files"}
NOT_SUPPORTED: dict[tuple[str, str], Unsupported] = {
    ("client event", "output_audio_buffer.clear"): Unsupported(
        {"type": "output_audio_buffer.clear"}, "invalid_value", "type"
    ),
    ("client event", "conversation.item.create with mcp items"): Unsupported(
        {"type": "conversation.item.create", "item": {"type": "mcp_approval_response"}},
        "unsupported_value",
        "item.type",
    ),
    ("client event", "conversation.item.create with images"): Unsupported(
        _message({"type": "input_image", "image_url": "data:"}), "unsupported_value", "item.content[0].type"
    ),
    ("field", "tools of type mcp"): Unsupported(
        {"type": "session.update", "session": {"type": "realtime", "tools": [_MCP]}},
        "unsupported_value",
        "session.tools[0].type",
    ),
    ("field", "tool_choice of type mcp"): Unsupported(
        {"type": "session.update", "session": {"type": "realtime", "tool_choice": _MCP}},
        "unsupported_value",
        "session.tool_choice.type",
    ),
    ("field", "temperature"): Unsupported(
        {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
        "unknown_parameter",
        "session.temperature",
    ),
    ("field", "flat names of the beta"): Unsupported(
        {"type": "session.update", "session": {"type": "realtime", "modalities": ["text"]}},
        "unknown_parameter",
        "session.modalities",
    ),
    ("field", "response.audio.output.format"): Unsupported(
        {"type": "response.create", "response": {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}},
        "unsupported_value",
        "response.audio.output.format",
    ),
}
"""By kind and name: what is refused, and how."""
_NO_MCP = "tools of type mcp are refused (above)"
_NO_TRANSLATION = "of translation sessions, which this server does not hold"
NOT_SENT = {
    "conversation.created": "today's service announces a session with session.created alone",
    "conversation.item.created": "the older wire shape's name for conversation.item.added",
    "conversation.item.input_audio_transcription.segment": "no recogniser here tells speakers apart",
    **dict.fromkeys((f"mcp_list_tools.{end}" for end in ("in_progress", "completed", "failed")), _NO_MCP),
    **dict.fromkeys((f"response.mcp_call.{end}" for end in ("in_progress", "completed", "failed")), _NO_MCP),
    **dict.fromkeys((f"response.mcp_call_arguments.{end}" for end in ("delta", "done")), _NO_MCP),
    **dict.fromkeys((f"output_audio_buffer.{end}" for end in ("started", "stopped", "cleared")), "WebRTC and SIP only"),
    "input_audio_buffer.dtmf_event_received": "SIP only",
    **dict.fromkeys((f"session.{side}_transcript.delta" for side in ("input", "output")), _NO_TRANSLATION),
    "session.output_audio.delta": _NO_TRANSLATION,
    "session.closed": _NO_TRANSLATION,
}
"""Server events of the protocol that this server never sends, and why."""

_R, _T, _I = (
    "tests/server/engine/test_responses.py::",
    "tests/server/engine/test_turns.py::",
    "tests/server/engine/test_items.py::",
)
_S, _V, _W = (
    "tests/server/serving/test_serve.py::",
    "tests/session/test_virtual.py::",
    "tests/server/engine/test_transcribing.py::",
)
_F, _C = "tests/server/engine/test_fuzz.py::", "tests/server/serving/test_conformance.py::"
_L = "tests/session/test_listening.py::"
_VOICE_TURN = _S + "test_a_voice_turn_is_heard_and_answered_in_the_documented_order"
_TEXT_TURN = _S + "test_a_text_turn_is_answered_with_text"
_MISTAKES = _F + "test_each_mistake_has_its_code_its_parameter_and_the_clients_event_id"
_CALLED = _R + "test_a_required_call_streams_its_arguments_and_ends_with_a_function_call_item"
_ITEMS = _I + "test_items_of_every_kind_are_added_and_come_back_as_they_were_made"
_RANGES = _R + "test_a_mistake_in_a_responses_options_is_refused_by_name"
_ACCEPTED = _C + "test_what_is_ignored_is_accepted_and_reported_back"
_HEARD = _L + "test_cached_and_uncached_runs_give_equal_events"
_FAILS = _R + "test_over_the_rate_limit_a_response_fails_with_nothing_used"
_TAKEN = _I + "test_an_id_is_taken_until_its_item_is_deleted"
_TRUNCATED = _I + "test_a_truncated_answer_keeps_what_was_heard_and_loses_its_text"
_G = "tests/server/recogniser/test_recogniser.py::"
_WORDS = _W + "test_deltas_are_words_and_marks_with_their_tokens_and_make_up_what_is_completed"

_CLIENT = {
    "session.update": _MISTAKES,
    "input_audio_buffer.append": _VOICE_TURN,
    "input_audio_buffer.commit": _T + "test_without_turn_detection_the_client_commits_and_asks",
    "input_audio_buffer.clear": _T + "test_a_commit_or_a_clear_closes_open_speech",
    "conversation.item.create": _ITEMS,
    "conversation.item.retrieve": _ITEMS,
    "conversation.item.delete": _TAKEN,
    "conversation.item.truncate": _TRUNCATED,
    "response.create": _R + "test_one_responses_options_override_the_sessions_and_leave_it_alone",
    "response.cancel": _R + "test_a_cancelled_response_ends_with_what_was_given_of_it",
}
_SERVER = {
    "session.created": _VOICE_TURN,
    "session.updated": _S + "test_g711_comes_back_as_g711",
    "error": _MISTAKES,
    "input_audio_buffer.speech_started": _V + "test_offsets_have_their_documented_meaning",
    "input_audio_buffer.speech_stopped": _V + "test_offsets_have_their_documented_meaning",
    "input_audio_buffer.committed": _VOICE_TURN,
    "input_audio_buffer.cleared": _T + "test_a_commit_or_a_clear_closes_open_speech",
    "input_audio_buffer.timeout_triggered": _T
    + "test_the_idle_timeout_counts_from_response_done_plus_the_playback_time",
    "conversation.item.added": _VOICE_TURN,
    "conversation.item.done": _VOICE_TURN,
    "conversation.item.retrieved": _I
    + "test_an_item_comes_back_with_its_transcript_once_that_is_completed_and_not_before",
    "conversation.item.deleted": _TAKEN,
    "conversation.item.truncated": _TRUNCATED,
    "conversation.item.input_audio_transcription.delta": _WORDS,
    "conversation.item.input_audio_transcription.completed": _WORDS,
    "conversation.item.input_audio_transcription.failed": _W + "test_no_transcript_is_said_with_its_code",
    "response.function_call_arguments.delta": _CALLED,
    "response.function_call_arguments.done": _CALLED,
    "response.output_text.delta": _TEXT_TURN,
    "response.output_text.done": _TEXT_TURN,
    "rate_limits.updated": _R + "test_rate_limits_are_told_after_each_response_and_recover_with_time",
}
_TD = "audio.input.turn_detection"
_FIELDS = {
    "session_type": _T + "test_a_transcription_session_commits_transcribes_and_never_responds",
    "model": _T + "test_tracing_and_the_addresss_model_are_fixed",
    "output_modalities": _V + "test_text_mode_sends_text_and_no_audio",
    "audio.input.format": _HEARD,
    "audio.input.format.type": _HEARD,
    "audio.input.format.rate": _HEARD,
    "audio.input.noise_reduction": _HEARD,
    "audio.input.noise_reduction.type": _HEARD,
    "audio.input.transcription": _W + "test_nothing_is_transcribed_unless_the_session_asks",
    "audio.input.transcription.model": _W + "test_usage_is_tokens_or_seconds_by_model",
    "audio.input.transcription.language": _G + "test_an_english_model_refuses_other_languages",
    "audio.input.transcription.prompt": _G + "test_digital_silence_has_no_words_and_a_prompt_guides",
    _TD: _T + "test_without_turn_detection_the_client_commits_and_asks",
    f"{_TD}.type": _T + "test_changing_the_kind_of_turn_detection_starts_from_that_kinds_defaults",
    f"{_TD}.threshold": _V + "test_a_turn_nobody_hears_is_left_at_the_deadline",
    f"{_TD}.prefix_padding_ms": _V + "test_offsets_have_their_documented_meaning",
    f"{_TD}.silence_duration_ms": _V + "test_a_hold_is_cut_exactly_when_the_silence_window_fits_into_it",
    f"{_TD}.create_response": _T + "test_create_response_false_commits_and_says_nothing",
    f"{_TD}.interrupt_response": _T + "test_interrupt_response_decides_whether_speech_cancels",
    f"{_TD}.idle_timeout_ms": _T + "test_the_idle_timeout_counts_from_response_done_plus_the_playback_time",
    f"{_TD}.eagerness": _T + "test_an_unfinished_one_ends_after_the_longest_wait",
    "audio.output.format": _S + "test_g711_comes_back_as_g711",
    "audio.output.format.type": _S + "test_g711_comes_back_as_g711",
    "audio.output.format.rate": _VOICE_TURN,
    "audio.output.voice": _T + "test_the_voice_is_fixed_once_it_was_heard",
    "audio.output.speed": _R + "test_speed_shortens_the_audio_of_later_responses",
    "include": _W + "test_logprobs_are_left_out_unless_asked_for_and_null_unless_given_by_the_model",
    "max_output_tokens": _V + "test_max_output_tokens_truncates_with_its_reason",
    "tools": _CALLED,
    "tool_choice": _R + "test_a_named_function_is_the_one_called",
    "tracing": _T + "test_tracing_and_the_addresss_model_are_fixed",
}
_CODES = {
    "missing_required_parameter": _MISTAKES,
    "unknown_parameter": _MISTAKES,
    "invalid_type": _MISTAKES,
    "invalid_value": _MISTAKES,
    "integer_below_min_value": _MISTAKES,
    "integer_above_max_value": _RANGES,
    "decimal_below_min_value": _RANGES,
    "decimal_above_max_value": _RANGES,
    "invalid_json": _F + "test_a_frame_that_was_met_leaves_the_session_usable",
    "unsupported_value": _C + "test_what_is_not_supported_answers_with_the_named_error",
    "input_audio_buffer_commit_empty": _T + "test_a_commit_of_too_little_audio_is_refused",
    "conversation_already_has_active_response": _R + "test_a_second_response_while_one_is_active_is_refused",
    "response_cancel_not_active": _R + "test_cancelling_what_is_not_active_is_refused",
    "conversation_full": _I + "test_a_full_conversation_takes_no_more_items_until_one_goes",
    "item_create_duplicate_item_id": _TAKEN,
    "item_create_invalid_previous_item_id": _MISTAKES,
    "item_retrieve_invalid_item_id": _MISTAKES,
    "item_delete_invalid_item_id": _MISTAKES,
    "item_truncate_invalid_item_id": _MISTAKES,
    "invalid_tool_call_id": _R + "test_an_output_for_a_call_nobody_made_is_refused",
    "cannot_update_voice": _T + "test_the_voice_is_fixed_once_it_was_heard",
    "model_not_found": _R + "test_a_model_that_is_not_there_is_turned_away",
    "rate_limit_exceeded": _FAILS,
    "unsupported_content_type": _I + "test_what_is_no_audio_of_the_models_cannot_be_truncated",
    "insufficient_quota": _R + "test_without_quota_every_response_fails",
    "session_expired": _R + "test_a_session_expires_with_an_error_and_says_nothing_more",
    "transcription_unavailable": _V + "test_without_reference_text_transcription_fails_by_name",
    "language_not_supported": _G + "test_an_english_model_refuses_other_languages",
    "audio_not_kept": _G + "test_audio_that_is_no_longer_kept_is_no_transcript_with_a_code",
    "transcription_failed": _G + "test_a_recogniser_that_fails_on_its_thread_is_no_transcript_with_a_code",
    "beta_api_shape_disabled": _S + "test_the_beta_header_gets_an_error_frame_and_close_4000",
    "invalid_api_key": _S + "test_a_wrong_key_is_let_in_and_closed_with_3000",
}


def conformance_rows() -> list[Row]:
    """Every line of the table.

    Raises:
        KeyError: If a client event, a server event or a field that is not ignored has neither a test nor a refusal.
    """
    return [*_client_rows(), *_server_rows(), *_field_rows(), *_code_rows()]


def _refused(kind: str) -> Iterator[Row]:
    for (of_kind, name), refusal in NOT_SUPPORTED.items():
        if of_kind == kind:
            yield Row(kind, name, "not supported", f"error {refusal.code}, param {refusal.param}")


def _client_rows() -> Iterator[Row]:
    kind = "client event"
    for name in sorted(CLIENT_TYPES):
        if (kind, name) not in NOT_SUPPORTED:
            how = "answered" if not name.endswith("append") else "heard"
            yield Row(kind, name, how, _CLIENT[name], SEEN_EVENTS.get(name, 0))
    yield from _refused(kind)


def _server_rows() -> Iterator[Row]:
    for name in sorted(SERVER_TYPES):
        if name not in NOT_SENT:
            generic = _VOICE_TURN if name.startswith("response.") else ""
            evidence = _SERVER.get(name) or generic or _SERVER[name]
            yield Row("server event", name, "sent", evidence, SEEN_EVENTS.get(name, 0))
    for name, reason in NOT_SENT.items():
        yield Row("server event", name, "not supported", f"never sent: {reason}", SEEN_EVENTS.get(name, 0))


def _field_rows() -> Iterator[Row]:
    for field in FIELDS:
        if ("field", field.path) in NOT_SUPPORTED:
            continue
        ignored = field.treatment == "ignored" and field.path not in _FIELDS
        evidence = _ACCEPTED if ignored else _FIELDS[field.path]
        yield Row("field", field.path, field.treatment, evidence, SEEN_FIELDS.get(field.path, 0))
    yield from _refused("field")


def _code_rows() -> Iterator[Row]:
    for name, test in _CODES.items():
        yield Row("error code", name, "sent", test)


def conformance_table() -> str:
    """The table as Markdown."""
    lines = [
        "# What the mocked server does, and the test that shows it",
        "",
        "Built by `realtime-lab serve --conformance`. Fields are modelled, approximated or ignored; what is ignored is",
        "accepted and reported back.",
        "",
        f"Seen: in how many of {RECORDED} recorded public sessions it is (pydantic-ai's test cassettes: OpenAI 3, of",
        "one the timed events only, Azure OpenAI 2, Azure Voice Live 1). What is seen in none is as documented.",
        "",
        "| kind | name | how | seen | test, or what answers |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.kind} | {row.name} | {row.how} | {row.seen or '-'} | {row.evidence} |" for row in conformance_rows()
    ]
    lines += [
        "",
        "# Where the figures of the shipped profiles come from",
        "",
        "Medians in ms, but for tokens and rates; what is not named here is a guess. None of it is a calibration.",
        "",
        "| figure | model | value | source |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in priors_table()),
    ]
    return "\n".join(lines) + "\n"
