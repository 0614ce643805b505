"""Segments cut from clips, and pauses exact to the sample."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.audio import Clip, Interval, Segment
from realtime_lab.audio.render import FADE_SAMPLES, ClipAudio, joined, segment_speech

HALF = ClipAudio(np.full(24_000, 16_384, np.int16))


def segment(*intervals: tuple[float, float]) -> Segment:
    spoken = tuple(Interval(*part) for part in intervals)
    return Segment(Clip("a", Path("a"), None, None, "", "", "0", spoken, "human"))


def test_speech_is_whole_and_fades_lie_outside_it() -> None:
    speech = segment_speech(HALF, segment((100, 300)))
    assert speech.stretches == ((0, 4_800),)
    assert (speech.samples[FADE_SAMPLES:-FADE_SAMPLES] == 0.5).all() and len(speech.samples) == 4_800 + 2 * FADE_SAMPLES
    assert speech.samples[0] == 0 and speech.samples[-1] == 0
    assert (np.diff(speech.samples[:FADE_SAMPLES]) > 0).all()


def test_a_pause_of_the_clips_own_stays() -> None:
    speech = segment_speech(HALF, segment((100, 200), (350, 400)))
    assert speech.stretches == ((0, 2_400), (6_000, 7_200)) and len(speech.only()) == 3_600


def test_a_clip_that_begins_with_speech_has_no_margin_to_fade() -> None:
    speech = segment_speech(HALF, segment((0, 1_000)))
    assert (speech.samples[:FADE_SAMPLES] == 0).all() and speech.end == 24_000


def test_a_stretch_of_a_long_clip_is_cut_where_the_whole_would_be() -> None:
    ramp = np.arange(24_000).astype(np.int16)
    whole, part = ClipAudio(ramp), ClipAudio(ramp[5_000:20_000], first=5_000)
    spoken = segment((300, 700))
    assert np.array_equal(segment_speech(whole, spoken).samples, segment_speech(part, spoken).samples)


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(10, 200)), min_size=1, max_size=5),
    st.lists(st.integers(1, 9_000), min_size=4, max_size=4),
)
def test_pauses_are_exact_and_speech_keeps_its_length(spans: list[tuple[float, float]], pauses: list[int]) -> None:
    parts = [segment_speech(HALF, segment((start, start + length))) for start, length in spans]
    whole = joined(parts, pauses[: len(parts) - 1])
    gaps = [b[0] - a[1] for a, b in zip(whole.stretches, whole.stretches[1:], strict=False)]
    assert gaps == pauses[: len(parts) - 1]
    assert [b - a for a, b in whole.stretches] == [part.end for part in parts]
    assert len(whole.samples) >= whole.end + FADE_SAMPLES
