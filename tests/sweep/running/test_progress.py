"""Progress: counts and rates from a clock that is given, shown without flooding."""

from __future__ import annotations

import io

from realtime_lab.sweep.running.progress import ProgressDisplay, ProgressMeter


class Clock:
    """A clock that is moved."""

    now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def meter(total=100, resumed=0):
    clock = Clock()
    return ProgressMeter(total, resumed, clock), clock


def test_nothing_is_known_before_the_first_result():
    counts, clock = meter()
    counts.sent(4)
    clock.now += 2
    now = counts.snapshot()
    assert (now.done, now.running, now.elapsed_s, now.rate_per_s, now.eta_s) == (0, 4, 2.0, None, None)
    assert str(now) == "0 of 100 trials"


def test_rate_and_time_to_go():
    counts, clock = meter(resumed=20)
    counts.sent(15)
    clock.now += 5
    counts.returned(5, 0)
    clock.now += 5
    counts.returned(9, 1)
    now = counts.snapshot()
    assert (now.done, now.failed, now.running, now.rate_per_s, now.eta_s) == (35, 1, 0, 2.0, 32.5)
    assert str(now) == "35 of 100 trials, 1 failed, 2.0/s, about 32 s to go"


def test_no_time_to_go_is_told_while_the_start_of_workers_is_most_of_the_rate():
    counts, clock = meter(total=1_000)
    clock.now += 10
    counts.returned(1, 0)
    assert str(counts.snapshot()) == "1 of 1,000 trials, 6.0/min"
    clock.now += 1
    counts.returned(9, 0)
    assert counts.snapshot().eta_s is None
    clock.now += 9
    counts.returned(90, 0)
    assert counts.snapshot().eta_s == 900 / 9.9


def test_live_sessions_that_come_back_seldom_have_a_time_to_go_too():
    counts, clock = meter(total=100)
    for _ in range(4):
        clock.now += 30
        counts.returned(1, 0)
    assert str(counts.snapshot()) == "4 of 100 trials, 2.0/min, about 48 min to go"


def test_failures_are_told_by_kind_the_commonest_first():
    counts, _ = meter()
    counts.returned(0, 4, ["reset", "rate_limited", "rate_limited", "rate_limited"])
    now = counts.snapshot()
    assert now.failures == {"rate_limited": 3, "reset": 1}
    assert "4 failed (3 × rate_limited, 1 × reset)" in str(now)


def test_the_rate_is_that_of_the_last_while():
    counts, clock = meter(total=10_000)
    for done in [1] * 20 + [50] * 20:
        clock.now += 1
        counts.returned(done, 0)
    assert counts.snapshot().rate_per_s == 50.0


def test_the_end_stops_the_clock_and_averages():
    counts, clock = meter(total=10)
    clock.now += 5
    counts.returned(10, 0)
    counts.end("finished")
    clock.now += 1000
    now = counts.snapshot()
    assert (now.state, now.elapsed_s, now.rate_per_s) == ("finished", 5.0, 2.0)
    assert str(now) == "10 of 10 trials, 2.0/s, finished after 5 s"


def test_long_times_are_told_in_minutes_and_hours():
    counts, clock = meter(total=100_000)
    for done in (0, 10):
        clock.now += 10
        counts.returned(done, 0)
    assert str(counts.snapshot()).endswith("about 27.8 h to go")
    counts.returned(9000, 0)
    assert str(counts.snapshot()).endswith("about 2 min to go")


def test_a_notebook_is_told_where_nothing_is_shown_in_red(monkeypatch, capsys):
    class OutStream(io.StringIO):
        __module__ = "ipykernel.iostream"

    monkeypatch.setattr("sys.stderr", OutStream())
    counts, _ = meter(total=10, resumed=2)
    ProgressDisplay().close(counts.snapshot())
    assert capsys.readouterr().out.startswith("sweep: 2 of 10")


def test_a_stream_that_is_no_terminal_gets_a_few_lines():
    counts, clock = meter(total=10_000)
    stream = io.StringIO()
    display = ProgressDisplay(stream)
    for _ in range(3600):
        clock.now += 0.1
        counts.returned(1, 0)
        display.show(counts.snapshot())
    counts.end("cancelled")
    display.close(counts.snapshot())
    lines = stream.getvalue().splitlines()
    assert len(lines) == 14
    assert lines[0].startswith("sweep: 31 of 10,000 trials, 10.0/s")
    assert lines[-1] == "sweep: 3,600 of 10,000 trials, 10.0/s, cancelled after 6 min"


def test_a_terminal_gets_one_bar():
    counts, _ = meter(total=10, resumed=2)
    stream = Terminal()
    display = ProgressDisplay(stream)
    display.show(counts.snapshot())
    counts.returned(7, 1)
    counts.end("finished")
    display.close(counts.snapshot())
    text = stream.getvalue()
    assert "10/10" in text and "1 failed" in text
    assert text.count("\n") == 1
