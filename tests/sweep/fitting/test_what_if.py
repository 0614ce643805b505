"""Counterfactual replay: the grid form of the rule is the rule, predictions hold, and their limits are marked."""

import math

import numpy as np
import pytest
from hidden_servers import HIDDEN
from hypothesis import example, given
from hypothesis import strategies as st
from live_servers import serving
from sessions import spoken_script, tone_stage

import realtime_lab as rl
from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.server.hearing.endpointing import Endpointer, EndpointRule
from realtime_lab.session import mocked, run_session
from realtime_lab.session.targets import live
from realtime_lab.sweep.fitting.what_if import Span, spans_per_rule
from realtime_lab.sweep.fitting.what_if_held import prediction_errors

BASE = SessionConfig(turn_detection=ServerVad(threshold=0.5, silence_duration_ms=500, prefix_padding_ms=300))
SPACE = {"silence_duration_ms": [200, 350, 700, 1000], "threshold": [0.3, 0.5, 0.7]}


def stepped(rule, frames):
    """What the scalar form finds, as predictions are told it."""
    endpointer, found, start = Endpointer(rule), [], None
    for p in frames:
        transition = endpointer.step(p)
        if transition is not None and transition.kind == "started":
            start = transition.edge_frame
        elif transition is not None:
            found.append(Span(start, transition.edge_frame + 1, True))
            start = None
    return found if start is None else [*found, Span(start, endpointer._last_speech + 1, False)]


@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.35, 0.36, 0.5, 0.7, 1.0]), max_size=80),
    st.lists(st.sampled_from([0, 32, 33, 64, 100, 200, 500]), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 3),
)
@example([0.5, 0.0], [0], 3, 3)  # over before a late server has heard anything
def test_the_form_over_many_silences_equals_the_rule(frames, silences, onset_late, offset_late):
    rules = [EndpointRule(0.5, s, onset_late_frames=onset_late, offset_late_frames=offset_late) for s in silences]
    assert list(spans_per_rule(np.array(frames), rules)) == [stepped(rule, frames) for rule in rules]


@pytest.mark.parametrize("condition", [clean(), babble(3)], ids=lambda condition: condition.name)
def test_predictions_equal_sessions_really_held(condition, stage):
    """From sessions at .5 and 500 ms, 12 others: every predictable turn has the cuts and the delay it really had."""
    errors = prediction_errors(BASE, SPACE, load_scripts("orders")[1:3], [condition], stage=stage)
    print(*errors, sep="\n")
    assert len(errors) == 12
    assert sum(error.cut_holds for error in errors) >= 15 and sum(error.delays for error in errors) > 30
    for error in errors:
        assert error.turns + error.not_predictable == 8
        assert error.same_cuts == error.turns and error.predicted_cut_holds == error.cut_holds
        assert error.largest_ms == 0.0 or math.isnan(error.largest_ms)


def test_another_servers_settings_are_predicted_with_its_profile_and_not_without(stage):
    """A server that hears 64 ms late at a biased threshold: exact with its profile, wrong with the documented one."""
    where = (BASE, {"silence_duration_ms": [350, 700]}, load_scripts("orders")[1:3], [babble(3)])
    right = prediction_errors(*where, target=mocked(HIDDEN), stage=stage)
    wrong = prediction_errors(*where, target=mocked(HIDDEN), profile=mocked().profile, stage=stage)
    assert [error.largest_ms for error in right] == [0.0, 0.0]
    assert all(error.median_ms >= 32 for error in wrong)


def test_a_turn_that_the_recorded_caller_did_not_wait_for_is_not_predictable(stage):
    """Recorded at 200 ms without answers, so that the next turn comes soon: nobody knows what 3 s would have done."""
    config = SessionConfig(
        turn_detection=ServerVad(silence_duration_ms=200, create_response=False, prefix_padding_ms=0)
    )
    recording = run_session(config, load_scripts("orders")[1], condition=clean(), stage=stage)
    turns = rl.counterfactual(recording, {"silence_duration_ms": [200, 3000]}, stage=stage).turns_df()
    near, far = (turns[turns["silence_duration_ms"] == silence] for silence in (200, 3000))
    assert near["predictable"].all() and not far["predictable"].any()
    assert "goes on before" in far["reason"].iloc[0] and "was still open" in far["reason"].iloc[1]
    summary = rl.counterfactual(recording, {"silence_duration_ms": [200, 3000]}, stage=stage).summary()
    assert summary["n_not_predictable"].tolist() == [0, 4] and summary["n_turns"].tolist() == [4, 0]


def test_padding_moves_what_is_committed_and_nothing_else(stage):
    recording = run_session(BASE, load_scripts("orders")[1], condition=clean(), stage=stage)
    turns = rl.counterfactual(recording, {"prefix_padding_ms": [0, 300]}, stage=stage).turns_df()
    none, much = (turns[turns["prefix_padding_ms"] == padding].reset_index() for padding in (0, 300))
    assert (none["commit_start_ms"] - much["commit_start_ms"]).iloc[1:].tolist() == [300.0] * 3
    assert none["commit_end_ms"].equals(much["commit_end_ms"]) and none["cut"].equals(much["cut"])
    assert (none["onset_clip_ms"] > much["onset_clip_ms"]).any()


def test_sessions_whose_audio_is_not_known_are_left_out_with_the_reason():
    script = spoken_script("one")
    stage = tone_stage(script, ((0, 10),))
    recording = run_session(BASE, script, stage=stage)
    found = rl.counterfactual(recording, {"silence_duration_ms": [200]}, stage=stage)
    assert found.turns == () and "its script is not known" in found.left_out[0]


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ({"voice": ["marin"]}, "voice"),
        ({"threshold": [1.5]}, "threshold"),
        ({"silence_duration_ms": ["long"]}, "silence_duration_ms"),
        ({"nonsense": [1]}, "nonsense"),
    ],
)
def test_a_space_of_other_fields_or_values_is_refused(space, complaint, stage):
    recording = run_session(BASE, load_scripts("orders")[1], condition=clean(), stage=stage)
    with pytest.raises(ConfigError, match=complaint):
        rl.counterfactual(recording, space, stage=stage)


@pytest.mark.full
def test_predictions_hold_over_a_socket(stage):
    """Sessions over 127.0.0.1 with a server that hears late, predicted with its profile: equal cuts and delays."""
    with serving(profile=HIDDEN) as server:
        errors = prediction_errors(
            BASE,
            {"silence_duration_ms": [250, 800]},
            load_scripts("orders")[1:2],
            [babble(3)],
            target=live(server.url, api_key_env=None),
            profile=HIDDEN,
            stage=stage,
        )
    print(*errors, sep="\n")
    assert [(error.same_cuts, error.largest_ms) for error in errors] == [(error.turns, 0.0) for error in errors]
    assert [error.turns for error in errors] == [4, 4]
