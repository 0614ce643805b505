"""Errors: what a notebook shows of one, and what the heading of several mistakes names."""

from __future__ import annotations

import pickle

import pytest

from realtime_lab import errors, load_scripts
from realtime_lab.analysis.deciding.limits import parse_where


def test_a_notebook_shows_the_callers_line_and_the_message_but_nothing_of_the_package():
    with pytest.raises(errors.ScriptError) as caught:
        load_scripts("no such set")
    shown = caught.value._render_traceback_()
    assert shown[0].startswith(f"{__file__}, line ") and shown[0].endswith(': load_scripts("no such set")')
    assert shown[1:] == [f"ScriptError: {caught.value}"]


def test_the_cause_stands_below_the_message():
    with pytest.raises(errors.RealtimeLabError) as caught:
        raise errors.RealtimeLabError("the sweep could not go on") from OSError("no space")
    assert caught.value._render_traceback_()[-1] == "because of OSError: no space"


def test_a_limit_that_cannot_be_read_is_no_mistake_of_a_configuration():
    with pytest.raises(errors.ConfigError, match=r"^1 mistake in the arguments:\n  - where = ") as caught:
        parse_where("cutoff_rate", ["cutoff_rate"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
