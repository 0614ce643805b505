"""Sessions on the virtual clock: what the caller and the engine do to each other, exactly, by construction."""

import pytest
from sessions import spoken_script, tone_stage

from realtime_lab.audio import clean
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError, MissingExtraError
from realtime_lab.protocol import check_order
from realtime_lab.protocol import events as ev
from realtime_lab.recording import recording_to_bytes
from realtime_lab.server import PROFILES
from realtime_lab.session import mocked, run_session

SIMULATED = mocked(transcriber="simulated")
ONE_TURN = ((0, 30),)
HELD_TURN = ((0, 30), (45, 60))
"""Speech, a hold of 15 frames (480 ms), speech."""


def config(silence_ms=500, **more):
    return SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(silence_duration_ms=silence_ms),
        transcription=Transcription(model="gpt-4o-transcribe"),
        **more,
    )


def events_of(recording, kind):
    return [(entry.t_ms, entry.event) for entry in recording.events if isinstance(entry.event, kind)]


def test_offsets_have_their_documented_meaning():
    """Speech from 256 to 1216 ms: start minus the padding, end plus the silence window in whole frames."""
    script = spoken_script("hello there")
    recording = run_session(config(500), script, stage=tone_stage(script, ONE_TURN))
    (_, started), (_, stopped) = events_of(recording, ev.SpeechStarted)[0], events_of(recording, ev.SpeechStopped)[0]
    assert started.audio_start_ms == max(0, 256 - 300)
    assert stopped.audio_end_ms == 1216 + 512


def test_the_endpoint_is_announced_when_its_last_frame_has_arrived():
    """500 ms of silence is 16 frames, so the frame ending at 1216 + 512 = 1728 decides; appends hold 20 ms."""
    script = spoken_script("hello there")
    recording = run_session(config(500), script, stage=tone_stage(script, ONE_TURN))
    (t_ms, _) = events_of(recording, ev.SpeechStopped)[0]
    assert t_ms == 1740.0 + PROFILES["documented"].event_ms


@pytest.mark.parametrize(("silence_ms", "items"), [(200, 2), (448, 2), (480, 2), (481, 1), (700, 1)])
def test_a_hold_is_cut_exactly_when_the_silence_window_fits_into_it(silence_ms, items):
    script = spoken_script("hello there general kenobi")
    recording = run_session(config(silence_ms), script, stage=tone_stage(script, HELD_TURN))
    assert len(events_of(recording, ev.InputAudioCommitted)) == items
    assert check_order(recording.server_events()) == []


def test_speech_after_a_cut_barges_in_and_cancels_the_response():
    script = spoken_script("hello there general kenobi")
    recording = run_session(config(200), script, stage=tone_stage(script, HELD_TURN))
    statuses = [event.response.status for _, event in events_of(recording, ev.ResponseDone)]
    assert statuses == ["cancelled", "completed"]
    (_, cancelled) = events_of(recording, ev.ResponseDone)[0]
    assert cancelled.response.status_details.reason == "turn_detected"


def test_without_interrupt_response_nothing_is_cancelled():
    script = spoken_script("hello there general kenobi")
    stage = tone_stage(script, HELD_TURN)
    recording = run_session(config(200).with_values({"interrupt_response": False}), script, stage=stage)
    assert "cancelled" not in [event.response.status for _, event in events_of(recording, ev.ResponseDone)]


def test_the_next_turn_starts_gap_ms_after_the_answer_was_played_out():
    script = spoken_script("one", "two", gap_ms=1000.0)
    recording = run_session(config(), script, stage=tone_stage(script, ONE_TURN, ONE_TURN))
    first = events_of(recording, ev.AudioDelta)[0][0]
    response = events_of(recording, ev.ResponseDone)[0][1].response
    played_out_ms = first + 50 * response.usage.output_token_details.audio_tokens
    onset_ms = recording.reference[1].speech_ms[0].start_ms
    assert 0 <= onset_ms - (played_out_ms + 1000) < 32


def test_barge_in_starts_after_the_first_audible_audio_and_truncates_what_was_not_heard():
    script = spoken_script("one", "two", barge_in_ms=600.0)
    recording = run_session(config(), script, stage=tone_stage(script, ONE_TURN, ONE_TURN))
    played_ms = events_of(recording, ev.AudioDelta)[0][0]
    for _, event in events_of(recording, ev.AudioDelta):
        if event.delta.audible_sample is not None:
            break
        played_ms += event.delta.samples / 24  # the model is silent at first
    audible_ms = played_ms + event.delta.audible_sample / 24
    onset_ms = recording.reference[1].speech_ms[0].start_ms
    assert 0 <= onset_ms - (audible_ms + 600) < 32
    assert len(events_of(recording, ev.ItemTruncate)) == 1
    assert events_of(recording, ev.ItemTruncated)


def test_a_turn_nobody_hears_is_left_at_the_deadline():
    """A threshold of 1.0 is never passed by speech the detector gives 0.99."""
    script = spoken_script("one", "two")
    stage = tone_stage(script, ONE_TURN, ONE_TURN)
    stage.cache._compute = lambda pcm, rate: 0 * pcm.reshape(-1, 768)[:, 0].astype("f4")
    recording = run_session(config(), script, stage=stage)
    first, second = recording.reference
    assert events_of(recording, ev.SpeechStarted) == []
    assert first.complete and second.complete
    assert 0 <= second.speech_ms[0].start_ms - (first.deadline_ms + 700) < 32


def test_a_recogniser_that_streams_writes_while_the_caller_speaks():
    script = spoken_script("one two three four five six seven eight")
    asked = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(silence_duration_ms=500),
        transcription=Transcription(model="gpt-realtime-whisper"),
    )
    recording = run_session(asked, script, mocked(transcriber="simulated"), stage=tone_stage(script, ((0, 120),)))
    deltas = events_of(recording, ev.TranscriptionDelta)
    stopped_ms = events_of(recording, ev.SpeechStopped)[0][0]
    assert [event.delta for t_ms, event in deltas if t_ms < stopped_ms][:3] == [" one", " two", " three"]
    assert "".join(event.delta for _, event in deltas).strip() == script.turns[0].text
    assert events_of(recording, ev.TranscriptionCompleted)[0][1].transcript == script.turns[0].text
    assert check_order(recording.server_events()) == []


def test_max_output_tokens_truncates_with_its_reason():
    script = spoken_script("one")
    recording = run_session(config(max_output_tokens=10), script, stage=tone_stage(script, ONE_TURN))
    response = events_of(recording, ev.ResponseDone)[0][1].response
    assert (response.status, response.status_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.output_tokens == 10


def test_text_mode_sends_text_and_no_audio():
    script = spoken_script("one")
    recording = run_session(config(output_modalities=["text"]), script, stage=tone_stage(script, ONE_TURN))
    assert events_of(recording, ev.TextDelta) and not events_of(recording, ev.AudioDelta)
    assert check_order(recording.server_events()) == []


def test_without_turn_detection_the_client_commits_at_the_end_of_each_turn():
    script = spoken_script("one", "two")
    manual = SessionConfig(model="gpt-realtime", turn_detection=None)
    recording = run_session(manual, script, stage=tone_stage(script, ONE_TURN, ONE_TURN))
    commits = [t_ms for t_ms, _ in events_of(recording, ev.InputAudioCommit)]
    assert commits == [turn.speech_ms[-1].end_ms for turn in recording.reference]
    assert len(events_of(recording, ev.ResponseDone)) == 2


def test_create_response_false_gives_no_response_and_goes_on():
    script = spoken_script("one", "two")
    quiet = config().with_values({"create_response": False})
    recording = run_session(quiet, script, stage=tone_stage(script, ONE_TURN, ONE_TURN))
    assert len(events_of(recording, ev.InputAudioCommitted)) == 2
    assert events_of(recording, ev.ResponseCreated) == []


def test_silence_after_a_response_triggers_the_idle_timeout():
    script = spoken_script("one", "two", gap_ms=9000.0)
    patient = config().with_values({"idle_timeout_ms": 5000})
    recording = run_session(patient, script, stage=tone_stage(script, ONE_TURN, ONE_TURN))
    assert len(events_of(recording, ev.TimeoutTriggered)) >= 1


def test_the_transcript_is_the_words_spoken_in_the_committed_span():
    """Cut in the hold after 30 of 45 speech frames: four of six words, then two."""
    script = spoken_script("a b c d e f")
    recording = run_session(config(200), script, SIMULATED, stage=tone_stage(script, HELD_TURN))
    texts = [event.transcript for _, event in events_of(recording, ev.TranscriptionCompleted)]
    assert texts == ["a b c d", "e f"]
    assert recording.header.engine["transcription"].startswith("simulated")


def test_without_reference_text_transcription_fails_by_name():
    script = spoken_script(None)
    recording = run_session(config(), script, SIMULATED, stage=tone_stage(script, ONE_TURN))
    (_, failed) = events_of(recording, ev.TranscriptionFailed)[0]
    assert failed.error["code"] == "transcription_unavailable"


def test_a_refused_configuration_is_a_failed_recording_with_its_reason():
    script = spoken_script("one")
    remote = SessionConfig(model="gpt-realtime", tools=[{"type": "mcp", "server_label": "files"}])
    recording = run_session(remote, script, stage=tone_stage(script, ONE_TURN))
    assert recording.header.outcome == "failed"
    assert "unsupported_value" in recording.header.failure and "remote" in recording.header.failure


def test_semantic_vad_without_an_estimate_is_refused_by_the_name_of_the_extra():
    script = spoken_script("one")
    semantic = SessionConfig(model="gpt-realtime", turn_detection={"type": "semantic_vad"})
    with pytest.raises(MissingExtraError, match="whisper") as caught:
        run_session(semantic, script, SIMULATED, stage=tone_stage(script, ONE_TURN))
    assert caught.value.extra == "whisper"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    script = spoken_script("one", "two")
    stage = tone_stage(script, ONE_TURN, HELD_TURN)
    first, again, other = (
        recording_to_bytes(run_session(config(), script, stage=stage, seed=seed)) for seed in (7, 7, 8)
    )
    assert first == again != other


@pytest.mark.parametrize("frame_ms", [10.0, 20.0, 32.0, 60.0])
def test_the_append_frame_size_changes_no_audio_time(frame_ms):
    script = spoken_script("one two three")
    stage = tone_stage(script, HELD_TURN)
    plain, other = (run_session(config(300), script, stage=stage, frame_ms=size) for size in (20.0, frame_ms))
    assert [event.audio_end_ms for _, event in events_of(plain, ev.SpeechStopped)] == [
        event.audio_end_ms for _, event in events_of(other, ev.SpeechStopped)
    ]
    for (first, _), (second, _) in zip(
        events_of(plain, ev.SpeechStopped), events_of(other, ev.SpeechStopped), strict=True
    ):
        assert abs(first - second) <= max(frame_ms, 20.0)


def test_an_impossible_frame_size_is_refused():
    with pytest.raises(ConfigError, match="frame_ms"):
        run_session(config(), spoken_script("one"), frame_ms=0)


def test_conditions_default_to_clean():
    script = spoken_script("one")
    assert run_session(config(), script, stage=tone_stage(script, ONE_TURN)).header.condition == clean().name
