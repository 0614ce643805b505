"""The parts of the wait: exactly the whole in every turn, and in the mean of every setting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_study import made_study

from realtime_lab.analysis import session_rows, turns_df
from realtime_lab.analysis.summary.decomposition import PARTS, decompose, latency_parts
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.decomposition import MAX_BARS, decomposition_info, draw_decomposition
from realtime_lab.plots.style import new_axes
from tests.analysis.rows.test_handmade import Hand, one_turn
from tests.analysis.rows.test_session import rich

ALL_PARTS = (*PARTS, "audible_lag_ms")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("parts"), scripts=2)


def test_each_part_is_what_lies_between_two_events():
    row = session_rows(one_turn().build()).turns[0]
    assert [row[name] for name in ALL_PARTS] == [560.0, 10.0, 0.0, 30.0, 600.0, 0.0]
    assert sum(row[name] for name in ALL_PARTS) == row["response_latency_ms"] == 1200.0


def test_leading_silence_of_the_answer_is_in_the_last_part():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, silent_ms=300.0)
    row = session_rows(hand.build()).turns[0]
    assert row["audible_lag_ms"] == 50.0
    assert sum(row[name] for name in ALL_PARTS) == row["response_latency_ms"] == 1250.0


def test_a_part_is_missing_where_its_event_is_and_never_zero():
    row = session_rows(rich().build()).turns[2]
    assert [row[name] for name in ALL_PARTS] == [None] * 6


def test_the_parts_add_up_in_every_turn_of_a_mocked_study(study):
    """Whole numbers would be equal; clocks are floating point, so to a picosecond."""
    turns = study.turns_df()
    found = decompose(turns)
    whole = turns["response_latency_ms"].to_numpy(dtype=float, na_value=np.nan)
    assert found.rows.sum() >= 10 and (found.rows == ~np.isnan(whole)).all()
    np.testing.assert_allclose(found.values.sum(axis=1), whole[found.rows], rtol=0, atol=1e-9)


def test_means_of_the_parts_are_the_mean_of_the_whole(study):
    table = latency_parts(study.turns_df())
    assert table["silence_duration_ms"].tolist() == [300, 1000]
    parts = table[list(ALL_PARTS)].sum(axis=1)
    np.testing.assert_allclose(parts.to_numpy(dtype=float), table["total_ms"].to_numpy(dtype=float), rtol=1e-12)
    # What differs between the two is the silence, and nothing else by as much.
    change = table[list(ALL_PARTS)].diff().iloc[1]
    assert 650 < change["endpoint_delay_ms"] < 750 and change.drop("endpoint_delay_ms").abs().max() < 200


def test_both_foreign_clocks_stand_beside_and_start_after_the_silence(study):
    turns = study.turns_df()
    medians = turns.groupby("silence_duration_ms")[["from_speech_stopped_ms", "from_response_created_ms"]].median()
    assert medians.diff().iloc[1].abs().max() < 200


def test_text_answers_have_no_audible_part():
    hand = Hand([[(1000.0, 2000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0, text=True, audible_ms=0.0)
    found = decompose(turns_df(hand.build()))
    assert found.total.name == "first_byte_latency_ms" and len(found.parts) == 5
    assert found.values.sum() == 1200.0


def test_turns_given_up_on_are_counted_beside_the_means():
    hand = Hand([[(1000.0, 2000.0)], [(20_000.0, 21_000.0)]])
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    table = latency_parts(turns_df(hand.build()), by=[])
    assert table[["n_turns", "n_missed"]].iloc[0].tolist() == [1, 1]
    assert table["total_ms"].iloc[0] == 1200.0


def test_an_unanswered_turn_says_how_long_it_was_watched():
    hand = Hand([[(1000.0, 2000.0)], [(5000.0, 6000.0)], [(20_000.0, 21_000.0)]], audio_ms=23_000.0)
    hand.item("c", 20_060.0, 21_560.0)
    assert [row["observed_ms"] for row in session_rows(hand.build()).turns] == [3000.0, 5000.0, 2000.0]
    assert session_rows(one_turn().build()).turns[0]["observed_ms"] is None


def test_turns_of_an_older_kind_are_refused_by_name():
    with pytest.raises(RealtimeLabError, match="no endpoint_lag_ms: it is computed anew"):
        decompose(pd.DataFrame({"outcome": [], "cut": [], "endpoint_delay_ms": []}))


def test_the_plot_draws_one_bar_per_setting_as_long_as_its_mean(study):
    info = decomposition_info(study)
    assert [bar.label for bar in info.bars] == ["300", "1000"] and info.key == "silence_duration_ms"
    axes = draw_decomposition(info, new_axes(8, 3))
    ends = [sum(patch.get_width() for patch in axes.patches[number::2]) for number in range(2)]
    assert ends == pytest.approx([bar.total_ms for bar in info.bars])
    assert info.notes[0] == "Means over answered turns that were not cut: medians of parts would not add up."


def test_without_an_answered_turn_the_plot_says_so(study):
    turns = study.turns_df()
    for frame, why in (
        (turns.iloc[:0], "No turns: no session of this study is complete."),
        (turns.assign(outcome="missed"), "No turn can be taken apart: none was answered"),
        (turns.assign(response_latency_ms=pd.NA, cut=True), "No turn can be taken apart: none was answered"),
    ):
        info = decomposition_info(frame)
        assert info.bars == () and info.problem.startswith(why)
        axes = draw_decomposition(info, new_axes(8, 3))
        assert why in " ".join(axes.texts[0].get_text().split())


def test_many_settings_are_thinned_out_and_that_is_said(study):
    turns = study.turns_df()
    many = pd.concat([turns.assign(threshold=number / 40) for number in range(20)], ignore_index=True)
    info = decomposition_info(many)
    assert len(info.bars) == MAX_BARS and f"{MAX_BARS} of 40 are drawn." in info.notes
