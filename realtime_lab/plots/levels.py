"""What each value of each setting does to a metric in every condition: levels, the other settings averaged out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.effects.effects import main_effects
from realtime_lab.analysis.summary.grid import Grid, grid_of
from realtime_lab.analysis.summary.source import HasFrames, frames_of, plain_row
from realtime_lab.analysis.summary.wording import column_of, is_rate, label_of, setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.style import (
    GREY,
    INK,
    colour_of,
    legend_name,
    name_axes,
    new_axes,
    plain,
    quiet,
    said_of,
    say_instead,
    show_literally,
)

_LABEL_CHARACTERS = 40
_CAPTION = "Bars: 95 % interval of the difference\nfrom the mean of all settings (dotted)."


class LevelPoint(NamedTuple):
    """One value of one setting in one condition."""

    row: int
    """Its place in `rows`."""
    condition: str
    mean: float
    """Over the settings that have the value."""
    low: float | None
    """The mean, moved by the lower end of the interval of its difference from the mean of all; None: no interval."""
    high: float | None


class LevelsInfo(NamedTuple):
    """Everything the plot shows."""

    metric: str
    rows: tuple[tuple[str, Any], ...]
    """(setting, value) from the top."""
    points: tuple[LevelPoint, ...]
    means: dict[str, float]
    """By condition: mean over all settings."""
    problem: str
    """The sentence in place of the figure; empty when there is one."""
    notes: tuple[str, ...]
    """Why there are no intervals."""


def grids_of(source: HasFrames | pd.DataFrame) -> tuple[Grid, ...]:
    """The settings of a study in each of its conditions, clean first; its frames are read once.

    Raises:
        RealtimeLabError: If there are no turns.
    """
    turns, responses = frames_of(source)
    held = _Held(turns, responses)
    names = sorted(map(str, turns["condition"].dropna().unique())) if "condition" in turns else []
    if not names:
        return (grid_of(held),)
    return tuple(grid_of(held, name) for name in sorted(names, key=lambda name: name != "clean"))


class _Held(NamedTuple):
    turns: pd.DataFrame
    responses: pd.DataFrame | None

    def turns_df(self) -> pd.DataFrame:
        return self.turns

    def responses_df(self) -> Any:
        return self.responses


def levels(source: HasFrames | pd.DataFrame, ax: Axes | None = None, *, metric: str = "wer") -> Axes:
    """Plot a metric at each value of each swept setting, the other settings averaged out, one dot per condition.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        metric: Column of the summary, such as `wer` or `mean_logprob`.

    Returns:
        The axes.

    Raises:
        ConfigError: If there is no such metric.
    """
    info = levels_info(source, metric=metric)
    return draw_levels(info, new_axes(7.2, max(2.6, 1.4 + 0.3 * len(info.rows))) if ax is None else ax)


def levels_info(source: HasFrames | pd.DataFrame | Sequence[Grid], *, metric: str = "wer") -> LevelsInfo:
    """Gather what `levels` shows; arguments and errors as there, and grids where there are some already."""
    try:
        grids = source if isinstance(source, Sequence) else grids_of(source)
    except RealtimeLabError as error:
        return LevelsInfo(metric, (), (), {}, said_of(error), ())
    found: dict[str, list[dict[str, Any]]] = {}
    problem = ""
    for grid in grids:
        try:
            found[grid.condition] = [plain_row(row) for row in main_effects(grid, metric).to_dict("records")]
        except RealtimeLabError as error:
            problem = said_of(error)
    rows = tuple(dict.fromkeys((row["setting"], row["value"]) for table in found.values() for row in table))
    known = [(name, row) for name, table in found.items() for row in table if row["mean"] is not None]
    if not known:
        return LevelsInfo(metric, (), (), {}, problem or "No setting has two values to compare.", ())
    points = tuple(
        LevelPoint(rows.index((row["setting"], row["value"])), name, row["mean"], *_ends(row)) for name, row in known
    )
    means = {name: row["mean"] - row["effect"] for name, row in reversed(known) if row["effect"] is not None}
    notes = tuple(dict.fromkeys(str(row["note"]) for _, row in known if row["note"]))
    return LevelsInfo(metric, rows, points, means, "", notes)


def _ends(row: dict[str, Any]) -> tuple[float | None, float | None]:
    if row["effect_low"] is None or row["effect_high"] is None:
        return None, None
    rest = row["mean"] - row["effect"]
    return rest + row["effect_low"], rest + row["effect_high"]


def draw_levels(info: LevelsInfo, ax: Axes, *, named: bool = True) -> Axes:
    """Draw what `levels_info` gathered.

    Args:
        info: What it gathered.
        ax: Where.
        named: Name the rows and the conditions; not beside another one that does.
    """
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.grid(False, axis="y")
    conditions = list(dict.fromkeys(point.condition for point in info.points))
    step = 0.5 / max(1, len(conditions))
    places = _places(info)
    for number, condition in enumerate(conditions):
        colour = colour_of(number)
        if condition in info.means:
            ax.axvline(info.means[condition], color=colour, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
        for point in info.points:
            if point.condition != condition:
                continue
            place = places[point.row] + step * (number - (len(conditions) - 1) / 2)
            if point.low is not None and point.high is not None:
                ax.hlines(place, point.low, point.high, color=colour, linewidth=2.0, alpha=0.45, zorder=2)
            ax.plot([point.mean], [place], "o", color=colour, markersize=5.5, markeredgecolor="white", zorder=3)
    ax.set_ylim(places[-1] + 0.6, -0.6)
    ax.set_yticks(places)
    if is_rate(info.metric):
        ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    labels = [plain(setting_words({name: value}), _LABEL_CHARACTERS) if named else "" for name, value in info.rows]
    caption = "\n".join((_CAPTION, *(plain(note, 100) for note in info.notes)))
    show_literally(*ax.set_yticklabels(labels))
    name_axes(ax, f"{_axis(info.metric)}\n{caption}")
    if named:
        _legend(conditions, ax)
    return ax


def _axis(metric: str) -> str:
    entry = column_of(metric)
    return label_of(metric) + (f" ({entry.unit})" if entry is not None and entry.unit else "")


def _places(info: LevelsInfo) -> list[float]:
    """Where the rows stand: those of one setting together, with a gap before the next."""
    settings = list(dict.fromkeys(name for name, _ in info.rows))
    return [row + 0.6 * settings.index(name) for row, (name, _) in enumerate(info.rows)]


def _legend(conditions: Sequence[str], ax: Axes) -> None:
    handles = [
        Line2D([], [], color=colour_of(number), marker="o", linestyle="none") for number, _ in enumerate(conditions)
    ]
    names = [legend_name(plain(name)) for name in conditions]
    legend = ax.legend(
        handles,
        names,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        edgecolor=GREY,
    )
    show_literally(*legend.get_texts())
