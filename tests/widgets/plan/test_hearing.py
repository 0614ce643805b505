"""What is heard in one turn: the same figures as a mocked session's rows, on tones and on real speech."""

import dataclasses
from itertools import product

import pytest
from sessions import spoken_script, tone_stage

from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import SemanticVad, ServerVad, SessionConfig, Transcription
from realtime_lab.errors import ConfigError
from realtime_lab.session import run_session
from realtime_lab.widgets.plan.hearing import Detection, Hearing, as_script
from realtime_lab.widgets.plan.hearing_view import HearingPicture, figures, spoken

ONE_TURN = ((0, 30),)
HELD_TURN = ((0, 30), (45, 60))
USUAL = Detection(0.5, 500, 300)
BASE = SessionConfig(turn_detection=ServerVad())


def tones(*spans, silence_ms=500, prefix_ms=300, turn=0):
    script = spoken_script(*["hello there"] * len(spans))
    hearing = Hearing(script, turn, clean(), BASE, tone_stage(script, *spans))
    return hearing, hearing.heard(Detection(0.5, silence_ms, prefix_ms))


def same_as_session(heard, row):
    """The turn's figures as a study's rows have them."""
    names = ("endpoint_delay_ms", "onset_clip_ms", "n_holds", "n_cut_holds", "cut", "n_cuts")
    taking = heard.taking
    mine = (
        heard.endpoint_delay_ms,
        heard.onset_clip_ms,
        taking.n_holds,
        taking.n_cut_holds,
        taking.cut,
        len(heard.cuts_ms),
    )
    return mine == tuple(row[name] for name in names)


def test_a_plain_turn_is_taken_after_the_silence():
    _, heard = tones(ONE_TURN)
    assert heard.endpoint_delay_ms == 512.0  # 500 ms take 16 frames
    assert heard.onset_clip_ms == 0.0
    assert (heard.taking.n_cut_holds, heard.taking.n_holds) == (0, 0)


def test_a_hold_is_cut_when_the_silence_fits_into_it():
    _, heard = tones(HELD_TURN, silence_ms=480)
    assert heard.cuts_ms == (256 + 30 * 32 + 480,)
    assert (heard.taking.n_cut_holds, heard.taking.n_holds) == (1, 1)
    assert heard.endpoint_delay_ms is None
    _, heard = tones(HELD_TURN, silence_ms=481)
    assert heard.cuts_ms == () and heard.endpoint_delay_ms == 512.0


def test_a_turn_whose_silence_never_ends_before_the_deadline_is_missed():
    _, heard = tones(ONE_TURN, silence_ms=5_000)
    assert heard.endpoint_ms is None and heard.endpoint_delay_ms is None
    assert "no endpoint within 5 s" in figures(heard)


@pytest.mark.parametrize("timing", ["closed", "fixed"])
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_every_turn_of_a_script_has_a_sessions_figures(timing, turn):
    """Three turns, closed-loop and as one recording; a silence that cuts, and one that does not."""
    spans = (ONE_TURN, HELD_TURN, ((0, 5), (12, 40), (70, 90)))
    script = dataclasses.replace(spoken_script("a b", "c d", "e f"), timing=timing)
    stage = tone_stage(script, *spans)
    for silence_ms, prefix_ms in product((200, 460, 700), (0, 300)):
        detection = Detection(0.5, silence_ms, prefix_ms)
        heard = Hearing(script, turn, clean(), BASE, stage).heard(detection)
        recording = run_session(detection.applied_to(BASE), script, stage=stage)
        assert same_as_session(heard, session_rows(recording).turns[turn]), detection


@pytest.mark.parametrize("condition", [clean(), babble(3)], ids=lambda condition: condition.name)
def test_real_speech_has_a_sessions_figures(stage, condition):
    """Shipped speech, clean and in babble, over a grid of settings, every turn."""
    script = dataclasses.replace(load_scripts("orders")[0], turns=load_scripts("orders")[0].turns[:2])
    hearings = [Hearing(script, turn, condition, BASE, stage) for turn in range(len(script.turns))]
    for threshold, silence_ms, prefix_ms in product((0.2, 0.5, 0.9), (200, 310, 500, 1000), (0, 300)):
        detection = Detection(threshold, silence_ms, prefix_ms)
        rows = session_rows(run_session(detection.applied_to(BASE), script, condition=condition, stage=stage)).turns
        assert all(same_as_session(hearing.heard(detection), row) for hearing, row in zip(hearings, rows, strict=True))


def test_a_narrow_line_is_heard_as_a_session_hears_it(stage):
    """mu-law at 8 kHz: other probabilities, the session's own."""
    base = SessionConfig(turn_detection=ServerVad(), input_format="audio/pcmu")
    script = dataclasses.replace(load_scripts("orders")[0], turns=load_scripts("orders")[0].turns[1:2])
    heard = Hearing(script, 0, clean(), base, stage).heard(USUAL)
    recording = run_session(USUAL.applied_to(base), script, stage=stage)
    assert same_as_session(heard, session_rows(recording).turns[0])


def test_a_clip_is_a_script_of_one_turn(stage):
    clip = load_scripts("orders")[0].clips[0]
    hearing = Hearing(as_script(clip), 0, clean(), BASE, stage)
    assert hearing.speech_ms[0].start_ms == 256.0
    assert hearing.heard(USUAL).endpoint_delay_ms is not None


def test_what_is_no_speech_is_refused_in_words():
    with pytest.raises(ConfigError, match="a Clip or a Script"):
        as_script("orders")
    with pytest.raises(ConfigError, match="0 to 0"):
        tones(ONE_TURN, turn=1)


def test_detection_starts_from_the_base_and_keeps_its_other_fields():
    base = SessionConfig(model="m", turn_detection=ServerVad(threshold=0.7, create_response=False))
    assert Detection.of(base) == Detection(0.7, 500, 300)
    config = Detection(0.6, 410, 90).applied_to(base)
    assert config.model == "m"
    assert config.turn_detection == ServerVad(
        threshold=0.6, create_response=False, silence_duration_ms=410, prefix_padding_ms=90
    )


@pytest.mark.parametrize("other", [None, SemanticVad(eagerness="low")])
def test_another_kind_of_turn_detection_becomes_server_vad(other):
    base = SessionConfig(turn_detection=other, transcription=Transcription(model="t"))
    assert USUAL.applied_to(base).turn_detection == ServerVad(
        threshold=0.5, silence_duration_ms=500, prefix_padding_ms=300
    )
    assert USUAL.applied_to(base).transcription == Transcription(model="t")


def test_the_picture_marks_each_cut_and_the_endpoint():
    hearing, heard = tones(((0, 30), (50, 60), (90, 100)), silence_ms=200)
    svg = HearingPicture(hearing).svg(heard)
    assert svg.count('class="rl-cut"') == 2
    assert svg.count('class="rl-endpoint"') == 1
    assert "turn taken" in svg and "cut off" in svg


def test_a_clipped_onset_is_shown_and_counted():
    """The first frame of speech is missed by a detector that hears nothing before the second segment."""
    script = spoken_script("late")
    stage = tone_stage(script, ((0, 2), (4, 30)))
    hearing = Hearing(script, 0, clean(), BASE, stage)
    hearing.probabilities[8:10] = 0.0
    heard = hearing.heard(Detection(0.5, 500, 0))
    assert heard.onset_clip_ms == 128.0
    assert 'class="rl-clip"' in HearingPicture(hearing).svg(heard)


def test_the_picture_grows_in_steps_so_that_it_stands_still_while_a_slider_moves():
    hearing, _ = tones(ONE_TURN)
    picture = HearingPicture(hearing)
    for silence_ms in range(200, 3_000, 50):
        picture.svg(hearing.heard(Detection(0.5, silence_ms, 300)))
    assert len(picture._ground) == 5


def test_hostile_words_are_shown_as_words():
    script = dataclasses.replace(spoken_script("<img src=x onerror=alert(1)>"), id="<script>alert(1)</script>")
    hearing = Hearing(script, 0, clean(), BASE, tone_stage(script, ONE_TURN))
    shown = spoken(hearing) + HearingPicture(hearing).svg(hearing.heard(USUAL))
    assert "<script" not in shown and "<img" not in shown
    assert "&lt;img" in shown
