"""Where the wait comes from: one stacked bar per setting, its parts in the order of time."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes

from realtime_lab.plots.decomposition_data import DecompositionInfo, HasTurns, decomposition_info
from realtime_lab.plots.style import (
    GREY,
    INK,
    colour_of,
    name_axes,
    new_axes,
    plain,
    quiet,
    say_instead,
    show_literally,
)

__all__ = ["decomposition", "draw_decomposition"]

_LABEL_CHARACTERS = 40
_CAPTION_CHARACTERS = 100


def decomposition(source: HasTurns | pd.DataFrame, ax: Axes | None = None, *, condition: str | None = None) -> Axes:
    """Plot what the wait for an answer is made of, one bar per setting.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        condition: The acoustic condition; None: each on its own.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If the turns were recorded without these columns.
    """
    info = decomposition_info(source, condition=condition)
    height_in = max(2.4, 1.7 + 0.32 * len(info.bars))
    return draw_decomposition(info, new_axes(9.0, height_in) if ax is None else ax)


def draw_decomposition(info: DecompositionInfo, ax: Axes) -> Axes:
    """Draw what `decomposition_info` gathered."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.grid(False, axis="y")
    places = [len(info.bars) - 1 - number for number in range(len(info.bars))]
    lefts = [0.0] * len(info.bars)
    for number, part in enumerate(info.parts):
        widths = [bar.parts_ms[number] for bar in info.bars]
        colour = colour_of(number)
        ax.barh(places, widths, left=lefts, height=0.68, color=colour, label=part.label, zorder=2)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    texts = [
        ax.text(max(end, 0.0), place, f" {bar.total_ms:.0f} (n = {bar.n})", va="center", fontsize=8, color=INK)
        for bar, place, end in zip(info.bars, places, lefts, strict=True)
    ]
    ax.set_yticks(places)
    name_axes(ax, f"mean {info.total.axis_label}")
    show_literally(
        *texts,
        *ax.set_yticklabels([plain(bar.label, _LABEL_CHARACTERS) for bar in info.bars]),
        ax.set_title(_title(info), loc="left", fontsize=8.5, color=GREY),
    )
    ax.set_xlim(min(0.0, *lefts) * 1.05, max(lefts) * 1.16)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9, labelcolor=INK)
    return ax


def _title(info: DecompositionInfo) -> str:
    """The notes, and what the labels are values of: across, since a short figure would cut it."""
    key = f"Bars: {info.key}." if info.key else ""
    return textwrap.fill(plain(" ".join(filter(None, (*info.notes, key))), 600), _CAPTION_CHARACTERS)
