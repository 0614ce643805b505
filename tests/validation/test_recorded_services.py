"""Recorded sessions of real services against the mocked one: exactly these differences remain, and no others.

The logs are pydantic-ai's test cassettes (MIT), which are not part of this project: $REALTIME_LAB_CASES names the
folder that holds `real/`, or it lies beside this one as `shared/cases`. What differs no more is to leave its list.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import replace

import pytest

import realtime_lab as rl
from realtime_lab.analysis import session_rows
from realtime_lab.server import PROFILES

CLIP = "marcelo_24khz.pcm"
NOT_SENT = "not sent"
CREATED, UPDATED, DONE = "session.created: ", "session.updated: ", "response.output_item.done"
VAD = "audio.input.turn_detection."
USAGE = "response.usage.input_token_details.cached_tokens_details.image_tokens of response.done"

DEFAULTS = {
    ("setting", CREATED + "instructions", "Your knowledge cutoff", ""),
    ("setting", CREATED + VAD + "silence_duration_ms", 200, 500),
    ("setting", CREATED + "audio.output.voice", "alloy", "marin"),
    ("setting", UPDATED + "audio.input.transcription.language", "null", NOT_SENT),
    ("setting", UPDATED + "audio.input.transcription.prompt", "null", NOT_SENT),
}
TODAY = {
    ("order", "rate_limits.updated", NOT_SENT, "after response.created"),
    (
        "order",
        f"{DONE} (message)",
        "after conversation.item.done (assistant)",
        "after response.content_part.done (audio)",
    ),
    ("token", "input text of response 1", 14, 6),
    ("field", "item.object of 6 kinds of events", NOT_SENT, "'realtime.item'"),
    ("field", "previous_item_id of conversation.item.done (assistant)", "null", "text"),
    ("field", "response.output[].object of response.done", NOT_SENT, "'realtime.item'"),
    ("field", USAGE, "a number", NOT_SENT),
}
"""Of every answer in audio."""
WHISPER = {
    ("transcript", "deltas of transcript 1", "several", "one"),
    ("token", "seconds of transcript 1", 3, 2.74),
    ("field", "logprobs of 2 kinds of events", NOT_SENT, "null"),
    ("field", "obfuscation of 2 kinds of events", "text", NOT_SENT),
}
AZURE = {
    ("offset", "audio_start_ms of speech 1", 1556, 1460),
    ("offset", "audio_end_ms of speech 1", 4224, 4200),
    ("token", "input audio of response 1", 26, 28),
    ("field", "content of 2 kinds of events", "an object", NOT_SENT),
}
OF_VOICE_LIVE = {
    *((name, "null", NOT_SENT) for name in ("animation", "input_audio_echo_cancellation", "avatar")),
    *((name, "null", NOT_SENT) for name in ("output_audio_timestamp_types", "truncation_strategy")),
    *((VAD + name, "null", NOT_SENT) for name in ("speech_duration_ms", "end_of_utterance_detection")),
    (VAD + "appended_text_after_truncation", "null", NOT_SENT),
    (VAD + "auto_truncate", False, NOT_SENT),
    ("input_audio_sampling_rate", 24_000, NOT_SENT),
    ("audio.output.voice", '{"name":"alloy","type":"openai"}', "marin"),
    ("audio.output.speed", NOT_SENT, 1.0),
    *((name, NOT_SENT, "null") for name in ("tracing", "prompt")),
    ("truncation", NOT_SENT, "auto"),
}
"""What its sessions have and the mocked server's do not, and the other way."""
VOICE_LIVE = {
    *(("setting", when + name, *values) for when in (CREATED, UPDATED) for name, *values in OF_VOICE_LIVE),
    *(row for row in DEFAULTS if row[1] != CREATED + "audio.output.voice"),
    ("setting", "session.update: input_audio_sampling_rate", "taken", "refused"),
    ("setting", CREATED + "audio.output.format", "null", '{"type":"audio/pcm","rate":24000}'),
    ("setting", UPDATED + VAD + "prefix_padding_ms", 400, 300),
    ("setting", UPDATED + VAD + "silence_duration_ms", 500, 200),
    *(
        ("setting", UPDATED + f"audio.input.transcription.{name}", "null", NOT_SENT)
        for name in ("custom_speech", "phrase_list")
    ),
    ("order", "rate_limits.updated", NOT_SENT, "after response.created"),
    ("order", "conversation.item.done (assistant)", NOT_SENT, f"after {DONE} (message)"),
    ("transcript", "first delta of transcript 1", "after response.output_item.added", "after response.created"),
    ("token", "type of transcript 1", NOT_SENT, "duration"),
    ("token", "seconds of transcript 1", NOT_SENT, 3.14),
    ("offset", "audio_start_ms of speech 1", 1456, 1360),
    ("offset", "audio_end_ms of speech 1", 4512, 4500),
    ("token", "input text of response 1", 14, 6),
    ("token", "input audio of response 1", 30, 32),
    ("field", "response.temperature of 2 kinds of events", "null", NOT_SENT),
    ("field", "logprobs of 2 kinds of events", NOT_SENT, "null"),
    ("field", "usage of conversation.item.input_audio_transcription.completed", NOT_SENT, "an object"),
    ("field", USAGE, "a number", NOT_SENT),
    ("field", "response.usage.output_token_details.reasoning_tokens of response.done", "a number", NOT_SENT),
}
EXPECTED = {
    "openai_audio_turn": DEFAULTS
    | TODAY
    | WHISPER
    | {("offset", "audio_end_ms of speech 1", 4256, 4200), ("token", "input audio of response 1", 27, 28)},
    "openai_tool_round": DEFAULTS
    | {
        ("order", "rate_limits.updated", NOT_SENT, "after response.created"),
        (
            "order",
            f"{DONE} (function_call)",
            "after conversation.item.done (function_call)",
            "after response.function_call_arguments.done",
        ),
        (
            "order",
            f"{DONE} (message)",
            "after conversation.item.done (assistant)",
            "after response.content_part.done (text)",
        ),
        ("token", "input text of response 1", 63, 86),
        ("field", "item.object of 12 kinds of events", NOT_SENT, "'realtime.item'"),
        ("field", "item.status of 2 kinds of events", NOT_SENT, "'completed'"),
        ("field", "obfuscation of 2 kinds of events", "text", NOT_SENT),
        ("field", "previous_item_id of conversation.item.done (function_call)", "null", "text"),
        ("field", "response.output[].object of response.done", NOT_SENT, "'realtime.item'"),
        ("field", USAGE, "a number", NOT_SENT),
    },
    "azure_openai_audio_turn": DEFAULTS | TODAY | WHISPER | AZURE,
    "azure_openai_transcription_failed": DEFAULTS
    | TODAY
    | AZURE
    | {("field", "obfuscation of response.output_audio_transcript.delta", "text", NOT_SENT)},
    "azure_voice_live_audio_turn": VOICE_LIVE,
}
"""By log: aspect, what, what the service did, and what the mocked server does."""
AGREED = {
    "openai_audio_turn": {("offset", "audio_start_ms of speech 1", 1460), ("order", "events in their place", 18)},
    "openai_tool_round": {("order", "events in their place", 22), ("count", "response.done", 2)},
    "azure_openai_audio_turn": {("order", "events in their place", 18), ("count", "response.done", 1)},
    "azure_openai_transcription_failed": {("transcript", "end of transcript 1", "failed after response.created")},
    "azure_voice_live_audio_turn": {
        ("order", "events in their place", 18),
        ("transcript", "deltas of transcript 1", "one"),
    },
}
"""Some of what has to stay as it is."""


@pytest.fixture(scope="module")
def real(root):
    """The folder of recorded sessions."""
    given = os.environ.get("REALTIME_LAB_CASES", root.parent / "shared" / "cases")
    folder = root / given / "real"
    if not folder.is_dir():
        pytest.skip(f"no recorded sessions at {folder}: $REALTIME_LAB_CASES says where")
    return folder


def told(value):
    """As it stands in the lists above."""
    return value[:21] if isinstance(value, str) and value.startswith("Your knowledge cutoff") else value


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_these_differences_remain(real, name):
    found = rl.agree(real / f"{name}.jsonl", audio=real / CLIP)
    rows = {(row.aspect, row.what, told(row.recorded), row.mocked) for _, row in found.differences}
    assert rows == EXPECTED[name]
    agreed = {(row.aspect, row.what, row.recorded) for row in found.sessions[0].rows if row.verdict == "agrees"}
    assert agreed >= AGREED[name]
    assert found.exit_code == 1


def test_a_profile_that_hears_beginnings_three_frames_later_hears_them_where_azure_does(real):
    later = replace(PROFILES["documented"], name="later", onset_late_ms=96.0, offset_late_ms=96.0)
    for name in ("azure_openai_audio_turn", "azure_openai_transcription_failed", "azure_voice_live_audio_turn"):
        found = rl.agree(real / f"{name}.jsonl", audio=real / CLIP, profile=later)
        assert not [row for _, row in found.differences if row.what == "audio_start_ms of speech 1"], name


def test_without_the_clip_order_and_fields_are_compared_and_offsets_are_not(real):
    found = rl.agree(real / "openai_audio_turn.jsonl")
    rows = {(row.aspect, row.what) for _, row in found.differences}
    given = {row[:2] for row in EXPECTED["openai_audio_turn"]} - {("offset", "audio_end_ms of speech 1")}
    assert rows == given


@pytest.mark.parametrize("name", [name for name in EXPECTED if "tool" not in name])
def test_imported_with_the_clip_a_log_without_clocks_has_its_endpoint_delay(real, name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording = rl.import_recording(real / f"{name}.jsonl", audio=real / CLIP)
    (message,) = (str(entry.message) for entry in caught)
    assert message == f"'{name}.jsonl': missing, and without a value for it: times (every latency and lag)"
    (row,) = session_rows(recording).turns
    ends = [entry.event.audio_end_ms for entry in recording.events if hasattr(entry.event, "audio_end_ms")]
    assert row["endpoint_delay_ms"] == ends[0] - recording.reference[0].speech_ms[-1].end_ms
    assert 200 < row["endpoint_delay_ms"] < 700 and row["outcome"] == "answered"
    assert recording.audio_ms == 5_488.0
