"""Ratios over blocks: pooled values, coverage of their intervals, and when there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from realtime_lab.analysis import turns_df
from realtime_lab.analysis.stats.clustered import blocks_of, ratio_over_blocks
from realtime_lab.analysis.summary.settings import summary
from tests.analysis.rows.test_handmade import Hand, wire
from tests.analysis.rows.test_session import TRANSCRIBING


def worlds(voices, count, seed, utterances=30, spread=0.6):
    """Errors and words, shape (count, voices, utterances), of voices that differ; and the true pooled error rate."""
    rng = np.random.default_rng(seed)
    base = np.log(0.08 / 0.92)
    rates = 1 / (1 + np.exp(-(base + spread * rng.normal(size=1_000_000))))
    own = 1 / (1 + np.exp(-(base + spread * rng.normal(size=(count, voices)))))
    words = rng.poisson(10, size=(count, voices, utterances)) + 1
    return rng.binomial(words, own[:, :, None]), words, rates.mean()


def coverage(voices, count, *, blocks_are_voices=True, seed=3):
    errors, words, truth = worlds(voices, count, seed)
    size = errors.shape[1] * errors.shape[2]
    groups = np.repeat(np.arange(count), size)
    blocks = np.tile(np.repeat(np.arange(voices), errors.shape[2]), count)
    if not blocks_are_voices:
        blocks = np.tile(np.arange(size), count)
    found = ratio_over_blocks(groups, blocks, errors.ravel().astype(float), words.ravel().astype(float), count)
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


def test_an_interval_over_voices_covers_the_truth_and_one_over_utterances_does_not():
    assert 0.92 <= coverage(10, 1_000) <= 0.97
    assert coverage(10, 1_000, blocks_are_voices=False) < 0.6


@pytest.mark.full
@pytest.mark.parametrize("voices", [3, 5, 10, 20, 30])
def test_coverage_is_93_to_97_percent_from_three_voices_on(voices):
    found = coverage(voices, 6_000)
    print(f"{voices} voices: {found:.3f}")
    assert 0.93 <= found <= 0.97


def test_the_value_is_sum_over_sum_and_not_a_mean_of_rates():
    found = ratio_over_blocks(
        np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([1.0, 0.0, 3.0]), np.array([1.0, 9.0, 3.0]), 3
    )
    assert found.value[:2].tolist() == [0.1, 1.0] and np.isnan(found.value[2])
    assert found.n_blocks.tolist() == [2, 1, 0]
    assert np.isnan(found.low).all()


def test_without_a_single_error_there_is_no_interval():
    blocks = np.arange(5)
    found = ratio_over_blocks(np.zeros(5, dtype=int), blocks, np.zeros(5), np.ones(5), 1)
    assert found.value[0] == 0.0 and np.isnan(found.high[0])


def test_copies_of_every_row_change_nothing():
    errors, words, _ = worlds(5, 1, seed=1)
    above, below = errors.ravel().astype(float), words.ravel().astype(float)
    blocks = np.repeat(np.arange(5), 30)
    once = ratio_over_blocks(np.zeros(150, dtype=int), blocks, above, below, 1)
    often = ratio_over_blocks(np.zeros(450, dtype=int), np.tile(blocks, 3), np.tile(above, 3), np.tile(below, 3), 1)
    assert often.low[0] == pytest.approx(once.low[0], abs=1e-12)
    assert often.high[0] == pytest.approx(once.high[0], abs=1e-12)


def test_blocks_are_voices_else_scripts_else_one():
    frame = pd.DataFrame({"speaker": ["a", "b", "a"], "script": ["s", "s", "t"]})
    assert [found.tolist() if not isinstance(found, str) else found for found in blocks_of(frame)] == [
        [0, 1, 0],
        "voice",
    ]
    assert blocks_of(frame.assign(speaker=["a", None, "a"]))[1] == "script"
    assert blocks_of(frame[[]])[1] == "unknown voice"


def sessions(texts, speakers=("ann", "bob", "cy")):
    """One turn per text, `press two` said by each speaker in turn."""
    frames = []
    for number, text in enumerate(texts):
        hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **TRANSCRIBING), texts=["press two"])
        hand.item("a", 1060.0, 2560.0)
        hand.answer("a", 2600.0)
        if text is not None:
            hand.transcript("a", 3100.0, text)
        speaker = speakers[number % len(speakers)]
        frames.append(turns_df(hand.build()).assign(speaker=pd.array([speaker], dtype="string"), script=f"s{number}"))
    return pd.concat(frames, ignore_index=True)


def test_a_summary_pools_edits_over_words_and_counts_what_it_could_not_score():
    row = summary(sessions(["press 2", "press", "press to me", None]), by=[]).iloc[0]
    assert (row["n_scored"], row["n_unscored"], row["n_ref_words"], row["n_word_errors"]) == (3, 1, 6, 3)
    assert (row["n_hits"], row["n_substitutions"], row["n_deletions"], row["n_insertions"]) == (4, 1, 1, 1)
    assert (row["wer"], row["n_wer_voices"]) == (0.5, 3)
    assert row["wer_low"] < 0.5 < row["wer_high"] and pd.isna(row["wer_note"])
    assert row["mer"] == 3 / 7 and row["wil"] == pytest.approx(1 - 16 / 36)
    assert pd.isna(row["mean_logprob"]) and row["n_tokens"] == 0


def test_a_set_with_one_voice_gets_no_interval_and_says_so():
    row = summary(sessions(["press", "press to"], speakers=("ann",)), by=[]).iloc[0]
    assert row["wer"] == 0.5 and pd.isna(row["wer_low"])
    assert row["wer_note"] == "no interval for wer: 1 voice of 3"
    assert summary(sessions(["press 2"] * 3), by=[]).iloc[0]["wer_note"] == "no interval for wer: no errors in 3 voices"


def test_trap_words_on_silence_and_for_empty_references_are_in_no_word_error_rate():
    hand = Hand([[(1000.0, 2000.0)], [(20_000.0, 21_000.0)]], wire(500.0, **TRANSCRIBING), texts=["press two", ""])
    for item, at in (("a", 1060.0), ("cough", 6000.0), ("b", 20_060.0)):
        hand.item(item, at, at + 1500.0)
        hand.transcript(item, at + 2000.0, "press two" if item == "a" else "thank you")
        hand.answer(item, at + 1600.0)
    row = summary(turns_df(hand.build()), by=[]).iloc[0]
    assert (row["wer"], row["n_insertions"], row["n_ref_words"]) == (0.0, 0, 2)
    assert (row["n_hallucinations"], row["n_silent_transcripts"], row["hallucination_rate"]) == (1, 1, 1.0)


def test_without_transcripts_every_figure_is_missing_and_no_count_is_wrong():
    row = summary(sessions([None, None, None]), by=[]).iloc[0]
    assert (row["n_scored"], row["n_unscored"], row["n_ref_words"]) == (0, 3, 0)
    for name in ("wer", "mer", "wil", "cer", "mean_logprob", "hallucination_rate", "wer_note"):
        assert pd.isna(row[name]), name
