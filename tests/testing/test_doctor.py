"""The doctor: what it measures on this machine, and what it says to a wrong option."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from realtime_lab import cli
from realtime_lab.testing.doctor import check_up


@pytest.mark.parametrize("words", ["", "0", "ten", "1,,2", "1,999", "-1"])
def test_a_number_of_sessions_that_cannot_be_is_one_line_and_exit_code_3(words):
    ended = CliRunner().invoke(cli.app, ["doctor", f"--sessions={words}"])
    assert ended.exit_code == 3
    assert ended.stderr.startswith("realtime-lab: --sessions") and ended.stderr.count("\n") == 1


@pytest.mark.full
def test_errors_are_never_negative_and_small_on_one_machine():
    (one, four) = check_up((1, 4))
    for measured in (one, four):
        assert measured.failed == 0
        assert 0 <= measured.send_late_p50_ms <= measured.send_late_p99_ms
        assert 0 < measured.receive_error_p50_ms <= measured.receive_error_p95_ms <= measured.receive_error_p99_ms
        assert measured.receive_error_p50_ms < 5
    assert four.events >= 3.5 * one.events
