"""Lab: every panel in one, each building on the one before. The skin of the others; no logic of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.audio import Condition, Script
from realtime_lab.config import SessionConfig
from realtime_lab.session import Target
from realtime_lab.sweep import Study, SweepPlan
from realtime_lab.widgets.configure.panel import ConfigPanel
from realtime_lab.widgets.look.results_panel import ResultsPanel
from realtime_lab.widgets.markup import hint
from realtime_lab.widgets.panel import Panel, html_part
from realtime_lab.widgets.plan.audio_panel import AudioPanel
from realtime_lab.widgets.plan.sweep_panel import SweepPanel
from realtime_lab.widgets.run.panel import RunPanel

_TABS = ("1 Configure", "2 What is said", "3 Plan", "4 Run", "5 Results")


class Lab(Panel):
    """Configure, choose what is said, plan, run, look and listen, in five tabs.

    `.config`, `.scripts`, `.plan` and `.study` are what the tabs say, for the cells below.

    Args:
        base: The session to start from; default: server_vad, everything else unset.
        scripts: What is said: a shipped set's name, a folder or scripts.
        space: Values of each axis to start from.
        conditions: What the line sounds like; default: clean.
        target: What answers; default: the mocked server.
        store: The study file; default: `runs/<plan hash>.sqlite`.
        workers: Worker processes; None: one per core.
        max_usd: Most that may be spent on a paid target.
        uploads: Folder in which uploaded recordings are kept.

    Raises:
        ScriptError: If scripts are named and cannot be read.

    Example:
        >>> lab = rl.Lab()  # in a notebook: show it, click through it, then
        >>> lab.study.summary()
    """

    def __init__(
        self,
        base: SessionConfig | None = None,
        scripts: str | Path | Script | Sequence[Script] = "orders",
        *,
        space: Mapping[str, Sequence[Any]] | None = None,
        conditions: Sequence[Condition] | None = None,
        target: Target | None = None,
        store: str | Path | None = None,
        workers: int | None = None,
        max_usd: float | None = None,
        uploads: str | Path = "uploads",
    ) -> None:
        super().__init__("rl-lab")
        self.configure = ConfigPanel(base)
        self.audio = AudioPanel(scripts, uploads, base=self.configure)
        self.sweep = SweepPanel(
            self.configure, self.audio, space=space, conditions=conditions, target=target, max_usd=max_usd
        )
        self.run = RunPanel(self.sweep, None, store, workers)
        self.results: ResultsPanel | None = None
        """The results; None before there are any."""
        self._waiting = html_part("rl-no-results", hint("Results stand here when a sweep has run."))
        self._place = W.VBox([self._waiting])
        pages = [panel.widget for panel in (self.configure, self.audio, self.sweep, self.run)]
        self.tabs = W.Tab([*pages, self._place], titles=_TABS)
        self.tabs.add_class("rl-lab-tabs")
        self.show([self.tabs])
        self.run.on_change(self.guarded(self._look, "results"))
        self.guarded(self._look, "results")()

    @property
    def config(self) -> SessionConfig:
        """The session that is configured.

        Raises:
            ConfigError: With every mistake there is.
        """
        return self.configure.config

    @property
    def scripts(self) -> tuple[Script, ...]:
        """What is said."""
        return self.audio.scripts

    @property
    def plan(self) -> SweepPlan:
        """The plan.

        Raises:
            PlanError: With every mistake there is.
        """
        return self.sweep.plan

    @property
    def study(self) -> Study | None:
        """The study as far as it got; None before the first run."""
        return self.run.study

    def _look(self) -> None:
        """Show what a sweep that has ended left behind."""
        study, running = self.run.study, self.run.running
        if study is None or running.under_way or not study.states().get("complete"):
            return
        if self.results is None or self.results.study.path != study.path:
            self.results = ResultsPanel(study)
            self._place.children = [self.results.widget]
        else:
            self.results.read()
        done = study.states()["complete"]
        self.tabs.titles = [*_TABS[:-1], f"{_TABS[-1]} ({done:,})"]
