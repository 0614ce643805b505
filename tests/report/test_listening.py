"""Turns to hear: both sides in their channels, players that escape, files in every format."""

from __future__ import annotations

import base64
import io
import re
import wave

import numpy as np
import pytest
import soundfile
from report_study import made_study

import realtime_lab as rl
from realtime_lab.errors import AudioError, RecordingError, StudyError
from realtime_lab.report.listening import Listening


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("listen"))


@pytest.fixture
def tone():
    at = np.arange(24_000) / 24_000
    left, right = (np.rint(8000 * np.sin(2 * np.pi * hz * at)).astype(np.int16) for hz in (440, 880))
    return Listening(np.stack([left, right], axis=1), 0.0, "<script>alert(1)</script> & 'x'")


def test_a_turn_is_heard_with_the_caller_left_and_the_answer_right(study):
    heard = rl.listen(study, 0, 1)
    recording = study.recording(0)
    speech = recording.reference[1].speech_ms
    assert heard.samples.shape[1] == 2 and heard.samples.dtype == np.int16
    assert heard.start_ms == speech[0].start_ms - 300.0
    first, last = (round((at - heard.start_ms) * 24) for at in (speech[0].start_ms, speech[-1].end_ms))
    assert np.abs(heard.samples[first:last, 0]).max() > 3000
    assert np.abs(heard.samples[last:, 1]).max() > 3000  # the answer
    assert np.abs(heard.samples[:first, 1]).max() < 400


def test_a_trial_is_named_by_number_key_or_itself(study):
    trial = study.plan.trials[0]
    found = [rl.listen(study, name, 0) for name in (0, trial.key, trial)]
    assert all(np.array_equal(found[0].samples, other.samples) for other in found[1:])


def test_a_row_of_the_worst_turns_says_which_turn(study):
    row = study.worst(1).iloc[0]
    assert np.array_equal(rl.listen(study, row).samples, rl.listen(study, row["trial"], int(row["turn"])).samples)
    with pytest.raises(RecordingError, match="worst"):
        rl.listen(study, 0)


def test_what_is_not_there_is_one_clear_error(study):
    with pytest.raises(RecordingError, match="turn 99"):
        rl.listen(study, 0, 99)
    with pytest.raises(StudyError, match="no trial"):
        rl.listen(study, "nothing", 0)


def test_the_player_holds_the_sound_and_escapes_its_caption(tone):
    shown = tone._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    data = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 24_000, 24_000)
        assert np.array_equal(np.frombuffer(file.readframes(24_000), "<i2").reshape(-1, 2), tone.samples)


def test_the_compact_form_is_small_and_the_same_each_time(tone):
    media, data = tone.compact()
    assert (media, data) == tone.compact()
    assert media in ("audio/mpeg", "audio/wav")
    assert len(data) < len(tone.wav()) / 5 or media == "audio/wav"


def test_without_an_mp3_encoder_it_is_a_wav(tone, monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", dict)
    assert tone.compact() == ("audio/wav", tone.wav())


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "WAV"])
def test_it_is_saved_in_the_format_of_its_name(tone, tmp_path, ending):
    path = tone.save(tmp_path / f"turn.{ending}")
    data, rate_hz = soundfile.read(path)
    assert (rate_hz, data.shape[1]) == (24_000, 2)
    assert len(data) == pytest.approx(24_000, abs=3000)


@pytest.mark.parametrize("name", ["turn.xyz", "turn", "no/folder/turn.flac"])
def test_a_format_or_folder_that_is_not_there_is_one_clear_error(tone, tmp_path, name):
    with pytest.raises(AudioError, match="cannot be written"):
        tone.save(tmp_path / name)


def test_it_says_what_it_is(tone, study):
    assert "1.0 s" in repr(tone) and ".save(" in repr(tone)
    assert rl.listen(study, 0, 0).caption.endswith("caller left, answer right")
