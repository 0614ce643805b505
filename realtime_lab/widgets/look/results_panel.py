"""ResultsPanel: a study to be looked through and heard. The skin of `results`; no logic here."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812
import pandas as pd

from realtime_lab import plots
from realtime_lab.plots.style import new_axes, root_figure
from realtime_lab.plots.tradeoff import draw_tradeoff, tradeoff_info
from realtime_lab.report.pictures import inline_svg
from realtime_lab.session import Stage
from realtime_lab.sweep import Study
from realtime_lab.widgets.look.opened import open_session
from realtime_lab.widgets.look.results import ResultRow, Results, TurnFound, shown
from realtime_lab.widgets.look.session_view import SessionView
from realtime_lab.widgets.markup import hint, text
from realtime_lab.widgets.panel import Panel, button, html_part, row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRADEOFF = "cut-offs against waiting"
_WIDTH_IN, _HEIGHT_IN = 10.4, 5.0
_MOST_POINTS = 400
_COLUMN = 20
_NUMBERS = (
    ("wait ms, p50", "response_latency_ms_p50", "{:,.0f}"),
    ("p95", "response_latency_ms_p95", "{:,.0f}"),
    ("cut", "cutoff_rate", "{:.1%}"),
    ("WER", "wer", "{:.1%}"),
    ("turns", "n_turns", "{:,.0f}"),
)
_CHOOSE = (
    "const s=this.closest('.rl-results-panel').querySelector('.rl-points select');"
    "s.selectedIndex=+this.dataset.at;s.dispatchEvent(new Event('change',{bubbles:true}))"
)
"""Chooses a point's line in the list, as a click on it does; a constant, into which nothing is written."""

_Draw = Callable[[pd.DataFrame, "Axes"], "Axes"]
_OTHERS: Mapping[str, _Draw] = {
    "how long callers wait": lambda turns, axes: plots.ecdf(turns, axes),
    "where the wait comes from": lambda turns, axes: plots.decomposition(turns, axes),
    "word errors": lambda turns, axes: plots.wer(turns, axes),
}
PLOTS = (TRADEOFF, *_OTHERS)
"""Names of the plots there are."""


class ResultsPicture:
    """One plot of what the filters let through, and where its points are.

    Args:
        results: What is looked through.
        plot: One of `PLOTS`.
    """

    def __init__(self, results: Results, plot: str) -> None:
        self._names = [row.name for row in results.rows]
        self._places: dict[int, tuple[float, float]] = {}
        if results.frame is None:
            self._svg = hint("No turn passes these filters.")
            return
        axes = new_axes(_WIDTH_IN, _HEIGHT_IN)
        if plot == TRADEOFF:
            draw_tradeoff(tradeoff_info(results.frame), axes)
        else:
            _OTHERS[plot](results.turns, axes)
        self._svg = inline_svg(root_figure(axes), "results", plot)
        if plot == TRADEOFF:
            self._places = dict(_places(results.rows, axes))

    def html(self, chosen: int | None) -> str:
        """The plot; the chosen row's point is ringed, and a click on a point chooses its row."""
        points = "".join(self._point(number, number == chosen) for number in self._places)
        return f'<div class="rl-player-picture">{self._svg}{points}</div>'

    def _point(self, number: int, is_chosen: bool) -> str:
        left, top = self._places[number]
        kind = "rl-point rl-chosen" if is_chosen else "rl-point"
        return (
            f'<span class="{kind}" role="button" style="left:{100 * left:.2f}%;top:{100 * top:.2f}%"'
            f' data-at="{number}" title="{text(self._names[number], 300)}" onclick="{html.escape(_CHOOSE)}"></span>'
        )


def _places(rows: Sequence[ResultRow], axes: Axes) -> list[tuple[int, tuple[float, float]]]:
    """Where points are in the picture that was drawn last, as shares of its width and of its height from the top."""
    figure = root_figure(axes)
    width, height = figure.get_size_inches() * figure.dpi
    found: list[tuple[int, tuple[float, float]]] = []
    for number, each in enumerate(rows):
        if each.place is not None and len(found) < _MOST_POINTS:
            across, up = axes.transData.transform(each.place)
            found.append((number, (float(across / width), float(1 - up / height))))
    return found


def listed_rows(results: Results) -> tuple[str, tuple[str, ...]]:
    """(heading, a line for each row) in columns, for letters of one width."""
    head = [*results.by, *(name for name, _, _ in _NUMBERS)]
    cells = [[*map(shown, row.cells.values()), *_numbers(row)] for row in results.rows]
    widths = [min(_COLUMN, max(map(len, column))) for column in zip(head, *cells, strict=True)]
    lines = ["  ".join(_fit(cell, width) for cell, width in zip(line, widths, strict=True)) for line in [head, *cells]]
    return lines[0], tuple(lines[1:])


def _numbers(row: ResultRow) -> list[str]:
    values = [(row.number(name), form) for _, name, form in _NUMBERS]
    return ["–" if value is None else form.format(value) for value, form in values]


def _fit(cell: str, width: int) -> str:
    line = "".join(char if char.isprintable() else "?" for char in cell)
    return (line if len(line) <= width else line[: width - 1] + "…").rjust(width)


def listed_turns(found: Sequence[TurnFound]) -> tuple[str, ...]:
    """A line for each turn."""
    return tuple(_fit(f"{number + 1}. {one.where}: {one.why}", 140).strip() for number, one in enumerate(found))


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
