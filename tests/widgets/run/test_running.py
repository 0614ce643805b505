"""The run panel: three clicks are one sweep, cancel, resume, what goes wrong is seen, the plot grows at its pace."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import PlanError, StudyLockedError
from realtime_lab.session import mocked
from realtime_lab.sweep import Progress, SweepPlan, run_sweep
from realtime_lab.widgets.run.panel import GrowingPlot, RunPanel, progress_html
from realtime_lab.widgets.run.running import Running

PLAN = SweepPlan(SessionConfig(turn_detection=ServerVad()), {"silence_duration_ms": [200, 500]}, "orders")


def progress(done=0, state="running", failed=0, resumed=0):
    return Progress(10, done, failed, 1, resumed, 2.0, 5.0 if done else None, state)


class FakeSweep:
    """A sweep that goes on when it is told to."""

    def __init__(self, resumed=0):
        self.study = SimpleNamespace(name="study")
        self.progress = progress(resumed, resumed=resumed)
        self.error = None

    def cancel(self):
        self.progress = progress(self.progress.done, "cancelled")

    def result(self):
        raise self.error


class Bench:
    """A Running over fake sweeps, whose looks wait for the test."""

    def __init__(self, *errors):
        self.sweeps, self.changes, self.errors = [], [], list(errors)
        self.look = threading.Semaphore(0)
        self.started = threading.Event()
        self.running = Running(PLAN, self.changed, start=self.start, pause=lambda _: self.look.acquire(timeout=5))

    def changed(self):
        self.changes.append(self.running.state)

    def start(self, plan, target, store, workers, **more):
        if self.errors:
            raise self.errors.pop()
        self.sweeps.append(FakeSweep(resumed=self.sweeps[-1].progress.done if self.sweeps else 0))
        self.started.set()
        return self.sweeps[-1]

    def end(self, state="finished", done=10, **more):
        self.started.wait(5)
        self.sweeps[-1].progress = progress(done, state, **more)
        self.look.release()
        assert self.running.wait(5)


def test_three_clicks_are_one_sweep():
    bench = Bench()
    assert [bench.running.run() for _ in range(3)] == [True, False, False]
    bench.end()
    assert len(bench.sweeps) == 1 and bench.running.state == "finished"
    assert bench.running.study is bench.sweeps[0].study


def test_clicks_from_many_threads_are_one_sweep():
    bench = Bench()
    clicks = [threading.Thread(target=bench.running.run) for _ in range(8)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    bench.end()
    assert len(bench.sweeps) == 1


def test_the_click_returns_before_the_sweep_has_started():
    hold = threading.Event()
    running = Running(PLAN, lambda: None, start=lambda *where, **more: hold.wait(5) and FakeSweep())
    assert running.run() and running.state == "starting" and running.study is None
    running.cancel()
    hold.set()
    assert running.wait(5) and running.state == "cancelled"


def test_cancel_keeps_the_study_and_resume_goes_on():
    bench = Bench()
    bench.running.run()
    bench.started.wait(5)
    bench.sweeps[0].progress = progress(4)
    bench.running.cancel()
    assert bench.running.state in ("stopping", "cancelled")
    bench.look.release()
    assert bench.running.wait(5) and bench.running.state == "cancelled" and bench.running.resumable
    bench.started.clear()
    assert bench.running.run()
    bench.end()
    assert bench.running.progress.done == 10 and not bench.running.resumable


def test_where_and_under_which_limits_to_run_is_passed_on():
    seen = []

    def start(plan, *where, **limits):
        seen.append((plan, where, limits))
        raise StudyLockedError("enough")

    running = Running(PLAN, lambda: None, mocked("observed"), "s.sqlite", 2, True, 1.5, start)
    running.run()
    assert running.wait(5)
    limits = {"progress": False, "allow_unmodelled": True, "max_usd": 1.5, "max_seconds": None}
    assert seen == [(PLAN, (mocked("observed"),), {"store": "s.sqlite", "workers": 2} | limits)]


def test_what_it_may_cost_is_what_the_panel_of_the_plan_says():
    seen = []

    def start(plan, *where, **limits):
        seen.append(limits)
        raise StudyLockedError("enough")

    source = SimpleNamespace(plan=PLAN, max_usd=3.0, max_seconds=60.0)
    for own in (None, 1.0):
        running = Running(source, lambda: None, max_usd=own, start=start)
        running.run()
        assert running.wait(5)
    assert [(limits["max_usd"], limits["max_seconds"]) for limits in seen] == [(3.0, 60.0), (1.0, 60.0)]


def test_a_sweep_that_reached_its_limit_says_so_and_can_go_on():
    bench = Bench()
    bench.running.run()
    bench.end("stopped", done=4)
    assert bench.running.state == "stopped" and bench.running.resumable
    assert "limit" in progress_html("stopped", bench.running.progress)


def test_running_the_cell_again_shows_the_sweep_that_is_under_way():
    """The new panel is the old sweep's: it is told of changes, cancels it, and starts no second one."""
    bench, told = Bench(), []
    bench.running.run()
    bench.started.wait(5)
    again = Running(PLAN, lambda: told.append(1), start=bench.start).joined()
    assert again is bench.running and again.run() is False
    again.cancel()
    assert told and bench.running.state == "stopping"
    bench.end("cancelled", done=4)
    assert len(bench.sweeps) == 1
    over = Running(PLAN, lambda: None, start=bench.start)
    assert over.joined() is over


def test_another_plan_or_another_file_is_another_sweep():
    bench = Bench()
    bench.running.run()
    bench.started.wait(5)
    other = SweepPlan(PLAN.base, {"silence_duration_ms": [300]}, "orders")
    for running in (Running(other, lambda: None), Running(PLAN, lambda: None, store="other.sqlite")):
        assert running.joined() is running
    bench.end()


class Source:
    """What has a plan that changes, as a SweepPanel."""

    def __init__(self, plan):
        self.plan, self.listeners = plan, []

    def on_change(self, call):
        self.listeners.append(call)

    def change(self, plan):
        self.plan = plan
        for call in self.listeners:
            call()


OTHER = SweepPlan(PLAN.base, {"silence_duration_ms": [300]}, "orders")


def test_a_plan_that_changes_after_its_sweep_is_said_and_taken_back_when_it_is_the_old_one_again():
    bench, source = Bench(), Source(PLAN)
    bench.running._source = source
    bench.running.run()
    bench.end()
    study = bench.running.study
    source.plan = OTHER
    bench.running.look()
    assert bench.running.state == "outdated" and bench.running.study is study and not bench.running.resumable
    assert "as it was" in progress_html("outdated", bench.running.progress)
    source.plan = PLAN
    bench.running.look()
    assert bench.running.state == "finished"
    source.plan = replace(PLAN, target=mocked("observed"))  # the same plan against something else is another sweep
    bench.running.look()
    assert bench.running.state == "outdated" and bench.running.run()
    bench.end()
    assert bench.running.state == "finished" and bench.running.study is not study


def test_what_an_earlier_kernel_left_of_a_plan_is_found_when_the_plan_becomes_that_one(tmp_path, monkeypatch):
    """As in the lab, where the plan is clicked together after the panel was made."""
    monkeypatch.chdir(tmp_path)
    short = replace(OTHER, scripts=OTHER.scripts[:1])
    run_sweep(short, workers=0, progress=False)
    source = Source(PLAN)
    panel = RunPanel(source)
    assert panel.study is None and panel.running.state == "ready"
    source.change(short)
    panel.pace.flush()
    assert panel.running.state == "finished" and len(panel.study.trials_df()) == 1
    source.change(PLAN)
    panel.pace.flush()
    assert panel.running.state == "outdated" and 'data-state="outdated"' in panel.figures.value


def test_cancelling_what_is_not_under_way_does_nothing():
    bench = Bench()
    bench.running.cancel()
    assert bench.running.state == "ready" and bench.changes == []


def test_a_sweep_that_cannot_start_says_why_and_can_be_tried_again():
    bench = Bench(StudyLockedError("another sweep is writing it"))
    bench.running.run()
    assert bench.running.wait(5)
    assert (bench.running.state, bench.running.error) == ("failed", "another sweep is writing it")
    assert not bench.running.resumable and "could not start" in progress_html("failed", bench.running.progress)
    assert bench.running.run()
    bench.end()
    assert (bench.running.state, bench.running.error) == ("finished", "")


def test_a_sweep_that_breaks_off_says_why():
    bench = Bench()
    bench.running.run()
    bench.started.wait(5)
    bench.sweeps[0].error = OSError("no space left")
    bench.end("failed", done=3)
    assert "no space left" in bench.running.error and bench.running.resumable


def test_failed_trials_are_said_and_can_be_run_again():
    bench = Bench()
    bench.running.run()
    bench.end(failed=2)
    assert "2 trials failed" in bench.running.error and bench.running.resumable


def test_mistakes_in_the_plan_are_raised_to_the_click_and_start_nothing():
    class Wrong:
        @property
        def plan(self):
            raise PlanError([])

    running = Running(Wrong(), lambda: None)
    with pytest.raises(PlanError):
        running.run()
    assert running.state == "ready"


# --- the plot -------------------------------------------------------------------------------------------------------


class PlotBench:
    """A GrowingPlot whose clock and thread are the test's."""

    def __init__(self, cost_s=0.1):
        self.now, self.shown, self.work = 0.0, [], []
        self.cost_s = cost_s
        self.plot = GrowingPlot(self.shown.append, lambda work: work, self.draw, lambda: self.now, self.work.append)
        self.study = SimpleNamespace(done=0)

    def draw(self, study):
        self.now += self.cost_s
        return study.done

    def ask(self, done, over=False):
        self.study.done = done
        self.plot.ask(self.study, progress(done), over)

    def turn(self):
        while self.work:
            self.work.pop()()


def test_a_plot_is_drawn_when_results_come_and_not_before():
    bench = PlotBench()
    bench.ask(0)
    bench.turn()
    assert bench.shown == []
    bench.ask(3)
    bench.turn()
    assert bench.shown == [3]


def test_redrawing_takes_a_fifth_of_the_time_at_most():
    bench = PlotBench(cost_s=0.4)
    for tick in range(100):
        bench.now = max(bench.now, tick / 10)
        bench.ask(tick + 1)
        bench.turn()
    assert len(bench.shown) <= 100 / 10 * 0.2 / 0.4 + 1


def test_the_last_state_is_drawn_however_soon_it_comes():
    bench = PlotBench()
    bench.ask(3)
    bench.turn()
    bench.ask(10, over=True)
    bench.turn()
    assert bench.shown == [3, 10]
    bench.ask(10, over=True)
    bench.turn()
    assert bench.shown == [3, 10]


def test_an_end_that_comes_while_a_picture_is_drawn_is_drawn_after_it():
    bench = PlotBench()
    bench.ask(3)
    bench.ask(10, over=True)
    assert len(bench.work) == 1
    bench.turn()
    assert bench.shown[-1] == 10


def test_a_plot_that_fails_is_tried_again_later():
    bench = PlotBench()
    bench.plot._draw = lambda study: 1 / 0
    bench.ask(3)
    with pytest.raises(ZeroDivisionError):
        bench.turn()
    bench.plot._draw = bench.draw
    bench.ask(4)
    bench.turn()
    assert bench.shown == [4]


# --- the panel ------------------------------------------------------------------------------------------------------


def test_the_number_of_trials_is_the_largest_figure():
    shown = progress_html("running", progress(4, resumed=2))
    assert shown.index("rl-main") < shown.index(">4<") and "of 10" in shown and "From earlier runs" in shown


def test_buttons_follow_the_state():
    sweeps = [FakeSweep()]
    panel = RunPanel(PLAN, start=lambda *where, **more: sweeps[-1])
    panel._growing._draw = lambda study: b"png"

    def disabled():
        return panel.run.disabled, panel.cancel.disabled, panel.resume.disabled

    assert disabled() == (False, True, True)
    panel.run.click()
    assert disabled() == (True, False, True)
    panel.cancel.click()
    assert panel.wait(5) and disabled() == (False, True, False)
    sweeps.append(FakeSweep())
    sweeps[-1].progress = progress(10, "finished")
    panel.resume.click()
    assert panel.wait(5) and disabled() == (False, True, True)
    assert panel.plot.value == b"png" and panel.plot.layout.display == ""


def test_mistakes_are_in_the_error_strip_until_a_run_begins():
    class Wavering:
        wrong = True

        @property
        def plan(self):
            if self.wrong:
                raise PlanError([])
            return PLAN

    sweep = FakeSweep()
    sweep.progress = progress(0, "finished")
    source = Wavering()
    panel = RunPanel(source, start=lambda *where, **more: sweep)
    panel.run.click()
    assert "sweep plan" in panel.error_strip.value
    source.wrong = False
    panel.run.click()
    assert panel.wait(5) and panel.error_strip.value == ""


def test_a_plot_that_cannot_be_drawn_is_in_the_error_strip():
    sweep = FakeSweep()
    sweep.progress = progress(3, "finished")
    panel = RunPanel(PLAN, start=lambda *where, **more: sweep)
    panel._growing._draw = lambda study: 1 / 0
    panel.run.click()
    assert panel.wait(5)
    assert "ZeroDivisionError" in panel.error_strip.value


def test_what_a_study_says_is_escaped():
    error = StudyLockedError("<img src=x onerror=alert(1)>")

    def start(*where, **more):
        raise error

    panel = RunPanel(PLAN, start=start)
    panel.run.click()
    assert panel.wait(5)
    assert "&lt;img" in panel.error_strip.value and "<img" not in panel.error_strip.value


def test_a_real_sweep_runs_and_resumes(tmp_path):
    """Two settings on one shipped script, in worker processes, into a real study."""
    plan = SweepPlan(PLAN.base, PLAN.space, [PLAN.scripts[0]])
    panel = RunPanel(plan, store=tmp_path / "study.sqlite", workers=1)
    for _ in range(3):
        panel.run.click()
    assert panel.wait(60) and panel.running.state == "finished", panel.error_strip.value
    assert panel.error_strip.value == ""
    assert list(panel.study.trials_df()["state"]) == ["complete", "complete"]
    assert bytes(panel.plot.value).startswith(b"\x89PNG")
    again = RunPanel(plan, store=tmp_path / "study.sqlite", workers=1)
    assert again.running.state == "finished" and len(again.study.trials_df()) == 2  # found in the file
    again.wait(60)
    assert bytes(again.plot.value).startswith(b"\x89PNG")
    again.run.click()
    assert again.wait(60) and again.running.progress.resumed == 2


def test_what_stops_a_sweep_from_being_stored_is_shown():
    paused = replace(progress(3), paused="the disk is <full>")
    assert "Paused (the disk is &lt;full&gt;): it goes on by itself" in progress_html("running", paused)
    assert "Paused" not in progress_html("running", progress(3))


def test_a_file_that_holds_another_plan_is_said_before_it_is_run(tmp_path):
    store, source = tmp_path / "s.sqlite", Source(PLAN)
    short = replace(OTHER, scripts=OTHER.scripts[:1])
    run_sweep(short, store=store, workers=0, progress=False)
    panel = RunPanel(source, store=store)
    for plan, refused in ((PLAN, True), (short, False), (PLAN, True)):
        source.change(plan)
        panel.pace.flush()
        assert panel.run.disabled is refused and ("holds another plan" in panel.error_strip.value) is refused
