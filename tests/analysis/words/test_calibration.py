"""Calibration of word confidences: every figure against its definition or scipy, ties, one class, and chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from realtime_lab.analysis.words.confidence import (
    CALIBRATION,
    auroc,
    brier_score,
    calibration_df,
    calibration_error,
    calibration_null_band,
    reliability_bins,
    risk_coverage,
)
from realtime_lab.errors import RealtimeLabError


def random_cases(count, seed):
    """Confidences with many ties, with few, near 1, and right words that follow them more or less."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        n = int(rng.integers(2, 120))
        sure = (rng.random(n), rng.integers(0, 5, n) / 4.0, rng.beta(8, 1, n), np.round(rng.random(n), 1))[number % 4]
        right = rng.random(n) < (sure if number % 3 else 0.7)
        yield sure, right


def check_figures(count):
    for sure, right in random_cases(count, seed=11):
        by_hand = sum((p - (1 if hit else 0)) ** 2 for p, hit in zip(sure, right, strict=True)) / len(sure)
        assert brier_score(sure, right) == pytest.approx(by_hand, abs=1e-9)
        assert calibration_error(sure, right) == pytest.approx(ece_by_hand(sure, right), abs=1e-9)
        assert risk_coverage(sure, right).aurc == pytest.approx(aurc_by_hand(sure, right), abs=1e-9)
        if 0 < right.sum() < len(right):
            u = stats.mannwhitneyu(sure[right], sure[~right]).statistic
            assert auroc(sure, right).value == pytest.approx(u / (right.sum() * (~right).sum()), abs=1e-9)
        for part in reliability_bins(sure, right):
            if part.n:
                around = stats.binomtest(part.n_right, part.n).proportion_ci(0.95, "wilson")
                assert (part.rate_low, part.rate_high) == pytest.approx((around.low, around.high), abs=1e-9)


def ece_by_hand(sure, right):
    off = 0.0
    for number in range(10):
        here = [i for i, p in enumerate(sure) if min(int(p * 10), 9) == number]
        if here:
            off += abs(sum(sure[i] for i in here) / len(here) - sum(right[i] for i in here) / len(here)) * len(here)
    return off / len(sure)


def aurc_by_hand(sure, right):
    """Mean over k of the expected share of wrong words among the k surest, ties in random order."""
    risks = []
    for k in range(1, len(sure) + 1):
        edge = np.sort(sure)[::-1][k - 1]
        above, tied = sure > edge, sure == edge
        wrong = (~right[above]).sum() + (k - above.sum()) * (~right[tied]).mean()
        risks.append(wrong / k)
    return float(np.mean(risks))


def test_figures_agree_with_scipy_and_their_definitions():
    check_figures(100)


@pytest.mark.full
def test_figures_agree_with_scipy_and_their_definitions_on_1000_cases():
    check_figures(1_000)


def test_bins_hold_every_word_once_and_one_belongs_to_the_last():
    bins = reliability_bins([0.0, 0.05, 0.1, 0.95, 1.0], [True] * 5)
    assert [part.n for part in bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins[2].rate is None and bins[2].rate_low is None


@pytest.mark.parametrize(
    ("right", "reason"), [([], "no words"), ([True, True], "every word is right"), ([False], "every word is wrong")]
)
def test_one_class_only_has_no_area_and_says_why(right, reason):
    found = auroc([0.5] * len(right), right)
    assert (found.value, found.low, found.reason) == (None, None, reason)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_order_ties_counting_half(pairs):
    sure, right = [p / 6 for p, _ in pairs], [hit for _, hit in pairs]
    wins = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, hit in zip(sure, right, strict=True)
        for b, other in zip(sure, right, strict=True)
        if hit and not other
    ]
    if wins:
        assert auroc(sure, right).value == pytest.approx(sum(wins) / len(wins), abs=1e-9)


def test_no_words_have_no_figure_of_any_kind():
    assert brier_score([], []) is calibration_error([], []) is risk_coverage([], []) is None
    assert calibration_null_band([]) is None
    assert [part.n for part in reliability_bins([], [])] == [0] * 10


@pytest.mark.parametrize("sure", [[math.nan], [1.2], [-0.1]])
def test_a_confidence_that_is_no_probability_is_refused(sure):
    with pytest.raises(ValueError, match="NaN or outside 0 to 1"):
        brier_score(sure, [True])


def test_the_null_band_is_what_a_true_model_gets_and_is_the_same_for_the_same_seed():
    """100 words of a model that is never wrong about itself show an error of about .05."""
    rng = np.random.default_rng(5)
    sure = rng.beta(6, 1, 100)
    band = calibration_null_band(sure, seed=1)
    assert band == calibration_null_band(sure, seed=1) != calibration_null_band(sure, seed=2)
    assert 0.03 < band.median < 0.08
    errors = [calibration_error(sure, rng.random(100) < sure) for _ in range(400)]
    inside = np.mean([band.low <= error <= band.high for error in errors])
    assert 0.91 <= inside <= 0.99


def test_the_band_of_many_words_is_the_same_drawn_one_by_one_or_by_sums():
    sure = np.random.default_rng(2).beta(6, 1, 6_000)
    whole = calibration_null_band(sure, seed=1)
    errors = [calibration_error(sure, np.random.default_rng(s).random(6_000) < sure) for s in range(300)]
    assert whole.median == pytest.approx(float(np.median(errors)), rel=0.1)


def test_the_areas_interval_over_voices_covers_the_truth():
    """Voices differ in how many words are wrong; the area is that of two normals one apart: .760."""
    rng = np.random.default_rng(4)
    truth, covered = float(stats.norm.cdf(1 / math.sqrt(2))), 0
    for _ in range(300):
        voices = np.repeat(np.arange(10), 60)
        right = rng.random(600) < np.repeat(rng.beta(8, 2, 10), 60)
        found = auroc(rng.normal(right.astype(float)), right, voices)
        covered += found.low <= truth <= found.high
    assert 0.91 <= covered / 300 <= 0.98


def test_few_voices_or_a_perfect_order_have_an_area_without_an_interval():
    assert auroc([0.1, 0.9], [False, True], [0, 1]).reason == "no interval: 2 of 3 blocks"
    found = auroc([0.1, 0.9, 0.8], [False, True, True], [0, 1, 2])
    assert (found.value, found.low) == (1.0, None) and "do not overlap" in found.reason


def words(n=240, **columns):
    """A words frame in which confidence means something."""
    rng = np.random.default_rng(9)
    sure = rng.beta(5, 1, n)
    right = rng.random(n) < sure
    frame = pd.DataFrame(
        {
            "script": [f"s{i % 6}" for i in range(n)],
            "condition": ["clean" if i % 2 else "babble" for i in range(n)],
            "target": "mocked:documented",
            "silence_duration_ms": pd.array([300 + 200 * (i % 3) for i in range(n)], dtype="Int64"),
            "turn": range(n),
            "word_index": 0,
            "operation": np.where(right, "equal", "substitute"),
            "reference_word": "a",
            "word": np.where(right, "a", "b"),
            "right": pd.array(right, dtype="boolean"),
            "confidence": pd.array(sure, dtype="Float64"),
            "confidence_min": pd.array(sure, dtype="Float64"),
            "confidence_geometric": pd.array(sure, dtype="Float64"),
            "speaker": pd.array([f"voice {i % 5}" for i in range(n)], dtype="string"),
        }
    )
    return frame.assign(**columns)


def test_a_frame_by_setting_and_condition_or_by_what_is_asked():
    frame = calibration_df(words())
    assert list(frame.columns) == ["silence_duration_ms", "condition", "target", *(entry.name for entry in CALIBRATION)]
    assert len(frame) == 6 and frame["n_words"].sum() == 240
    row = calibration_df(words(), by=[]).iloc[0]
    assert (row["n_words"], row["n_right"] + row["n_wrong"]) == (240, 240)
    assert (row["n_blocks"], row["block"]) == (240, "turn")
    assert row["auroc_low"] < row["auroc"] < row["auroc_high"]
    assert row["ece_null_low"] <= row["ece"] <= row["ece_null_high"]
    assert row["aurc"] < 1 - row["right_rate"]
    assert calibration_df(words(), by="condition")["condition"].tolist() == ["babble", "clean"]


def test_deleted_words_words_without_confidence_and_repeats_are_not_compared():
    frame = words(4, right=pd.array([True, False, None, True], dtype="boolean"))
    frame["confidence"] = pd.array([0.9, 0.2, 0.5, None], dtype="Float64")
    both = pd.concat([frame.assign(repeat=0), frame.assign(repeat=1)], ignore_index=True)
    row = calibration_df(both, by=[]).iloc[0]
    assert (row["n_words"], row["n_right"], row["n_wrong"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (words(0), "no word has a confidence and a reference"),
        (words(confidence=pd.array([None] * 240, dtype="Float64")), "no word has a confidence and a reference"),
        (words(right=pd.array([True] * 240, dtype="boolean")), "auroc: every word is right"),
        (words(turn=0, script="s"), "auroc: no interval: 1 of 3 blocks"),
    ],
)
def test_what_cannot_be_told_is_missing_with_its_reason(frame, note):
    row = calibration_df(frame, by=[]).iloc[0]
    assert row["note"] == note
    assert pd.isna(row["auroc_low"])


def test_intervals_are_over_voices_where_there_are_ten_and_else_over_turns_of_these_voices():
    many = words(speaker=pd.array([f"voice {i % 10}" for i in range(240)], dtype="string"))
    row = calibration_df(many, by=[]).iloc[0]
    assert (row["n_blocks"], row["block"]) == (10, "voice")
    nobody = calibration_df(words().drop(columns=["speaker", "script", "turn"]), by=[]).iloc[0]
    assert nobody["note"] == "auroc: no interval: 1 of 3 blocks"


def test_an_unknown_column_is_named():
    with pytest.raises(RealtimeLabError, match=r"\['nope'\]: the words have"):
        calibration_df(words(), by="nope")
    with pytest.raises(RealtimeLabError, match="confidence = 'best': allowed: confidence, confidence_min"):
        calibration_df(words(), confidence="best")


@pytest.mark.parametrize("measure", [brier_score, auroc, risk_coverage])
def test_confidences_that_are_not_one_to_a_word_are_refused(measure):
    with pytest.raises(ValueError, match="confidence and right"):
        measure([0.5, 0.6], [True])
