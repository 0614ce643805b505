"""Redraws: at once when quiet, at most ten a second, and the last one always."""

from realtime_lab.widgets.pace import Pace


class Bench:
    """A clock and a timer that are moved by hand."""

    def __init__(self):
        self.now = 0.0
        self.drawn = []
        self.waiting = []
        self.pace = Pace(lambda: self.drawn.append(self.now), 0.1, lambda: self.now, self._later)

    def _later(self, delay_s, call):
        self.waiting.append((self.now + delay_s, call))

    def move_to(self, now):
        for due, call in list(self.waiting):
            if due <= now + 1e-9:
                self.waiting.remove((due, call))
                self.now = due
                call()
        self.now = now


def test_the_first_change_is_drawn_at_once():
    bench = Bench()
    bench.pace.ask()
    assert bench.drawn == [0.0]


def test_a_thousand_changes_in_a_second_are_eleven_draws_and_the_last_is_shown():
    bench = Bench()
    for step in range(1000):
        bench.move_to(step / 1000)
        bench.pace.ask()
    bench.move_to(5.0)
    assert len(bench.drawn) == 11
    assert bench.drawn[-1] >= 0.999
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in zip(bench.drawn, bench.drawn[1:], strict=False))


def test_after_a_quiet_time_a_change_is_drawn_at_once_again():
    bench = Bench()
    bench.pace.ask()
    bench.move_to(3.0)
    bench.pace.ask()
    assert bench.drawn == [0.0, 3.0]


def test_a_flush_draws_now_and_takes_the_place_of_the_draw_that_waited():
    bench = Bench()
    bench.pace.ask()
    bench.pace.ask()
    bench.move_to(0.05)
    bench.pace.flush()
    bench.move_to(1.0)
    assert bench.drawn == [0.0, 0.05]
