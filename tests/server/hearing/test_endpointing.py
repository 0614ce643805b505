"""The endpointing rule: its scalar form and its form over stretches give the same transitions."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.rows.asked import what_was_asked
from realtime_lab.server.hearing.endpointing import Endpointer, EndpointRule, Track, Transition

probabilities = st.lists(st.sampled_from([0.0, 0.2, 0.3, 0.34, 0.35, 0.36, 0.5, 0.51, 0.7, 1.0]), max_size=80)
rules = st.builds(
    EndpointRule,
    st.sampled_from([0.05, 0.3, 0.5, 0.7]),
    st.sampled_from([0, 32, 33, 64, 100, 200]),
    onset_late_frames=st.integers(0, 3),
    offset_late_frames=st.integers(-1, 3),
)


def stepped(rule, frames, patience=0):
    endpointer, found = Endpointer(rule), []
    for p in frames:
        transition = endpointer.step(p)
        found += [] if transition is None else [transition]
        wait_longer(endpointer, transition, found, patience)
    return found


def wait_longer(endpointer, transition, found, patience):
    """Take every first stop of a pause back, as an estimate that somebody goes on does."""
    edges = [entry.edge_frame for entry in found if entry.kind == "stopped"]
    if patience and transition is not None and transition.kind == "stopped" and edges.count(edges[-1]) == 1:
        endpointer.wait_longer(transition.frame - transition.edge_frame + patience)


def scanned(rule, frames, cuts, patience=0):
    endpointer, found = Endpointer(rule), []
    edges = sorted({0, len(frames), *(cut % (len(frames) + 1) for cut in cuts)})
    for first, last in pairwise(edges):
        stretch = np.array(frames[first:last], dtype=np.float32)
        position = 0
        while position < last - first:
            before = endpointer.frame
            transition = endpointer.scan(Track.of(stretch, rule, frames[:first]), position, last - first)
            position += endpointer.frame - before
            if transition is not None:
                found.append(transition)
            wait_longer(endpointer, transition, found, patience)
    return found


@given(rules, probabilities, st.lists(st.integers(0, 100), max_size=4), st.integers(0, 6))
def test_scan_equals_step_however_the_audio_is_cut(rule, frames, cuts, patience):
    """Whether stops stand, or each pause is first given some frames more."""
    exact = [float(np.float32(p)) for p in frames]
    assert scanned(rule, exact, cuts, patience) == stepped(rule, exact, patience)


def test_a_pause_that_is_given_longer_ends_speech_later_and_the_next_one_is_not():
    endpointer, found = Endpointer(EndpointRule(0.5, 64)), []
    for p in [1, 0, 0, 0, 0, 1, 0, 0]:
        found.append(endpointer.step(p))
        if found[-1] == Transition("stopped", 2, 0):
            endpointer.wait_longer(5)
    assert [entry for entry in found if entry] == [
        Transition("started", 0, 0),
        Transition("stopped", 2, 0),
        Transition("stopped", 7, 5),
    ]


@given(probabilities, st.integers(0, 4), st.integers(0, 4))
def test_a_server_that_hears_late_starts_and_stops_that_much_later(frames, onset_late, offset_late):
    """Where speech and silence both last longer than the lateness, every edge comes later by exactly that."""
    long = [p for p in [0.0, *frames, 0.0] for _ in range(5)]
    late = EndpointRule(0.5, 32, 0.0, onset_late_frames=onset_late, offset_late_frames=offset_late)
    long += [0.0] * 10
    plain = [(t.kind, t.edge_frame) for t in stepped(EndpointRule(0.5, 32, 0.0), long)]
    shift = {"started": onset_late, "stopped": offset_late}
    assert [(t.kind, t.edge_frame) for t in stepped(late, long)] == [(kind, edge + shift[kind]) for kind, edge in plain]


def test_speech_stops_at_the_first_frame_whose_silent_run_is_long_enough():
    """64 ms of silence is two frames; the hysteresis keeps speech going down to .35."""
    rule = EndpointRule(0.5, 64)
    frames = [0.4, 0.6, 0.4, 0.1, 0.4, 0.1, 0.1, 0.1]
    assert stepped(rule, frames) == [Transition("started", 1, 1), Transition("stopped", 6, 4)]


@given(rules, probabilities)
def test_the_endpoint_is_the_end_of_the_frame_that_decided_it(rule, frames):
    """So it lies whole frames after the last speech frame; a server that ends speech sooner reports it one sooner."""
    sooner = min(0, rule.offset_late_frames)
    for transition in stepped(rule, [*frames, *[0.0] * 12]):
        if transition.kind == "stopped":
            assert rule.end_ms(transition.edge_frame + 1) == 32 * (transition.frame + 1 + sooner)


@pytest.mark.parametrize(
    ("silence_ms", "inside_ms"), [(0, 32), (32, 32), (33, 64), (200, 224), (300, 320), (500, 512), (512, 512)]
)
def test_the_silence_inside_an_endpoint_is_whole_frames(silence_ms, inside_ms):
    """200 and 500 as in recorded sessions of OpenAI, Azure OpenAI and Azure Voice Live."""
    assert EndpointRule(0.5, silence_ms).end_ms(126) == 4032 + inside_ms
    recorded = SimpleNamespace(header=header_of({"type": "server_vad", "silence_duration_ms": silence_ms}), events=())
    assert what_was_asked(recorded).silence_ms == inside_ms


def header_of(detection):
    return SimpleNamespace(effective=None, requested={"audio": {"input": {"turn_detection": detection}}})


def test_who_ends_speech_a_frame_sooner_decides_at_the_same_frame():
    frames = [0.0, 0.6, 0.6, 0.0, 0.0, 0.0]
    plain, sooner = EndpointRule(0.5, 64), EndpointRule(0.5, 64, offset_late_frames=-1)
    assert stepped(sooner, frames) == stepped(plain, frames) == [("started", 1, 1), ("stopped", 4, 2)]
    assert (plain.end_ms(3), sooner.end_ms(3)) == (160, 128)


def test_the_keep_threshold_has_a_floor():
    assert EndpointRule(0.1, 500).keep_threshold == 0.01
