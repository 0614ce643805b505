"""RunPanel: start, watch, stop and go on with a sweep. The skin of `running` and `run_view`; no logic of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ipywidgets as W  # noqa: N812

from realtime_lab.session import Target
from realtime_lab.sweep import Study, SweepPlan, start_sweep
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, button, html_part, row
from realtime_lab.widgets.run_view import GrowingPlot, progress_html
from realtime_lab.widgets.running import Planned, Running, SweepStarter

__all__ = ["RunPanel"]


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
