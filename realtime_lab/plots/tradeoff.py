"""The trade-off plot: how often callers are cut off, against how long they wait, one point per setting."""

from __future__ import annotations

import csv
import json
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.columns import Column, column
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import default_by, summary
from realtime_lab.analysis.summary.source import is_bound, without_oracle
from realtime_lab.config import treatment
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.style import (
    GREY,
    INK,
    FigureAxes,
    PointLabel,
    colour_of,
    legend_name,
    new_axes,
    place_labels,
    plain,
    quiet,
    root_figure,
    say_instead,
    show_literally,
)
from realtime_lab.resources import data_path
from realtime_lab.session import calibrated_against

_FEW = 8
"""Up to this many points, each is named."""
NOT_VERIFIED = "Mocked server, not verified against a live service."
ORACLE_LABEL = "oracle, 0 ms commit delay"
ORACLE_KEY = (
    "Oracle: the client commits at the very end of each turn, which only the script knows; no detector answers sooner "
    "without cutting off."
)
_CURVES = {
    "silence_only": "silence only",
    "gpt_realtime_2_semantic_vad": "gpt-realtime-2, semantic_vad",
}


class Summarised(Protocol):
    """Anything that can summarise itself, such as a Study."""

    def summary(self) -> pd.DataFrame:
        """One row per setting."""
        ...


class TradeoffPoint(NamedTuple):
    """One setting in one condition."""

    setting: tuple[object, ...]
    """Values of the settings in which the points differ."""
    condition: str
    target: str
    latency_ms: float
    """Median; finite."""
    latency_low_ms: float
    latency_high_ms: float
    """Inf when it reaches past the deadline."""
    cutoff_rate: float
    cutoff_low: float
    cutoff_high: float
    n_turns: int
    """Turns in the latency's sample."""
    n_cut_holds: int
    n_holds: int


class OraclePoint(NamedTuple):
    """The bound in one condition: what waiting comes to when the client commits as soon as each turn is over."""

    condition: str
    latency_ms: float
    """Median; finite."""
    latency_low_ms: float
    latency_high_ms: float
    n_turns: int
    """Turns in the latency's sample."""


class PublishedCurve(NamedTuple):
    """Results somebody else published."""

    label: str
    latency_ms: tuple[float, ...]
    cutoff_rate: tuple[float, ...]


class TradeoffInfo(NamedTuple):
    """Everything the plot shows."""

    points: tuple[TradeoffPoint, ...]
    settings: tuple[str, ...]
    """Columns in which the points differ."""
    conditions: tuple[str, ...]
    """Clean first, then by name."""
    latency: Column
    """The latency on the x axis."""
    curves: tuple[PublishedCurve, ...]
    oracle: tuple[OraclePoint, ...]
    """What no detector can beat, one per condition and target, where sessions without turn detection show it."""
    labelled: Mapping[TradeoffPoint, str]
    """Points that are named, with their names: all when there are few; else one path along one setting."""
    label_key: str
    """What the names mean, in one sentence; empty without names."""
    is_path: bool
    """The named points differ in one setting alone, and stand in its order."""
    not_drawn: tuple[str, ...]
    """Sentences about settings that have no point."""
    mocked: bool
    """A mocked server answered, or nobody says who did."""
    calibrated: str | None
    """When and against whom it was calibrated; None when it was not."""
    approximated: tuple[str, ...]
    """Swept settings that the mocked server imitates only roughly."""

    @property
    def problem(self) -> str:
        """The sentence in place of the figure; empty when there is one."""
        if self.points or self.oracle:
            return ""
        why = " ".join(self.not_drawn)
        return f"No setting can be drawn. {why}" if why else "No turns: no session of this study is complete."

    @property
    def caption(self) -> tuple[str, ...]:
        """What a reader must know, in paragraphs: how to read the plot, and how far to trust it."""
        what = (
            f"Each point is one setting: median {self.latency.label} over turns that were not cut, and cut holds over "
            "holds, with 95 % intervals."
        )
        bound = ORACLE_KEY if self.oracle else ""
        reading = " ".join(filter(None, (what, self.label_key, bound, *self.not_drawn)))
        if not self.mocked:
            return (reading,)
        rough = f" Approximated: {', '.join(self.approximated)}." if self.approximated else ""
        trust = NOT_VERIFIED if self.calibrated is None else f"Mocked server, calibrated {self.calibrated}."
        return reading, trust + rough


def tradeoff_info(
    source: Summarised | pd.DataFrame, *, latency: str = "response_latency_ms", published: bool = True
) -> TradeoffInfo:
    """Gather what the trade-off plot shows.

    Args:
        source: A study, a summary frame, or a turns frame.
        latency: The latency on the x axis; `endpoint_delay_ms` is the one to hold against the published curves.
        published: Show the published curves.

    Raises:
        RealtimeLabError: If there is no such latency.
    """
    whole = _summary_of(source)
    frame = without_oracle(whole)
    metric = column(latency)
    if metric is None or f"{latency}_p50" not in frame.columns:
        known = [entry.name.removesuffix("_p50") for entry in SUMMARY if entry.name.endswith("_p50")]
        raise RealtimeLabError(f"latency = {latency!r}: the summary has a median of {', '.join(known)}")
    names = [name for name in default_by(_setting_columns(frame)) if name not in ("condition", "target")]
    settings = tuple(name for name in names if frame[name].astype("string").nunique(dropna=False) > 1)
    rows, bound = frame.to_dict("records"), whole[is_bound(whole)].to_dict("records")
    points = [_point(row, settings, latency) for row in rows if _number(row[f"{latency}_p50"]) is not None]
    drawn = tuple(point for point in points if math.isfinite(point.latency_ms) and math.isfinite(point.cutoff_rate))
    mocked = any(str(row.get("target", "mocked")).removeprefix("replay:").startswith("mocked") for row in rows)
    conditions = dict.fromkeys(str(row.get("condition", "all turns")) for row in (*rows, *bound))
    labelled, label_key, is_path = _names(drawn, settings)
    return TradeoffInfo(
        points=drawn,
        settings=settings,
        conditions=tuple(sorted(conditions, key=lambda name: (name != "clean", name))),
        latency=metric,
        curves=published_curves() if published else (),
        oracle=tuple(_oracle_points(bound, latency)),
        labelled=labelled,
        label_key=label_key,
        is_path=is_path,
        not_drawn=(*_not_drawn(rows, points, drawn), *_bound_not_drawn(bound, latency)),
        mocked=mocked,
        calibrated=calibrated_against(str(row.get("target", "mocked")) for row in rows) if mocked else None,
        approximated=tuple(_approximated(settings, points)) if mocked else (),
    )


def _summary_of(source: Summarised | pd.DataFrame) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame):
        return source.summary()
    return source if "cutoff_rate" in source.columns else summary(source)


def _setting_columns(frame: pd.DataFrame) -> list[str]:
    declared = {entry.name for entry in SUMMARY}
    return [name for name in map(str, frame.columns) if name not in declared]


def _number(value: Any) -> float | None:
    return None if value is None or value is pd.NA or value != value else float(value)


def _setting_value(value: object) -> object:
    """Something that can be compared and looked up; what is not a plain value becomes its text."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _point(row: Mapping[Any, Any], settings: Sequence[str], latency: str) -> TradeoffPoint:
    def number(name: str) -> float:
        found = _number(row.get(name))
        return math.nan if found is None else found

    return TradeoffPoint(
        setting=tuple(_setting_value(row[name]) for name in settings),
        condition=str(row.get("condition", "all turns")),
        target=str(row.get("target", "mocked")),
        latency_ms=number(f"{latency}_p50"),
        latency_low_ms=number(f"{latency}_p50_low"),
        latency_high_ms=number(f"{latency}_p50_high"),
        cutoff_rate=number("cutoff_rate"),
        cutoff_low=number("cutoff_rate_low"),
        cutoff_high=number("cutoff_rate_high"),
        n_turns=int(row[f"n_{latency}"]),
        n_cut_holds=int(row["n_cut_holds"]),
        n_holds=int(row["n_holds"]),
    )


def _oracle_points(rows: Sequence[Mapping[Any, Any]], latency: str) -> Iterator[OraclePoint]:
    for row in rows:
        point = _point(row, (), latency)
        if math.isfinite(point.latency_ms):
            ends = point.latency_low_ms, point.latency_high_ms
            yield OraclePoint(point.condition, point.latency_ms, *ends, point.n_turns)


def _bound_not_drawn(rows: Sequence[Mapping[Any, Any]], latency: str) -> Iterator[str]:
    lacks = len(rows) - len(list(_oracle_points(rows, latency)))
    if lacks:
        yield f"The oracle is not drawn in {lacks} of {len(rows)}: no median of {latency}."


def _not_drawn(rows: Sequence[object], points: Sequence[TradeoffPoint], drawn: Sequence[TradeoffPoint]) -> list[str]:
    """Why some settings have no point."""
    too_few = len(rows) - len(points)
    late = sum(math.isinf(point.latency_ms) for point in points)
    no_holds = len(points) - len(drawn) - late
    reasons = (
        (too_few, "too few uncut turns for a median"),
        (late, "half of the turns or more got no answer in time"),
        (no_holds, "no holds were played"),
    )
    return [f"Not drawn: {count} of {len(rows)}, {why}." for count, why in reasons if count > 0]


def _approximated(settings: Sequence[str], points: Sequence[TradeoffPoint]) -> Iterator[str]:
    """Names of the settings that are approximated; with their values where only some of those are."""
    for position, name in enumerate(settings):
        values = dict.fromkeys(point.setting[position] for point in points)
        rough = [value for value in values if _is_approximated(name, value)]
        if len(rough) == len(values):
            yield name
        elif rough:
            yield f"{name} {', '.join(map(_shown, rough))}"


def _is_approximated(setting: str, value: object) -> bool:
    try:
        whole = isinstance(value, str) and value.startswith("{")  # frames hold objects as their JSON text
        return treatment(setting, json.loads(str(value)) if whole else value) == "approximated"
    except (RealtimeLabError, ValueError):
        return False  # a column that is no field of the configuration


def _names(points: Sequence[TradeoffPoint], settings: Sequence[str]) -> tuple[dict[TradeoffPoint, str], str, bool]:
    """Names of the points to be named, what the names mean, and whether they are a path."""
    along = _path_setting(points, settings)
    if along is not None and (len(settings) == 1 or len(points) > _FEW):
        path = _longest_path(points, along)
        rest = [f"{name} {_shown(path[0].setting[i])}" for i, name in enumerate(settings) if i != along]
        key = f"Labelled: {settings[along]}" + (f" at {', '.join(rest)}." if rest else ".")
        return {point: _shown(point.setting[along]) for point in path}, key, True
    if not settings or not points or len(points) > _FEW:
        return {}, "", False
    names = {point: " · ".join(map(_shown, point.setting)) for point in points}
    return names, f"Labels: {' · '.join(settings)}.", False


def _path_setting(points: Sequence[TradeoffPoint], settings: Sequence[str]) -> int | None:
    """Position of the numeric setting with most values; None when no setting is numeric."""
    values = [{point.setting[i] for point in points} for i in range(len(settings))]
    numeric = [i for i, found in enumerate(values) if found and all(map(_is_number, found))]
    return max(numeric, key=lambda i: len(values[i]), default=None)


def _longest_path(points: Sequence[TradeoffPoint], along: int) -> list[TradeoffPoint]:
    """Of the points that differ in one setting and the condition alone, the most; of equally many, the middle."""
    paths: dict[tuple[object, ...], list[TradeoffPoint]] = {}
    for point in points:
        paths.setdefault((*point.setting[:along], *point.setting[along + 1 :]), []).append(point)
    most = max(map(len, paths.values()))
    longest = [path for path in paths.values() if len(path) == most]
    return sorted(longest[(len(longest) - 1) // 2], key=lambda point: float(str(point.setting[along])))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


@lru_cache(maxsize=1)
def published_curves() -> tuple[PublishedCurve, ...]:
    """The published eot-bench curves: waiting for silence alone, and a vendor's semantic detector.

    Their latency is media time from the end of speech to the decision; no model and no network is in it.
    Source: https://github.com/livekit/eot-bench (Apache-2.0), English.
    """
    lines = data_path("reference/eot_bench.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    curves = []
    for name, label in _CURVES.items():
        found = [row for row in rows if row["curve"] == name]
        latency = tuple(float(row["latency_s"]) * 1000.0 for row in found)
        curves.append(PublishedCurve(label, latency, tuple(float(row["cutoff_rate"]) for row in found)))
    return tuple(curves)


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
