"""Plots of recognition: word error rate by setting with intervals, and what a clipped onset does to the first token."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from realtime_lab.plots.recognition_data import (
    HasSummary,
    HasTurns,
    OnsetInfo,
    WerInfo,
    WerPoint,
    onset_info,
    wer_info,
)
from realtime_lab.plots.style import (
    CONDITION_COLOURS,
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

__all__ = ["draw_onset", "draw_wer", "onset", "wer"]

_CAPTION_CHARACTERS = 92
_LABEL_CHARACTERS = 30
_ROOM = 2.5
"""How far intervals are followed, in units of the highest rate."""


def wer(source: HasSummary | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the word error rate of every setting and condition, with its interval over voices.

    Args:
        source: A study, a summary frame, or a turns frame.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes.
    """
    info = wer_info(source)
    return draw_wer(info, new_axes(7.6, 1.8 + 0.34 * max(3, len(info.settings))) if ax is None else ax)


def draw_wer(info: WerInfo, ax: Axes) -> Axes:
    """Draw what `wer_info` gathered: one row per setting, one dot per condition."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    colours = {name: colour_of(n) for n, name in enumerate(info.conditions)}
    step = 0.6 / max(1, len(info.conditions))
    for point in info.points:
        row = info.settings.index(point.setting)
        place = row + step * (info.conditions.index(point.condition) - (len(info.conditions) - 1) / 2)
        _draw_point(point, place, colours[point.condition], ax)
    ax.set_ylim(len(info.settings) - 0.4, -0.6)
    ax.set_yticks(range(len(info.settings)))
    # A wide interval runs out of the picture rather than squeeze the dots.
    furthest = max(point.wer if point.high is None else point.high for point in info.points)
    ax.set_xlim(0.0, max(0.02, min(furthest, _ROOM * max(point.wer for point in info.points))) * 1.04)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    words = [sum(point.n_words for point in info.points if point.condition == name) for name in info.conditions]
    handles = [Line2D([], [], color=colours[name], marker="o", linestyle="none") for name in info.conditions]
    names = [
        f" {plain(name, _LABEL_CHARACTERS)} ({count:,} words)"
        for name, count in zip(info.conditions, words, strict=True)
    ]
    legend = ax.legend(
        handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, frameon=False, fontsize=9
    )
    caption = " ".join(("Word edits over words, pooled; bars: 95 % over voices.", *info.notes))
    name_axes(ax, f"word error rate\n{_filled(caption)}")
    show_literally(
        *legend.get_texts(),
        *ax.set_yticklabels([plain(name, _LABEL_CHARACTERS) for name in info.settings]),
        ax.set_title(_filled(info.key), loc="left", color=INK, fontsize=9.5),  # across: a short figure would cut it
    )
    return ax


def _draw_point(point: WerPoint, place: float, colour: str, ax: Axes) -> None:
    if point.low is not None and point.high is not None:
        ax.hlines(place, point.low, point.high, color=colour, linewidth=1.4, alpha=0.6, zorder=2)
    ax.plot([point.wer], [place], "o", color=colour, markersize=6, markeredgecolor="white", zorder=3)


def onset(source: HasTurns | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the log-probability of a turn's first token against how much of its onset was lost.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes.
    """
    return draw_onset(onset_info(source), new_axes(7.2, 4.2) if ax is None else ax)


def draw_onset(info: OnsetInfo, ax: Axes) -> Axes:
    """Draw what `onset_info` gathered: turns as small dots, medians of bins as large ones."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.plot(info.clip_ms, info.logprob, ".", color=GREY, alpha=0.45, markersize=5, zorder=2)
    x, y = [part.median_clip_ms for part in info.bins], [part.median_logprob for part in info.bins]
    ax.plot(x, y, "o", color=CONDITION_COLOURS[0], markersize=8, markeredgecolor="white", zorder=3)
    for part in info.bins:
        ax.annotate(
            f"n = {part.n:,}",
            (part.median_clip_ms, part.median_logprob),
            xytext=(7, 3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    known = "" if info.rho is None else f"; Spearman's rho {info.rho:.2f}"
    name_axes(ax, "speech lost before the turn's first item starts (ms)", "log-probability of the first token")
    show_literally(ax.set_title(f"{info.n:,} turns{known}. Large dots: medians.", loc="left", fontsize=9, color=INK))
    return ax


def _filled(text: str) -> str:
    return textwrap.fill(plain(text, limit=600), _CAPTION_CHARACTERS)
