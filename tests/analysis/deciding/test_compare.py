"""Two settings on the same turns, and the turns to look at first."""

from __future__ import annotations

import pandas as pd
import pytest
from choice_frames import responses_frame, turns_frame

from realtime_lab.analysis.deciding.compare import COMPARED, compare_frames
from realtime_lab.analysis.deciding.worst import worst_turns
from realtime_lab.errors import RealtimeLabError


def sides(turns, *values):
    responses = responses_frame(turns)
    return [
        (turns[turns["silence_duration_ms"] == value], responses[responses["silence_duration_ms"] == value])
        for value in values
    ]


def compared(turns, first=300, second=700, **more):
    one, other = sides(turns, first, second)
    return compare_frames(one, other, (str(first), str(second)), **more)


def test_every_metric_stands_in_one_row_per_condition():
    found = compared(turns_frame((300, 700), conditions=("clean", "babble_3dB")))
    expected = [(condition, name) for condition in ("clean", "babble_3dB") for name in COMPARED]
    assert list(zip(found.frame["condition"], found.frame["metric"], strict=True)) == expected


def test_a_known_difference_lies_in_its_interval():
    found = compared(turns_frame((300, 700), n_turns=4, cut=lambda silence_ms, rng: 0))
    row = found.row("clean", "response_latency_ms_p50")
    assert 350 < row["difference"] < 450
    assert row["difference_low"] < 400 < row["difference_high"]
    assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
    assert (row["n_turns"], row["n_blocks"], row["blocks"]) == (48, 12, "scripts")


def test_latencies_are_over_the_turns_that_neither_cut():
    turns = turns_frame((300, 700), n_turns=2, cut=lambda silence_ms, rng: 0)
    cut = (turns["silence_duration_ms"] == 300) & (turns["script"] < "script 06")
    turns.loc[cut, ["cut", "n_cut_holds", "n_cuts"]] = [True, 1, 1]
    found = compared(turns)
    assert found.row("clean", "response_latency_ms_p50")["n_first"] == 12
    assert found.row("clean", "response_latency_ms_p50")["n_second"] == 12
    assert found.row("clean", "turn_cutoff_rate")["n_first"] == 24


def test_equal_rates_keep_an_interval_that_is_not_empty():
    found = compared(turns_frame((300, 700), cut=lambda silence_ms, rng: 0))
    row = found.row("clean", "cutoff_rate")
    assert row["difference"] == 0.0
    assert row["difference_low"] < -0.03 and row["difference_high"] > 0.03


def test_corrected_for_many_comparisons_intervals_are_wider():
    turns = turns_frame((300, 700))
    alone, many = compared(turns), compared(turns, comparisons=24)
    for name in ("cutoff_rate", "response_latency_ms_p50"):
        one, other = alone.row("clean", name), many.row("clean", name)
        assert other["difference_low"] < one["difference_low"] and one["difference_high"] < other["difference_high"]
    assert many.confidence == pytest.approx(1 - 0.05 / 24)


def test_few_blocks_give_no_interval_of_a_latency_and_say_so():
    found = compared(turns_frame((300, 700), scripts=1, n_turns=5, cut=lambda silence_ms, rng: 0))
    row = found.row("clean", "response_latency_ms_p50")
    assert row["first"] is None and row["note"] == "n too small"


def test_a_median_past_the_deadline_has_no_difference():
    found = compared(turns_frame((300, 700), missed=lambda silence_ms, rng: silence_ms == 700, cut=lambda s, rng: 0))
    row = found.row("clean", "response_latency_ms_p50")
    assert (row["difference"], row["note"]) == (None, "later than every answer")


def test_settings_without_a_common_turn_are_refused():
    one, other = sides(turns_frame((300, 700)), 300, 700)
    moved = (other[0].assign(script="elsewhere"), other[1])
    with pytest.raises(RealtimeLabError, match="no turn in common"):
        compare_frames(one, moved, ("a", "b"))


def test_rows_of_different_definitions_are_never_compared():
    one, other = sides(turns_frame((300, 700)), 300, 700)
    with pytest.raises(RealtimeLabError, match="metrics versions"):
        compare_frames(one, (other[0].assign(metrics_version=99), other[1]), ("a", "b"))


def test_a_comparison_reads_as_a_sentence_and_escapes_its_names():
    turns = turns_frame((300, 700))
    one, other = sides(turns, 300, 700)
    found = compare_frames(one, other, ("<b>old</b>", "new"))
    assert found.sentence.startswith("new, against <b>old</b>. clean: cutoff rate ")
    assert "; median response latency of turns uncut in both " in found.sentence
    assert "truncated" not in found.sentence and "points" in found.sentence and "<b>old" not in found._repr_html_()


def test_the_sentence_tells_of_answers_broken_off_where_that_is_what_differs():
    turns = turns_frame((300, 700))
    responses = responses_frame(turns, truncated=0.0)
    responses["truncated"] = responses["silence_duration_ms"] == 300
    frames = [
        (turns[turns.silence_duration_ms == n], responses[responses.silence_duration_ms == n]) for n in (300, 700)
    ]
    assert "; truncated rate 0 % against 100 % (−100 points" in compare_frames(*frames, ("a", "b")).sentence


def test_what_is_unknown_is_told_with_the_reason():
    one, other = sides(turns_frame((300, 700), scripts=1, n_turns=1, cut=lambda silence_ms, rng: 0), 300, 700)
    found = compare_frames(one, other, ("a", "b"))
    assert found.sentence.endswith("unknown against unknown (n too small).")


def test_the_worst_turns_are_of_every_kind_and_each_spoken_turn_is_there_once():
    missed = lambda silence_ms, rng: rng.random() < 0.2  # noqa: E731
    turns = turns_frame((200, 700), missed=missed, cut=lambda silence_ms, rng: int(rng.random() < 0.4) * 2)
    worst = worst_turns(turns, 9)
    assert len(worst) == 9
    assert not worst.duplicated(["script", "turn", "condition"]).any()
    assert worst["why"].iloc[0] == "cut off in 2 of 2 pauses"
    assert worst["why"].iloc[1] == "missed: no endpoint before the deadline"
    assert worst["why"].iloc[2].startswith("answered after ")
    assert list(worst.columns[:3]) == ["why", "trial", "turn"]


def test_the_worst_turns_of_one_setting():
    worst = worst_turns(turns_frame((200, 700)), 4, {"silence_duration_ms": 700})
    assert set(worst["silence_duration_ms"]) == {700}


def test_without_turns_the_worst_are_none():
    assert worst_turns(turns_frame((200,)).iloc[:0]).empty


def test_a_cut_amid_speech_is_called_that():
    turns = turns_frame((200,), n_turns=1, scripts=1, cut=lambda silence_ms, rng: 0)
    turns["cut"], turns["n_cuts"] = pd.array([True], dtype="boolean"), pd.array([1], dtype="Int64")
    assert worst_turns(turns)["why"].tolist() == ["cut off in the middle of speech"]
