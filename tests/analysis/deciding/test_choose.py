"""Choosing a setting: the same samples as the summary, honest outcomes, no false winners."""

from __future__ import annotations

import math
import time

import numpy as np
import pandas as pd
import pytest
import scipy
from choice_frames import responses_frame, turns_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_lab.analysis.deciding.choose import choose
from realtime_lab.analysis.stats.inference import confidence_set, difference, newcombe, ratio, without_gaps
from realtime_lab.analysis.summary.sample import (
    Blocks,
    Measured,
    block_draws,
    find_blocks,
    measurable,
    measure,
    replicates,
)
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.source import setting_groups
from realtime_lab.analysis.summary.wording import amount, compact_interval, interval, label_of, setting_words
from realtime_lab.errors import ConfigError, RealtimeLabError

NONE = np.zeros(0, dtype=np.int64)


def clear_cut(silence_ms, rng):
    """200 ms cuts half of the holds, 500 ms one in 60, 900 ms none."""
    return int(rng.random() < {200: 0.9, 500: 0.03, 900: 0.0}[silence_ms])


def taken_apart(name, turns, responses):
    groups, blocks = setting_groups(turns, responses), find_blocks(turns, responses)
    return measure(name, turns, responses, groups.of_turns, groups.of_responses, blocks, len(groups.settings)), blocks


@given(seed=st.integers(0, 10_000), n_turns=st.integers(1, 9))
@settings(max_examples=10)
def test_every_column_taken_apart_is_the_summarys_own(seed, n_turns):
    turns = turns_frame((300, 700), n_turns=n_turns, seed=seed, missed=lambda silence_ms, rng: rng.random() < 0.1)
    odd = np.random.default_rng(seed).random(len(turns))
    turns["outcome"] = turns["outcome"].mask(odd < 0.1, "censored").mask(odd > 0.9, "excluded")
    turns["mean_logprob"] = pd.array(-odd, dtype="Float64").astype("Float64")
    turns.loc[odd > 0.8, "mean_logprob"] = pd.NA
    turns["n_tokens"] = pd.array((9 * odd).astype(int), dtype="Int64")
    responses = responses_frame(turns)
    responses["usd"] = pd.array(np.where(responses["silence_duration_ms"] == 300, np.nan, 0.01), dtype="Float64")
    table = summary(turns, responses, by=["silence_duration_ms"])
    assert {"mean_logprob", "usd_per_turn"} <= set(measurable(turns.columns))
    for name in measurable(turns.columns):
        found, _ = taken_apart(name, turns, responses)
        expected = table[name].to_numpy(dtype=float, na_value=np.nan)
        np.testing.assert_allclose(found.estimates(), expected, rtol=1e-12, err_msg=name)


def test_drawing_every_block_once_gives_the_estimate_back():
    turns = turns_frame((300, 700), n_turns=9, seed=3, cut=lambda silence_ms, rng: int(rng.random() < 0.1))
    responses = responses_frame(turns)
    for name in measurable(turns.columns):
        found, blocks = taken_apart(name, turns, responses)
        once = np.ones((1, blocks.total), dtype=np.int64)
        np.testing.assert_allclose(replicates(found, once)[0], found.estimates(), rtol=1e-12, err_msg=name)


@given(st.lists(st.integers(0, 4), min_size=6, max_size=6).filter(any))
def test_a_block_drawn_twice_counts_twice(drawn):
    values = np.array([5.0, 1.0, 9.0, 3.0, 7.0, 2.0])
    found = Measured("x", 0.5, np.zeros(6, dtype=np.int64), np.arange(6), values, np.ones(6), 1)
    expected = np.quantile(np.repeat(values, drawn), 0.5)
    assert replicates(found, np.array([drawn]))[0, 0] == pytest.approx(expected)


def test_scripts_are_the_blocks_when_there_are_ten_and_turns_when_there_are_fewer():
    assert find_blocks(turns_frame((500,), scripts=10, n_turns=3))[2:] == (10, "scripts")
    few = find_blocks(turns_frame((500,), scripts=4, n_turns=3))
    assert few[2:] == (12, "turns") and few.words == "12 turns"


def test_the_fastest_setting_that_keeps_the_limit_wins_when_nobody_is_close():
    best = choose(turns_frame((200, 500, 900), cut=clear_cut, n_turns=3))
    assert (best.outcome, best.setting, best.rivals) == ("best", {"silence_duration_ms": 500}, ())
    assert best.n_candidates == 2 and best.decided
    assert best.sentence.startswith("silence_duration_ms 500 has the lowest median response latency of 2 settings")
    figures = {figure.name: figure for figure in best.figures}
    assert figures["response_latency_ms_p50"].low < figures["response_latency_ms_p50"].value < 1200
    assert figures["cutoff_rate"].n == 12 * 3 * 2


def test_equal_settings_are_rivals_and_nothing_is_decided():
    turns = turns_frame((400, 401, 402), latency=lambda silence_ms, rng: 1000 + rng.normal(0, 90), seed=2)
    best = choose(turns, where=None)
    assert best.outcome == "undecided" and len(best.rivals) == 2
    assert "2 others cannot be told apart" in best.sentence
    assert all(rival.difference >= 0 and rival.low < rival.high and rival.p > 0.05 for rival in best.rivals)


def test_automatic_labels_never_crown_a_winner():
    best = choose(turns_frame((200, 500, 900), cut=clear_cut, n_turns=3), provisional=True)
    assert best.outcome == "provisional" and not best.decided
    assert best.sentence.endswith("automatic labels are provisional and never crown a winner.")


def test_no_setting_that_keeps_the_limits_names_the_closest():
    best = choose(turns_frame((200, 300), cut=lambda silence_ms, rng: 1), where="cutoff_rate <= 0.05")
    assert (best.outcome, best.setting, best.config) == ("none", None, None)
    assert best.sentence.startswith("None of 2 settings has cutoff rate at most 5 % (clean); the closest is silence")


def test_too_few_turns_are_said_and_choose_nothing():
    best = choose(turns_frame((200, 500), scripts=2, n_turns=2, cut=lambda silence_ms, rng: 0))
    assert (best.outcome, best.setting) == ("n too small", None)
    assert best.sentence == "n too small: 4 turns are too few for median response latency, none is chosen (clean)."


def test_many_answers_broken_off_are_told_where_no_limit_asks_for_fewer():
    turns = turns_frame((500, 900), cut=lambda silence_ms, rng: 0, n_turns=3)
    responses = responses_frame(turns, truncated=0.0)
    responses["truncated"] = responses["silence_duration_ms"] == 500
    best = choose(turns, responses, where="cutoff_rate <= 0.05")
    assert best.setting == {"silence_duration_ms": 500}
    assert "but max_output_tokens broke off 100 % of its answers" in best.sentence
    usual = choose(turns, responses)
    assert usual.setting == {"silence_duration_ms": 900}
    assert usual.where == "cutoff rate at most 5 % and truncated rate at most 5 %"
    assert "broke off" not in usual.sentence
    assert choose(turns).where == "cutoff rate at most 5 %"  # without responses nobody knows


def test_one_turn_is_one():
    best = choose(turns_frame((200,), scripts=1, n_turns=1, cut=lambda silence_ms, rng: 0))
    assert best.sentence.startswith("n too small: 1 turn is too few for ")


def test_settings_that_answer_too_late_do_not_win():
    best = choose(turns_frame((200, 500), missed=lambda silence_ms, rng: True))
    assert best.outcome == "none"
    assert "answered half of its turns in time" in best.sentence


def test_a_faster_setting_just_outside_the_limit_is_near():
    turns = turns_frame(
        (300, 900), n_turns=1, cut=lambda silence_ms, rng: int(rng.random() < 0.2) * (silence_ms == 300)
    )
    best = choose(turns, where="cutoff_rate <= 0.02")
    assert best.setting == {"silence_duration_ms": 900}
    assert [rival.setting for rival in best.near] == [{"silence_duration_ms": 300}]
    assert "1 better one may keep the limits too" in best.sentence


def test_the_first_condition_decides_and_the_others_stand_beside_it():
    turns = turns_frame((500, 900), conditions=("clean", "babble_3dB"))
    best = choose(turns, where=None)
    assert best.condition == "clean" and list(best.elsewhere) == ["babble_3dB"]
    assert choose(turns, where=None, condition="babble_3dB").condition == "babble_3dB"
    pooled = choose(turns, where=None, condition="all")
    assert pooled.condition == "all" and pooled.elsewhere == {}
    assert {figure.name: figure.n for figure in pooled.figures}["cutoff_rate"] == 2 * 12 * 2 * 2


def test_a_high_answered_rate_is_the_good_one():
    turns = turns_frame((500, 900), missed=lambda silence_ms, rng: silence_ms == 900 and rng.random() < 0.9, n_turns=4)
    best = choose(turns, minimize="answered_rate", where=None)
    assert best.setting == {"silence_duration_ms": 500}
    assert "highest answered rate" in best.sentence


def test_among_equals_the_one_with_the_better_other_figures_leads():
    turns = turns_frame((500, 900), cut=lambda silence_ms, rng: 0)
    assert choose(turns, minimize="cutoff_rate", where=None).setting == {"silence_duration_ms": 500}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"minimize": "response_latency_p50"}, "did you mean response_latency_ms_p50"),
        ({"where": "cutof_rate <= 1"}, "did you mean cutoff_rate"),
        ({"condition": "street"}, "clean or all"),
    ],
)
def test_a_name_that_is_not_there_is_one_clear_error(asked, message):
    with pytest.raises(ConfigError, match=message):
        choose(turns_frame((500,), n_turns=1), **asked)


def test_without_turns_there_is_nothing_to_choose_by():
    with pytest.raises(RealtimeLabError, match="no session is complete"):
        choose(turns_frame((500,), n_turns=1).iloc[:0])


def test_the_same_seed_gives_the_same_choice_whatever_the_order_of_rows():
    turns = turns_frame((400, 500, 600), n_turns=3)
    shuffled = turns.sample(frac=1.0, random_state=5)
    assert choose(turns, where=None) == choose(shuffled, where=None)
    assert repr(choose(turns, where=None, seed=1)) == repr(choose(turns, where=None, seed=1))


def test_a_choice_among_forty_eight_settings_takes_under_two_seconds():
    turns = turns_frame(range(200, 680, 10), scripts=20, n_turns=5)
    started = time.perf_counter()
    choose(turns, responses_frame(turns), where=None)
    assert time.perf_counter() - started < 2.0


def test_thirty_six_equal_settings_have_no_false_winner(full):
    told_apart = winners = 0
    runs = 500 if full else 40
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        scripts = rng.normal(0, 0.2, 20)
        values = 1000 * np.exp(rng.normal(0, 0.3, (36, 20)) + scripts)
        setting, block = np.repeat(np.arange(36), 20), np.tile(np.arange(20), 36)
        found = Measured("x", 0.5, setting, block, values.ravel(), np.ones(720), 36)
        estimates = found.estimates()
        drawn = without_gaps(
            replicates(found, block_draws(Blocks(NONE, NONE, 20, "scripts"), 720, seed, 500)), estimates
        )
        p_values = confidence_set(estimates, drawn, 20)
        told_apart += bool((p_values <= 0.05).any())
        winners += int((p_values > 0.05).sum() == 1)
    assert told_apart / runs <= 0.06
    assert winners == 0


@given(st.integers(0, 1_000), st.sampled_from(["all vary", "one is constant", "two are equal", "none varies"]))
@settings(max_examples=8, deadline=None)
def test_the_confidence_set_is_what_comparing_every_pair_gives(seed, kind):
    """Against the definition, pair by pair: the widest difference in its standard errors, step by step."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(0, 1, (120, 6)) + rng.normal(0, 1, (120, 1))
    if kind == "one is constant":
        drawn[:, 3] = 0.0
    elif kind == "two are equal":
        drawn[:, 5] = drawn[:, 2]
    elif kind == "none varies":
        drawn[:] = 0.0
    estimates = rng.normal(0, 2, 6)
    found = confidence_set(estimates, drawn + estimates, 15)
    assert found.tolist() == pytest.approx(pair_by_pair(estimates, drawn, 15).tolist(), abs=1e-12)


def pair_by_pair(estimates, drawn, blocks):
    moved, leader = drawn * math.sqrt(blocks / (blocks - 1)), int(np.argmin(estimates))

    def in_errors(one, other, apart):
        error = (moved[:, one] - moved[:, other]).std()
        return abs(apart) / error if error >= 1e-12 else 0.0 if abs(apart) < 1e-12 else math.inf

    p_values, alive = np.ones(len(estimates)), list(range(len(estimates)))
    while len(alive) > 1:
        pairs = [(one, other) for one in alive for other in alive if one < other]
        widest = [max(in_errors(*pair, row[pair[0]] - row[pair[1]]) for pair in pairs) for row in moved]
        for number in alive:
            behind = in_errors(number, leader, estimates[number] - estimates[leader])
            behind = -scipy.special.ndtri(scipy.stats.t.cdf(-behind, blocks - 1))
            p_values[number] = (1 + sum(value >= behind for value in widest)) / (1 + len(widest))
        kept = [number for number in alive if p_values[number] > 0.05 or number == leader]
        if len(kept) == len(alive):
            break
        alive = kept
    p_values[leader] = 1.0
    return p_values


def test_a_setting_that_is_truly_better_is_told_apart():
    rng = np.random.default_rng(3)
    scripts = rng.normal(0, 0.1, 30)
    values = 1000 * np.exp(rng.normal(0, 0.1, (12, 30)) + scripts)
    values[4] *= 0.7
    found = Measured(
        "x", 0.5, np.repeat(np.arange(12), 30), np.tile(np.arange(30), 12), values.ravel(), np.ones(360), 12
    )
    drawn = replicates(found, block_draws(Blocks(NONE, NONE, 30, "scripts"), 360, 0))
    assert np.flatnonzero(confidence_set(found.estimates(), drawn, 30) > 0.05).tolist() == [4]


def test_the_interval_of_a_difference_covers_as_stated(full):
    covered, runs = 0, 1000 if full else 150
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        values = 1000 * np.exp(rng.normal(0, 0.3, (2, 24)) + rng.normal(0, 0.2, 24))
        found = Measured("x", 0.5, np.repeat([0, 1], 24), np.tile(np.arange(24), 2), values.ravel(), np.ones(48), 2)
        drawn = replicates(found, block_draws(Blocks(NONE, NONE, 24, "scripts"), 48, seed, 400))
        first, second = found.estimates()
        apart = difference(first, second, drawn[:, 1] - drawn[:, 0], 24)
        covered += apart.low <= 0.0 <= apart.high
    assert 0.93 <= covered / runs <= 0.99


def test_newcombes_published_example():
    """56/70 against 48/80 (Newcombe 1998, Statistics in Medicine 17, table II, method 10): 0.0524 to 0.3339."""
    found = newcombe((48, 80), (56, 70))
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


def test_a_difference_without_estimates_or_blocks_has_no_interval():
    drawn = np.array([1.0, 2.0, 3.0])
    assert difference(math.inf, 3.0, drawn, 9) == (None, None, None)
    assert difference(1.0, 3.0, drawn, 1) == (2.0, None, None)
    assert difference(1.0, 3.0, np.array([np.nan, np.nan, 1.0]), 9) == (2.0, None, None)
    assert ratio(0.0, 3.0, drawn, 9) == (None, None, None)
    assert newcombe((0, 0), (1, 2)) == (None, None, None)


def test_replicates_without_a_sample_or_past_the_deadline_become_finite():
    drawn = np.array([[1.0, np.nan], [np.inf, 7.0]])
    assert without_gaps(drawn, np.array([2.0, 3.0])).tolist() == [[1.0, 3.0], [7.0, 7.0]]


def test_a_frame_without_swept_settings_has_one_setting():
    turns = turns_frame((500,)).drop(columns="silence_duration_ms")
    best = choose(turns, where=None)
    assert best.setting == {} and best.sentence.startswith("the only setting is the only one of 1 setting")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("cutoff_rate", 0.0, "0 %"),
        ("cutoff_rate", 0.004, "0.4 %"),
        ("cutoff_rate", 0.055, "6 %"),
        ("cutoff_rate", 1.0, "100 %"),
        ("response_latency_ms_p50", 840.2, "840 ms"),
        ("response_latency_ms_p50", 999.6, "1.00 s"),
        ("response_latency_ms_p50", math.inf, "past the deadline"),
        ("response_latency_ms_p50", None, "unknown"),
        ("output_tokens_per_turn", 52.44, "52.4"),
        ("mean_logprob", -0.2149, "−0.21"),
        ("mean_logprob", -0.001, "0.00"),
        ("usd_per_turn", 0.01234, "0.012 USD"),
    ],
)
def test_values_in_words(name, value, words):
    assert amount(name, value) == words


def test_differences_and_intervals_in_words():
    assert amount("cutoff_rate", -0.23, signed=True) == "−23 points"
    assert amount("cutoff_rate", -3e-18, signed=True) == "0 points"  # what arithmetic leaves
    assert compact_interval("mean_logprob", -0.3, -0.1) == "−0.30 to −0.10"
    assert amount("response_latency_ms_p50", 409.0, signed=True) == "+409 ms"
    assert interval("cutoff_rate", 0.02, 0.21) == "2 to 21 %"
    assert interval("response_latency_ms_p50", 840.0, 1320.0) == "840 ms to 1.32 s"
    assert interval("response_latency_ms_p50", 840.0, math.inf) == "840 ms to past the deadline"
    assert interval("cutoff_rate", None, 0.2) == ""
    assert label_of("response_latency_ms_p95") == "p95 response latency"
    assert setting_words({"a": 0.5, "b": None, "c": math.inf, "d": "x" * 99}) == f"a 0.5, b null, c inf, d {'x' * 59}…"


def test_hostile_texts_are_escaped_in_a_notebook():
    turns = turns_frame((500,), n_turns=1).rename(columns={"silence_duration_ms": "voice"})
    turns["voice"] = pd.array(["<script>alert(1)</script>"] * len(turns), dtype="string")
    best = choose(turns, where=None)
    assert "<script>" not in best._repr_html_() and "&lt;script&gt;" in best._repr_html_()
