"""Other people's clients against our server, each in an environment of its own: they pin versions we do not use.

What each of them said of the server is held against it, and so is every frame it sent, by the strict event union of
the openai package.
"""

from __future__ import annotations

import base64
import json
import time

import pytest
from live_servers import TappedServer, serving, spoken_pcm
from others import check_strictly, python_with, run_client

HEARD = "two pizzas please"


class Reader:
    """A transcriber that always reads the same."""

    name = "reader"

    def transcribe(self, start_ms, end_ms):
        return HEARD


class ReadingServer(TappedServer):
    """A tapped server whose sessions have transcripts."""

    def session(self, *args):
        session = super().session(*args)
        session.engine.transcriber = Reader()
        return session


@pytest.fixture
def speech(tmp_path):
    """A spoken turn, in a file."""
    path = tmp_path / "speech.pcm"
    path.write_bytes(spoken_pcm())
    return path


def test_the_openai_sdk_holds_a_voice_and_a_text_turn_and_every_event_passes_its_strict_union(speech):
    python = python_with("openai")
    with serving() as server:
        said = run_client(python, "sdk_client.py", server.url, speech)
    assert (said["secret"], said["session"]) == ("ek_", "realtime")
    assert [entry for entry in said["events"] if entry[1] is not None] == []
    kinds = {entry[0] for entry in said["events"]}
    assert {"response.output_audio.delta", "response.output_text.delta", "input_audio_buffer.committed"} <= kinds
    assert len(kinds) >= 20


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "script", "turns"),
    [
        ("openai_agents", "agents_client.py", 2),
        ("livekit", "livekit_client.py", 2),
        ("pipecat", "pipecat_client.py", 1),
    ],
)
def test_an_agent_framework_hears_what_was_said_and_gets_all_the_audio_the_server_sent(
    speech, tmp_path, name, script, turns
):
    """Real speech goes in through the framework's public classes; audio, transcripts and ends of responses come out."""
    python = python_with(name)
    began_s = time.monotonic()
    with serving(ReadingServer) as server:
        said = run_client(python, script, server.url, speech)
    took_s = time.monotonic() - began_s
    checked, types, problems = check_strictly(python, server.frames, tmp_path)
    print(f"{name}: {checked} events of {len(types)} types checked in {took_s:.1f} s; the client saw {said}")
    assert problems == []
    sent = [json.loads(frame) for frame in server.frames]
    audio = [base64.b64decode(event["delta"]) for event in sent if event["type"] == "response.output_audio.delta"]
    ends = [event["response"]["status"] for event in sent if event["type"] == "response.done"]
    assert ends == ["completed"] * turns and "error" not in types
    assert said["errors"] == []
    assert said["heard"] == [HEARD]
    assert said["audio_bytes"] == sum(map(len, audio)) > 0
    words = [event["delta"] for event in sent if event["type"] == "response.output_audio_transcript.delta"]
    assert "".join(said["said"]).replace(" ", "") == "".join(words).replace(" ", "") != ""
