"""Limits in words: what is understood, what is refused, and that nothing is ever run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.deciding.limits import Limit, parse_where
from realtime_lab.errors import ConfigError

NAMES = ("cutoff_rate", "answered_rate", "response_latency_ms_p50", "eagerness", "n_turns", "max_output_tokens")


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("cutoff_rate <= 0.05", [Limit("cutoff_rate", "<=", 0.05)]),
        ("cutoff_rate<=5%", [Limit("cutoff_rate", "<=", 0.05)]),
        (
            " cutoff_rate < .05 and answered_rate >= 95 % ",
            [Limit("cutoff_rate", "<", 0.05), Limit("answered_rate", ">=", 0.95)],
        ),
        ("n_turns > 1e2", [Limit("n_turns", ">", 100.0)]),
        ("max_output_tokens == inf", [Limit("max_output_tokens", "==", math.inf)]),
        ("eagerness == True", [Limit("eagerness", "==", True)]),
        ("eagerness == 'low'", [Limit("eagerness", "==", "low")]),
        ('eagerness == "a and b"', [Limit("eagerness", "==", "a and b")]),
        ("response_latency_ms_p50 <= -3", [Limit("response_latency_ms_p50", "<=", -3.0)]),
    ],
)
def test_what_is_understood(text, limits):
    assert list(parse_where(text, NAMES).limits) == limits


@pytest.mark.parametrize("text", [None, "", "   "])
def test_without_limits_everything_keeps_them(text):
    where = parse_where(text, NAMES)
    assert where.holds({}) and where.words == ""


@pytest.mark.parametrize(
    "text",
    [
        "cutoff_rate",
        "cutoff_rate <=",
        "<= 0.05",
        "cutoff_rate <= 0.05 and",
        "cutoff_rate <= 0.05 or answered_rate >= 1",
        "cutoff_rate <= 0.05 answered_rate >= 1",
        "0.01 <= cutoff_rate",
        "cutoff_rate <= n_turns",
        "cutoff_rate <= 0.05; import os",
        "__import__('os').system('true')",
        "(cutoff_rate) <= 1",
        "cutoff_rate <= 1 and " * 80 + "cutoff_rate <= 1",
        "eagerness <= 'low'",
        "eagerness == 'low",
        "cutoff_rate = 0.05",
        "cutoff_rate != 0.05",
        "cutoff_rate <= nan",
        "cutoff_rate <= 0x1",
        "cutoff_rate <= 1_0",
    ],
)
def test_what_is_refused_in_one_clear_error(text):
    with pytest.raises(ConfigError) as caught:
        parse_where(text, NAMES)
    assert len(caught.value.errors) == 1


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean cutoff_rate"):
        parse_where("cutof_rate <= 0.05", NAMES)


@given(st.text(max_size=60))
def test_any_text_is_limits_or_a_config_error(text):
    try:
        where = parse_where(text, NAMES)
    except ConfigError:
        return
    assert all(limit.name in NAMES for limit in where.limits)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["<=", "<", ">=", ">", "=="]), st.floats(0, 1))
def test_a_number_is_read_as_it_is_and_compared_as_python_does(bound, op, value):
    where = parse_where(f"cutoff_rate {op} {bound!r}", NAMES)
    expected = {
        "<=": value <= bound,
        "<": value < bound,
        ">=": value >= bound,
        ">": value > bound,
        "==": value == bound,
    }
    assert where.holds({"cutoff_rate": value}) is expected[op]


def test_a_missing_value_keeps_no_limit_and_is_infinitely_far_out():
    where = parse_where("cutoff_rate <= 0.05", NAMES)
    assert not where.holds({"cutoff_rate": None})
    assert not where.holds({"cutoff_rate": math.nan})
    assert where.excess({"cutoff_rate": None}) == (1, math.inf)
    assert where.excess({"cutoff_rate": 0.25})[0] == 1
    assert where.excess({"cutoff_rate": 0.05}) == (0, 0.0)


def test_limits_in_words():
    where = parse_where("cutoff_rate <= 0.05 and response_latency_ms_p50 < 1200", NAMES)
    assert where.words == "cutoff rate at most 5 % and median response latency under 1200"
