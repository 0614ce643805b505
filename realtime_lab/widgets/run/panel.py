"""RunPanel: start, watch, stop and go on with a sweep. The skin of `running`; no logic of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import ipywidgets as W  # noqa: N812
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realtime_lab import plots
from realtime_lab.session import Target
from realtime_lab.sweep import Progress, Study, SweepPlan, start_sweep
from realtime_lab.widgets.markup import figure, hint, notice, text
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, button, html_part, row
from realtime_lab.widgets.run.running import Planned, Running, State, SweepStarter

_WORDS: dict[State, str] = {
    "ready": "not started",
    "found": "from an earlier run; Resume goes on from here",
    "starting": "starting",
    "running": "running",
    "stopping": "stopping; what has come back is kept",
    "finished": "finished",
    "stopped": "stopped at its limit; Resume goes on from here",
    "cancelled": "cancelled; Resume goes on from here",
    "failed": "stopped by an error; Resume goes on from here",
    "outdated": "of the plan as it was; Run starts the plan as it is now",
}
_EVERY_S = 0.5
_SHARE = 0.2
"""Share of the time that may go into redrawing."""


class _Wanted(NamedTuple):
    """The picture that is asked for."""

    study: Study
    done: int
    over: bool


class GrowingPlot:
    """A picture of a study that grows, drawn on a thread of its own: one at a time, the last state always.

    Args:
        show: Takes each new picture.
        guard: Wraps the thread's work, so that what it raises is seen.
        draw: Draws the study as it is now.
        now_s: A monotonic clock, seconds.
        spawn: Runs a function on another thread.
    """

    def __init__(
        self,
        show: Callable[[bytes], None],
        guard: Callable[[Callable[[], None]], Callable[[], None]],
        draw: Callable[[Study], bytes] | None = None,
        now_s: Callable[[], float] = monotonic,
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._show, self._guarded_work = show, guard(self._work)
        self._draw, self._now_s = draw or tradeoff_png, now_s
        self._spawn = spawn or self._on_a_thread
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._wanted: _Wanted | None = None
        self._shown: tuple[Study, int] | None = None
        self._again_s = float("-inf")

    def ask(self, study: Study | None, progress: Progress | None, over: bool) -> None:
        """Draw, unless nothing came back since the last picture or, before the end, it is too soon.

        Args:
            study: What to draw.
            progress: How far it is.
            over: Whether the sweep has ended.
        """
        if study is None or progress is None or not progress.done:
            return
        with self._lock:
            self._wanted = _Wanted(study, progress.done, over)
            if self._busy or not self._due():
                return
            self._busy = True
        self._spawn(self._guarded_work)

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the picture that is being drawn."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _on_a_thread(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work, name="realtime-lab-plot", daemon=True)
        self._thread.start()

    def _due(self) -> bool:
        wanted = self._wanted
        if wanted is None or self._shown == (wanted.study, wanted.done):
            return False
        return wanted.over or self._now_s() >= self._again_s

    def _work(self) -> None:
        while True:
            with self._lock:
                wanted = self._wanted
                if wanted is None or not self._due():
                    self._busy = False
                    return
                self._shown = (wanted.study, wanted.done)
            started_s = self._now_s()
            try:
                self._show(self._draw(wanted.study))
            except BaseException:
                with self._lock:
                    self._busy = False
                raise
            ended_s = self._now_s()
            self._again_s = ended_s + max(_EVERY_S, (ended_s - started_s) / _SHARE)


def tradeoff_png(study: Study) -> bytes:
    """The trade-off plot of a study as it is now."""
    sheet = Figure(figsize=(9.6, 5.2), layout="constrained", facecolor="white", dpi=110)
    axes: Axes = sheet.add_subplot()
    plots.tradeoff(study, axes)
    buffer = BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()


def progress_html(state: State, progress: Progress | None) -> str:
    """How far a sweep is, the number of trials largest."""
    if progress is None:
        return hint("could not start" if state == "failed" else _WORDS[state])
    to_go = "" if progress.eta_s is None or state != "running" else f", about {progress.eta_s:,.0f} s to go"
    rate = "" if progress.rate_per_s is None else f"{progress.rate_per_s:,.1f} trials a second"
    shown = [
        figure("Trials", f"{progress.done:,}", f"of {progress.total:,}", f"{_WORDS[state]}{to_go}", main=True),
        figure("Running for" if state == "running" else "Ran for", f"{progress.elapsed_s:,.0f}", "s", rate)
        if progress.elapsed_s
        else "",
        figure("From earlier runs", f"{progress.resumed:,}") if progress.resumed else "",
        figure("Failed", f"{progress.failed:,}", bad=True) if progress.failed else "",
    ]
    share = 100 * progress.done / max(progress.total, 1)
    bar = f'<div class="rl-bar{" rl-bad" * (state == "failed")}"><div style="width:{share:.1f}%"></div></div>'
    told = f'<div class="rl-figures" data-state="{text(state)}">{"".join(shown)}</div>{bar}'
    if progress.paused is None:
        return told
    return told + notice(f"Paused ({progress.paused}): it goes on by itself when the study can be written again.")


class RunPanel(Panel):
    """Run a plan from a notebook; `.study` is what has come of it, also while it runs.

    The cell returns at once. Clicking Run again while the sweep is under way does nothing. Cancel keeps what has come
    back; Resume goes on from there, also in another notebook or after a restart. Running the cell again shows the sweep
    that is under way, and closing the browser does not end it; what an earlier kernel left is found in the study file.

    Args:
        plan: The plan, or a SweepPanel that says it.
        target: What answers; default: the plan's own, or else the mocked server.
        store: The study file; default: `runs/<plan hash>.sqlite`.
        workers: Worker processes; None: one per core.
        allow_unmodelled: Run although the plan varies a field that the mocked server ignores.
        max_usd: Most that may be spent on a paid target; None: what a SweepPanel says.
        max_seconds: How long it may run; for a paid target whose price is not known, how much audio may be sent, s.
            None: what a SweepPanel says.
        start: Starts a sweep; default: `start_sweep`.
    """

    def __init__(
        self,
        plan: SweepPlan | Planned,
        target: Target | None = None,
        store: str | Path | None = None,
        workers: int | None = None,
        *,
        allow_unmodelled: bool = False,
        max_usd: float | None = None,
        max_seconds: float | None = None,
        start: SweepStarter = start_sweep,
    ) -> None:
        super().__init__("rl-run-panel")
        self._listeners: list[Callable[[], None]] = []
        self._told = "ready"
        where = (target, store, workers, allow_unmodelled, max_usd, start)
        self.running = Running(plan, self._on_change, *where, max_seconds=max_seconds).joined()
        self.pace = Pace(self.guarded(self._refresh, "refresh"))
        begin, stop = self.guarded(self._begin), self.guarded(self.running.cancel)
        self.run = button("Run", "rl-run", begin, "Start the sweep", "primary")
        self.cancel = button("Cancel", "rl-cancel", stop, "Stop, and keep what has come back")
        self.resume = button("Resume", "rl-resume", begin, "Go on from where it stopped")
        self.figures = html_part("rl-progress")
        self.plot = W.Image(format="png", layout=W.Layout(display="none", max_width="100%"))
        self.plot.add_class("rl-plot")
        self._growing = GrowingPlot(self._show_plot, self._guard_plot)
        self.show([row([self.run, self.cancel, self.resume], "rl-buttons"), self.figures, self.plot])
        self._refresh()
        listen = getattr(plan, "on_change", None)
        if callable(listen):
            listen(self._on_plan)

    @property
    def study(self) -> Study | None:
        """The study, as far as it got, an earlier kernel's included; None before the first run."""
        return self.running.study

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the sweep's end, as a script or a later cell may; whether it has ended."""
        ended = self.running.wait(timeout_s)
        self._growing.join(timeout_s)
        return ended

    def on_change(self, call: Callable[[], None]) -> None:
        """Call `call()` after every change of state, as a panel that builds on this one does; on any thread."""
        self._listeners.append(call)

    def _begin(self) -> None:
        self.running.run()

    def _on_plan(self) -> None:
        self.say("", "action")  # what was wrong with the plan may be mended
        self.pace.ask()

    def _on_change(self) -> None:
        (self.pace.ask if self.running.under_way else self.pace.flush)()

    def _refresh(self) -> None:
        """Bring everything up to date with what is known; on any thread."""
        running = self.running
        self.guarded(running.look, "earlier")()
        self.run.disabled = running.under_way or bool(running.hindrance)
        self.resume.disabled = not running.resumable
        self.cancel.disabled = running.state not in ("starting", "running")
        self.figures.value = progress_html(running.state, running.progress)
        self.say(running.error or running.hindrance, "sweep")
        self._growing.ask(running.study, running.progress, not running.under_way)
        if running.state != self._told:
            self._told = running.state
            for call in self._listeners:
                call()

    def _guard_plot(self, work: Callable[[], None]) -> Callable[[], None]:
        return self.guarded(work, "plot")

    def _show_plot(self, picture: bytes) -> None:
        self.plot.value, self.plot.layout.display = picture, ""
