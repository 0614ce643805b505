"""Sessions in which the client ends turns: at the end the script knows, or when an endpointer says so."""

import numpy as np
import pytest
from engine_talk import profile_with
from live_servers import QUICK, serving
from sessions import LOUD, spoken_script, tone_stage

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError
from realtime_lab.protocol import check_order
from realtime_lab.protocol import events as ev
from realtime_lab.session import mocked, run_session
from realtime_lab.session.targets import live

MANUAL = SessionConfig(model="gpt-realtime", turn_detection=None)
ONE_TURN = ((0, 30),)
HELD_TURN = ((0, 30), (45, 60))
"""Speech, a hold of 15 frames (480 ms), speech."""


def after_silence(frames):
    """An endpointer that ends the turn after so many quiet frames; made anew for each session."""

    def make():
        state = {"quiet": 0, "spoken": False}

        def hear(frame):
            assert frame.shape == (768,) and frame.dtype == np.int16
            loud = bool(np.abs(frame.astype(np.int32)).max() >= LOUD)
            state["quiet"] = 0 if loud else state["quiet"] + 1
            state["spoken"] |= loud
            over = state["spoken"] and state["quiet"] == frames
            state["spoken"] &= not over
            return over

        return hear

    return make


def sent(recording, kind):
    return [entry.t_ms for entry in recording.events if isinstance(entry.event, kind)]


@pytest.mark.parametrize("delay_ms", [0.0, 250.0, 1000.0])
def test_the_oracle_commits_at_the_end_of_each_turn_plus_the_delay(delay_ms):
    script = spoken_script("one", "two")
    stage = tone_stage(script, ONE_TURN, HELD_TURN)
    recording = run_session(MANUAL, script, stage=stage, commit_delay_ms=delay_ms)
    ends = [turn.speech_ms[-1].end_ms for turn in recording.reference]
    assert sent(recording, ev.InputAudioCommit) == [end + delay_ms for end in ends]
    rows = session_rows(recording).turns
    assert [row["outcome"] for row in rows] == ["answered"] * 2 and sum(row["n_cut_holds"] for row in rows) == 0
    assert f"+ {delay_ms:g} ms" in recording.header.engine["turns"]
    assert check_order(recording.server_events()) == []


def test_a_longer_delay_is_a_longer_latency_by_the_same_amount():
    script = spoken_script("one")
    latencies = []
    for delay_ms in (0.0, 400.0):
        recording = run_session(MANUAL, script, stage=tone_stage(script, ONE_TURN), commit_delay_ms=delay_ms)
        (row,) = session_rows(recording).turns
        latencies.append(row["response_latency_ms"])
    assert latencies[1] - latencies[0] == pytest.approx(400.0)


@pytest.mark.parametrize(("frames", "commits"), [(10, 2), (20, 1)])
def test_an_endpointer_ends_turns_in_place_of_the_script(frames, commits):
    """Ten quiet frames fit into the hold of fifteen, twenty do not."""
    script = spoken_script("one two three")
    recording = run_session(MANUAL, script, stage=tone_stage(script, HELD_TURN), endpointer=after_silence(frames))
    times = sent(recording, ev.InputAudioCommit)
    assert len(times) == commits and times[-1] == (8 + 60 + frames) * 32.0
    assert sent(recording, ev.InputAudioCommitted) and recording.header.outcome == "complete"
    assert session_rows(recording).turns[0]["outcome"] == "answered"
    assert "after_silence" in recording.header.engine["turns"] and check_order(recording.server_events()) == []


def test_an_endpointer_that_cuts_in_cancels_the_response_it_talks_over():
    script = spoken_script("one two three")
    recording = run_session(MANUAL, script, stage=tone_stage(script, HELD_TURN), endpointer=after_silence(10))
    assert len(sent(recording, ev.ResponseCancel)) == 1
    statuses = [e.event.response.status for e in recording.events if isinstance(e.event, ev.ResponseDone)]
    assert statuses == ["cancelled", "completed"]


def test_each_session_has_an_endpointer_of_its_own():
    script = spoken_script("one")
    stage, make = tone_stage(script, ONE_TURN), after_silence(5)
    first, second = (run_session(MANUAL, script, stage=stage, endpointer=make) for _ in range(2))
    assert sent(first, ev.InputAudioCommit) == sent(second, ev.InputAudioCommit)


def test_an_endpointer_that_commits_too_little_is_told_so_and_the_session_goes_on():
    def hasty():
        left = [True] * 20
        return lambda frame: bool(left) and left.pop()

    script = spoken_script("one")
    recording = run_session(MANUAL, script, stage=tone_stage(script, ONE_TURN), endpointer=hasty)
    codes = {e.event.error.code for e in recording.events if isinstance(e.event, ev.ErrorEvent)}
    assert "input_audio_buffer_commit_empty" in codes and check_order(recording.server_events()) == []


def test_client_turns_over_a_socket_are_those_of_the_virtual_clock():
    script = spoken_script("one two three")
    stage = tone_stage(script, HELD_TURN)
    options = [{"commit_delay_ms": 100.0}, {"endpointer": after_silence(10)}]
    with serving() as server:
        for option in options:
            over_socket = run_session(MANUAL, script, live(server.url, api_key_env=None), stage=stage, **option)
            virtual = run_session(MANUAL, script, mocked(QUICK), stage=stage, **option)
            assert over_socket.header.outcome == "complete"
            assert len(sent(over_socket, ev.InputAudioCommit)) == len(sent(virtual, ev.InputAudioCommit))
            for one, other in zip(
                sent(over_socket, ev.InputAudioCommit), sent(virtual, ev.InputAudioCommit), strict=True
            ):
                assert 0 <= one - other < 100
            assert over_socket.header.engine["turns"] == virtual.header.engine["turns"]


@pytest.mark.parametrize(
    ("config", "options", "path"),
    [
        (MANUAL, {"commit_delay_ms": -1}, "commit_delay_ms"),
        (MANUAL, {"commit_delay_ms": 5000}, "commit_delay_ms"),
        (MANUAL, {"endpointer": 3}, "endpointer"),
        (MANUAL, {"endpointer": after_silence(3), "commit_delay_ms": 100}, "commit_delay_ms"),
        (SessionConfig(turn_detection=ServerVad()), {"commit_delay_ms": 100}, "turn_detection"),
        (SessionConfig(), {"endpointer": after_silence(3)}, "turn_detection"),
    ],
)
def test_client_turns_that_cannot_be_are_refused(config, options, path):
    with pytest.raises(ConfigError, match=path):
        run_session(config, spoken_script("one"), **options)


def test_a_transcription_session_transcribes_every_turn_and_ends():
    script = spoken_script("one two", "three")
    stage = tone_stage(script, ONE_TURN, ONE_TURN)
    for detection in (ServerVad(silence_duration_ms=300), None):
        config = SessionConfig(
            session_type="transcription", turn_detection=detection, transcription=Transcription(model="whisper-1")
        )
        recording = run_session(config, script, mocked(transcriber="simulated"), stage=stage)
        assert recording.header.outcome == "complete"
        texts = [e.event.transcript for e in recording.events if isinstance(e.event, ev.TranscriptionCompleted)]
        assert texts == ["one two", "three"] and sent(recording, ev.ResponseCreated) == []
        assert check_order(recording.server_events()) == []


def test_a_session_that_outlives_its_service_is_a_failed_recording():
    script = spoken_script("one", "two")
    stage = tone_stage(script, ONE_TURN, ONE_TURN)
    recording = run_session(MANUAL, script, mocked(profile_with(session_life_s=3)), stage=stage)
    assert recording.header.outcome == "failed" and recording.header.failure.startswith("session_expired")
