"""Recorded sessions of real services against the mocked one: exactly these differences remain, and no others.

The logs are pydantic-ai's test cassettes (MIT), which are not part of this project: $REALTIME_LAB_CASES names the
folder that holds `real/`, or it lies beside this one as `shared/cases`. What differs no more is to leave its list.
"""

from __future__ import annotations

import os
import warnings

import pytest

import realtime_lab as rl
from realtime_lab.analysis import session_rows

CLIP = "marcelo_24khz.pcm"
NOT_SENT = "not sent"
CREATED, UPDATED = "session.created: ", "session.updated: "
VAD = "audio.input.turn_detection."

DOUBLED = {("field", "content of 2 kinds of events", "an object", NOT_SENT)}
"""Azure says a content part twice, as `part` and as `content`."""
OF_VOICE_LIVE = {
    *((name, "null", NOT_SENT) for name in ("animation", "input_audio_echo_cancellation", "avatar")),
    *((name, "null", NOT_SENT) for name in ("output_audio_timestamp_types", "truncation_strategy")),
    *((VAD + name, "null", NOT_SENT) for name in ("speech_duration_ms", "end_of_utterance_detection")),
    (VAD + "appended_text_after_truncation", "null", NOT_SENT),
    (VAD + "auto_truncate", False, NOT_SENT),
    ("input_audio_sampling_rate", 24_000, NOT_SENT),
    ("audio.output.voice", '{"name":"alloy","type":"openai"}', "alloy"),
    ("audio.output.speed", NOT_SENT, 1.0),
    *((name, NOT_SENT, "null") for name in ("tracing", "prompt")),
    ("truncation", NOT_SENT, "auto"),
}
"""What its sessions have and the mocked server's do not, and the other way."""
VOICE_LIVE = {
    *(("setting", when + name, *values) for when in (CREATED, UPDATED) for name, *values in OF_VOICE_LIVE),
    ("setting", "session.update: input_audio_sampling_rate", "taken", "refused"),
    ("setting", CREATED + "audio.output.format", "null", '{"type":"audio/pcm","rate":24000}'),
    ("setting", UPDATED + VAD + "prefix_padding_ms", 400, 300),
    ("setting", UPDATED + VAD + "silence_duration_ms", 500, 200),
    *(
        ("setting", UPDATED + f"audio.input.transcription.{name}", "null", NOT_SENT)
        for name in ("custom_speech", "phrase_list")
    ),
    ("order", "conversation.item.done (assistant)", NOT_SENT, "after response.content_part.done (audio)"),
    ("token", "type of transcript 1", NOT_SENT, "duration"),
    ("token", "seconds of transcript 1", NOT_SENT, 4),
    ("field", "item.object of 5 kinds of events", "'realtime.item'", NOT_SENT),
    ("field", "response.output[].object of response.done", "'realtime.item'", NOT_SENT),
    ("field", "response.temperature of 2 kinds of events", "null", NOT_SENT),
    ("field", "obfuscation of 2 kinds of events", NOT_SENT, "text"),
    ("field", "usage of conversation.item.input_audio_transcription.completed", NOT_SENT, "an object"),
    ("field", "response.usage.output_token_details.reasoning_tokens of response.done", "a number", NOT_SENT),
}
EXPECTED = {
    "openai_audio_turn": set(),
    "openai_tool_round": {
        ("order", "rate_limits.updated", NOT_SENT, "after response.done"),
        ("token", "input text of response 1", 63, 94),
    },
    "azure_openai_audio_turn": DOUBLED,
    "azure_openai_transcription_failed": DOUBLED,
    "azure_voice_live_audio_turn": VOICE_LIVE,
}
"""By log, with its service's profile: aspect, what, what the service did, and what the mocked server does."""
HEARD = {"openai": (1460, 4256, 27), "azure_openai": (1556, 4224, 26), "azure_voice_live": (1456, 4512, 30)}
"""By service: when the turn began and ended, ms, and the tokens of its audio."""


def service(name):
    return name.removesuffix("_audio_turn").removesuffix("_transcription_failed")


def profile_of(name):
    return name.split("_")[0]


@pytest.fixture(scope="module")
def real(root):
    """The folder of recorded sessions."""
    given = os.environ.get("REALTIME_LAB_CASES", root.parent / "shared" / "cases")
    folder = root / given / "real"
    if not folder.is_dir():
        pytest.skip(f"no recorded sessions at {folder}: $REALTIME_LAB_CASES says where")
    return folder


def agreed(found):
    return {(row.aspect, row.what): row.recorded for row in found.sessions[0].rows if row.verdict == "agrees"}


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_these_differences_remain(real, name):
    found = rl.agree(real / f"{name}.jsonl", audio=real / CLIP, profile=profile_of(name))
    assert {(row.aspect, row.what, row.recorded, row.mocked) for _, row in found.differences} == EXPECTED[name]
    assert found.exit_code == (1 if EXPECTED[name] else 0)
    assert agreed(found)["order", "events in their place"] >= 17


@pytest.mark.parametrize("name", [name for name in EXPECTED if "tool" not in name])
def test_turns_begin_end_and_are_billed_as_the_service_did(real, name):
    found = agreed(rl.agree(real / f"{name}.jsonl", audio=real / CLIP, profile=profile_of(name)))
    begins_ms, ends_ms, tokens = HEARD[service(name)]
    assert found["offset", "audio_start_ms of speech 1"] == begins_ms
    assert found["offset", "audio_end_ms of speech 1"] == ends_ms
    assert found["token", "input audio of response 1"] == tokens


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("azure_openai")])
def test_without_its_profile_azure_hears_later_and_stops_sooner(real, name):
    found = rl.agree(real / f"{name}.jsonl", audio=real / CLIP)
    assert {(row.aspect, row.what, row.recorded, row.mocked) for _, row in found.differences} == DOUBLED | {
        ("offset", "audio_start_ms of speech 1", 1556, 1460),
        ("offset", "audio_end_ms of speech 1", 4224, 4256),
        ("token", "input audio of response 1", 26, 27),
    }


def test_as_documented_defaults_are_others_than_the_services(real):
    found = rl.agree(real / "openai_audio_turn.jsonl", audio=real / CLIP, profile="documented")
    rows = {(row.aspect, row.what): row.mocked for _, row in found.differences}
    assert rows == {
        ("setting", CREATED + "instructions"): "",
        ("setting", CREATED + VAD + "silence_duration_ms"): 500,
        ("setting", CREATED + "audio.output.voice"): "marin",
    }


def test_without_the_clip_order_and_fields_are_compared_and_offsets_are_not(real):
    found = rl.agree(real / "azure_openai_audio_turn.jsonl")
    assert {(row.aspect, row.what, row.recorded, row.mocked) for _, row in found.differences} == DOUBLED
    not_compared = {row.what for row in found.sessions[0].rows if row.verdict == "not compared"}
    assert not_compared >= {"audio_start_ms of speech 1", "audio_end_ms of speech 1"}


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
