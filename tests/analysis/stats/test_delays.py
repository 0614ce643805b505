"""Fitting delays: log-normal samples come back, others are found out, broken-off ones count as longer."""

import math

import numpy as np
import pytest

from realtime_lab.analysis.stats.delays import fit_delays


def lognormal(seed, n, median=600.0, sigma=0.3):
    return median * np.exp(sigma * np.random.default_rng(seed).standard_normal(n))


def test_the_interval_of_the_median_holds_it_as_often_as_it_says():
    """400 samples of 40: a 95 % interval misses 20 times on average; 9 to 34 times in 99.9 % of such experiments."""
    fits = [fit_delays(lognormal(seed, 40)) for seed in range(400)]
    missed = sum(not fit.median_low <= 600 <= fit.median_high for fit in fits)
    assert 9 <= missed <= 34
    assert 9 <= sum(not fit.sigma_low <= 0.3 <= fit.sigma_high for fit in fits) <= 34


def test_a_log_normal_sample_is_called_misfit_about_one_time_in_twenty():
    fits = [fit_delays(lognormal(seed, 40)) for seed in range(400)]
    assert 9 <= sum(not fit.one_spread.fits for fit in fits) <= 34


def test_a_heavy_tail_is_found_out_and_fitted_by_a_second_spread():
    z = np.random.default_rng(3).standard_normal(300)
    fit = fit_delays(100 * np.exp(np.where(z < 0, 0.1, 0.6) * z))
    assert not fit.one_spread.fits and fit.two_spreads.fits
    assert fit.sigma == pytest.approx(0.1, rel=0.15) and fit.upper_sigma == pytest.approx(0.6, rel=0.15)
    assert fit.at(0.99) == pytest.approx(100 * math.exp(0.6 * 2.326), rel=0.2)


def test_two_humps_fit_neither_curve():
    fit = fit_delays(np.concatenate([lognormal(1, 60, 100, 0.05), lognormal(2, 60, 900, 0.05)]))
    assert not fit.one_spread.fits and not fit.two_spreads.fits
    assert "does not fit" in fit.goodness


def test_values_broken_off_count_as_longer():
    """Half of the sample cut at its median: leaving those out would read a third too low."""
    values = lognormal(5, 400)
    cut = values > 600
    fit = fit_delays(values[~cut], np.full(cut.sum(), 600.0))
    assert fit.median_low <= 600 <= fit.median_high and fit.median == pytest.approx(600, rel=0.05)
    assert np.median(values[~cut]) < 520
    assert fit.n_censored == cut.sum() and "not tested" in fit.goodness


def test_small_samples_have_wide_intervals_and_no_tails():
    fit = fit_delays(lognormal(0, 7))
    assert fit.median_high / fit.median_low > 1.2
    assert [tail.value for tail in fit.tails] == [None, None] and fit.tails[0].note.startswith("n too small")
    assert fit_delays([3.0]) is None and fit_delays([]) is None


def test_a_constant_has_no_spread():
    fit = fit_delays([10.0] * 20)
    assert (fit.median, fit.sigma) == (pytest.approx(10.0), pytest.approx(0.0)) and fit.goodness == "constant (n 20)"


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_delay_is_refused(bad):
    with pytest.raises(ValueError, match="positive finite"):
        fit_delays([1.0, 2.0, bad])
