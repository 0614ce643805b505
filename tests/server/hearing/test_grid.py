"""The rule over many settings and clips at once gives what it gives one by one, and is quick enough to sweep with."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.server.hearing.endpointing import Endpointer, EndpointRule, Track
from realtime_lab.server.hearing.grid import PaddedTracks, endpoint_grid

SILENCES = np.array([1, 2, 3, 5, 9, 40], dtype=np.int32)
clips = st.lists(
    st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.35, 0.36, 0.5, 0.51, 0.7, 1.0]), max_size=60), min_size=1, max_size=4
)
thresholds = st.lists(st.sampled_from([0.05, 0.3, 0.5, 0.7]), min_size=1, max_size=3, unique=True)
lateness = st.tuples(st.integers(0, 2), st.integers(-1, 2))


def one_by_one(track, silent, n_frames):
    """(first, end) of every stretch, by the rule's own scan; the track is followed by silence."""
    endpointer, position, spans = Endpointer(EndpointRule(0.5, float(silent * 32))), 0, []
    stop = n_frames + 100
    while position < stop:
        before = endpointer.frame
        transition = endpointer.scan(track, position, stop)
        position += endpointer.frame - before
        if transition is None:
            break
        if transition.kind == "started":
            spans.append((transition.edge_frame, None))
        else:
            spans[-1] = (spans[-1][0], transition.edge_frame + 1)
            assert transition.frame == transition.edge_frame + silent
    return spans


@given(clips, thresholds, lateness)
def test_every_cell_is_what_the_rule_gives_alone(probabilities, levels, late):
    arrays = [np.array(clip, dtype=np.float32) for clip in probabilities]
    rules = [EndpointRule(level, 200, 0.15, onset_late_frames=late[0], offset_late_frames=late[1]) for level in levels]
    tracks = [Track.of(clip, rule) for rule in rules for clip in arrays]
    lengths = [len(clip) for _ in rules for clip in arrays]
    expected = [
        one_by_one(track, int(silent), length) for track, length in zip(tracks, lengths, strict=True)
        for silent in SILENCES
    ]  # fmt: skip
    for padded in (PaddedTracks.of(tracks), PaddedTracks.of_probabilities(arrays, rules)):
        grid = endpoint_grid(padded, SILENCES)
        assert list(grid.by_cell()) == expected
        assert grid.counts.tolist() == [len(spans) for spans in expected]
        assert grid.last_end.tolist() == [spans[-1][1] if spans else -1 for spans in expected]


def test_many_tracks_are_worked_off_in_blocks_without_a_seam():
    rng = np.random.default_rng(1)
    clips = [rng.random(50).astype(np.float32) for _ in range(5_000)]
    tracks = PaddedTracks.of_probabilities(clips, [EndpointRule(0.5, 200)])
    whole = list(endpoint_grid(tracks, SILENCES).by_cell())
    for number in (0, 2729, 2730, 2731, 4_999):
        alone = PaddedTracks.of_probabilities([clips[number]], [EndpointRule(0.5, 200)])
        assert list(endpoint_grid(alone, SILENCES).by_cell()) == whole[number * 6 : number * 6 + 6]


def test_no_clips_and_no_silences_give_no_cells():
    assert endpoint_grid(PaddedTracks.of([]), SILENCES).n_cells == 0
    tracks = PaddedTracks.of_probabilities([np.ones(5, dtype=np.float32)], [EndpointRule(0.5, 200)])
    assert endpoint_grid(tracks, SILENCES[:0]).n_cells == 0
