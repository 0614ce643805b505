"""The main job in small: a mocked sweep over shipped speech moves as the real service would, and only then."""

import pytest

import realtime_lab as rl
from realtime_lab.protocol import check_order

SILENCE_MS = [200, 300, 400, 500, 700, 1000]


def plan(space, *conditions, scripts=None):
    base = rl.SessionConfig(
        model="gpt-realtime-2.1",
        turn_detection=rl.ServerVad(),
        transcription=rl.Transcription(model="gpt-4o-transcribe"),
    )
    return rl.SweepPlan(base, space, scripts or rl.load_scripts("orders"), conditions=conditions)


@pytest.fixture(scope="module")
def clean_study(tmp_path_factory):
    space = {"silence_duration_ms": SILENCE_MS, "max_output_tokens": [64, "inf"]}
    store = tmp_path_factory.mktemp("clean") / "study.sqlite"
    with rl.run_sweep(plan(space, rl.clean()), store=store, progress=False) as study:
        yield study


@pytest.fixture(scope="module")
def noisy_study(tmp_path_factory):
    space = {"silence_duration_ms": [200, 500, 700], "threshold": [0.3, 0.7]}
    store = tmp_path_factory.mktemp("noisy") / "study.sqlite"
    with rl.run_sweep(plan(space, rl.babble(3)), store=store, progress=False) as study:
        yield study


def test_every_session_keeps_the_documented_order(clean_study, noisy_study):
    for study in (clean_study, noisy_study):
        for trial in study.trials_df()["trial"]:
            assert check_order(study.recording(trial).server_events()) == []


@pytest.mark.parametrize("silence_ms", SILENCE_MS)
def test_on_clean_audio_the_delay_is_the_silence_and_up_to_100_ms(clean_study, silence_ms):
    summary = clean_study.summary()
    rows = summary[summary["silence_duration_ms"] == silence_ms]
    assert len(rows) == 2
    assert rows["endpoint_delay_ms_p50"].between(silence_ms, silence_ms + 100).all()


def test_a_token_limit_of_64_truncates_most_of_the_responses_and_none_none(clean_study):
    """Spoken answers of recorded public sessions took 99 tokens or more in 5 of 5."""
    summary = clean_study.summary(by=["max_output_tokens"]).set_index("max_output_tokens")
    finished = clean_study.responses_df()
    finished = finished[finished["status"] != "cancelled"]
    limited = finished[finished["max_output_tokens"] == 64]
    assert 0.5 <= limited["truncated"].mean() <= 0.95
    assert summary.loc[float("inf"), "n_truncated"] == 0


def test_in_babble_a_higher_threshold_answers_sooner_and_cuts_more(noisy_study):
    """From .3 to .7 at 3 dB: the median delay falls by 150 ms or more, the cutoff rate rises by 10 points or more."""
    summary = noisy_study.summary(by=["threshold"]).set_index("threshold")
    turns = noisy_study.turns_df()
    delay = turns.groupby("threshold")["endpoint_delay_ms"].median()
    assert delay[0.3] - delay[0.7] >= 150
    assert summary.loc[0.7, "cutoff_rate"] - summary.loc[0.3, "cutoff_rate"] >= 0.10


def test_the_same_plan_and_seed_give_equal_frames_byte_for_byte(tmp_path):
    small = plan({"silence_duration_ms": [300, 700]}, rl.clean(), scripts=rl.load_scripts("orders")[:2])
    frames = []
    for run, workers in enumerate((0, 2)):
        with rl.run_sweep(small, store=tmp_path / f"{run}.sqlite", workers=workers, progress=False) as study:
            frames.append([getattr(study, name)().to_csv() for name in FRAMES])
    assert frames[0] == frames[1]


FRAMES = ["trials_df", "turns_df", "responses_df", "tokens_df", "summary"]


@pytest.mark.parametrize("field", ["instructions", "voice"])
def test_a_mocked_sweep_over_an_ignored_field_is_refused_with_the_reason(tmp_path, field):
    with pytest.raises(rl.errors.UnmodelledError, match=field):
        rl.run_sweep(plan({field: ["ash", "sage"]}, rl.clean()), store=tmp_path / "s.sqlite", progress=False)
