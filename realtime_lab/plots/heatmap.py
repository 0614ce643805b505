"""A figure over two swept settings at once: one cell per pair of values, its number and its interval written in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle

from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import default_by, summary
from realtime_lab.analysis.summary.source import in_condition, of_setting, plain_cell, plain_row, without_oracle
from realtime_lab.analysis.summary.wording import column_of, compact, compact_interval, label_of, setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.style import INK, name_axes, new_axes, plain, say_instead, show_literally

_COLOURS = LinearSegmentedColormap.from_list("rl", ["#eef4fa", "#a9c8e6", "#4f8cc4", "#1c4f8a"])
_SIGNED = LinearSegmentedColormap.from_list("rl_signed", ["#1f5fa8", "#a9c8e6", "#f4f5f6", "#f0b896", "#c2531f"])
_NOTHING = "#d9dde1"
_LABEL_CHARACTERS = 18


class Summarised(Protocol):
    """Anything that can summarise itself, such as a Study."""

    def summary(self) -> pd.DataFrame:
        """One row per setting."""
        ...


class HeatmapCell(NamedTuple):
    """One pair of values."""

    row: int
    column: int
    value: float | None
    """None: too few turns, or not run."""
    text: str
    """Its value in words."""
    around: str
    """Its interval in words; empty when there is none."""
    marks: tuple[str, ...]
    """Names of the settings that are pointed out here."""


class HeatmapInfo(NamedTuple):
    """Everything the plot shows."""

    name: str
    """Column of the summary that the cells show."""
    x: str
    """Setting along the bottom; empty without one."""
    y: str
    """Setting up the side; empty without one."""
    columns: tuple[str, ...]
    """Values along the bottom."""
    rows: tuple[str, ...]
    """Values up the side, from the bottom."""
    cells: tuple[HeatmapCell, ...]
    condition: str
    at: str
    """Values of the other settings, in words."""
    signed: bool = False
    """Whether values lie on both sides of 0: blue below, orange above, and the same shade equally far from it."""
    problem: str = ""
    """The sentence in place of the figure; empty when there is one."""

    @property
    def title(self) -> str:
        """What it shows."""
        rest = ", ".join(filter(None, (self.condition, self.at)))
        return f"{label_of(self.name)}{f' ({rest})' if rest else ''}"


def heatmap(
    source: Summarised | pd.DataFrame,
    ax: Axes | None = None,
    *,
    value: str = "cutoff_rate",
    x: str | None = None,
    y: str | None = None,
    condition: str | None = None,
    at: Mapping[str, object] | None = None,
    marks: Mapping[str, Mapping[str, object]] | None = None,
) -> Axes:
    """Plot one column of the summary over two swept settings.

    Args:
        source: A study, a summary frame, or a turns frame.
        ax: Where to draw; None: a new figure.
        value: The column of the summary.
        x: The setting along the bottom; None: the first that varies.
        y: The setting up the side; None: the next that varies.
        condition: The acoustic condition; None: the first.
        at: Values of further settings that vary; None: the first of each.
        marks: Settings to point out, by the name they get.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If the summary has no such column, setting or condition.
    """
    info = heatmap_info(source, value=value, x=x, y=y, condition=condition, at=at, marks=marks)
    size = (max(4.0, 1.1 + 0.95 * len(info.columns)), max(2.0, 1.0 + 0.6 * len(info.rows)))
    return draw_heatmap(info, new_axes(*size) if ax is None else ax)


def heatmap_info(
    source: Summarised | pd.DataFrame,
    *,
    value: str = "cutoff_rate",
    x: str | None = None,
    y: str | None = None,
    condition: str | None = None,
    at: Mapping[str, object] | None = None,
    marks: Mapping[str, Mapping[str, object]] | None = None,
) -> HeatmapInfo:
    """Gather what `heatmap` shows; arguments as there."""
    frame = _summary_of(source)
    if value not in frame.columns or column_of(value) is None:
        raise RealtimeLabError(f"value = {value!r}: the summary has no such column; try cutoff_rate")
    condition = _condition(frame, condition)
    here = frame if not condition else in_condition(frame, condition)
    varying = [name for name in _settings(here) if here[name].astype("string").nunique(dropna=False) > 1]
    x, y = _axes(here, varying, x, y)
    rest = {name: plain_cell(_values(here, name)[0]) for name in varying if name not in (x, y)}
    rest |= {name: given for name, given in (at or {}).items() if name in rest}
    here = of_setting(here, rest)
    columns, rows = _values(here, x), _values(here, y)
    pointed = {name: setting for name, setting in (marks or {}).items() if _agrees(setting, rest)}
    cells = []
    for record in map(plain_row, here.to_dict("records")):
        place = rows.index(record.get(y)) if y else 0, columns.index(record.get(x)) if x else 0
        cells.append(_cell(record, value, place, pointed, [name for name in (x, y) if name]))
    fixed = setting_words(rest) if rest else ""
    problem = "" if cells else "No turns: no session of this study is complete."
    return HeatmapInfo(value, x, y, _words(columns), _words(rows), tuple(cells), condition, fixed, problem=problem)


def _words(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(setting_words({"": value}).strip() for value in values)


def _summary_of(source: Summarised | pd.DataFrame) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame):
        return without_oracle(source.summary())
    return without_oracle(source if "cutoff_rate" in source.columns else summary(source))


def _settings(frame: pd.DataFrame) -> list[str]:
    declared = {entry.name for entry in SUMMARY}
    names = default_by(name for name in map(str, frame.columns) if name not in declared)
    return [name for name in names if name not in ("condition", "target")]


def _condition(frame: pd.DataFrame, asked: str | None) -> str:
    there = frame["condition"].dropna().unique().tolist() if "condition" in frame else []
    if asked is None:
        return "clean" if "clean" in there else str(there[0]) if there else ""
    if asked not in there:
        raise RealtimeLabError(f"condition = {asked!r}: there is {', '.join(map(str, there)) or 'none'}")
    return asked


def _axes(frame: pd.DataFrame, varying: Sequence[str], x: str | None, y: str | None) -> tuple[str, str]:
    for name in (x, y):
        if name and name not in frame.columns:
            raise RealtimeLabError(f"{name!r} is no swept setting: there is {', '.join(_settings(frame)) or 'none'}")
    free = [name for name in varying if name not in (x, y)]
    if x is None:
        x = free.pop(0) if free else ""
    if y is None:
        y = free.pop(0) if free else ""
    return x, y


def _values(frame: pd.DataFrame, name: str) -> list[Any]:
    if not name:
        return [""]
    found = [plain_cell(value) for value in frame[name].unique()]
    return sorted(found, key=lambda value: (value is None, isinstance(value, str), value if value is not None else 0))


def _agrees(setting: Mapping[str, object], rest: Mapping[str, object]) -> bool:
    return all(setting.get(name) == value for name, value in rest.items())


def _cell(
    record: Mapping[str, Any],
    name: str,
    place: tuple[int, int],
    marks: Mapping[str, Mapping[str, object]],
    axes: Sequence[str],
) -> HeatmapCell:
    value = record[name]
    found = tuple(mark for mark, setting in marks.items() if all(setting.get(axis) == record[axis] for axis in axes))
    around = "" if value is None else compact_interval(name, record.get(f"{name}_low"), record.get(f"{name}_high"))
    return HeatmapCell(*place, value, compact(name, value), around, found)


def draw_heatmap(info: HeatmapInfo, ax: Axes) -> Axes:
    """Draw what `heatmap_info` gathered; the darker, the higher, or the further from 0 where it is signed."""
    if info.problem:
        return say_instead(ax, info.problem)
    finite = [cell.value for cell in info.cells if cell.value is not None and math.isfinite(cell.value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if info.signed:
        low, high = min(low, -high), max(high, -low)
    colours = _SIGNED if info.signed else _COLOURS
    texts = []
    for cell in info.cells:
        colour = _colour(colours, cell.value, low, high)
        ax.add_patch(Rectangle((cell.column + 0.02, cell.row + 0.03), 0.96, 0.94, facecolor=colour, edgecolor="none"))
        ink = "#fdfdfd" if _is_dark(colour) else "#1b2127"
        middle = cell.column + 0.5
        texts.append(ax.text(middle, cell.row + 0.56, cell.text, ha="center", va="center", fontsize=11, color=ink))
        texts.append(ax.text(middle, cell.row + 0.27, cell.around, ha="center", va="center", fontsize=7.5, color=ink))
        if cell.marks:
            edge, place = INK if info.signed else "#d9602b", (cell.column + 0.03, cell.row + 0.045)
            ax.add_patch(Rectangle(place, 0.94, 0.91, fill=False, linewidth=2.2, edgecolor=edge))
            name = plain(" and ".join(cell.marks), _LABEL_CHARACTERS)
            texts.append(
                ax.text(middle, cell.row + 0.84, name, ha="center", va="center", fontsize=7, color=ink, weight="bold")
            )
    _draw_axes(info, ax)
    show_literally(*texts)
    return ax


def _draw_axes(info: HeatmapInfo, ax: Axes) -> None:
    ax.set_xlim(0, len(info.columns))
    ax.set_ylim(0, len(info.rows))
    ax.set_facecolor("none")
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_xticks([place + 0.5 for place in range(len(info.columns))])
    ax.set_yticks([place + 0.5 for place in range(len(info.rows))])
    name_axes(ax, plain(info.x), plain(info.y))
    show_literally(
        *ax.set_xticklabels([plain(text, _LABEL_CHARACTERS) for text in info.columns]),
        *ax.set_yticklabels([plain(text, _LABEL_CHARACTERS) for text in info.rows]),
        ax.set_title(plain(info.title, 90), color=INK, fontsize=10, loc="left"),
    )
    ax.tick_params(length=0, labelcolor=INK, labelsize=9)


def _colour(colours: Colormap, value: float | None, low: float, high: float) -> str:
    if value is None:
        return _NOTHING
    share = 1.0 if math.isinf(value) else 0.0 if high <= low else (value - low) / (high - low)
    red, green, blue, _ = colours(share)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _is_dark(colour: str) -> bool:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
