"""Where the wait comes from: one stacked bar per setting, its parts in the order of time."""

from __future__ import annotations

import textwrap
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from realtime_lab.analysis.columns import Column, setting_names
from realtime_lab.analysis.summary.decomposition import decompose, latency_parts
from realtime_lab.analysis.summary.source import in_condition, plain_row
from realtime_lab.analysis.summary.wording import plural, setting_words
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

MAX_BARS = 16


class HasTurns(Protocol):
    """Anything with turns, such as a Study."""

    def turns_df(self) -> pd.DataFrame:
        """One row per turn."""
        ...


class DecompositionBar(NamedTuple):
    """One setting in one condition."""

    label: str
    parts_ms: tuple[float, ...]
    """Mean of each part."""
    n: int
    """Turns they are means of."""
    n_missed: int
    """Uncut turns that were given up on: in no mean."""

    @property
    def total_ms(self) -> float:
        """What the parts add up to."""
        return sum(self.parts_ms)


class DecompositionInfo(NamedTuple):
    """Everything the plot shows."""

    parts: tuple[Column, ...]
    """In the order of time."""
    total: Column
    bars: tuple[DecompositionBar, ...]
    """From the top."""
    key: str
    """What the labels are values of."""
    notes: tuple[str, ...]
    """What a reader must know, in sentences."""
    problem: str = ""
    """The sentence in place of the figure; empty when there is one."""


def decomposition_info(source: HasTurns | pd.DataFrame, *, condition: str | None = None) -> DecompositionInfo:
    """Gather what `decomposition` shows.

    Args:
        source: A study or a turns frame.
        condition: The acoustic condition; None: each on its own.

    Raises:
        RealtimeLabError: If the turns were recorded without these columns.
    """
    turns = source if isinstance(source, pd.DataFrame) else source.turns_df()
    here = turns if condition is None else in_condition(turns, condition)
    found = decompose(here)
    varying = [name for name in setting_names(here.columns) if here[name].astype("string").nunique(dropna=False) > 1]
    names = [*varying, *(["condition"] if "condition" in here and here["condition"].nunique() > 1 else [])]
    rows = [plain_row(row) for row in latency_parts(here, by=names).to_dict("records")] if len(here) else []
    bars = [_bar(row, names, found.parts) for row in rows if row["n_turns"]]
    drawn = _spread(bars)
    notes = tuple(_notes(rows, bars, drawn))
    return DecompositionInfo(found.parts, found.total, tuple(drawn), ", ".join(names), notes, _problem(here, bars))


def _problem(turns: pd.DataFrame, bars: list[DecompositionBar]) -> str:
    if not len(turns):
        return "No turns: no session of this study is complete."
    return "" if bars else "No turn can be taken apart: none was answered, left uncut and has every part measured."


def _bar(row: dict[str, object], names: list[str], parts: tuple[Column, ...]) -> DecompositionBar:
    label = ", ".join(setting_words({"": row[name]}).strip() for name in names) or "all turns"
    means = tuple(float(str(row[part.name])) for part in parts)
    return DecompositionBar(label, means, int(str(row["n_turns"])), int(str(row["n_missed"])))


def _spread(bars: list[DecompositionBar]) -> list[DecompositionBar]:
    """At most `MAX_BARS` of them, evenly spread."""
    if len(bars) <= MAX_BARS:
        return bars
    return [bars[number] for number in np.linspace(0, len(bars) - 1, MAX_BARS).round().astype(int)]


def _notes(rows: list[dict[str, object]], bars: list[DecompositionBar], drawn: list[DecompositionBar]) -> list[str]:
    notes = ["Means over answered turns that were not cut: medians of parts would not add up."]
    missed = sum(bar.n_missed for bar in drawn)
    if missed:
        notes.append(f"{plural(missed, 'turn')} without an answer in time are in no mean.")
    if len(rows) > len(bars):
        notes.append(f"Not drawn: {len(rows) - len(bars)} of {len(rows)}, no turn with every part.")
    if len(bars) > len(drawn):
        notes.append(f"{len(drawn)} of {len(bars)} are drawn.")
    return notes


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
