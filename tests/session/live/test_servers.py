"""Our client against servers that were not written here, run as they come, on loopback.

speech-to-speech 1.1.0 (PyPI, installed alone; its detector, recogniser, language model and voice replaced by fakes,
see speech_to_speech_server.py). Where it is not the documented protocol, and what the client makes of it:

- It takes audio at 16 kHz unless told otherwise, and its session says no format: the client tells it.
- Fields that are absent stand as null, also where the protocol has no null: they are read as absent.
- An item is told of by conversation.item.created alone, where today's protocol has added and done.
- output_modalities in session.update is confirmed and not heeded: response.create says it again.
- input_audio_buffer.commit is not confirmed: the item is called unannounced_1, and has no endpoint delay.
- turn_detection null is confirmed and not heeded: it answers the same speech once more, which ends no turn.
- speech_stopped comes late, with committed, once the turn can no longer be taken up again.

@copilotkit/aimock 1.43.0 (npm), a mock that plays fixtures and hears nothing:

- input_audio_buffer.committed has no item_id, and no conversation.item event follows: the item gets a name.
- Its session has `temperature`, which today's shape has no place for, and formats of null: kept, and told.
- Usage is zero, with no details.
"""

from __future__ import annotations

import json
import time

import pytest
from others import HERE, node_with, python_with, started
from sessions import spoken_script, tone_stage
from waiting import free_port

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.protocol import UnknownEvent, check_order
from realtime_lab.protocol import events as ev
from realtime_lab.recording import recording_from_bytes, recording_to_bytes
from realtime_lab.session import run_session
from realtime_lab.session.targets import live

SPOKEN = SessionConfig(
    model="gpt-realtime",
    turn_detection=ServerVad(silence_duration_ms=300),
    transcription=Transcription(model="whisper-1"),
)
TYPED = SessionConfig(model="gpt-realtime", turn_detection=None, output_modalities=["text"])
SHORT = ((0, 10),)


@pytest.fixture(scope="module")
def speech_to_speech():
    """The package's server, and its base URL."""
    python = python_with("speech_to_speech", "speech-to-speech==1.1.0")
    port = free_port()
    with started([str(python), str(HERE / "speech_to_speech_server.py"), str(port)], port):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def aimock(tmp_path_factory):
    """The package's server, with one sentence for everything, and its base URL."""
    package = node_with("@copilotkit/aimock@1.43.0") / "node_modules" / "@copilotkit" / "aimock"
    folder, port = tmp_path_factory.mktemp("aimock"), free_port()
    fixtures = {"fixtures": [{"match": {}, "response": {"content": "One pizza, coming up."}}]}
    (folder / "fixtures.json").write_text(json.dumps(fixtures))
    (folder / "config.json").write_text(json.dumps({"llm": {"fixtures": str(folder / "fixtures.json")}}))
    command = ["node", str(package / "dist" / "aimock-cli.js"), "-c", str(folder / "config.json"), "-p", str(port)]
    with started(command, port):
        yield f"http://127.0.0.1:{port}/v1"


def held(url, asked):
    """The recording of two turns, checked to be whole, and its rows."""
    script = spoken_script("one", "two", gap_ms=300.0)
    began_s = time.monotonic()
    recording = run_session(asked, script, live(url, api_key_env=None), stage=tone_stage(script, SHORT, SHORT))
    took_s = time.monotonic() - began_s
    print(f"{len(list(recording.server_events()))} server events in {took_s:.1f} s: {recording.header.failure}")
    assert (recording.header.outcome, recording.header.failure) == ("complete", None)
    assert recording_from_bytes(recording_to_bytes(recording)) == recording
    assert [entry.event for entry in recording.events if isinstance(entry.event, UnknownEvent | ev.ErrorEvent)] == []
    rows = session_rows(recording)
    assert [(row["outcome"], row["cut"], row["merged"], row["false_starts"]) for row in rows.turns] == [
        ("answered", False, False, 0)
    ] * 2
    return recording, rows


def texts(recording):
    return "".join(entry.event.delta for entry in recording.events if isinstance(entry.event, ev.TextDelta))


@pytest.mark.full
def test_turns_that_speech_to_speech_detects_are_held_and_measured(speech_to_speech):
    recording, rows = held(speech_to_speech, SPOKEN)
    for row in rows.turns:
        assert (row["transcript"], row["transcription"]) == ("a large pizza please", "completed")
        assert 300 <= row["endpoint_delay_ms"] <= 400  # its chunks are not on our grid
        assert 300 <= row["endpoint_latency_ms"] < row["response_latency_ms"] < 3_000
        assert row["output_tokens"] == 7
    assert [row["audio_ms"] for row in rows.responses] == [1_000.0, 1_000.0]
    assert check_order(recording.server_events()) == []
    (told,) = [entry.event.session for entry in recording.events if isinstance(entry.event, ev.SessionUpdate)]
    assert told["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


@pytest.mark.full
def test_turns_that_the_client_ends_are_answered_by_speech_to_speech_in_text(speech_to_speech):
    recording, rows = held(speech_to_speech, TYPED)
    assert [row["item_id"] for row in rows.turns] == ["unannounced_1", "unannounced_2"]
    for row in rows.turns:
        assert (row["endpoint_delay_ms"], row["n_responses"]) == (None, 1)
        assert 0 <= row["first_byte_latency_ms"] < 3_000
    assert texts(recording) == "One large pizza, coming up." * 2
    assert {row["cause"] for row in rows.responses if row["modality"] == "audio"} == {"other"}


@pytest.mark.full
def test_turns_that_the_client_ends_are_answered_by_aimock_in_text(aimock):
    recording, rows = held(aimock, TYPED)
    assert [row["item_id"] for row in rows.turns] == ["unnamed_item_1", "unnamed_item_2"]
    assert texts(recording) == "One pizza, coming up." * 2
    for row in rows.turns:
        assert (row["endpoint_delay_ms"], row["n_responses"]) == (None, 1)
        assert 0 <= row["first_byte_latency_ms"] < 3_000
    assert recording.header.effective["temperature"] == 0.8
    assert check_order(recording.server_events()) == []
