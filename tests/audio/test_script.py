"""Scripts as values: what their content hash depends on."""

from dataclasses import replace
from pathlib import Path

import pytest

from realtime_lab.audio import Clip, Interval, Script, Segment, Turn

CLIP = Clip(
    "a.wav", Path("a.wav"), "a", "x", "private", "test", "ab" * 32, (Interval(10, 90), Interval(200, 300)), "human"
)
TURN = Turn((Segment(CLIP), Segment(CLIP, 20, 250)), (400.0,), text="a a", speaker="x")
SCRIPT = Script("one", (TURN,), "set")


def test_absent_edges_are_the_clips_own() -> None:
    assert Segment(CLIP).span_ms == (10, 300) and Segment(CLIP, start_ms=50).span_ms == (50, 300)


def test_a_segment_cuts_the_clips_speech() -> None:
    assert Segment(CLIP, 20, 250).speech_ms == ((20, 90), (200, 250))
    assert Segment(CLIP, 90, 200).speech_ms == ()


def test_clips_are_listed_once() -> None:
    assert SCRIPT.clips == (CLIP,)


def test_a_segment_written_out_has_the_same_hash() -> None:
    written = replace(SCRIPT, turns=(replace(TURN, segments=(Segment(CLIP, 10.0, 300.0), TURN.segments[1])),))
    assert written.content_hash == SCRIPT.content_hash


def test_where_it_lies_and_what_it_is_called_is_not_part_of_the_hash() -> None:
    moved = replace(SCRIPT, id="two", set_name="other", private=True)
    assert moved.content_hash == SCRIPT.content_hash
    assert replace(SCRIPT, turns=(replace(TURN, hold_ms=(400,)),)).content_hash == SCRIPT.content_hash


@pytest.mark.parametrize(
    "changed",
    [
        replace(TURN, hold_ms=(401.0,)),
        replace(TURN, gap_ms=701.0),
        replace(TURN, text="a b"),
        replace(TURN, text=None),
        replace(TURN, speaker="y"),
        replace(TURN, barge_in_ms=300.0),
        replace(TURN, segments=TURN.segments[::-1]),
        replace(TURN, segments=(Segment(CLIP), Segment(CLIP, 20, 251))),
        replace(TURN, segments=(Segment(replace(CLIP, sha256="cd" * 32)), TURN.segments[1])),
    ],
)
def test_whatever_decides_sound_or_reference_changes_the_hash(changed: Turn) -> None:
    assert replace(SCRIPT, turns=(changed,)).content_hash != SCRIPT.content_hash


def test_timing_and_reference_source_change_the_hash() -> None:
    assert replace(SCRIPT, timing="fixed").content_hash != SCRIPT.content_hash
    assert replace(SCRIPT, reference_source="automatic").content_hash != SCRIPT.content_hash
