"""How long callers wait, as curves: the share of turns answered within each latency, one curve per setting.

A turn that was given up on never counts as answered, so its curve stays below 100 %; cut turns are in no curve and are
counted beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.columns import LATENCY_METRICS, Column, setting_names
from realtime_lab.analysis.stats.intervals import QuantileEstimate, quantile
from realtime_lab.analysis.summary.source import in_condition, of_setting, plain_row
from realtime_lab.analysis.summary.wording import setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.style import (
    CONDITION_COLOURS,
    GREY,
    INK,
    legend_name,
    name_axes,
    new_axes,
    plain,
    quiet,
    say_instead,
    show_literally,
)

MAX_CURVES = 8
_LABEL_CHARACTERS = 60


class HasTurns(Protocol):
    """Anything with turns, such as a Study."""

    def turns_df(self) -> pd.DataFrame:
        """One row per turn."""
        ...


class EcdfCurve(NamedTuple):
    """One setting in one condition."""

    label: str
    latency_ms: tuple[float, ...]
    """Every answered turn's latency, ascending."""
    n: int
    """Turns in the sample, those given up on included."""
    n_missed: int
    """Of these, given up on."""
    n_cut: int
    """Turns left out because they were cut."""
    median: QuantileEstimate

    @property
    def legend(self) -> str:
        """Its name with its counts."""
        parts = [f"n = {self.n}"]
        parts += [f"{self.n_missed} not answered"] if self.n_missed else []
        parts += [f"{self.n_cut} cut, left out"] if self.n_cut else []
        return f"{self.label} ({', '.join(parts)})"


class EcdfInfo(NamedTuple):
    """Everything the plot shows."""

    curves: tuple[EcdfCurve, ...]
    latency: Column
    key: str
    """What the labels are values of; empty where they are names."""
    not_drawn: str
    """A sentence about settings that have no curve; empty when all have."""
    problem: str = ""
    """The sentence in place of the figure; empty when there is one."""


def ecdf(
    source: HasTurns | pd.DataFrame,
    ax: Axes | None = None,
    *,
    latency: str = "response_latency_ms",
    settings: Mapping[str, Mapping[str, object]] | None = None,
    condition: str | None = None,
) -> Axes:
    """Plot the share of turns answered within each latency.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.
        latency: Which latency.
        settings: Swept values to draw, by the name their curve gets; None: every setting, up to eight.
        condition: The acoustic condition; None: each on its own.

    Returns:
        The axes.

    Raises:
        RealtimeLabError: If there is no such latency.
    """
    info = ecdf_info(source, latency=latency, settings=settings, condition=condition)
    return draw_ecdf(info, new_axes(10.0, 4.2) if ax is None else ax)


def ecdf_info(
    source: HasTurns | pd.DataFrame,
    *,
    latency: str = "response_latency_ms",
    settings: Mapping[str, Mapping[str, object]] | None = None,
    condition: str | None = None,
) -> EcdfInfo:
    """Gather what `ecdf` shows; arguments as there."""
    turns = source if isinstance(source, pd.DataFrame) else source.turns_df()
    metric = next((entry for entry in LATENCY_METRICS if entry.name == latency), None)
    if metric is None or latency not in turns.columns:
        known = ", ".join(entry.name for entry in LATENCY_METRICS if entry.name in turns.columns)
        raise RealtimeLabError(f"latency = {latency!r}: the turns have {known or 'no latency'}")
    names = [name for name in setting_names(turns.columns) if turns[name].astype("string").nunique(dropna=False) > 1]
    groups = _groups(turns, _labelled(turns, names) if settings is None else settings, condition)
    curves = [_curve(label, frame, metric) for label, frame in _spread(groups)]
    left = len(groups) - len(curves)
    said = f"{len(curves)} of {len(groups)} settings are drawn." if left else ""
    key = ", ".join(names) if settings is None else ""
    shown = tuple(curve for curve in curves if curve.n)
    problem = "" if shown else "No setting has turns that were answered or missed, and not cut."
    return EcdfInfo(shown, metric, key, said, problem if len(turns) else "No turns: no session is complete.")


def _labelled(turns: pd.DataFrame, names: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Every setting there is, by its values."""
    if not names:
        return {"all turns": {}}
    keys = turns[list(names)].drop_duplicates().sort_values(list(names)).to_dict("records")
    found = [plain_row(key) for key in keys]
    return {", ".join(setting_words({"": value}).strip() for value in key.values()): key for key in found}


def _groups(
    turns: pd.DataFrame, settings: Mapping[str, Mapping[str, object]], condition: str | None
) -> list[tuple[str, pd.DataFrame]]:
    """(label, turns) of every curve there could be."""
    here = turns if condition is None else in_condition(turns, condition)
    conditions = here["condition"].astype("string").fillna("").unique().tolist() if "condition" in here else []
    found = []
    for label, setting in settings.items():
        own = of_setting(here, setting)
        if len(conditions) < 2:
            found.append((label, own))
        else:
            found += [(f"{label}, {name}", in_condition(own, name)) for name in conditions]
    return found


def _spread(groups: Sequence[tuple[str, pd.DataFrame]]) -> list[tuple[str, pd.DataFrame]]:
    """At most eight of them, evenly spread."""
    if len(groups) <= MAX_CURVES:
        return list(groups)
    chosen = np.linspace(0, len(groups) - 1, MAX_CURVES).round().astype(int)
    return [groups[number] for number in chosen]


def _curve(label: str, turns: pd.DataFrame, metric: Column) -> EcdfCurve:
    decided = turns["outcome"].isin(("answered", "missed")).to_numpy(dtype=bool)
    cut = turns["cut"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    mask = decided & ~cut
    for flag in metric.awaits:
        if flag in turns.columns:
            mask &= turns[flag].astype("boolean").fillna(False).to_numpy(dtype=bool)
    values = turns[metric.name].to_numpy(dtype=np.float64, na_value=np.inf)[mask]
    seen = np.sort(values[np.isfinite(values)])
    n_cut = int(np.count_nonzero(decided & cut))
    return EcdfCurve(label, tuple(seen.tolist()), len(values), len(values) - len(seen), n_cut, quantile(values, 0.5))


def draw_ecdf(info: EcdfInfo, ax: Axes) -> Axes:
    """Draw what `ecdf_info` gathered."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ends = [curve.latency_ms[-1] for curve in info.curves if curve.latency_ms]
    starts = [curve.latency_ms[0] for curve in info.curves if curve.latency_ms]
    right = max(ends, default=2000.0) * 1.06
    left = min(0.0, min(starts, default=0.0) * 1.06)
    ax.set_xlim(left, right)
    ax.set_ylim(0.0, 1.03)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    for curve, colour in zip(info.curves, CONDITION_COLOURS, strict=False):
        _draw_curve(curve, colour, left, right, ax)
    name_axes(ax, info.latency.axis_label, "share of turns answered by then")
    _draw_legend(info, ax)
    return ax


def _draw_curve(curve: EcdfCurve, colour: str, left: float, right: float, ax: Axes) -> None:
    x = [left, *curve.latency_ms, right]
    y = [0.0, *((number + 1) / curve.n for number in range(len(curve.latency_ms)))]
    label = plain(curve.legend, _LABEL_CHARACTERS)
    ax.step(
        x,
        [*y, y[-1]],
        where="post",
        color=colour,
        linewidth=2.0,
        zorder=3,
        label=legend_name(label),
    )
    median = curve.median
    if median.value is not None and median.low is not None and median.high is not None and math.isfinite(median.value):
        ax.hlines(0.5, median.low, min(median.high, right), color=colour, linewidth=5, alpha=0.35, zorder=2)
        ax.plot([median.value], [0.5], "o", color=colour, markersize=6, markeredgecolor="white", zorder=4)


def _draw_legend(info: EcdfInfo, ax: Axes) -> None:
    """Beside the plot, where no curve is."""
    legend = ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        title=plain(info.key, _LABEL_CHARACTERS) or None,
        alignment="left",
        frameon=False,
        fontsize=9,
        title_fontsize=9,
        labelcolor=INK,
    )
    show_literally(*legend.get_texts(), legend.get_title())
