"""What the trade-off plot shows, as values: settings with both intervals, and published curves. Draws nothing."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import pandas as pd

from realtime_lab.analysis.columns import Column, column
from realtime_lab.analysis.oracle import is_bound, without_oracle
from realtime_lab.analysis.summary import default_by, summary
from realtime_lab.analysis.summary_columns import SUMMARY
from realtime_lab.config import treatment
from realtime_lab.errors import RealtimeLabError
from realtime_lab.resources import data_path
from realtime_lab.session import calibrated_against

__all__ = [
    "ORACLE_LABEL",
    "OraclePoint",
    "PublishedCurve",
    "TradeoffInfo",
    "TradeoffPoint",
    "published_curves",
    "tradeoff_info",
]

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
