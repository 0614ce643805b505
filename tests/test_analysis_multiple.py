"""Corrections for many comparisons, against scipy and against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from realtime_lab.analysis.multiple import benjamini_hochberg, holm


def test_benjamini_and_hochberg_agree_with_scipy_on_1000_random_cases():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        p_values = rng.random(int(rng.integers(1, 50))) ** 3
        np.testing.assert_allclose(
            benjamini_hochberg(p_values), scipy.stats.false_discovery_control(p_values, method="bh"), atol=1e-9
        )


def test_holm_rejects_what_its_definition_rejects_on_1000_random_cases():
    """Step by step: the smallest p against alpha / m, the next against alpha / (m - 1), until one is too large."""
    rng = np.random.default_rng(2)
    for _ in range(1000):
        p_values, alpha = rng.random(int(rng.integers(1, 30))) ** 4, float(rng.choice([0.01, 0.05, 0.1]))
        rejected, order = set(), np.argsort(p_values)
        for step, place in enumerate(order):
            if p_values[place] > alpha / (len(p_values) - step):
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(holm(p_values) <= alpha).tolist()) == rejected


def test_a_comparison_that_could_not_be_made_counts_for_nothing():
    assert holm([0.01, math.nan, 0.04]).tolist() == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg([]).tolist() == []


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="outside 0 to 1"):
        holm([1.2])


def test_36_equal_comparisons_claim_something_5_percent_of_the_time_and_uncorrected_most_of_the_time():
    rng = np.random.default_rng(3)
    sets = rng.random((2000, 36))
    assert np.mean([(holm(row) <= 0.05).any() for row in sets]) == pytest.approx(0.05, abs=0.015)
    assert np.mean((sets <= 0.05).any(axis=1)) > 0.8
