"""The same speech heard more than once counts once: copies change no interval, and coverage holds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from choice_frames import responses_frame, turns_frame

from realtime_lab.analysis.stats.clustered import Copies, Denominator, quantile_of_cells, same_speech
from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import summary

RATES = [entry.name.removesuffix("_low") for entry in SUMMARY if entry.name.endswith("_rate_low")]


def copied(frame, times):
    """The same turns heard again, as under another token limit."""
    return pd.concat([frame.assign(repeat=number) for number in range(times)], ignore_index=True)


@pytest.mark.parametrize("times", [2, 3, 5])
def test_exact_copies_change_no_rates_interval(times):
    frame = turns_frame((300, 700), scripts=10, n_turns=3, seed=1)
    once, often = summary(frame), summary(copied(frame, times))
    assert once["n_spoken"].tolist() == often["n_spoken"].tolist() == [30, 30]
    assert often["n_holds"].tolist() == (times * once["n_holds"]).tolist()
    for name in RATES:
        if name in once and once[name].notna().all():
            for end in ("", "_low", "_high"):
                assert often[name + end].tolist() == pytest.approx(once[name + end].tolist(), abs=1e-12)


@pytest.mark.parametrize("times", [2, 5])
def test_exact_copies_of_responses_change_no_interval_of_what_is_said_of_them(times):
    frame = turns_frame((300, 700), scripts=12, n_turns=3, seed=1)
    said = responses_frame(frame)
    said["usd"] = said["output_tokens"].astype("Float64") * 1e-4
    once, often = summary(frame, said), summary(copied(frame, times), copied(said, times))
    assert often["n_truncated"].tolist() == (times * once["n_truncated"]).tolist()
    for name in ("truncated_rate", "output_tokens_per_turn", "usd_per_turn"):
        assert (once[f"{name}_low"] < once[name]).all() and (once[name] < once[f"{name}_high"]).all()
        for end in ("", "_low", "_high"):
            assert often[name + end].tolist() == pytest.approx(once[name + end].tolist(), rel=1e-9)


def test_the_interval_of_tokens_per_turn_covers_where_scripts_differ(full):
    """Scripts differ threefold in what they are answered with; 12 of them, four turns each."""
    covered, sweeps = 0, 1_000 if full else 40
    frame = turns_frame((500,), scripts=12, n_turns=4)
    script = frame["script"].astype("category").cat.codes.to_numpy()
    said = responses_frame(frame)
    for seed in range(sweeps):
        rng = np.random.default_rng(seed)
        own = 100 * np.exp(rng.normal(0, 0.4, 12))
        said["output_tokens"] = pd.array(rng.poisson(own[script]), dtype="Int64")
        row = summary(frame, said).iloc[0]
        covered += row["output_tokens_per_turn_low"] <= 100 * np.exp(0.08) <= row["output_tokens_per_turn_high"]
    print(f"tokens per turn: {covered} of {sweeps} intervals hold the truth")
    assert (0.92 if full else 0.8) <= covered / sweeps <= (0.97 if full else 1.0)


def test_exact_copies_move_a_quantiles_interval_by_no_more_than_between_neighbours():
    frame = turns_frame((500,), scripts=20, n_turns=4, seed=2, cut=lambda silence_ms, rng: 0)
    once, often = summary(frame).iloc[0], summary(copied(frame, 2)).iloc[0]
    ordered = np.sort(frame["response_latency_ms"].to_numpy(dtype=float))
    gap = np.diff(ordered).max()
    for name in ("response_latency_ms_p50_low", "response_latency_ms_p50_high"):
        assert abs(once[name] - often[name]) <= gap
    naive = quantile(np.repeat(ordered, 2), 0.5)
    assert often["response_latency_ms_p50_high"] - often["response_latency_ms_p50_low"] > naive.high - naive.low


def test_copies_do_not_lift_a_sample_over_its_floor():
    frame = turns_frame((500,), scripts=5, n_turns=4, cut=lambda silence_ms, rng: 0)
    row = summary(copied(frame, 3)).iloc[0]
    assert row["n_response_latency_ms"] == 60 and pd.isna(row["response_latency_ms_p90"])
    assert "response_latency_ms_p90 (20 of 36)" in row["note"]


def test_repeats_that_have_nothing_in_common_count_in_full():
    rng = np.random.default_rng(3)
    frame = copied(turns_frame((500,), scripts=40, n_turns=5, cut=lambda silence_ms, rng: 0), 2)
    frame["n_cut_holds"] = pd.array(rng.integers(0, 2, len(frame)), dtype="Int64")
    speech = same_speech(frame, np.zeros(len(frame), dtype=np.int64), 1, [])
    above, below = (frame[name].to_numpy(dtype=float) for name in ("n_cut_holds", "n_holds"))
    assert 1.0 <= Denominator(below, speech).effects(above)[0] < 1.25


def test_where_all_repeats_agree_they_are_taken_for_copies():
    frame = copied(turns_frame((500,), scripts=10, n_turns=1, cut=lambda silence_ms, rng: 0), 3)
    row, once = summary(frame).iloc[0], summary(frame[frame["repeat"] == 0]).iloc[0]
    assert row["cutoff_rate"] == 0.0
    assert row["cutoff_rate_high"] == pytest.approx(once["cutoff_rate_high"])


def test_without_scripts_every_row_is_speech_of_its_own():
    frame = turns_frame((500,), scripts=10, n_turns=2).drop(columns=["script", "turn"])
    row = summary(frame, by=[]).iloc[0]
    assert row["n_spoken"] == row["n_turns"] == 20


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_the_interval_covers_as_stated_over_repeats_of_the_same_speech(q, full):
    """60 turns, three times each: the speech decides most of the latency. Taken for 180 turns it covers far less."""
    rng = np.random.default_rng(4)
    truth = float(np.quantile(rng.normal(1000, 100, 400_000) + rng.normal(0, 30, 400_000), q))
    cells, sets = np.repeat(np.arange(60), 3), 1500 if full else 300
    hits = naive = 0
    for _ in range(sets):
        values = np.repeat(rng.normal(1000, 100, 60), 3) + rng.normal(0, 30, 180)
        found, alone = quantile_of_cells(values, np.sort(values), Copies(cells), q), quantile(values, q)
        hits += found.low <= truth <= found.high
        naive += alone.low <= truth <= alone.high
    print(f"p{100 * q:g}: {hits / sets:.3f} of {sets}, taken for independent {naive / sets:.3f}")
    room = 0.0 if full else 0.02
    assert 0.93 - room <= hits / sets <= 0.975 + room
    assert naive / sets < 0.85
