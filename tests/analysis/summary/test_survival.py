"""Kaplan-Meier against scipy and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from choice_frames import turns_frame
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.analysis.summary.survival import kaplan_meier, latency_quantiles, survival_quantile
from realtime_lab.errors import RealtimeLabError


def test_curves_and_their_error_agree_with_scipys_on_1000_random_cases():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        n = int(rng.integers(2, 60))
        times = rng.integers(1, 40, n).astype(float)  # with ties
        happened = rng.random(n) < 0.7
        if not happened.any():
            continue
        ours = kaplan_meier(times, happened)
        theirs = scipy.stats.ecdf(scipy.stats.CensoredData(times[happened], right=times[~happened])).sf
        np.testing.assert_allclose(ours.survival, theirs.evaluate(ours.times), atol=1e-9)
        # Greenwood's variance: scipy keeps it beside the curve for its own intervals.
        known = np.isin(theirs.quantiles, ours.times)
        inside = ours.survival > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            died, risk = np.asarray(theirs._d)[known], np.asarray(theirs._n)[known]
            greenwood = np.cumsum(died / (risk * (risk - died)))
        expected = np.sqrt(greenwood[inside]) / np.abs(np.log(ours.survival[inside]))
        np.testing.assert_allclose(ours.log_error[inside], expected, atol=1e-9)


@given(st.lists(st.floats(0, 1e5), min_size=6, max_size=80))
def test_without_censoring_it_is_the_empirical_quantile(values):
    found = survival_quantile(kaplan_meier(values, [True] * len(values)), 0.5)
    assert found.value == float(np.quantile(values, 0.5, method="inverted_cdf"))
    assert found.low <= found.value <= found.high


@given(st.lists(st.floats(1, 4999), min_size=40, max_size=80), st.integers(1, 10))
def test_equally_long_watched_turns_count_as_later_than_all_as_in_the_summary(values, timeouts):
    times = [*values, *[5000.0] * timeouts]
    found = survival_quantile(kaplan_meier(times, [True] * len(values) + [False] * timeouts), 0.5)
    late = [*values, *[math.inf] * timeouts]
    assert found.value == float(np.quantile(late, 0.5, method="inverted_cdf"))
    assert found.n_censored == timeouts


@pytest.mark.parametrize(("q", "n"), [(0.5, 30), (0.5, 100), (0.9, 120), (0.95, 300)])
def test_intervals_cover_93_to_97_percent_under_censoring(q, n, full):
    """Latencies of a lognormal law, watched for 0.8 to 6 s: a fifth of the turns are given up on."""
    rng, sets = np.random.default_rng(n), 3000 if full else 300
    truth = float(np.exp(math.log(900) + 0.5 * scipy.stats.norm.ppf(q)))
    hits = 0
    for _ in range(sets):
        latency, watched = rng.lognormal(math.log(900), 0.5, n), rng.uniform(800, 6000, n)
        found = survival_quantile(kaplan_meier(np.minimum(latency, watched), latency <= watched), q)
        hits += found.low <= truth <= found.high
    print(f"p{100 * q:g} of {n}: {hits / sets:.3f} of {sets}")
    room = 0.0 if full else 0.03
    assert 0.93 - room <= hits / sets <= 0.97 + room


def test_five_percent_timeouts_never_pull_p95_below_the_truth_while_dropping_them_does(full):
    """5 % of turns answer after the deadline of 5 s: p95 lies there. Over 200 seeded samples (500 with --full)."""
    below = dropped = 0
    for seed in range(500 if full else 200):
        rng = np.random.default_rng(seed)
        latency = rng.lognormal(math.log(900), 0.25, 400)
        latency[:20] = rng.uniform(5000, 9000, 20)
        truth = float(np.quantile(latency, 0.95, method="inverted_cdf"))
        curve = kaplan_meier(np.minimum(latency, 5000.0), latency <= 5000.0)
        below += survival_quantile(curve, 0.95).value < truth
        below += quantile(np.where(latency > 5000, math.inf, latency), 0.95).value < float(np.quantile(latency, 0.95))
        dropped += quantile(latency[latency <= 5000], 0.95).value < truth
    assert below == 0 and dropped > 0.9 * (500 if full else 200)


def test_what_lies_beyond_everything_watched_is_infinite_and_never_invented():
    found = survival_quantile(kaplan_meier([1.0, 2.0, *[3.0] * 6], [True, True, *[False] * 6]), 0.5)
    assert (found.value, found.high) == (math.inf, math.inf)
    assert survival_quantile(kaplan_meier([1.0] * 5, [True] * 5), 0.5).note == "n too small: 5 of 6"
    nothing = survival_quantile(kaplan_meier([5.0] * 8, [False] * 8), 0.5)
    assert (nothing.value, nothing.low, nothing.high) == (math.inf, math.inf, math.inf)


@pytest.mark.parametrize("bad", [([math.nan], [True]), ([1.0, 2.0], [True])])
def test_what_is_no_sample_is_refused(bad):
    with pytest.raises(ValueError, match="times hold NaN"):
        kaplan_meier(*bad)
    with pytest.raises(ValueError, match="strictly between"):
        survival_quantile(kaplan_meier([1.0], [True]), 1.0)


def watched_turns():
    turns = turns_frame((500, 700), scripts=20, n_turns=4, cut=lambda *_: 0,
                        missed=lambda silence_ms, rng: rng.random() < 0.1)  # fmt: skip
    missed = (turns["outcome"] == "missed").to_numpy(dtype=bool)
    turns["observed_ms"] = pd.array(np.where(missed, 5000.0, np.nan), dtype="Float64")
    return turns


def test_quantiles_of_turns_per_setting():
    turns = watched_turns()
    table = latency_quantiles(turns)
    assert table["silence_duration_ms"].tolist() == [500, 700] and table["n"].tolist() == [80, 80]
    for row in table.to_dict("records"):
        own = turns[turns["silence_duration_ms"] == row["silence_duration_ms"]]["response_latency_ms"]
        late = own.to_numpy(dtype=float, na_value=math.inf)
        assert row["response_latency_ms_p50"] == float(np.quantile(late, 0.5, method="inverted_cdf"))
        assert row["n_censored"] == int(own.isna().sum())


def test_a_censored_turn_counts_for_as_long_as_it_was_watched_and_a_failed_response_for_good():
    turns = watched_turns()
    turns["outcome_reason"] = turns["outcome_reason"].astype("string")
    early = turns.copy()
    early.loc[early["outcome"] == "missed", ["outcome", "observed_ms"]] = ["censored", 100.0]
    failed = early.copy()
    failed.loc[failed["outcome"] == "censored", "outcome_reason"] = "response failed before any output: x"
    name = "response_latency_ms_p90"
    first, second, third = (latency_quantiles(frame, by=[])[name].iloc[0] for frame in (turns, early, failed))
    assert second < first == third


def test_turns_of_an_older_kind_and_unknown_latencies_are_refused():
    with pytest.raises(RealtimeLabError, match="the turns have no observed_ms"):
        latency_quantiles(turns_frame((500,)))
    with pytest.raises(RealtimeLabError, match="response_latency_ms"):
        latency_quantiles(watched_turns(), "leading_silence_ms")
