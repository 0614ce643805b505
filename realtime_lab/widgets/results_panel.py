"""ResultsPanel: a study to be looked through and heard. The skin of `results` and `results_view`; no logic here."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.session import Stage
from realtime_lab.sweep import Study
from realtime_lab.widgets.markup import hint, text
from realtime_lab.widgets.opened import open_session
from realtime_lab.widgets.panel import Panel, button, html_part, row
from realtime_lab.widgets.results import Results, TurnFound
from realtime_lab.widgets.results_view import PLOTS, ResultsPicture, listed_rows, listed_turns
from realtime_lab.widgets.session_view import SessionView

__all__ = ["ResultsPanel"]


class ResultsPanel(Panel):
    """Look through a study: filter it, choose a setting in the plot or in the list, open and hear its turns.

    Args:
        study: The study; it may still grow, and `read()` looks again.

    Raises:
        RealtimeLabError: If no session is complete.
    """

    def __init__(self, study: Study) -> None:
        super().__init__("rl-results-panel")
        self.study = study
        """The study."""
        self.results = Results(study)
        self._stage, self._busy = Stage(), False
        self._found: list[TurnFound] = []
        self.filters = row([], "rl-filters")
        self.plot = W.Dropdown(options=PLOTS, layout=W.Layout(width="230px"))
        self.plot.add_class("rl-plot-choice")
        self.plot.observe(self.guarded(lambda _: self._draw(), "plot"), "value")
        self.again = button("Read again", "rl-read", self.guarded(self.read), "Look for trials that have come in since")
        self.picture, self.heading = html_part("rl-results-plot"), html_part("rl-points-heading")
        self.points = W.Select(rows=8, layout=W.Layout(width="100%"))
        self.points.add_class("rl-points")
        self.points.observe(self.guarded(lambda _: self._choose_point()), "index")
        self.turns_heading = html_part("rl-turns-heading")
        self.turns = W.Select(rows=8, layout=W.Layout(width="100%"))
        self.turns.add_class("rl-worst")
        self.turns.observe(self.guarded(lambda _: self._open_turn(), "session"), "index")
        self.session = SessionView()
        self.session.widget.layout.display = "none"
        top = row([self.plot, self.again, self.filters], "rl-results-top")
        settings, turns = _column(560, self.heading, self.points), _column(400, self.turns_heading, self.turns)
        lists = row([settings, turns], "rl-lists")
        lists.layout.align_items = "flex-start"
        self.show([top, self.picture, lists, self.session.widget])
        self._show_filters()
        self._narrowed()

    def read(self) -> None:
        """Look again at a study that has grown."""
        self.results.read()
        self._show_filters()
        self._narrowed()

    @property
    def turn(self) -> TurnFound | None:
        """The turn that is open; None when none is."""
        index = self.turns.index
        return None if index is None else self._found[index]

    def _show_filters(self) -> None:
        self.filters.children = [self._filter(name, values) for name, values in self.results.filters.items()]

    def _filter(self, name: str, values: tuple[str, ...]) -> Any:
        part = W.Dropdown(options=values, value=self.results.chosen.get(name, values[0]))
        part.layout.width = "96px"
        part.add_class("rl-filter")
        part.observe(self.guarded(partial(self._take_filter, name)), "value")
        label = html_part("rl-filter-name", f'<div class="rl-side">{text(name, 40)}</div>')
        return row([label, part], "rl-filter-row", margin="0 10px 0 0")

    def _take_filter(self, name: str, change: Any) -> None:
        self.results.choose(name, change.new)
        self._narrowed()

    def _narrowed(self) -> None:
        """Show what the filters let through."""
        heading, lines = listed_rows(self.results)
        self.heading.value = f'<pre class="rl-columns">{text(heading, 400)}</pre>'
        self._busy = True
        try:
            self.points.options, self.points.index = [(line, n) for n, line in enumerate(lines)], None
        finally:
            self._busy = False
        self.guarded(self._draw, "plot")()
        self._list_turns()

    def _draw(self) -> None:
        self._drawn = ResultsPicture(self.results, self.plot.value)
        self.picture.value = self._drawn.html(self.points.index)

    def _choose_point(self) -> None:
        if not self._busy:
            self.picture.value = self._drawn.html(self.points.index)
            self._list_turns()

    def _list_turns(self) -> None:
        index = self.points.index
        self._found = self.results.worst(index)
        whose = (
            "every setting: choose one in the plot or in the list" if index is None else self.results.rows[index].name
        )
        self.turns_heading.value = hint(f"Worst turns first; choose one to hear it. Of {whose}")
        self._busy = True
        try:
            self.turns.options = [(line, n) for n, line in enumerate(listed_turns(self._found))]
            self.turns.index = None
        finally:
            self._busy = False

    def _open_turn(self) -> None:
        found = self.turn
        if self._busy or found is None:
            return
        opened = open_session(self.study, found.trial, stage=self._stage)
        self.session.open(opened, found.turn)
        self.session.widget.layout.display = ""


def _column(width: int, *parts: Any) -> Any:
    column = W.VBox(list(parts), layout=W.Layout(flex=f"1 1 {width}px", min_width="0", padding="0 12px 0 0"))
    column.add_class("rl-list")
    return column
