"""Corrections for many comparisons, against scipy and against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from choice_frames import turns_frame

from realtime_lab.analysis.deciding.versus import versus
from realtime_lab.analysis.stats.inference import benjamini_hochberg, holm
from realtime_lab.errors import ConfigError


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


def grid(slow=0.0, seed=0, settings=(400, 401, 402, 403, 404, 405)):
    """Equal settings, but that 405 is `slow` ms slower."""

    def latency(silence_ms, rng):
        return 1000 + slow * (silence_ms == 405) + rng.normal(0, 60)

    return turns_frame(settings, scripts=20, n_turns=3, seed=seed, cut=lambda *_: 0, latency=latency)


def test_every_setting_against_a_control_p_values_agree_with_intervals():
    table = versus(grid(slow=100.0), {"silence_duration_ms": 400})
    assert table["silence_duration_ms"].tolist() == [401, 402, 403, 404, 405]
    assert table.set_index("silence_duration_ms")["verdict"].to_dict()[405] == "worse"
    for row in table.to_dict("records"):
        assert (row["p"] <= 0.05) == (not row["ratio_low"] <= 1.0 <= row["ratio_high"])
        assert row["p"] <= row["p_bh"] <= row["p_holm"] <= 1.0


def test_equal_settings_are_claimed_to_differ_in_about_5_percent_of_grids_at_most(full):
    sets = 300 if full else 30
    claimed = sum(
        (versus(grid(seed=seed), {"silence_duration_ms": 400})["p_holm"] <= 0.05).any() for seed in range(sets)
    )
    print(f"5 comparisons with a control: something claimed in {claimed} of {sets} grids")
    assert claimed <= (0.08 if full else 0.3) * sets


def test_a_rate_is_compared_too_and_a_control_that_is_not_there_is_named():
    table = versus(grid(), {"silence_duration_ms": 400}, "cutoff_rate")
    assert (table["verdict"] == "not told apart").all() and table["ratio"].isna().all()
    with pytest.raises(ConfigError, match="a setting of the grid"):
        versus(grid(), {"silence_duration_ms": 9})
    with pytest.raises(ConfigError, match="metric"):
        versus(grid(), {"silence_duration_ms": 400}, "wind")
