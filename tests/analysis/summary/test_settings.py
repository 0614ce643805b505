"""One row per setting: samples, counts, intervals, and what may never move a quantile."""

from __future__ import annotations

import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.analysis.rows.frames import responses_df, trials_df, turns_df
from realtime_lab.analysis.stats.intervals import quantile, wilson_interval
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import default_by, summary
from realtime_lab.errors import RealtimeLabError
from tests.analysis.rows.test_handmade import Hand, one_turn
from tests.analysis.rows.test_session import rich

LATENCIES = ("endpoint_delay_ms", "response_latency_ms", "first_byte_latency_ms")


def turns(latencies, outcome="answered", cut=False, **columns):
    """A turns frame with the columns a summary reads."""
    n = len(latencies)
    data = {
        "silence_duration_ms": [500] * n,
        "condition": ["clean"] * n,
        "outcome": [outcome] * n,
        "cut": pd.array([cut] * n, dtype="boolean"),
        "n_holds": pd.array([2] * n, dtype="Int64"),
        "n_cut_holds": pd.array([1 if cut else 0] * n, dtype="Int64"),
        "false_starts": pd.array([0] * n, dtype="Int64"),
        "n_premature": pd.array([1 if cut else 0] * n, dtype="Int64"),
        **columns,
    }
    data |= {name: pd.array(latencies, dtype="Float64") for name in LATENCIES}
    return pd.DataFrame(data)


def one(*frames, **arguments):
    return summary(pd.concat(frames, ignore_index=True), **arguments).iloc[0]


def test_every_column_of_a_summary_is_declared():
    trials = trials_df(rich().build()).assign(state="complete", usd=0.25)
    made = summary(turns_df(rich().build()), responses_df(rich().build()), trials=trials)
    assert list(made.columns)[2:] == [entry.name for entry in SUMMARY]
    dtypes = {"int": "Int64", "float": "Float64", "str": "string"}
    assert [str(made[entry.name].dtype) for entry in SUMMARY] == [dtypes[entry.dtype] for entry in SUMMARY]
    assert all(entry.doc for entry in SUMMARY)


def test_the_quantiles_are_those_of_stats_over_uncut_answered_turns():
    values = [float(value) for value in range(700, 800)]
    row = one(turns(values), turns([1.0] * 30, cut=True))
    for q, name in ((0.5, "p50"), (0.9, "p90"), (0.95, "p95")):
        expected = quantile(values, q)
        assert row[f"response_latency_ms_{name}"] == expected.value
        assert row[f"response_latency_ms_{name}_low"] == expected.low
        assert row[f"response_latency_ms_{name}_high"] == expected.high
    assert (row["n_response_latency_ms"], row["n_cut"]) == (100, 30)


def test_below_the_floor_the_quantile_is_missing_and_the_note_says_so():
    row = one(turns([700.0] * 20))
    assert row["response_latency_ms_p50"] == 700.0
    assert pd.isna(row["response_latency_ms_p90"]) and pd.isna(row["response_latency_ms_p95_high"])
    assert "response_latency_ms_p90 (20 of 36), response_latency_ms_p95 (20 of 72)" in row["note"]
    assert pd.isna(one(turns([700.0] * 5))["response_latency_ms_p50"])


def test_rates_stand_with_numerator_denominator_and_wilson_interval():
    row = one(turns([700.0] * 8), turns([None] * 2, cut=True), turns([None] * 2, "missed"))
    assert (row["n_cut_holds"], row["n_holds"], row["cutoff_rate"]) == (2, 24, 2 / 24)
    assert (row["cutoff_rate_low"], row["cutoff_rate_high"]) == wilson_interval(2, 24)
    assert (row["n_cut"], row["n_decided"], row["turn_cutoff_rate"]) == (2, 12, 2 / 12)
    assert (row["n_answered"], row["n_missed"], row["answered_rate"]) == (10, 2, 10 / 12)
    assert (row["answered_rate_low"], row["answered_rate_high"]) == wilson_interval(10, 12)


def test_a_rate_over_nothing_is_missing():
    row = one(turns([700.0], n_holds=pd.array([0], dtype="Int64")))
    assert row["n_holds"] == 0 and pd.isna(row["cutoff_rate"]) and pd.isna(row["cutoff_rate_high"])


def test_censored_and_excluded_turns_are_counted_and_in_no_rate():
    row = one(turns([700.0] * 6), turns([None] * 3, "censored"), turns([None] * 4, "excluded"))
    assert (row["n_turns"], row["n_censored"], row["n_excluded"], row["n_decided"]) == (13, 3, 4, 6)
    assert (row["answered_rate"], row["n_response_latency_ms"], row["n_holds"]) == (1.0, 6, 18)


def test_missed_turns_are_later_than_all_others_and_never_dropped():
    row = one(turns([700.0] * 10), turns([None] * 30, "missed"))
    assert (row["n_response_latency_ms"], row["n_response_latency_ms_missed"]) == (40, 30)
    assert row["response_latency_ms_p50"] == math.inf
    assert row["response_latency_ms_p50_low"] == math.inf


def test_a_metric_that_was_not_asked_for_has_an_empty_sample_and_no_timeouts():
    answered = turns([700.0] * 8, awaits_audio=pd.array([False] * 8, dtype="boolean"))
    missed = turns([None] * 4, "missed", awaits_audio=pd.array([False] * 4, dtype="boolean"))
    row = one(answered, missed)
    assert row["n_response_latency_ms"] == 0 and pd.isna(row["response_latency_ms_p50"])
    assert row["n_endpoint_delay_ms_missed"] == 4


durations = st.lists(st.floats(-5_000, 60_000), min_size=6, max_size=40)


@settings(deadline=None, max_examples=60)
@given(durations, st.lists(st.floats(-5_000, 60_000) | st.none(), max_size=40))
def test_adding_cut_turns_never_lowers_a_latency_quantile(uncut, cut):
    """Whatever latencies the cut turns carry: they leave every quantile as it was and stand beside it."""
    before, after = one(turns(uncut)), one(turns(uncut), turns(cut, cut=True))
    quantiles = [name for name in before.index if "_p50" in name or "_p9" in name]
    pd.testing.assert_series_equal(before[quantiles], after[quantiles])
    assert after["n_cut"] == len(cut) and after["n_premature"] == len(cut)
    assert after["turn_cutoff_rate"] == len(cut) / (len(cut) + len(uncut))


@settings(deadline=None, max_examples=60)
@given(durations, st.integers(0, 60))
def test_adding_missed_turns_never_lowers_a_latency_quantile(answered, missed):
    before, after = one(turns(answered)), one(turns(answered), turns([None] * missed, "missed"))
    for end in ("", "_low"):
        assert after[f"response_latency_ms_p50{end}"] >= before[f"response_latency_ms_p50{end}"]


def test_five_percent_timeouts_never_pull_p95_below_the_truth():
    rng = np.random.default_rng(1)
    latency = rng.lognormal(math.log(900), 0.3, 1000)
    latency[:50] = 9000.0
    answered, missed = latency[latency <= 5000], int((latency > 5000).sum())
    row = one(turns(list(answered)), turns([None] * missed, "missed"))
    assert row["response_latency_ms_p95"] >= np.quantile(latency, 0.95) or row["response_latency_ms_p95"] == math.inf


def test_settings_and_conditions_are_never_pooled_unless_asked():
    frame = pd.concat([turns([700.0] * 6), turns([900.0] * 6).assign(silence_duration_ms=700)], ignore_index=True)
    both = summary(frame)
    assert both["silence_duration_ms"].tolist() == [500, 700]
    assert both["response_latency_ms_p50"].tolist() == [700.0, 900.0]
    assert summary(frame, by="condition")["n_turns"].tolist() == [12]
    assert summary(frame, by=[])["n_turns"].tolist() == [12]


def test_a_bad_setting_beside_it_changes_no_other_row():
    good = turns([700.0] * 6)
    bad = turns([None] * 60, "missed").assign(silence_duration_ms=9000)
    alone, beside = summary(good), summary(pd.concat([good, bad], ignore_index=True))
    pd.testing.assert_frame_equal(beside.iloc[:1], alone)


def test_what_is_grouped_by_is_every_column_that_is_declared_nowhere():
    names = [*turns_df(one_turn().build()).columns, "trial", "repeat", "threshold", "max_output_tokens", "effective.x"]
    assert default_by(names) == ["threshold", "max_output_tokens", "condition", "target"]


def test_an_infinite_or_missing_setting_is_a_setting():
    frame = turns([700.0] * 6).assign(max_output_tokens=pd.array([64.0, math.inf, None] * 2, dtype="Float64"))
    made = summary(frame, by="max_output_tokens")
    assert made["max_output_tokens"].tolist()[:2] == [64.0, math.inf]
    assert made["n_turns"].tolist() == [2, 2, 2] and pd.isna(made["max_output_tokens"].iloc[2])


def test_truncation_and_tokens_come_from_all_responses_of_the_group():
    recording = rich().build()
    row = summary(turns_df(recording), responses_df(recording)).iloc[0]
    assert (row["n_truncated"], row["n_responses"], row["truncated_rate"]) == (1, 3, 1 / 3)
    assert (row["output_tokens"], row["input_tokens"], row["cached_tokens"]) == (90, 300, 150)
    assert row["output_tokens_per_turn"] == 30.0


def test_responses_of_other_groups_are_counted_there_or_nowhere():
    recording = one_turn().build()
    frames = turns_df(recording), responses_df(recording)
    both = [pd.concat([frame, frame.assign(condition="babble_3dB")], ignore_index=True) for frame in frames]
    assert summary(both[0], both[1])["n_responses"].tolist() == [1, 1]
    assert summary(frames[0], both[1])["n_responses"].tolist() == [1]


def test_rows_of_two_metrics_versions_are_refused():
    with pytest.raises(RealtimeLabError, match=r"metrics versions \[1, 2\] are never pooled"):
        summary(turns([700.0] * 2, metrics_version=[1, 2]))


def test_an_unknown_column_to_group_by_is_named():
    with pytest.raises(RealtimeLabError, match=r"summary by \['silence'\]: the frame has the columns"):
        summary(turns([700.0]), by="silence")


@pytest.mark.parametrize("by", [None, []])
def test_no_turns_give_an_empty_summary_or_one_row_of_zeros(by):
    made = summary(turns([]), by=by)
    assert len(made) == (1 if by == [] else 0)


def test_a_hundred_thousand_turns_by_three_keys_take_well_under_a_second():
    rng = np.random.default_rng(2)
    n = 100_000
    frame = turns(list(rng.lognormal(6.6, 0.4, n))).assign(
        silence_duration_ms=rng.choice([200, 300, 500, 700], n),
        threshold=rng.choice([0.3, 0.5, 0.7], n),
        condition=rng.choice(["clean", "babble_3dB"], n),
    )
    began = time.perf_counter()
    made = summary(frame)
    assert len(made) == 24 and made["n_turns"].sum() == n
    assert time.perf_counter() - began < 1.0


def test_the_summary_of_real_rows_has_the_turns_of_every_kind():
    hand = Hand([[(1000.0, 2000.0)], [(8000.0, 9000.0)]], audio_ms=98_000.0)
    hand.item("a", 1060.0, 2560.0)
    hand.answer("a", 2600.0)
    row = summary(turns_df(hand.build()), by=[]).iloc[0]
    assert (row["answered_rate"], row["n_answered"], row["n_decided"]) == (0.5, 1, 2)
