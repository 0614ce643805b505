"""The trade-off plot: how often callers are cut off, against how long they wait, one point per setting."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from realtime_lab.plots.labels import PointLabel, place_labels
from realtime_lab.plots.style import (
    GREY,
    INK,
    FigureAxes,
    colour_of,
    legend_name,
    new_axes,
    plain,
    quiet,
    root_figure,
    say_instead,
    show_literally,
)
from realtime_lab.plots.tradeoff_data import ORACLE_LABEL, Summarised, TradeoffInfo, TradeoffPoint, tradeoff_info

__all__ = ["draw_tradeoff", "tradeoff"]

_CURVE_STYLES: tuple[Any, ...] = ((0, (1, 1.3)), (0, (5, 2)))
_ORACLE_STYLE: Any = (0, (4, 1.5, 1, 1.5))
_CAPTION_CHARACTERS = 118
_PUBLISHED = "Published elsewhere (eot-bench):\nmedia time to the decision,\nno model, no network"


def tradeoff(
    source: Summarised | pd.DataFrame,
    ax: Axes | None = None,
    *,
    latency: str = "response_latency_ms",
    published: bool = True,
) -> Axes:
    """Plot cutoff rate against the median latency, one point per setting and condition, with both intervals.

    Args:
        source: A study, a summary frame, or a turns frame.
        ax: Where to draw; None: a new figure.
        latency: The latency on the x axis, such as `response_latency_ms` or `endpoint_delay_ms`.
        published: Show published curves behind the points.

    Returns:
        The axes; their `figure` can be saved.

    Raises:
        RealtimeLabError: If there is no such latency.
    """
    info = tradeoff_info(source, latency=latency, published=published)
    return draw_tradeoff(info, new_axes(9.0, 5.4) if ax is None else ax)


def draw_tradeoff(info: TradeoffInfo, ax: Axes) -> Axes:
    """Draw what `tradeoff_info` gathered; everything outside the axes (legends, caption) hangs on them."""
    if info.problem:
        return say_instead(ax, info.problem)
    colours = {name: colour_of(i) for i, name in enumerate(info.conditions)}
    quiet(ax)
    _set_limits(info, ax)
    for curve, style in zip(info.curves, _CURVE_STYLES, strict=False):
        ax.plot(curve.latency_ms, curve.cutoff_rate, color=GREY, linestyle=style, linewidth=1.4, zorder=1.5)
    for name in info.conditions:
        here = [point for point in info.points if point.condition == name]
        _draw_points([point for point in here if point not in info.labelled], colours[name], ax, faint=True)
        named = [point for point in here if point in info.labelled]
        _draw_points(named, colours[name], ax, faint=False)
        if info.is_path and named:
            ax.plot(*zip(*map(_place, named), strict=True), color=colours[name], linewidth=1.6, alpha=0.35, zorder=2.5)
    _draw_oracle(info, colours, ax)
    _draw_legends(info, colours, ax)
    _draw_texts(info, ax)
    if isinstance(ax, FigureAxes):  # ours: settle the layout, so that labels know where points are
        root_figure(ax).draw_without_rendering()
    labels = [
        PointLabel(plain(text), *_place(point), colours[point.condition]) for point, text in info.labelled.items()
    ]
    place_labels(labels, [_place(point) for point in info.points], ax, list(_lines(info)))
    return ax


def _lines(info: TradeoffInfo) -> Iterator[list[tuple[float, float]]]:
    """What is drawn as a line and labels should not stand on."""
    for curve in info.curves:
        yield list(zip(map(float, curve.latency_ms), map(float, curve.cutoff_rate), strict=True))
    for name in info.conditions if info.is_path else ():
        yield [_place(point) for point in info.points if point.condition == name and point in info.labelled]


def _place(point: TradeoffPoint) -> tuple[float, float]:
    return point.latency_ms, point.cutoff_rate


def _set_limits(info: TradeoffInfo, ax: Axes) -> None:
    """Room for every point and finite interval, from zero; empty plots get the room of a usual one."""
    latest = [value for point in info.points for value in (point.latency_ms * 1.06, point.latency_high_ms)]
    right = max((value for value in latest if math.isfinite(value)), default=2000.0)
    left = min((point.latency_low_ms for point in info.points), default=0.0)
    top = max((point.cutoff_high for point in info.points), default=0.5)
    ax.set_xlim(min(0.0, left * 1.05), max(right, 1.0) * 1.03)
    highest = min(1.0, max(0.1, top * 1.04))
    ax.set_ylim(-0.025 * highest, highest * 1.01)  # points at 0 and at 1 are shown whole


def _draw_points(points: Sequence[TradeoffPoint], colour: str, ax: Axes, *, faint: bool) -> None:
    if not points:
        return
    edge = ax.get_xlim()[1]
    x, y = [point.latency_ms for point in points], [point.cutoff_rate for point in points]
    lows, highs = [point.latency_low_ms for point in points], [min(point.latency_high_ms, edge) for point in points]
    lines: dict[str, Any] = {"colors": colour, "linewidth": 1.1, "alpha": 0.13 if faint else 0.5, "zorder": 2}
    ax.hlines(y, lows, highs, **lines)
    ax.vlines(x, [point.cutoff_low for point in points], [point.cutoff_high for point in points], **lines)
    ax.plot(
        x,
        y,
        "o",
        color=colour,
        alpha=0.45 if faint else 1.0,
        markersize=5 if faint else 7,
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=3 if faint else 4,
    )
    past = np.array([point.latency_high_ms > edge for point in points])
    if past.any() and not faint:
        ends = np.array(y)[past]
        ax.plot(np.full(len(ends), edge), ends, ">", color=colour, markersize=5, alpha=0.6, clip_on=False, zorder=3)


def _draw_oracle(info: TradeoffInfo, colours: dict[str, str], ax: Axes) -> None:
    """The bound: a line across all cut-off rates at its median, its interval shaded, one per condition."""
    for point in info.oracle:
        colour = colours[point.condition]
        ax.axvspan(point.latency_low_ms, min(point.latency_high_ms, ax.get_xlim()[1]), color=colour, alpha=0.08, lw=0)
        ax.axvline(point.latency_ms, color=colour, linestyle=_ORACLE_STYLE, linewidth=1.3, zorder=1.8)


def _draw_legends(info: TradeoffInfo, colours: dict[str, str], ax: Axes) -> None:
    if info.conditions:
        dots = [
            Line2D([], [], color=colours[name], marker="o", linestyle="none", markersize=7, markeredgecolor="white")
            for name in info.conditions
        ]
        bound = [Line2D([], [], color=INK, linestyle=_ORACLE_STYLE, linewidth=1.3)] if info.oracle else []
        names = [*map(plain, info.conditions), *([ORACLE_LABEL] if info.oracle else [])]
        title = Text(text="Condition", fontsize=9, fontweight="bold", color=INK)
        legend = _legend([*dots, *bound], names, title, "upper left", ax)
        if info.curves:
            ax.add_artist(legend)  # axes keep their last legend only
    if info.curves:
        styles = _CURVE_STYLES[: len(info.curves)]
        lines = [Line2D([], [], color=GREY, linestyle=style, linewidth=1.4) for style in styles]
        title = Text(text=_PUBLISHED, fontsize=9, color=GREY)
        _legend(lines, [curve.label for curve in info.curves], title, "lower left", ax)


def _legend(
    handles: Sequence[Line2D], labels: Sequence[str], title: Text, loc: Literal["upper left", "lower left"], ax: Axes
) -> Legend:
    legend = ax.legend(
        handles=handles,
        labels=[legend_name(label) for label in labels],
        title=title.get_text(),
        loc=loc,
        bbox_to_anchor=(1.02, 1.0 if loc == "upper left" else 0.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        alignment="left",
    )
    legend.get_title().set(fontproperties=title.get_fontproperties(), color=title.get_color())
    show_literally(*legend.get_texts())
    return legend


def _draw_texts(info: TradeoffInfo, ax: Axes) -> None:
    ax.set_title(
        "How often callers are cut off, against how long they wait",
        loc="left",
        fontsize=12,
        fontweight="bold",
        color=INK,
        pad=12,
    )
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_ylabel("cutoff rate (cut holds / holds)", color=INK, fontsize=10)
    x_label = ax.set_xlabel(f"{info.latency.label}, median (ms)", color=INK, fontsize=10)
    caption = ax.annotate(
        "\n".join(textwrap.fill(plain(part, limit=1000), _CAPTION_CHARACTERS) for part in info.caption),
        (0.0, 0.0),
        xycoords=(ax.transAxes, x_label),
        xytext=(0, -8),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=GREY,
        linespacing=1.4,
    )
    show_literally(caption)
