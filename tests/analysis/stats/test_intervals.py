"""Quantile and rate intervals against scipy and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.stats.intervals import (
    TOO_WIDE,
    exact_interval,
    order_statistic,
    order_statistic_ranks,
    quantile,
    quantile_interval,
    sample_floor,
    wilson_interval,
)


@pytest.mark.parametrize(("q", "floor"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_below_the_floor_no_quantile_is_given(q, floor):
    assert sample_floor(q) == floor
    below, at = quantile(np.arange(floor - 1), q), quantile(np.arange(floor), q)
    assert (below.value, below.low, below.high, below.coverage) == (None, None, None, None)
    assert below.note == f"n too small: {floor - 1} of {floor}"
    assert at.note == "" and at.low <= at.value <= at.high


def test_ranks_and_coverage_agree_with_scipys_binomial_on_1000_random_cases():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        n, q = int(rng.integers(1, 800)), float(rng.choice([0.5, 0.9, 0.95, 0.99]))
        ranks = order_statistic_ranks(n, q)
        law = scipy.stats.binom(n, q)
        if ranks is None:
            assert n < sample_floor(q)
            continue
        low, high = ranks
        assert law.cdf(low - 1) <= 0.025 < law.cdf(low)
        assert law.sf(high - 1) <= 0.025 < law.sf(high - 2)
        exact, found = law.cdf(high - 1) - law.cdf(low - 1), quantile_interval(n, q)
        assert found.interpolated == (exact > TOO_WIDE)
        assert math.isclose(found.coverage, 0.95 if found.interpolated else exact, abs_tol=1e-9)
        assert low <= found.low <= low + 1 and high - 1 <= found.high <= high


def test_intervals_agree_with_scipys_quantile_test_on_1000_random_cases():
    """Where ends are observed values they are scipy's; where scipy's cover over 97 %, ours lie just inside them."""
    rng = np.random.default_rng(2)
    exact = 0
    for _ in range(1000):
        q = float(rng.choice([0.5, 0.9, 0.95]))
        values = rng.lognormal(size=int(rng.integers(sample_floor(q), 400)))
        theirs = scipy.stats.quantile_test(values, p=q).confidence_interval(0.95)
        ours = quantile(values, q)
        if quantile_interval(len(values), q).interpolated:
            assert theirs.low <= ours.low <= ours.value <= ours.high <= theirs.high
            continue
        exact += 1
        assert math.isclose(ours.low, theirs.low, abs_tol=1e-9) and math.isclose(ours.high, theirs.high, abs_tol=1e-9)
    assert exact > 300


def test_quantiles_agree_with_numpys_on_1000_random_cases():
    rng = np.random.default_rng(12)
    for _ in range(1000):
        q = float(rng.choice([0.5, 0.9, 0.95]))
        values = rng.lognormal(6, 1, int(rng.integers(sample_floor(q), 300)))
        assert math.isclose(quantile(values, q).value, float(np.quantile(values, q)), rel_tol=1e-12)


def test_half_way_between_two_order_statistics_is_hettmansperger_and_sheathers_rule():
    """For the median Nyblom's rule is theirs: lambda = (n - d) I / (d + (n - 2 d) I), d the lower rank."""
    n, d = 8, 1
    law = scipy.stats.binom(n, 0.5)
    share = (0.025 - law.cdf(d - 1)) / law.pmf(d)
    expected = d + (n - d) * share / (d + (n - 2 * d) * share)
    found = quantile_interval(n, 0.5)
    assert found.interpolated and math.isclose(found.low, expected, abs_tol=1e-12)
    assert math.isclose(found.low + found.high, n + 1, abs_tol=1e-9)


def test_an_interpolated_end_beside_a_timeout_is_late_above_and_known_below():
    ordered = np.array([1.0, 2.0, math.inf])
    assert order_statistic(ordered, 2.5, up=True) == math.inf
    assert order_statistic(ordered, 2.5, up=False) == 2.0
    assert (order_statistic(ordered, 2.0, up=True), order_statistic(ordered, 1.25, up=True)) == (2.0, 1.25)


def test_rate_intervals_agree_with_scipy_on_1000_random_cases():
    rng = np.random.default_rng(3)
    for _ in range(1000):
        total = int(rng.integers(1, 500))
        count, confidence = int(rng.integers(0, total + 1)), float(rng.choice([0.9, 0.95, 0.99]))
        test = scipy.stats.binomtest(count, total)
        for ours, method in ((wilson_interval, "wilson"), (exact_interval, "exact")):
            theirs = test.proportion_ci(confidence, method)
            assert ours(count, total, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_a_rate_over_nothing_has_no_interval():
    assert wilson_interval(0, 0) is None
    assert exact_interval(0, 0) is None


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 3), (4, 3)])
def test_an_impossible_rate_is_refused(numerator, denominator):
    with pytest.raises(ValueError, match="allowed: 0 <= numerator <= denominator"):
        wilson_interval(numerator, denominator)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_a_missing_value_in_a_sample_is_refused_instead_of_dropped(bad):
    with pytest.raises(ValueError, match="NaN or -inf"):
        quantile([1.0, 2.0, bad, 3.0, 4.0, 5.0, 6.0], 0.5)


@pytest.mark.parametrize("q", [0.0, 1.0, math.nan, -0.1])
def test_a_quantile_outside_0_and_1_is_refused(q):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        quantile(range(100), q)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60), st.integers(0, 20))
def test_timeouts_are_counted_as_later_than_all_and_never_lower_a_quantile(values, timeouts):
    before, after = quantile(values, 0.5), quantile([*values, *[math.inf] * timeouts], 0.5)
    assert after.n == before.n + timeouts and after.n_censored == timeouts
    assert after.value >= before.value and after.low >= before.low


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60))
def test_without_timeouts_the_value_is_numpys_quantile(values):
    assert quantile(values, 0.5).value == pytest.approx(float(np.quantile(values, 0.5)), rel=1e-12, abs=1e-9)


def test_dropping_timeouts_would_read_half_the_true_p95():
    """A skewed latency with 4 % beyond a deadline: the censored p95 keeps the truth, the dropped one does not."""
    latency = np.random.default_rng(4).lognormal(math.log(800), 0.3, 2000)
    latency[:120] = np.random.default_rng(5).uniform(2000, 9000, 120)
    censored = np.where(latency > 5000, math.inf, latency)
    truth = float(np.quantile(latency, 0.95))
    assert quantile(censored, 0.95).value == pytest.approx(truth)
    assert quantile(latency[latency <= 5000], 0.95).value < 0.8 * truth


def test_a_sample_that_is_mostly_timeouts_has_an_infinite_median_and_no_invented_number():
    estimate = quantile([1.0, 2.0, 3.0, *[math.inf] * 9], 0.5)
    assert (estimate.value, estimate.high, estimate.n, estimate.n_censored) == (math.inf, math.inf, 12, 9)


LAWS = {
    "lognormal": scipy.stats.lognorm(0.5),
    "very skewed": scipy.stats.lognorm(1.0),
    "uniform": scipy.stats.uniform(500, 900),
    "two humps": None,
}


def draw(law, rng, size):
    """Latencies of one law, and its quantile function."""
    if LAWS[law] is not None:
        return LAWS[law].rvs(size, random_state=rng), LAWS[law].ppf
    slow = rng.random(size) < 0.3
    values = np.where(slow, rng.normal(1500, 200, size), rng.normal(700, 80, size))
    grid = np.linspace(0, 3000, 300_001)
    cdf = 0.7 * scipy.stats.norm(700, 80).cdf(grid) + 0.3 * scipy.stats.norm(1500, 200).cdf(grid)
    return values, lambda q: float(np.interp(q, cdf, grid))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("q", "n"),
    [(0.5, 6), (0.5, 7), (0.5, 8), (0.5, 11), (0.5, 20), (0.5, 60), (0.9, 36), (0.9, 37), (0.9, 60), (0.9, 150)]
    + [(0.95, 72), (0.95, 73), (0.95, 100), (0.95, 300), (0.99, 368), (0.99, 500)],
)
def test_intervals_cover_93_to_97_percent_at_and_above_the_floor(q, n, law, full):
    """4,000 seeded samples each (400 in the quick run, with the room that so few need)."""
    samples = 4000 if full else 400
    values, ppf = draw(law, np.random.default_rng(n), (samples, n))
    truth = ppf(q)
    found = [quantile(sample, q) for sample in values]
    share = np.mean([estimate.low <= truth <= estimate.high for estimate in found])
    print(f"p{100 * q:g} of {n}, {law}: {share:.3f} of {samples}")
    room = 0.0 if full else 0.02
    assert 0.93 - room <= share <= 0.97 + room
    assert 0.95 <= found[0].coverage <= TOO_WIDE


def test_no_size_has_a_stated_coverage_outside_95_to_97_percent():
    for q in (0.5, 0.9, 0.95, 0.99):
        for n in range(sample_floor(q), 1500):
            assert 0.95 <= quantile_interval(n, q).coverage <= TOO_WIDE
