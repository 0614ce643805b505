"""What a results panel shows of a study: plots as SVG with its points to click, lists as aligned text. No widgets."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from realtime_lab import plots
from realtime_lab.plots.style import new_axes, root_figure
from realtime_lab.plots.tradeoff_axes import draw_tradeoff
from realtime_lab.plots.tradeoff_data import tradeoff_info
from realtime_lab.report.svg import inline_svg
from realtime_lab.widgets.markup import hint, text
from realtime_lab.widgets.results import ResultRow, Results, TurnFound, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PLOTS", "ResultsPicture", "listed_rows", "listed_turns"]

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
    for number, row in enumerate(rows):
        if row.place is not None and len(found) < _MOST_POINTS:
            across, up = axes.transData.transform(row.place)
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
