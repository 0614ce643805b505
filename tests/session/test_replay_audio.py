"""Sound made again from recordings: equal to what was sent, and answers where the loudspeaker played them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from sessions import spoken_script, tone_stage

from realtime_lab.audio import Interval, clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RealtimeLabError, RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef
from realtime_lab.recording import Header, RecordedEvent, Recording
from realtime_lab.server.engine.responder import voice_ref
from realtime_lab.session import run_session
from realtime_lab.session.replay_audio import AudioReplay, find_script, played_pieces, turn_window

SCRIPT = spoken_script("one two", "three")


@pytest.fixture
def replay():
    stage = tone_stage(SCRIPT, ((0, 20), (30, 40)), ((0, 15),))
    config = SessionConfig(model="m", turn_detection=ServerVad(silence_duration_ms=500))
    return AudioReplay(run_session(config, SCRIPT, stage=stage), SCRIPT, clean(), stage)


def recording(*events):
    header = Header(target="t", script_id="s", script_hash="h", condition="clean", seed=0, requested={})
    log = tuple(RecordedEvent(t_ms, "server", event) for t_ms, event in events)
    return Recording(header=header, reference=(), appends=(), events=log, audio_ms=0.0)


def delta(ref):
    return ev.AudioDelta(response_id="r", item_id="i", output_index=0, content_index=0, delta=ref)


def started():
    return ev.SpeechStarted(item_id="j", audio_start_ms=0)


def test_the_callers_side_is_every_passage_that_was_appended(replay):
    whole = replay.caller(Interval(0.0, replay.recording.audio_ms))
    first = replay.stage.renderer(SCRIPT, clean()).turn(0).pcm
    assert np.array_equal(whole[: len(first)], first)
    assert len(whole) == round(replay.recording.audio_ms * 24)
    for turn in replay.recording.reference:
        for part in turn.speech_ms:
            inside = whole[round(part.start_ms * 24) : round(part.end_ms * 24)]
            assert (np.abs(inside) >= 8000).all()


@pytest.mark.parametrize("effective", [{"audio": 3}, {"audio": {"input": [1]}}, {"audio": {"input": {"format": "x"}}}])
def test_a_configuration_that_cannot_be_read_is_heard_as_pcm(replay, effective):
    plain = replay.frame_probabilities()
    header = msgspec.structs.replace(replay.recording.header, effective=effective)
    replay.recording = msgspec.structs.replace(replay.recording, header=header)
    assert np.array_equal(replay.frame_probabilities(), plain)


def test_a_window_is_a_piece_of_the_whole(replay):
    whole = replay.caller(Interval(0.0, replay.recording.audio_ms))
    window = Interval(777.0, 3210.5)
    assert np.array_equal(replay.caller(window), whole[(777 * 24) : round(3210.5 * 24)])


def test_probabilities_stand_at_their_frames(replay):
    starts, found = replay.probabilities(Interval(0.0, replay.recording.audio_ms))
    assert (np.diff(starts) == 32.0).all()
    speech = [part for turn in replay.recording.reference for part in turn.speech_ms]
    expected = [any(part.start_ms <= at < part.end_ms for part in speech) for at in starts]
    assert (found == np.array(expected)).all()


def test_the_answer_is_heard_from_the_first_audible_sample(replay):
    pieces = played_pieces(replay.recording)
    at_ms = next(p.start_ms + p.audio.audible_sample / 24 for p in pieces if p.audio.audible_sample is not None)
    sound = replay.answer(Interval(0.0, replay.recording.audio_ms))
    assert sound[: round(at_ms * 24)].max(initial=0) < 400
    assert np.abs(sound[round(at_ms * 24) : round(at_ms * 24) + 2400]).max() > 1000


def test_pieces_play_one_after_another_from_their_arrival():
    made = recording(
        (100.0, delta(voice_ref(0, 200))), (150.0, delta(voice_ref(200, 200))), (900.0, delta(voice_ref(400, 200)))
    )
    assert [(piece.start_ms, piece.length_ms) for piece in played_pieces(made)] == [
        (100.0, 200.0),
        (300.0, 200.0),
        (900.0, 200.0),
    ]


def test_the_answer_falls_silent_when_the_caller_is_heard():
    made = recording(
        (100.0, delta(voice_ref(0, 200))),
        (150.0, delta(voice_ref(200, 200))),
        (250.0, started()),
        (400.0, delta(voice_ref(0, 200))),
    )
    assert [(piece.start_ms, piece.length_ms) for piece in played_pieces(made)] == [(100.0, 150.0), (400.0, 200.0)]


def test_an_answer_whose_audio_was_not_kept_is_silence_and_one_that_is_handed_in_is_heard():
    ref = AudioRef(sha256="f" * 64, offset_samples=10, samples=240)
    made = recording((0.0, delta(ref)))
    replay = AudioReplay(made, SCRIPT, clean(), tone_stage(SCRIPT, ((0, 1),), ((0, 1),)))
    assert not replay.answer(Interval(0.0, 20.0)).any()
    replay.blobs = {"f" * 64: np.arange(300, dtype=np.int16)}.get
    assert replay.answer(Interval(0.0, 20.0))[:240].tolist() == list(range(10, 250))


def test_a_narrow_band_answer_is_heard_at_24_khz():
    ref = AudioRef(sha256="e" * 64, offset_samples=0, samples=80, rate_hz=8000)
    replay = AudioReplay(recording((0.0, delta(ref))), SCRIPT, clean(), tone_stage(SCRIPT, ((0, 1),), ((0, 1),)))
    replay.blobs = {"e" * 64: np.arange(80, dtype=np.int16) * 3}.get
    assert replay.answer(Interval(0.0, 10.0))[:200].tolist() == list(range(200))
    mocked = AudioReplay(recording((0.0, delta(voice_ref(2000, 100, 8000)))), SCRIPT, clean(), replay.stage)
    assert np.abs(mocked.answer(Interval(0.0, 100.0))).max() > 1000


def test_the_window_of_a_turn_holds_its_speech_and_its_answer(replay):
    window = turn_window(replay.recording, 0)
    first, second = replay.recording.reference
    assert window.start_ms == 0.0 or window.start_ms == first.speech_ms[0].start_ms - 300.0
    assert first.speech_ms[-1].end_ms < window.end_ms <= second.speech_ms[0].start_ms
    short = turn_window(replay.recording, 0, max_answer_ms=200.0)
    assert short.end_ms < window.end_ms
    assert len(replay.caller(short)) == len(replay.answer(short))


def test_a_turn_that_is_not_there_is_one_clear_error(replay):
    with pytest.raises(RecordingError, match="turns with speech are 0, 1"):
        turn_window(replay.recording, 7)


def test_a_script_that_is_not_in_the_plan_is_one_clear_error(replay):
    class Plan:
        scripts = (spoken_script("another"),)
        conditions = (clean(),)

    with pytest.raises(RecordingError, match="script 'tones' of this recording is not in its plan"):
        find_script(Plan(), replay.recording)
    Plan.scripts = (SCRIPT,)
    assert find_script(Plan(), replay.recording) == (SCRIPT, clean())


def test_clips_that_changed_since_are_named(replay):
    other = AudioReplay(replay.recording, SCRIPT, clean(), tone_stage(SCRIPT, ((0, 9),), ((0, 9),)))
    with pytest.raises(RealtimeLabError, match="not what was played then"):
        other.caller(Interval(0.0, 100.0))


def test_a_log_without_clocks_plays_no_answers():
    header = Header(target="t", script_id="s", script_hash="h", condition="clean", seed=0, requested={})
    log = (RecordedEvent(None, "server", delta(voice_ref(0, 200))),)
    assert played_pieces(Recording(header=header, reference=(), appends=(), events=log, audio_ms=0.0)) == []
