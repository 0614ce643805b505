"""Does one setting work: the change of what it should move, over its values, with intervals and the expected line."""

from __future__ import annotations

import math
import textwrap
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.effects.dose import dose_response
from realtime_lab.analysis.effects.dose_values import Dose, as_used
from realtime_lab.analysis.summary.source import HasFrames
from realtime_lab.analysis.summary.wording import column_of, is_rate, label_of, setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.style import (
    CONDITION_COLOURS,
    GREY,
    INK,
    name_axes,
    new_axes,
    plain,
    quiet,
    said_of,
    say_instead,
    show_literally,
)

_CAPTION_CHARACTERS = 78


class DosePoint(NamedTuple):
    """One value of the setting."""

    place: float
    """Where it stands on the axis: the value, or its number where values are no finite numbers."""
    label: str
    change: float
    low: float | None
    high: float | None


class DoseInfo(NamedTuple):
    """Everything the plot shows."""

    setting: str
    label: str
    """Of the metric, with its unit."""
    points: tuple[DosePoint, ...]
    """The first is where changes are counted from."""
    expected: float | None
    """The slope that it should have, in units of the metric per unit of the setting."""
    sentence: str
    problem: str = ""
    """The sentence in place of the figure; empty when there is one."""


def dose(
    source: HasFrames | pd.DataFrame,
    ax: Axes | None = None,
    *,
    setting: str | None = None,
    metric: str | None = None,
    condition: str | None = None,
) -> Axes:
    """Plot what one swept setting moves.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        setting: The swept setting; None: the first.
        metric: What it should move; None: what it should move first of all.
        condition: The acoustic condition; None: clean, else the first there is.

    Returns:
        The axes.

    Raises:
        ConfigError: If there is no such condition.
        RealtimeLabError: If there is no such setting or metric.
    """
    info = dose_info(source, setting=setting, metric=metric, condition=condition)
    return draw_dose(info, new_axes(6.4, 4.0) if ax is None else ax)


def dose_info(
    source: HasFrames | pd.DataFrame,
    *,
    setting: str | None = None,
    metric: str | None = None,
    condition: str | None = None,
) -> DoseInfo:
    """Gather what `dose` shows; arguments and errors as there."""
    try:
        found = dose_response(source, condition=condition)
    except RealtimeLabError as error:
        return DoseInfo("", "", (), None, "", said_of(error))
    if not found.doses:
        return DoseInfo("", "", (), None, "", "No setting was swept: there is no dose to respond to.")
    one = found.of(found.doses[0].setting if setting is None else setting, metric)
    if one is None:
        known = ", ".join(f"{entry.setting} on {entry.metric}" for entry in found.doses)
        raise RealtimeLabError(f"setting = {setting!r}, metric = {metric!r}: there are {known}")
    return _info(one)


def _info(one: Dose) -> DoseInfo:
    values = [level.value for level in one.levels]
    numeric = all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
    points = []
    for number, level in enumerate(one.levels):
        change, low, high = (0.0, None, None) if number == 0 else level.change
        if change is not None:
            place = float(level.value) if numeric else float(number)
            points.append(DosePoint(place, setting_words({"": level.value}).strip(), change, low, high))
    entry = column_of(one.metric)
    label = entry.axis_label if entry is not None and entry.unit else label_of(one.metric)
    expected = None if one.expected is None or not numeric else one.expected / one.step
    return DoseInfo(one.setting, label, tuple(points), expected, one.sentence)


def draw_dose(info: DoseInfo, ax: Axes) -> Axes:
    """Draw what `dose_info` gathered."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
    colour = CONDITION_COLOURS[0]
    for point in info.points:
        if point.low is not None and point.high is not None:
            ax.vlines(point.place, point.low, point.high, color=colour, linewidth=2.0, alpha=0.5, zorder=2)
    places, changes = [point.place for point in info.points], [point.change for point in info.points]
    ax.plot(places, changes, "o-", color=colour, markersize=6, markeredgecolor="white", linewidth=1.2, zorder=3)
    if info.expected is not None and len(places) > 1:
        used = [as_used(info.setting, place) for place in places]
        line = [info.expected * (place - used[0]) for place in used]
        ax.plot(places, line, color=GREY, linestyle=(0, (4, 3)), linewidth=1.2, zorder=1.5, label="expected")
        ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    if len(info.points) < 2:
        ax.text(0.5, 0.6, "No turn has two values to compare", transform=ax.transAxes, ha="center", color=INK)
    ax.set_xticks(places)
    change = f"change of {info.label}"
    if is_rate(info.label.replace(" ", "_")):
        change += " (points)"
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    name_axes(ax, plain(info.setting), plain(change))
    show_literally(
        *ax.set_xticklabels([plain(point.label, 18) for point in info.points]),
        ax.set_title(textwrap.fill(plain(info.sentence, 300), _CAPTION_CHARACTERS), loc="left", fontsize=9, color=INK),
    )
    return ax
