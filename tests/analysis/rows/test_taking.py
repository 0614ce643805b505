"""Turn taking: which endpoint closes a turn, which cut it, which holds were cut, what is merged or false."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from realtime_lab.analysis import holds_cut_by_silence, session_rows
from realtime_lab.analysis.rows.frames import turns_df
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.resources import data_path
from tests.analysis.rows.test_handmade import Hand, one_turn, wire

TWO_SEGMENTS = [[(1000.0, 2000.0), (2800.0, 4000.0)]]


def reference_rows(name):
    lines = data_path(f"reference/{name}").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def published_silence_curve():
    rows = [row for row in reference_rows("eot_bench.csv") if row["curve"] == "silence_only"]
    return [(float(row["latency_s"]) * 1000, float(row["cutoff_rate"]), int(row["holds_cut"])) for row in rows]


def published_holds_ms(seed=0):
    """The 705 holds, uniform inside each bin, its upper edge included."""
    rng = np.random.default_rng(seed)
    holds = []
    for row in reference_rows("eot_bench_holds.csv"):
        low, high, n = float(row["over_s"]) * 1000, float(row["up_to_s"]) * 1000, int(row["n"])
        holds += [high - share * (high - low) for share in rng.uniform(0, 1, n)]
    return holds


def first_turn(hand):
    return session_rows(hand.build()).turns[0]


def test_the_published_histogram_gives_all_14_published_points():
    holds = published_holds_ms()
    curve = published_silence_curve()
    assert len(holds) == 705 and len(curve) == 14
    for silence_ms, rate, count in curve:
        share = holds_cut_by_silence(holds, silence_ms)
        assert share == (count, 705)
        assert round(share.rate, 4) == rate


def test_the_whole_arithmetic_from_events_to_summary_gives_all_14_published_points():
    """A server that waits for silence alone hears every published hold; rows and summary find its cut holds."""
    holds = published_holds_ms()
    turns, start = [], 1000.0
    for hold in holds:
        turns.append([(start, start + 400.0), (start + 400.0 + hold, start + 800.0 + hold)])
        start += 800.0 + hold + 4000.0
    for silence_ms, rate, count in published_silence_curve():
        hand = Hand(turns, wire(silence_ms), audio_ms=start + 6000.0)
        for index, ((first, pause), (resume, end)) in enumerate(turns):
            if resume - pause > silence_ms:
                hand.item(f"a{index}", first, pause + silence_ms)
                hand.item(f"b{index}", resume, end + silence_ms)
            else:
                hand.item(f"a{index}", first, end + silence_ms)
        row = summary(turns_df(hand.build()), by=[]).iloc[0]
        assert (row["n_cut_holds"], row["n_holds"]) == (count, 705)
        assert round(float(row["cutoff_rate"]), 4) == rate


def test_a_share_of_no_holds_is_not_a_number():
    assert holds_cut_by_silence([], 200.0).rate is None


def test_a_pause_just_as_long_as_the_silence_is_not_cut_and_the_bias_counts():
    assert holds_cut_by_silence([500.0], 500.0).numerator == 0
    assert holds_cut_by_silence([500.0], 500.0, bias_ms=1.0).numerator == 1


def test_a_turn_heard_as_one_item_has_its_delay_and_no_cut():
    row = first_turn(one_turn())
    assert (row["endpoint_delay_ms"], row["n_holds"], row["n_cut_holds"], row["n_cuts"]) == (560.0, 1, 0, 0)
    assert not row["cut"]


def test_a_hold_that_ends_the_item_is_cut_and_the_last_endpoint_closes_the_turn():
    hand = Hand(TWO_SEGMENTS)
    hand.item("a", 1060.0, 2560.0)
    hand.item("b", 2860.0, 4560.0)
    row = first_turn(hand)
    assert (row["n_holds"], row["n_cut_holds"], row["n_cuts"], row["item_id"]) == (1, 1, 1, "b")
    assert row["cut"] and row["endpoint_delay_ms"] is None


def test_an_endpoint_just_after_the_speaker_resumed_unheard_still_cuts_the_hold():
    """The pause looked longer to the detector than it was: the item ends 20 ms into the next segment."""
    hand = Hand([[(1000.0, 2000.0), (2540.0, 4000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.item("b", 2624.0, 4560.0)
    assert first_turn(hand)["n_cut_holds"] == 1


def test_an_item_that_heard_the_next_segment_did_not_cut_the_hold_even_if_it_ends_inside_it():
    hand = Hand(TWO_SEGMENTS)
    hand.item("a", 1060.0, 3560.0)
    hand.item("b", 3600.0, 4560.0)
    row = first_turn(hand)
    assert (row["n_cut_holds"], row["n_cuts"], row["cut"]) == (0, 1, True)


def test_an_endpoint_inside_the_first_segment_is_a_cut_and_the_hold_is_judged_by_the_item_that_reached_it():
    hand = Hand([[(1000.0, 3000.0), (3400.0, 4000.0)]], wire(200.0))
    hand.item("a", 1060.0, 1900.0)
    hand.item("b", 1950.0, 4260.0)
    row = first_turn(hand)
    assert (row["n_cut_holds"], row["n_cuts"], row["cut"]) == (0, 1, True)


def test_speech_lost_at_the_end_of_a_segment_cuts_the_hold_before_it_began():
    hand = Hand(TWO_SEGMENTS, wire(200.0))
    hand.item("a", 1060.0, 1900.0)
    hand.item("b", 2860.0, 4260.0)
    assert first_turn(hand)["n_cut_holds"] == 1


def test_one_early_endpoint_does_not_cut_the_holds_after_it():
    """The second segment is not heard at all, so its hold was not the server's to cut."""
    hand = Hand([[(1000.0, 2000.0), (2800.0, 3000.0), (3800.0, 5000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.item("b", 3860.0, 5560.0)
    row = first_turn(hand)
    assert (row["n_holds"], row["n_cut_holds"], row["n_cuts"]) == (2, 1, 1)


def test_a_semantic_detector_says_no_silence_and_its_cut_is_told_by_where_the_item_ends():
    hand = Hand(TWO_SEGMENTS, wire(turn_detection={"type": "semantic_vad"}))
    hand.item("a", 1060.0, 2700.0)
    hand.item("b", 2860.0, 4900.0)
    row = first_turn(hand)
    assert (row["n_cut_holds"], row["cut"]) == (1, True)
    whole = Hand(TWO_SEGMENTS, wire(turn_detection={"type": "semantic_vad"}))
    whole.item("a", 1060.0, 4900.0)
    assert (first_turn(whole)["n_cut_holds"], first_turn(whole)["endpoint_delay_ms"]) == (0, 900.0)


def test_a_silence_window_that_the_server_never_stated_is_not_assumed():
    hand = Hand(TWO_SEGMENTS, wire(None))
    hand.item("a", 1060.0, 2260.0)
    hand.item("b", 2860.0, 4260.0)
    assert first_turn(hand)["n_cut_holds"] == 1


def test_an_endpoint_after_the_deadline_closes_nothing():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 7400.0)
    hand.answer("a", 7450.0)
    rows = session_rows(hand.build())
    assert (rows.turns[0]["outcome"], rows.turns[0]["item_id"], rows.turns[0]["cut"]) == ("missed", None, False)
    assert (rows.responses[0]["cause"], rows.responses[0]["turn"]) == ("late", 0)


def test_one_item_over_two_turns_merges_both():
    hand = Hand([[(1000.0, 2000.0)], [(2600.0, 4000.0)]], wire(800.0))
    hand.item("a", 1060.0, 4860.0)
    hand.answer("a", 4900.0)
    first, second = session_rows(hand.build()).turns
    assert (first["merged"], first["outcome"]) == (True, "missed")
    assert (second["merged"], second["outcome"], second["endpoint_delay_ms"]) == (True, "answered", 860.0)


@pytest.mark.parametrize(("onset", "expected"), [(2250.0, 0), (2251.0, 1), (750.0, 0), (749.0, 1)])
def test_an_onset_more_than_250_ms_from_speech_is_a_false_start(onset, expected):
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("noise", onset, None)
    assert first_turn(hand)["false_starts"] == expected


def test_noise_after_the_turn_neither_closes_nor_cuts_it():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    hand.item("noise", 3400.0, 4000.0)
    hand.answer("noise", 4100.0)
    rows = session_rows(hand.build())
    row = rows.turns[0]
    assert (row["item_id"], row["cut"], row["false_starts"], row["n_responses"]) == ("a", False, 1, 1)
    assert [(entry["cause"], entry["turn"]) for entry in rows.responses] == [("closing", 0), ("false_start", None)]


def test_noise_that_runs_on_into_a_turn_is_a_false_start_and_still_takes_the_turn():
    hand = Hand([[(2000.0, 4000.0)]])
    hand.item("a", 1500.0, 4560.0)
    row = first_turn(hand)
    assert (row["false_starts"], row["item_id"], row["endpoint_delay_ms"]) == (1, "a", 560.0)


def test_noise_that_ended_before_the_turn_is_not_of_the_turn_though_its_silence_reaches_in():
    hand = Hand([[(2000.0, 4000.0)]])
    hand.item("noise", 1500.0, 2100.0)
    hand.item("a", 2150.0, 4560.0)
    row = first_turn(hand)
    assert (row["cut"], row["item_id"], row["n_cuts"]) == (False, "a", 0)


def test_holds_that_were_never_played_out_are_not_counted():
    hand = Hand(TWO_SEGMENTS, audio_ms=2500.0, complete=False)
    hand.item("a", 1060.0, None)
    row = first_turn(hand)
    assert (row["n_holds"], row["outcome"]) == (0, "censored")


def test_a_client_that_commits_itself_has_latency_but_no_endpoint_delay():
    hand = Hand([[(1000.0, 2000.0)]], wire(turn_detection=None))
    from realtime_lab.protocol import events as ev

    hand.say(2010.0, ev.InputAudioCommit(), "client")
    hand.say(2010.0, ev.ResponseCreate(), "client")
    hand.commit("a", 2025.0)
    hand.answer("a", 2060.0)
    row = first_turn(hand)
    assert (row["outcome"], row["endpoint_delay_ms"], row["endpoint_latency_ms"]) == ("answered", None, None)
    assert (row["response_latency_ms"], row["awaits_endpoint"]) == (660.0, False)
