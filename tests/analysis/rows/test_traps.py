"""Traps found in published tools, each as the case that would have caught it."""

from __future__ import annotations

import pandas as pd
import pytest

from realtime_lab import ServerVad, SweepPlan, load_scripts
from realtime_lab.analysis import session_rows
from realtime_lab.analysis.columns import RESPONSES, TURNS, Column
from realtime_lab.analysis.rows.frames import turns_df
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError
from tests.analysis.rows.test_handmade import Hand, one_turn, wire
from tests.analysis.rows.test_session import TRANSCRIBING, rich


def rows_of(hand):
    return session_rows(hand.build())


def test_trap_negative_latency_clamped_to_zero_or_dropped():
    """An endpoint inside the last segment closes the turn before its end: the sign stays, in row and quantile."""
    turns = [[(start, start + 2000.0)] for start in (1000.0 + 9000.0 * index for index in range(6))]
    hand = Hand(turns, wire(200.0), audio_ms=60_000.0)
    for index, [(start, end)] in enumerate(turns):
        hand.item(f"a{index}", start, end - 100.0)
        hand.answer(f"a{index}", end - 90.0, first=50.0)
    row = rows_of(hand).turns[0]
    assert (row["endpoint_delay_ms"], row["response_latency_ms"]) == (-100.0, -40.0)
    assert summary(turns_df(hand.build()), by=[]).iloc[0]["response_latency_ms_p50"] == -40.0


def test_trap_cutting_people_off_does_not_improve_the_latency():
    """A premature response comes 1.4 s before the end of the turn; the turn's latency stays unknown."""
    rows = rows_of(rich())
    assert rows.turns[0]["response_latency_ms"] is None
    assert rows.responses[0]["lead_ms"] == 1400.0


def test_trap_false_positives_over_all_samples_instead_of_negatives():
    """One of one hold was cut in three turns: the rate is 1 of 1, not 1 of all endpoints or turns."""
    row = summary(turns_df(rich().build()), by=[]).iloc[0]
    assert (row["n_cut_holds"], row["n_holds"], row["cutoff_rate"]) == (1, 1, 1.0)


def test_trap_a_result_key_without_the_setting():
    frame = turns_df(rich().build())
    both = pd.concat([frame.assign(threshold=0.3), frame.assign(threshold=0.7)], ignore_index=True)
    assert summary(both)["threshold"].tolist() == [0.3, 0.7]
    assert summary(both)["n_turns"].tolist() == [3, 3]


def test_trap_a_re_run_overwrites_another_setting():
    """Whatever differs between two trials is in their keys, and the same plan made again has the same keys."""
    base = SessionConfig(model="m", turn_detection=ServerVad())
    space = {"silence_duration_ms": [300, 500], "threshold": [0.3, 0.7], "max_output_tokens": [64, "inf"]}
    made = [SweepPlan(base, space, load_scripts("orders")[:2], repeats=2, seed=7) for _ in range(2)]
    keys = [trial.key for trial in made[0].trials]
    assert len(keys) == len(set(keys)) == 8 * 2 * 2
    assert keys == [trial.key for trial in made[1].trials]


@pytest.mark.parametrize("limit", [0, -1, 5000, "infinite", "64", 63.5, True])
def test_trap_invalid_max_tokens_silently_turned_into_inf(limit):
    """It is refused by name; only inf and 1 to 4096 are limits."""
    with pytest.raises(ConfigError, match="max_output_tokens"):
        SessionConfig(model="m", max_output_tokens=limit)


@pytest.mark.parametrize(("effective_ms", "cut_holds"), [(200.0, 1), (900.0, 0)])
def test_trap_an_undocumented_silence_default(effective_ms, cut_holds):
    """Nothing was asked for; what the server reports decides whether the item heard the second segment."""
    hand = Hand([[(1000.0, 2000.0), (2300.0, 3000.0)]], wire(None), header={"effective": wire(effective_ms)})
    hand.item("a", 1060.0, 2400.0 if cut_holds else 3900.0)
    hand.item("b", 2410.0, 3260.0) if cut_holds else None
    assert rows_of(hand).turns[0]["n_cut_holds"] == cut_holds


def test_trap_a_stale_anchor():
    """A missed turn's anchor is not kept for the next answer, 200 s later."""
    hand = Hand([[(1000.0, 2000.0)], [(200_000.0, 201_000.0)]], audio_ms=210_000.0)
    hand.item("b", 200_060.0, 201_560.0)
    hand.answer("b", 201_600.0)
    turns = rows_of(hand).turns
    assert [row["response_latency_ms"] for row in turns] == [None, 1200.0]


def test_trap_first_byte_counted_from_speech_stopped():
    """300 ms more of silence makes the caller wait 300 ms more; the clock from speech_stopped cannot see it."""
    found = []
    for silence_ms in (200.0, 500.0):
        hand = Hand([[(1000.0, 2000.0)]], wire(silence_ms))
        hand.item("a", 1060.0, 2060.0 + silence_ms)
        hand.answer("a", 2100.0 + silence_ms)
        found.append(rows_of(hand).turns[0])
    assert found[1]["response_latency_ms"] - found[0]["response_latency_ms"] == 300.0
    assert found[1]["first_byte_latency_ms"] - found[0]["first_byte_latency_ms"] == 300.0
    assert found[1]["from_speech_stopped_ms"] == found[0]["from_speech_stopped_ms"]
    assert found[1]["from_response_created_ms"] == found[0]["from_response_created_ms"]


def test_trap_200_ms_ticks():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, first=601.37)
    assert rows_of(hand).turns[0]["response_latency_ms"] == pytest.approx(1201.37, abs=1e-9)


def test_trap_a_score_relative_to_the_worst_competitor():
    """No column of a row depends on another setting's rows."""
    frame = turns_df(rich().build()).assign(threshold=0.3)
    worse = frame.assign(threshold=0.7, outcome="missed")
    pd.testing.assert_frame_equal(summary(pd.concat([frame, worse], ignore_index=True)).iloc[:1], summary(frame))


def test_trap_leading_model_silence_counted_as_speech():
    """300 ms of silence come before the voice: they are not what the caller waited for, and are shown apart."""
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, silent_ms=300.0)
    row = rows_of(hand).turns[0]
    assert (row["first_byte_latency_ms"], row["response_latency_ms"], row["leading_silence_ms"]) == (
        1200.0,
        1250.0,
        300.0,
    )


def test_trap_a_response_that_is_silent_throughout_was_never_heard():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, silent_ms=300.0, audible_ms=0.0)
    row = rows_of(hand).turns[0]
    assert (row["response_latency_ms"], row["leading_silence_ms"], row["first_byte_latency_ms"]) == (None, None, 1200.0)


def test_trap_insertions_counted_as_word_errors_of_an_empty_reference():
    """Words on silence are kept as insertions, are no error rate, and move no pooled rate."""
    frames = []
    for said, heard in (("", "thank you"), ("press two", "press two")):
        hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **TRANSCRIBING), texts=[said])
        hand.item("a", 1060.0, 2560.0)
        hand.transcript("a", 3100.0, heard)
        frames.append(turns_df(hand.build()))
    silent, spoken = (frame.iloc[0] for frame in frames)
    assert pd.isna(silent["wer"]) and silent["n_insertions"] == 2 and spoken["wer"] == 0.0
    pooled = summary(pd.concat(frames, ignore_index=True), by=[]).iloc[0]
    assert (pooled["wer"], pooled["n_word_errors"], pooled["n_ref_words"]) == (0.0, 0, 2)


def test_trap_minus_one_or_zero_for_what_did_not_happen():
    """A missed turn, and one answered in text: whatever did not happen is null."""
    turns = rows_of(rich()).turns
    missed = turns[2]
    for name in ("endpoint_delay_ms", "response_latency_ms", "leading_silence_ms", "output_tokens", "truncated"):
        assert missed[name] is None
    assert turns[1]["leading_silence_ms"] is None
    frame = turns_df(rich().build())
    assert frame["response_latency_ms"].isna().tolist() == [True, True, True]


def test_both_foreign_clocks_are_labelled_as_blind_to_the_silence_window():
    entries = [entry for entry in (*TURNS, *RESPONSES) if entry.name.startswith("from_")]
    assert len(entries) == 4 and all("blind to the silence window" in entry.doc for entry in entries)


def test_every_column_is_documented_once():
    for table in (TURNS, RESPONSES):
        assert all(isinstance(entry, Column) and entry.doc for entry in table)
        assert len({entry.name for entry in table}) == len(table)


def test_a_turn_answered_in_one_breath_is_the_plain_case_beside_all_traps():
    assert rows_of(one_turn()).turns[0]["outcome"] == "answered"
