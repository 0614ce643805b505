"""Other people's clients against our server, each in an environment of its own: they pin versions we do not use.

What each of them said of the server is held against it, and so is every frame it sent, by the strict event union of
the openai package.
"""

from __future__ import annotations

import base64
import json
import time

import pytest
from engine_talk import Talk, only, profile_with
from live_servers import TappedServer, serving, spoken_pcm
from msgspec.structs import replace as replace_delta
from others import check_strictly, python_with, run_client

from realtime_lab.protocol.codec import SERVER_TYPES, encode
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.server.engine.transcribing import Recognition
from realtime_lab.server.serving.conformance import NOT_SENT
from tests.server.engine.test_fuzz import hold

HEARD = "two pizzas please"
TOKENS = tuple(
    TokenLogprob(token=word, logprob=-0.1, bytes=list(word.encode())) for word in ("two", " pizzas", " please")
)


SEEN = {
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "error",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "response.function_call_arguments.done",
    "response.output_audio.delta",
    "response.output_text.delta",
}


class Reader:
    """A transcriber that always reads the same."""

    name = "reader"

    def begin(self, start_ms, end_ms, asked):
        return lambda: Recognition("reader", HEARD, TOKENS)


class ReadingServer(TappedServer):
    """A tapped server whose sessions have transcripts."""

    def session(self, *args):
        session = super().session(*args)
        session.engine.transcribing.transcriber = Reader()
        return session


@pytest.fixture
def speech(tmp_path):
    """A spoken turn, in a file."""
    path = tmp_path / "speech.pcm"
    path.write_bytes(spoken_pcm())
    return path


def test_the_openai_sdk_holds_a_voice_a_text_and_a_tool_turn_and_every_event_passes_its_strict_union(speech):
    python = python_with("openai")
    with serving(ReadingServer) as server:
        said = run_client(python, "sdk_client.py", server.url, speech)
    assert (said["secret"], said["session"]) == ("ek_", "realtime")
    assert [entry for entry in said["events"] if entry[1] is not None] == []
    kinds = {entry[0] for entry in said["events"]}
    assert kinds >= SEEN
    assert json.loads(said["arguments"]).keys() == {"size"}
    print(f"openai: {len(said['events'])} events of {len(kinds)} types checked")


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


def test_every_kind_of_event_the_engine_sends_passes_the_strict_union(tmp_path):
    """Calls, text, sound, cancelled and failed responses, transcription sessions, items, errors: and 500 odd frames."""
    talks = [hold(seed, 50)[0] for seed in range(10)]
    talks += [calling(), transcribing(), ending()]
    frames = [encode(inline(event)) for talk in talks for event in talk.received]
    checked, types, problems = check_strictly(python_with("openai"), frames, tmp_path)
    print(f"{checked} events of {len(types)} types checked")
    assert problems == []
    assert types >= set(SERVER_TYPES) - NOT_SENT.keys()


def inline(event):
    """The event with its audio as the wire has it."""
    return event if not hasattr(event, "delta") or isinstance(event.delta, str) else replace_delta(event, delta="AAAA")


def calling():
    """A function is called, its output given, and the model goes on."""
    talk = Talk()
    tool = {"type": "function", "name": "f", "parameters": {"properties": {"a": {"type": "integer"}}}}
    talk.update(tools=[tool], tool_choice="required", output_modalities=["text"])
    call = only(talk.respond(), "response.done")[0]["response"]["output"][0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "3"}
    talk.ask("conversation.item.create", item=output)
    talk.ask("conversation.item.retrieve", item_id=call["id"])
    talk.respond(tool_choice="none")
    talk.respond(max_output_tokens=2)
    return talk


def transcribing():
    """A transcription session whose recogniser gives log-probabilities."""
    talk = Talk(transcriber=Tokens(), intent="transcription")
    talk.update(
        include=["item.input_audio_transcription.logprobs"],
        audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": {"type": "server_vad"}}},
    )
    talk.say(10, True)
    talk.say(60, False)
    talk.wait(5000)
    return talk


def ending():
    """An idle timeout, a truncated answer, a cleared buffer, a failed response and the session's end."""
    talk = Talk(profile_with(requests_per_minute=1, session_life_s=90))
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    first = only(talk.respond(max_output_tokens=60), "response.done")[0]
    item_id = first["response"]["output"][0]["id"]
    talk.ask("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    talk.ask("input_audio_buffer.clear")
    for _ in range(2):
        talk.send("response.create", response={"conversation": "none"})
    talk.wait(90_000)
    return talk


class Tokens:
    """A transcriber that always hears two tokens."""

    name = "tokens"

    def begin(self, start_ms, end_ms, asked):
        tokens = tuple(TokenLogprob(token=word, logprob=-0.1, bytes=list(word.encode())) for word in ("two", " pizzas"))
        return lambda: Recognition(self.name, "two pizzas", logprobs=tokens)
