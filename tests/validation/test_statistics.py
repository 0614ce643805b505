"""Simulated sweeps whose truth is known: equal settings crown nobody, drift misleads nobody, timeouts hide nothing.

Run with --full for the stated 500 sweeps each; the printed line is the figure.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from choice_frames import turns_frame

from realtime_lab.analysis.deciding.choose import choose
from realtime_lab.analysis.deciding.compare import compare_frames
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.survival import latency_quantiles

SETTINGS = tuple(range(400, 436))
"""36 settings that are all the same, whatever they are called."""


@pytest.fixture
def sweeps(full):
    """How many sweeps are simulated."""
    return 500 if full else 25


def allowed(sweeps):
    """6 % of 500; of few, what 6 % makes once in a thousand."""
    return 0.06 * sweeps if sweeps >= 500 else 0.06 * sweeps + 3.1 * math.sqrt(0.06 * 0.94 * sweeps)


@lru_cache(maxsize=1)
def same_turns():
    """One turn of each of 20 scripts under 36 settings; what happens in them is drawn anew for each sweep."""
    return turns_frame(SETTINGS, scripts=20, n_turns=1, cut=lambda *_: 0)


def equal(seed):
    """A sweep over equal settings: scripts differ in how slow they are, settings do not."""
    rng, turns = np.random.default_rng(seed), same_turns().copy()
    own = rng.normal(0, 150, 20)[turns["script"].astype("category").cat.codes.to_numpy()]
    cut = rng.random(len(turns)) < 0.05
    latency = np.where(cut, np.nan, rng.lognormal(math.log(1000), 0.2, len(turns)) + own)
    turns["response_latency_ms"] = pd.array(latency, dtype="Float64")
    turns["cut"] = pd.array(cut, dtype="boolean")
    turns["n_cut_holds"] = pd.array(cut.astype(int), dtype="Int64")
    return turns


def naive_winner(turns):
    """What is common: some setting's interval lies above the lowest median, as if that one had not been picked."""
    table = summary(turns).sort_values("response_latency_ms_p50")
    lowest, others = table.iloc[0], table.iloc[1:]
    return bool((lowest["response_latency_ms_p50"] < others["response_latency_ms_p50_low"]).any())


@pytest.mark.parametrize("where", [None, "cutoff_rate <= 0.05"])
def test_36_equal_settings_crown_a_false_winner_in_at_most_6_percent(sweeps, where):
    won = naive = 0
    for seed in range(sweeps):
        turns = equal(seed)
        won += choose(turns, where=where, seed=seed).decided
        naive += seed < 25 and naive_winner(turns)
    print(f"36 equal settings, {where}: {won} false winners in {sweeps} sweeps; uncorrected {naive} in 25")
    assert won <= allowed(sweeps)
    assert naive > 8


def drifting(seed, paired, settings=(500, 501), scripts=24, turns_each=3):
    """Latencies rise by 25 % during the sweep; settings are equal. Paired: each block holds every setting once."""
    rng = np.random.default_rng(seed)
    turns = turns_frame(settings, scripts=scripts, n_turns=turns_each, seed=seed, cut=lambda *_: 0,
                        latency=lambda silence_ms, rng: rng.lognormal(math.log(1000), 0.15))  # fmt: skip
    block = turns["script"].astype("category").cat.codes.to_numpy()
    setting = turns["silence_duration_ms"].astype("category").cat.codes.to_numpy()
    if paired:
        order = np.argsort(rng.random((scripts, len(settings))), axis=1)
        place = block * len(settings) + order[block, setting]
    else:
        place = setting * scripts + block
    turns["response_latency_ms"] *= 1.0 + 0.25 * place / (scripts * len(settings) - 1)
    return turns


def claims_a_difference(turns):
    sides = [(turns[turns["silence_duration_ms"] == value], None) for value in (500, 501)]
    row = compare_frames(*sides, ("a", "b"), metrics=("response_latency_ms_p50",)).rows()[0]
    return not row["ratio_low"] <= 1.0 <= row["ratio_high"]


def test_25_percent_drift_misleads_paired_blocks_in_at_most_6_percent_and_one_after_the_other_often(sweeps):
    wrong = sum(claims_a_difference(drifting(seed, paired=True)) for seed in range(sweeps))
    one_after_the_other = sum(claims_a_difference(drifting(seed, paired=False)) for seed in range(sweeps))
    print(f"+25 % drift: {wrong} wrong in {sweeps}; one setting after the other: {one_after_the_other}")
    assert wrong <= allowed(sweeps)
    assert one_after_the_other > 0.4 * sweeps


def test_drift_over_a_grid_of_equal_settings_crowns_nobody(sweeps):
    count = sweeps // 5
    wrong = sum(
        choose(drifting(seed, True, settings=tuple(range(400, 412))), where=None).decided for seed in range(count)
    )
    print(f"+25 % drift over 12 settings: {wrong} false winners in {count}")
    assert wrong <= allowed(count)


def timed_out(seed, share=0.05):
    """Latencies with a share beyond the deadline of 5 s; the truth is known, the study sees only what came in time."""
    rng = np.random.default_rng(seed)
    turns = turns_frame((500,), scripts=50, n_turns=6, seed=seed, cut=lambda *_: 0)
    latency = rng.lognormal(math.log(900), 0.3, len(turns))
    late = rng.permutation(len(turns))[: round(share * len(turns))]
    latency[late] = rng.uniform(5000, 12_000, len(late))
    turns["outcome"] = pd.array(np.where(latency > 5000, "missed", "answered"), dtype="string")
    turns["response_latency_ms"] = pd.array(np.where(latency > 5000, np.nan, latency), dtype="Float64")
    turns["observed_ms"] = pd.array(np.where(latency > 5000, 5000.0, np.nan), dtype="Float64")
    return turns, latency


@pytest.mark.parametrize("share", [0.05, 0.08])
def test_timeouts_never_pull_p95_below_the_truth(sweeps, share):
    """Neither the summary nor Kaplan-Meier; dropping them does nearly always."""
    name = "response_latency_ms_p95"
    below, dropped = 0, 0
    for seed in range(sweeps):
        turns, latency = timed_out(seed, share)
        below += summary(turns)[name].iloc[0] < min(float(np.quantile(latency, 0.95)), 5000.0) - 1e-9
        truth = float(np.quantile(latency, 0.95, method="inverted_cdf"))
        below += latency_quantiles(turns)[name].iloc[0] < min(truth, 5000.0)
        dropped += summary(turns[turns["outcome"] == "answered"])[name].iloc[0] < min(truth, 5000.0)
    print(f"{share:.0%} timeouts: p95 below the truth {below} times in {sweeps}; when dropped {dropped}")
    assert below == 0
    assert dropped > 0.5 * sweeps
