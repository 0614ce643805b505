"""Fitting a profile: hidden figures come back or are said not to be told, and what cannot be told says why."""

import pytest
from hidden_servers import HIDDEN, conversation, drawn_server, far_off
from msgspec.structs import replace

import realtime_lab as rl
from realtime_lab.audio import clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import RecordingError
from realtime_lab.server import PROFILES
from realtime_lab.session import mocked, run_session
from realtime_lab.sweep.fitting.hearing import Edge, fit_hearing


@pytest.fixture(scope="module")
def fit(stage):
    return rl.fit_profile(conversation(HIDDEN, stage), on="2026-05-01", stage=stage)


SURE = (
    "threshold",
    "threshold_bias",
    "onset_late_ms",
    "offset_late_ms",
    "prefix_padding_ms",
    "silence_duration_ms",
    "event_ms",
    "create.median",
    "first_byte.median",
    "transcription.median",
    "words_per_s",
    "realtime_factor",
    "text_tokens_per_s",
    "audio_delta_ms",
)


def test_hidden_figures_are_recovered_within_a_tenth_or_said_not_to_be_told(fit):
    """16 sessions with a server that differs from the defaults in everything; most figures are told.

    Not the hysteresis, to a tenth: these ends of speech do not tell .17 from .2.
    """
    print(fit)
    assert far_off(fit, HIDDEN) == []
    assert [name for name in SURE if fit.finding(name).verdict != "told"] == []
    assert fit.finding("hysteresis").value == HIDDEN.hysteresis


def test_every_edge_of_speech_is_explained_when_the_server_has_our_detector(fit):
    assert fit.finding("threshold_bias").note.startswith("100% of ") and "100% of" in fit.finding(
        "threshold_bias"
    ).note.removeprefix("100%")


def test_the_fitted_profile_says_what_was_calibrated_when_and_how_far(fit):
    calibration = fit.profile.calibration
    assert (calibration.on, calibration.sessions) == ("2026-05-01", 16)
    assert "threshold_bias" in calibration.measured and calibration.unknown == ()
    assert fit.profile.note == calibration.statement


def test_a_mocked_session_with_the_fitted_profile_hears_as_the_hidden_server_did(fit, stage):
    """Not one of the settings or scripts that were fitted to: the same offsets, though its answers are other draws."""
    script = rl.load_scripts("orders")[1]
    config = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(threshold=0.4, silence_duration_ms=450))
    offsets = []
    for profile in (HIDDEN, fit.profile):
        recording = run_session(config, script, mocked(profile), condition=rl.babble(3), stage=stage)
        turns = rl.analysis.turns_df(recording)
        offsets.append(turns[["endpoint_delay_ms", "n_cut_holds", "cut", "onset_clip_ms"]])
    assert offsets[0].equals(offsets[1])


def test_what_cannot_be_told_says_so_and_keeps_the_prior(stage):
    """One clean session: no text, no transcription, four turns, every threshold fits."""
    config = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(threshold=0.5, silence_duration_ms=500))
    one = run_session(config, rl.load_scripts("orders")[0], mocked(HIDDEN), condition=clean(), stage=stage)
    fit = rl.fit_profile([one], stage=stage)
    reasons = {finding.name: (finding.verdict, finding.reason) for finding in fit.findings}
    assert reasons["text_tokens.median"] == ("unknown", "no session asked for text answers")
    assert reasons["transcription.median"] == ("unknown", "no session asked for transcription")
    assert reasons["connect.median"] == ("unknown", "1 observations; 6 are needed")
    assert reasons["threshold_bias"] == ("unknown", "11 edges of speech were reported; 12 are needed")
    assert reasons["silence_duration_ms"][0] == "unknown"
    assert fit.profile.text_tokens == PROFILES["documented"].text_tokens
    assert fit.profile.calibration is None


def test_a_default_that_every_session_overrides_cannot_be_told(stage):
    asked = [r for r in conversation(HIDDEN, stage) if "threshold" in _asked(r)]
    fit = rl.fit_profile(asked, stage=stage)
    for name in ("threshold", "prefix_padding_ms", "silence_duration_ms"):
        assert fit.finding(name).said == "cannot be told: every session asked for one"


def test_clean_speech_alone_does_not_tell_the_threshold_and_noise_does(stage, fit):
    clean_only = conversation(HIDDEN, stage, scripts=1, conditions=(clean(),), text=False)
    blind = rl.fit_profile(clean_only, stage=stage).finding("threshold_bias")
    seeing = fit.finding("threshold_bias")
    assert blind.high - blind.low > 2 * (seeing.high - seeing.low)


def test_a_server_that_reports_other_defaults_than_it_uses_is_found_out(stage):
    """It says 500 ms and 300 ms, and acts by 350, which is 11 frames, and 180: measured, and said."""
    lying = [_reporting(r, silence_duration_ms=500, prefix_padding_ms=300) for r in conversation(HIDDEN, stage)]
    fit = rl.fit_profile(lying, stage=stage)
    for name, truth in (("silence_duration_ms", 352), ("prefix_padding_ms", 180)):
        assert fit.finding(name).value == truth
        assert "its offsets say otherwise" in fit.finding(name).note


def _asked(recording):
    return recording.header.requested["audio"]["input"]["turn_detection"]


def _reporting(recording, **values):
    asked = _asked(recording)
    effective = recording.header.effective
    detection = {**effective["audio"]["input"]["turn_detection"], **values, **asked}
    told = {**effective["audio"], "input": {**effective["audio"]["input"], "turn_detection": detection}}
    return replace(recording, header=replace(recording.header, effective={**effective, "audio": told}))


def test_delays_finer_than_the_clocks_are_not_told(stage):
    """The same sessions, their appends 20 ms late one time in five: 80 ms and 25 ms are not told, 900 ms are."""
    late = [_sent_late(recording, 20.0) for recording in conversation(HIDDEN, stage, text=False)]
    fit = rl.fit_profile(late, stage=stage)
    assert fit.finding("create.median").said == "cannot be told to 10 %: the clocks tell apart 20.0 ms"
    assert fit.finding("event_ms").verdict == "rough" and fit.finding("first_byte.median").verdict == "told"


def _sent_late(recording, late_ms):
    runs = []
    for run in recording.appends:
        first, count = int(run.start_ms // run.frame_ms), int(run.samples / 24 // run.frame_ms)
        sent = tuple((first + n + 1) * run.frame_ms + (late_ms if n % 5 == 0 else 0.0) for n in range(count))
        runs.append(replace(run, sent_ms=sent))
    return replace(recording, appends=tuple(runs))


def test_sessions_of_two_targets_or_none_are_refused(stage):
    script = rl.load_scripts("orders")[1]
    both = [run_session(SessionConfig(), script, mocked(name), stage=stage) for name in ("documented", "observed")]
    with pytest.raises(RecordingError, match="different targets"):
        rl.fit_profile(both, stage=stage)
    with pytest.raises(RecordingError, match="no session is complete"):
        rl.fit_profile([])


def test_without_an_onset_or_an_offset_there_is_nothing_to_fit():
    assert fit_hearing([], []) is None
    assert fit_hearing([], [Edge(0, True, 0, 3.0, 0.5, 10)]) is None


@pytest.mark.full
@pytest.mark.parametrize("seed", range(12))
def test_drawn_servers_are_recovered_within_a_tenth_or_said_not_to_be_told(seed, stage):
    """12 servers, every figure drawn, 80 sessions each: 25 told figures or more, at most one of them off.

    An interval that reaches a tenth to either side misses the truth one time in twenty, so single misses are due.
    """
    hidden = drawn_server(seed)
    fit = rl.fit_profile(conversation(hidden, stage, seed=seed, scripts=5, repeats=2), stage=stage)
    told = [finding for finding in fit.findings if finding.verdict == "told"]
    wrong = far_off(fit, hidden)
    print(f"{hidden.name}: {len(told)} of {len(fit.findings)} told, off: {wrong}")
    assert len(wrong) <= 1 and len(told) >= 20
