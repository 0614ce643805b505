"""The mocked server given what recorded public sessions were given: the same events in the same order, field by field.

Left out: deltas, whose number is the answer's, when the transcript comes, which nobody waits for, and rate limits,
which gpt-realtime told in none of these sessions, and gpt-realtime-2.1-mini after both responses of another.
"""

import base64
import json
import re
from dataclasses import replace

import pytest
from real_sessions import real_file, real_log

from realtime_lab.protocol import event_to_builtins
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.server import PROFILES, Engine
from realtime_lab.server.engine.transcribing import Recognition

PROFILE = replace(PROFILES["documented"], name="recorded", silence_duration_ms=200, tool_call_rate=1.0)
WORDS = ("Hello", ",", " my", " name", " is", " Marcelo", ".")
CHUNK_BYTES = 4800
UNORDERED = re.compile(r"delta$|input_audio_transcription|rate_limits")
SPOKEN = ["openai_audio_turn.jsonl", "azure_openai_audio_turn.jsonl", "azure_openai_transcription_failed.jsonl"]


class Reader:
    """Reads what the clip says."""

    name = "reader"

    def begin(self, start_ms, end_ms, asked):
        tokens = tuple(TokenLogprob(token=word, logprob=-0.1) for word in WORDS)
        return lambda: Recognition("reader", "".join(WORDS), tokens)


def mocked(log, transcriber=None):
    """What the mocked server says to what the clients of a log sent, the clip in real time; as mappings."""
    clip = real_file("marcelo_24khz.pcm").read_bytes()
    chunks = iter([clip[start : start + CHUNK_BYTES] for start in range(0, len(clip), CHUNK_BYTES)])
    engine = Engine(PROFILE, 0, model="gpt-realtime", transcriber=transcriber)
    engine.start(0.0)
    t_ms, said = 0.0, []
    for side, event in log:
        if side == "server":
            continue
        if event["type"] == "input_audio_buffer.append":
            t_ms += 100.0
            event = {**event, "audio": base64.b64encode(next(chunks)).decode()}
        else:
            t_ms += 0.0 if event["type"] == "response.create" else 10_000.0
        event = with_call(event, said)
        said += engine.take_due(t_ms)
        engine.receive_frame(json.dumps(event), t_ms)
        if event["type"] == "response.create":
            said += engine.take_due(t_ms := t_ms + 20_000.0)
    said += engine.take_due(t_ms + 30_000.0)
    events = [json.loads(json.dumps(event_to_builtins(event))) for _, event in said]
    return [{**event, "delta": ""} if isinstance(event.get("delta"), dict) else event for event in events]


def with_call(event, said):
    """A client's answer to a call carries the call's own id."""
    calls = [e.item.call_id for _, e in said if getattr(getattr(e, "item", None), "type", "") == "function_call"]
    if event.get("item", {}).get("type") != "function_call_output":
        return event
    return {**event, "item": {**event["item"], "call_id": calls[-1]}}


def by_server(log):
    return [event for side, event in log if side == "server"]


def told(events):
    return [event["type"] for event in events if not UNORDERED.search(event["type"])]


def paths(value, path=""):
    """The paths of all fields in a mapping."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}.{name}"
            if name not in ("parameters", "session"):
                yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")


def fields_of(events):
    return {(event["type"], path) for event in events for path in paths(event)}


@pytest.mark.parametrize("name", SPOKEN)
def test_a_spoken_turn_is_answered_in_the_recorded_order_with_the_recorded_fields(name):
    log = real_log(name)
    failed = "transcription_failed" in name
    ours, theirs = mocked(log, None if failed else Reader()), by_server(log)
    assert told(ours) == told(theirs)
    missing = {path for _, path in fields_of(theirs) - fields_of(ours)}
    assert missing == (set() if name.startswith("openai") else SAID_TWICE)
    more = {(kind, path) for kind, path in fields_of(ours) - fields_of(theirs) if kind != "rate_limits.updated"}
    assert more == set()


SAID_TWICE = {".content", ".content.type", ".content.transcript"}
"""Azure OpenAI gives a part under a second name too."""


@pytest.mark.parametrize("name", SPOKEN)
def test_its_tokens_are_counted_as_recorded(name):
    """The audio of the input to the token, the text of input and answer by the same rules on other words."""
    log = real_log(name)
    for events in (by_server(log), mocked(log, Reader())):
        (done,) = [event["response"] for event in events if event["type"] == "response.done"]
        start = _only(events, "speech_started")["audio_start_ms"]
        stop = _only(events, "speech_stopped")["audio_end_ms"]
        used, spent = done["usage"]["input_token_details"], done["usage"]["output_token_details"]
        assert used["audio_tokens"] == (stop - start) // 100 and used["text_tokens"] == 14
        words = [event for event in events if event["type"] == "response.output_audio_transcript.delta"]
        assert abs(spent["text_tokens"] - (6.5 + 1.37 * len(words))) <= 1


def _only(events, kind):
    (event,) = [event for event in events if event["type"] == f"input_audio_buffer.{kind}"]
    return event


def test_a_tool_round_comes_in_the_recorded_order_with_the_recorded_fields():
    log = real_log("openai_tool_round.jsonl")
    ours, theirs = mocked(log), by_server(log)
    assert told(ours) == told(theirs)
    assert fields_of(theirs) - fields_of(ours) == set()
    assert {kind for kind, _ in fields_of(ours) - fields_of(theirs)} == {"rate_limits.updated"}


def test_the_transcript_is_billed_as_recorded():
    for name in SPOKEN[:2]:
        log = real_log(name)
        both = [
            [event for event in events if event["type"].endswith("transcription.completed")]
            for events in (by_server(log), mocked(log, Reader()))
        ]
        assert [done["usage"] for (done,) in both] == [{"type": "duration", "seconds": 3}] * 2


@pytest.mark.parametrize("name", [*SPOKEN, "openai_tool_round.jsonl"])
def test_the_session_is_reported_with_the_recorded_fields(name):
    log = real_log(name)
    theirs = [event["session"] for event in by_server(log) if "session" in event]
    ours = [event["session"] for event in mocked(log) if "session" in event]
    assert [set(paths(session)) for session in ours] == [set(paths(session)) for session in theirs]
    asked = [session["audio"]["input"]["transcription"] for session in (ours[-1], theirs[-1])]
    assert asked[0] == asked[1]


def test_text_comes_before_the_audio_as_far_as_recorded():
    for name in SPOKEN:
        for events in (by_server(real_log(name)), mocked(real_log(name))):
            kinds = [event["type"] for event in events]
            first_audio = kinds.index("response.output_audio.delta")
            assert 2 < kinds[:first_audio].count("response.output_audio_transcript.delta") < 5
