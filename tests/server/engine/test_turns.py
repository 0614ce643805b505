"""Turn detection: semantic waits, idle timeout, flags, manual commits, and sessions that only transcribe."""

import math

import numpy as np
import pytest
from engine_talk import Talk, kinds, only, profile_with

from realtime_lab.server import PROFILES
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.hearing.semantic import LONGEST_WAIT_MS, PAUSE_MS, wait_ms

TURN = {"type": "server_vad", "silence_duration_ms": 320}


class Said:
    """An end-of-turn estimate that is told beforehand, and checks what it is asked."""

    name = "told beforehand"

    def __init__(self, *probabilities):
        self.left = list(probabilities)
        self.asked = []

    def probability(self, start_ms, end_ms):
        assert 0 <= start_ms < end_ms and end_ms % 32 == 0
        self.asked.append((start_ms, end_ms))
        return self.left.pop(0)


def semantic(estimate, **fields):
    talk = Talk(end_of_turn=estimate)
    talk.update(audio={"input": {"turn_detection": {"type": "semantic_vad", **fields}}})
    return talk


def detected(talk, **fields):
    talk.update(audio={"input": {"turn_detection": {**TURN, **fields}}})
    return talk


# --- semantic_vad ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eagerness", "longest_s"), [("low", 8), ("medium", 4), ("auto", 4), ("high", 2)])
def test_a_hopeless_estimate_waits_as_long_as_documented_and_a_sure_one_not_at_all(eagerness, longest_s):
    assert wait_ms(0.0, eagerness) == longest_s * 1000 == LONGEST_WAIT_MS[eagerness]
    assert wait_ms(1.0, eagerness) == PAUSE_MS
    waits = [wait_ms(p, eagerness) for p in np.linspace(0, 1, 21)]
    assert waits == sorted(waits, reverse=True)
    assert wait_ms(float("nan"), eagerness) == wait_ms(-3, eagerness) == longest_s * 1000


def test_a_finished_sentence_ends_the_turn_after_the_shortest_pause():
    """Speech of 10 frames, the estimate after 640 ms: 320 + 640."""
    estimate = Said(1.0)
    talk = semantic(estimate, eagerness="low")
    said = talk.say(10, True) + talk.say(40, False)
    (stopped,) = only(said, "input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == 960 and estimate.asked == [(0.0, 960.0)]
    assert only(talk.events, "response.created") and talk.in_order() == []


@pytest.mark.parametrize(("eagerness", "longest_s"), [("low", 8), ("medium", 4), ("auto", 4), ("high", 2)])
def test_an_unfinished_one_ends_after_the_longest_wait(eagerness, longest_s):
    talk = semantic(Said(0.0), eagerness=eagerness)
    said = talk.say(10, True) + talk.say(260, False)
    (stopped,) = only(said, "input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == 320 + 32 * math.ceil(longest_s * 1000 / 32)
    late_ms = stopped["at_ms"] - talk.engine.profile.event_ms - stopped["audio_end_ms"]
    assert late_ms == 35  # the session began 35 ms before its audio


def test_speech_that_goes_on_ends_the_pause_and_the_next_pause_is_estimated_afresh():
    estimate = Said(0.0, 1.0)
    talk = semantic(estimate)
    said = talk.say(10, True) + talk.say(30, False) + talk.say(10, True) + talk.say(25, False)
    assert kinds(said).count("input_audio_buffer.speech_started") == 1
    (stopped,) = only(said, "input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == 50 * 32 + PAUSE_MS
    assert estimate.asked == [(0.0, 30 * 32.0), (0.0, 70 * 32.0)]


def test_a_pause_shorter_than_the_rules_is_not_estimated():
    estimate = Said()
    talk = semantic(estimate)
    for _ in range(3):
        talk.say(5, True)
        talk.say(19, False)
    assert estimate.asked == []


def test_semantic_vad_without_an_estimate_names_the_extra():
    error = Talk().update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})["error"]
    assert error["param"] == "session.audio.input.turn_detection.type" and "realtime_lab[whisper]" in error["message"]


def test_changing_the_kind_of_turn_detection_starts_from_that_kinds_defaults():
    talk = semantic(Said())
    detection = talk.engine.session()["audio"]["input"]["turn_detection"]
    assert detection == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }
    detected(talk)
    detection = talk.engine.session()["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"], "eagerness" in detection) == (0.5, 320, False)


# --- flags and the idle timeout -------------------------------------------------------------------------------------


def test_interrupt_response_decides_whether_speech_cancels():
    for interrupts, status in ((True, "cancelled"), (False, "completed")):
        talk = detected(Talk(), interrupt_response=interrupts, create_response=False)
        talk.send("response.create")
        talk.say(35, False)
        said = talk.say(10, True) + talk.wait(60_000)
        (done,) = only(said, "response.done")
        assert done["response"]["status"] == status


def test_create_response_false_commits_and_says_nothing():
    talk = detected(Talk(), create_response=False)
    said = talk.say(10, True) + talk.say(20, False) + talk.wait(5000)
    assert "input_audio_buffer.committed" in kinds(said) and "response.created" not in kinds(said)


def test_the_idle_timeout_counts_from_response_done_plus_the_playback_time():
    talk = detected(Talk(), idle_timeout_ms=5000)
    said = talk.say(10, True) + talk.say(20, False)
    while not only(said, "input_audio_buffer.timeout_triggered"):
        said += talk.say(1, False)
    (done, *_) = only(said, "response.done")
    (timeout,) = only(said, "input_audio_buffer.timeout_triggered")
    played_ms = done["response"]["usage"]["output_token_details"]["audio_tokens"] * 50
    assert timeout["at_ms"] - done["at_ms"] == played_ms + 157 * 32  # 5,000 ms in whole frames
    assert 5000 - 32 <= timeout["audio_end_ms"] - timeout["audio_start_ms"] <= 5000 + 32
    said += talk.say(60, False)
    follows = said[said.index(timeout) :][:7]
    assert kinds(follows) == [
        "input_audio_buffer.timeout_triggered",
        "conversation.item.added",
        "conversation.item.done",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert follows[1]["item"]["role"] == "system" and follows[3]["previous_item_id"] == follows[1]["item"]["id"]
    assert follows[3]["item_id"] == timeout["item_id"] == follows[4]["item"]["id"]
    assert len(only(said, "response.created")) == 2 and talk.in_order() == []


@pytest.mark.parametrize("what", ["speech", "off", "another response"])
def test_nobody_is_idle_when_something_happens_before_the_timeout(what):
    talk = detected(Talk(), idle_timeout_ms=5000, create_response=False)
    talk.respond(max_output_tokens=30)
    if what == "speech":
        talk.say(10, True)
    elif what == "off":
        talk.update(audio={"input": {"turn_detection": None}})
    else:
        talk.send("response.create", response={"max_output_tokens": 3000})
    assert (
        only(talk.wait(4_000 if what == "another response" else 60_000), "input_audio_buffer.timeout_triggered") == []
    )


# --- the client's own turns -----------------------------------------------------------------------------------------


def test_without_turn_detection_the_client_commits_and_asks():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": None}})
    said = talk.say(30, True) + talk.ask("input_audio_buffer.commit")
    assert kinds(said) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    assert (
        only(talk.respond(), "response.done")[0]["response"]["usage"]["input_token_details"]["audio_tokens"] == 9
    )  # 960 ms


def test_a_commit_of_too_little_audio_is_refused():
    talk = Talk()
    talk.say(2, True)
    error = talk.error("input_audio_buffer.commit", event_id="c1")
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "c1")
    assert "64.00ms" in error["message"]


def test_a_commit_or_a_clear_closes_open_speech():
    talk = detected(Talk())
    (started,) = only(talk.say(10, True), "input_audio_buffer.speech_started")
    (committed, *_) = talk.ask("input_audio_buffer.commit")
    assert committed["item_id"] == started["item_id"]
    talk.say(10, True)
    assert kinds(talk.ask("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert talk.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"
    talk.say(10, True)
    talk.update(audio={"input": {"turn_detection": None}})
    detected(talk)
    talk.say(10, True)
    assert talk.in_order() == []


def test_another_input_format_begins_a_stream_of_its_own():
    talk = detected(Talk())
    talk.send("input_audio_buffer.append", audio="AAAA")
    talk.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
    for _ in range(40):
        talk.send("input_audio_buffer.append", audio="gICA" * 100)
    assert "error" not in kinds(talk.wait(1000))


def test_noise_reduction_may_be_switched_while_audio_flows():
    talk = detected(Talk())
    for reduction in ({"type": "near_field"}, {"type": "far_field"}, None):
        talk.update(audio={"input": {"noise_reduction": reduction}})
        talk.say(10, False)
        talk.say(20, True)
        talk.say(20, False)
    assert kinds(talk.events).count("input_audio_buffer.speech_stopped") == 3 and talk.in_order() == []


# --- transcription sessions -----------------------------------------------------------------------------------------


def test_a_transcription_session_commits_transcribes_and_never_responds():
    talk = Talk(intent="transcription")
    (created,) = talk.wait(50)
    session = created["session"]
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert not {"model", "tools", "output_modalities"} & session.keys() and "output" not in session["audio"]
    talk.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}, "turn_detection": TURN}})
    said = talk.say(10, True) + talk.say(20, False) + talk.wait(5000)
    assert "conversation.item.input_audio_transcription.failed" in kinds(said)  # nothing is there that can transcribe
    assert not [kind for kind in kinds(said) if kind.startswith("response.")]
    assert talk.in_order() == []


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
def test_recognisers_without_turn_detection_leave_the_commit_to_the_client(model):
    talk = Talk(intent="transcription")
    answer = talk.update(audio={"input": {"transcription": {"model": model}}})
    assert answer["session"]["audio"]["input"]["turn_detection"] is None
    error = talk.update(audio={"input": {"turn_detection": TURN}})["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "session.audio.input.turn_detection")
    talk.say(10, True)
    assert "input_audio_buffer.committed" in kinds(talk.ask("input_audio_buffer.commit"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.create", {}),
        ("response.cancel", {}),
        ("conversation.item.create", {"item": {"type": "message"}}),
        ("conversation.item.truncate", {"item_id": "x", "content_index": 0, "audio_end_ms": 0}),
    ],
)
def test_a_transcription_session_refuses_what_is_about_responses(kind, fields):
    error = Talk(intent="transcription").error(kind, event_id="r1", **fields)
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "r1")


def test_the_kind_of_a_session_cannot_change():
    for intent, other in ((None, "transcription"), ("transcription", "realtime")):
        error = Talk(intent=intent).error("session.update", session={"type": other})
        assert (error["code"], error["param"]) == ("invalid_value", "session.type")


# --- what session.updated says back ---------------------------------------------------------------------------------


def test_transcription_comes_back_with_its_language_and_prompt_as_null():
    """As in 4 of 4 recorded sessions of today's API."""
    talk = Talk()
    answer = talk.update(audio={"input": {"transcription": {"model": "gpt-realtime-whisper"}}})
    asked = answer["session"]["audio"]["input"]["transcription"]
    assert asked == {"model": "gpt-realtime-whisper", "language": None, "prompt": None}
    answer = talk.update(audio={"input": {"transcription": {"model": "whisper-1", "language": "de"}}})
    asked = answer["session"]["audio"]["input"]["transcription"]
    assert asked == {"model": "whisper-1", "language": "de", "prompt": None}
    answer = talk.update(audio={"input": {"transcription": None}})
    assert answer["session"]["audio"]["input"]["transcription"] is None


def test_noise_reduction_keeps_its_strength_where_an_update_says_none():
    talk = Talk()
    talk.update(audio={"input": {"noise_reduction": {"type": "near_field", "strength": 0.5}}})
    answer = talk.update(audio={"input": {"noise_reduction": {"type": "far_field"}}})
    assert answer["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 0.5}
    talk.update(audio={"input": {"noise_reduction": None}})
    answer = talk.update(audio={"input": {"noise_reduction": {"type": "far_field"}}})
    assert answer["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field"}


# --- what is fixed --------------------------------------------------------------------------------------------------


def test_the_voice_is_fixed_once_it_was_heard():
    talk = Talk()
    assert talk.update(audio={"output": {"voice": "ash"}})["type"] == "session.updated"
    talk.respond()
    error = talk.update(audio={"output": {"voice": "echo"}})["error"]
    assert (error["code"], error["param"]) == ("cannot_update_voice", "session.audio.output.voice")
    assert talk.update(audio={"output": {"voice": "ash", "speed": 1.2}})["type"] == "session.updated"


def test_tracing_and_the_addresss_model_are_fixed():
    talk = Talk(model="gpt-realtime")
    assert talk.update(tracing="auto")["type"] == "session.updated"
    assert talk.update(tracing=None)["error"]["param"] == "session.tracing"
    assert talk.update(model="other")["error"]["param"] == "session.model"


def test_a_profiles_defaults_stand_where_a_transcription_session_says_nothing():
    talk = Talk(profile_with(silence_duration_ms=200), intent="transcription")
    assert talk.engine.session()["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200


def test_a_session_opened_as_another_listens_by_its_settings():
    """What a client secret was given out for decides from the first frame, not only in what is reported."""
    asked = PROFILES["documented"].defaults()
    asked["audio"]["input"]["turn_detection"] |= {"silence_duration_ms": 1_200, "prefix_padding_ms": 100}
    settings = Settings(PROFILES["documented"], "gpt-realtime")
    before = settings.turn_detection()
    settings.open_as(asked)
    after = settings.turn_detection()
    assert before is not None and after is not None
    assert (before.rule.silence_duration_ms, after.rule.silence_duration_ms) == (500, 1_200)
    settings.open_as(
        {**asked, "audio": {**asked["audio"], "input": {**asked["audio"]["input"], "turn_detection": None}}}
    )
    assert settings.turn_detection() is None
