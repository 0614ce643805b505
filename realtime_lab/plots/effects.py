"""What each value of each setting adds, as points with intervals; what pairs of values add beyond that, as a map."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.effects.effects import interaction, main_effects
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.source import HasFrames, plain_row
from realtime_lab.analysis.summary.wording import amount, column_of, interval, is_rate, label_of, setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.heatmap import HeatmapCell, HeatmapInfo, draw_heatmap
from realtime_lab.plots.style import (
    GREY,
    INK,
    colour_of,
    name_axes,
    new_axes,
    plain,
    quiet,
    said_of,
    say_instead,
    show_literally,
)

_LABEL_CHARACTERS = 40


class EffectPoint(NamedTuple):
    """One value of one setting."""

    label: str
    effect: float
    low: float | None
    """None: no interval."""
    high: float | None
    group: int
    """Which setting it is of: points of one setting have one colour."""


class EffectsInfo(NamedTuple):
    """Everything the plot shows."""

    metric: str
    points: tuple[EffectPoint, ...]
    """From the top."""
    condition: str
    notes: tuple[str, ...]
    """Why there are no intervals, in sentences."""
    problem: str = ""
    """The sentence in place of the figure; empty when there is one."""


def effects(
    source: HasFrames | pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "response_latency_ms_p50",
    condition: str | None = None,
) -> Axes:
    """Plot what each value of each swept setting adds to a metric, the other settings averaged out.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        metric: Column of the summary.
        condition: The acoustic condition; None: clean, else the first there is.

    Returns:
        The axes.

    Raises:
        ConfigError: If the metric or condition is not there.
    """
    info = effects_info(source, metric=metric, condition=condition)
    return draw_effects(info, new_axes(7.2, max(2.4, 1.2 + 0.3 * len(info.points))) if ax is None else ax)


def effects_info(
    source: HasFrames | pd.DataFrame, *, metric: str = "response_latency_ms_p50", condition: str | None = None
) -> EffectsInfo:
    """Gather what `effects` shows; arguments and errors as there."""
    try:
        grid = grid_of(source, condition)
        rows = [plain_row(row) for row in main_effects(grid, metric).to_dict("records")]
    except RealtimeLabError as error:
        return EffectsInfo(metric, (), condition or "", (), said_of(error))
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    points = tuple(
        EffectPoint(
            setting_words({row["setting"]: row["value"]}),
            float(row["effect"]),
            row["effect_low"],
            row["effect_high"],
            settings.index(row["setting"]),
        )
        for row in rows
        if row["effect"] is not None
    )
    notes = tuple(dict.fromkeys(str(row["note"]) for row in rows if row["note"]))
    problem = "" if points else "No setting has two values to compare."
    return EffectsInfo(metric, points, grid.condition, notes, problem)


def draw_effects(info: EffectsInfo, ax: Axes) -> Axes:
    """Draw what `effects_info` gathered."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.axvline(0.0, color=GREY, linewidth=0.9, zorder=1)
    places = [len(info.points) - 1 - number for number in range(len(info.points))]
    for place, point in zip(places, info.points, strict=True):
        colour = colour_of(point.group)
        if point.low is not None and point.high is not None:
            ax.hlines(place, point.low, point.high, color=colour, linewidth=2.4, alpha=0.5, zorder=2)
        ax.plot([point.effect], [place], "o", color=colour, markersize=6, markeredgecolor="white", zorder=3)
    entry = column_of(info.metric)
    unit = " (points)" if is_rate(info.metric) else f" ({entry.unit})" if entry is not None and entry.unit else ""
    if is_rate(info.metric):
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    title = "; ".join(filter(None, (f"Each value against the mean of all, {info.condition}", *info.notes)))
    ax.set_yticks(places)
    name_axes(ax, plain(f"effect on {label_of(info.metric)}{unit}"))
    show_literally(
        *ax.set_yticklabels([plain(point.label, _LABEL_CHARACTERS) for point in info.points]),
        ax.set_title(plain(title, 110), loc="left", fontsize=9.5, color=INK),
    )
    return ax


def interactions(
    source: HasFrames | pd.DataFrame,
    ax: Axes | None = None,
    *,
    metric: str = "response_latency_ms_p50",
    x: str | None = None,
    y: str | None = None,
    condition: str | None = None,
) -> Axes:
    """Plot what pairs of values of two settings add beyond the sum of their effects, each cell with its interval.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        metric: Column of the summary.
        x: The setting along the bottom; None: the first that varies.
        y: The setting up the side; None: the next that varies.
        condition: The acoustic condition; None: clean, else the first there is.

    Returns:
        The axes.

    Raises:
        ConfigError: If a setting, metric or condition is not there.
    """
    info = interactions_info(source, metric=metric, x=x, y=y, condition=condition)
    size = (max(4.0, 1.1 + 1.25 * len(info.columns)), max(2.0, 1.0 + 0.6 * len(info.rows)))
    return draw_heatmap(info, new_axes(*size) if ax is None else ax)


def interactions_info(
    source: HasFrames | pd.DataFrame,
    *,
    metric: str = "response_latency_ms_p50",
    x: str | None = None,
    y: str | None = None,
    condition: str | None = None,
) -> HeatmapInfo:
    """Gather what `interactions` shows; arguments and errors as there."""
    try:
        return _interactions(grid_of(source, condition), metric, x, y)
    except RealtimeLabError as error:
        return HeatmapInfo(metric, x or "", y or "", (), (), (), condition or "", "", problem=said_of(error))


def _interactions(grid: Grid, metric: str, x: str | None, y: str | None) -> HeatmapInfo:
    varying = [name for name in grid.groups.names if len({repr(setting[name]) for setting in grid.settings}) > 1]
    x = x or next((name for name in varying if name != y), None)
    y = y or next((name for name in varying if name != x), None)
    if x is None or y is None:
        raise RealtimeLabError("an interaction needs two settings with two values each: fewer were swept")
    rows = [plain_row(row) for row in interaction(grid, x, y, metric).to_dict("records")]
    columns = list(dict.fromkeys(row[x] for row in rows))
    sides = list(dict.fromkeys(row[y] for row in rows))
    cells = tuple(
        HeatmapCell(
            sides.index(row[y]),
            columns.index(row[x]),
            row["interaction"],
            "–" if row["interaction"] is None else amount(metric, row["interaction"], signed=True),
            interval(metric, row["interaction_low"], row["interaction_high"], signed=True),
            ("not chance",) if _apart(row["interaction_low"], row["interaction_high"]) else (),
        )
        for row in rows
    )
    words = [tuple(setting_words({"": value}).strip() for value in values) for values in (columns, sides)]
    return HeatmapInfo(metric, x, y, words[0], words[1], cells, grid.condition, "beyond the sum of both effects", True)


def _apart(low: float | None, high: float | None) -> bool:
    """Whether an interval leaves nothing out."""
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return bool(known and (low > 0.0 or high < 0.0))  # type: ignore[operator]
