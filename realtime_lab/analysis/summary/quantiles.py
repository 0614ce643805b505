"""Latency quantiles of many groups at once, with their intervals and what they are too few for.

Rows are put in the order of their groups once per sample; each group is then a slice. Which turns a sample holds is
told in `summary`.

What each turn adds to each count stands here too, and the making of cells out of plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import LATENCY_METRICS, OTHER_METRICS, OUTCOMES, Column
from realtime_lab.analysis.stats.clustered import Copies, Speech, quantile_of_cells
from realtime_lab.analysis.stats.grouping import Groups, flags, numbers
from realtime_lab.analysis.stats.intervals import TOO_SMALL
from realtime_lab.analysis.summary.columns import MEDIAN, quantile_name

_OF_MEASURED = ("n_holds", "n_cut_holds", "n_premature", "false_starts")
_OF_ALL = ("n_silent_transcripts", "n_hallucinations")


class Shares(Mapping[str, NDArray[Any]]):
    """By the name of a count without its `n_`, what each turn adds to it; numbers are made when they are asked for.

    Args:
        turns: A turns frame.
    """

    def __init__(self, turns: pd.DataFrame) -> None:
        self._turns = turns
        codes, names = pd.factorize(turns["outcome"])
        masks = {name: np.append(np.asarray(names == name, dtype=bool), False)[codes] for name in OUTCOMES}
        self.decided: NDArray[np.bool_] = masks["answered"] | masks["missed"]
        """Turns answered or missed."""
        self._measured = ~masks["excluded"]
        self._masks: dict[str, NDArray[np.bool_]] = masks | {
            "turns": np.ones(len(turns), dtype=bool),
            "decided": self.decided,
            "cut": self.decided & flags(turns, "cut"),
            "merged": self.decided & flags(turns, "merged"),
            "false_start_turns": self.decided & (numbers(turns, "false_starts") > 0),
        }
        self._columns = {name.removeprefix("n_"): name for name in (*_OF_MEASURED, *_OF_ALL)}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self._masks:
            return self._masks[name]
        column = self._columns[name]
        values = numbers(self._turns, column)
        if column in _OF_MEASURED:
            values = np.where(self._measured, values, 0.0)
        return values

    def __iter__(self) -> Iterator[str]:
        yield from (*self._masks, *self._columns)

    def __len__(self) -> int:
        return len(self._masks) + len(self._columns)


def int_cells(values: Any) -> Any:
    """Whole numbers as a column."""
    return pd.array(values, dtype="Int64")


def float_cells(values: Any) -> Any:
    """Numbers as a column, NaN and None as missing."""
    missing = [value is None or value != value for value in values]
    filled = [0.0 if lacks else float(value) for value, lacks in zip(values, missing, strict=True)]
    return pd.arrays.FloatingArray(np.array(filled, dtype=np.float64), np.array(missing, dtype=bool))


_OF_CUT_TURNS_TOO = ("onset_clip_ms", "yield_latency_ms")


class _Sample(NamedTuple):
    """Which turns are in the sample of a metric, and their values."""

    metric: Column
    quantiles: tuple[float, ...]
    mask: NDArray[np.bool_]
    values: NDArray[np.float64]
    """Of every turn, NaN where there is none."""


class _Part(NamedTuple):
    """One group's sample."""

    values: NDArray[np.float64]
    ordered: NDArray[np.float64]
    copies: Copies | None


class _Layout:
    """The rows of a sample in the order of their groups."""

    def __init__(self, mask: NDArray[np.bool_], order: NDArray[Any], groups: Groups, speech: Speech) -> None:
        self.mask = mask
        self._rows = order[mask[order]]
        edges = np.concatenate([[0], np.cumsum(groups.sums(mask))])
        self._slices = [slice(start, end) for start, end in pairwise(edges.tolist())]
        cells = speech.cell[self._rows] if speech.repeated.any() else None
        self._copies = [
            Copies(cells[part]) if cells is not None and again and part.stop > part.start else None
            for part, again in zip(self._slices, speech.repeated, strict=True)
        ]

    def parts(self, sample: _Sample) -> list[_Part]:
        """The sample of each group; a latency that did not come is later than all others."""
        values = sample.values[self._rows]
        if sample.metric.awaits:
            values[np.isnan(values)] = np.inf
        parts = [values[part] for part in self._slices]
        return [_Part(part, np.sort(part), copies) for part, copies in zip(parts, self._copies, strict=True)]


def quantile_columns(
    turns: pd.DataFrame, groups: Groups, speech: Speech, quantiles: tuple[float, ...], confidence: float
) -> dict[str, Any]:
    """Columns of every metric the turns have, and the note.

    Args:
        turns: A turns frame.
        groups: Of its rows.
        speech: Which of its rows are about the same speech.
        quantiles: Quantiles of the latencies; the other metrics get a median.
        confidence: Of each interval, two-sided.
    """
    # Sorting short numbers is fast, and so is reaching for rows by them.
    codes = groups.codes.astype(np.int16) if groups.count < 2**15 else groups.codes
    order = np.argsort(codes, kind="stable").astype(np.int32 if len(codes) < 2**31 else np.int64)
    data: dict[str, Any] = {}
    notes: list[list[str]] = [[] for _ in range(groups.count)]
    layout: _Layout | None = None
    for sample in _samples(turns, quantiles):
        if layout is None or not np.array_equal(layout.mask, sample.mask):
            layout = _Layout(sample.mask, order, groups, speech)
        data |= _metric_columns(sample, layout.parts(sample), notes, confidence)
    data["note"] = pd.array([_sentence(said) for said in notes], dtype="string")
    return data


def _samples(turns: pd.DataFrame, quantiles: tuple[float, ...]) -> Iterator[_Sample]:
    decided = turns["outcome"].isin(("answered", "missed")).to_numpy(dtype=bool)
    uncut = decided & ~flags(turns, "cut")
    for metric in LATENCY_METRICS:
        if metric.name in turns.columns:
            mask = uncut.copy()
            for flag in metric.awaits:
                mask &= flags(turns, flag, absent=True)
            yield _Sample(metric, quantiles, mask, numbers(turns, metric.name, np.nan))
    for metric in OTHER_METRICS:
        if metric.name in turns.columns:
            values = numbers(turns, metric.name, np.nan)
            sample = decided if metric.name in _OF_CUT_TURNS_TOO else uncut
            yield _Sample(metric, MEDIAN, sample & ~np.isnan(values), values)


def _metric_columns(
    sample: _Sample, parts: Sequence[_Part], notes: list[list[str]], confidence: float
) -> dict[str, Any]:
    name = sample.metric.name
    data: dict[str, Any] = {f"n_{name}": int_cells([len(part.values) for part in parts])}
    if sample.metric.awaits:
        missed = [len(part.ordered) - int(np.searchsorted(part.ordered, np.inf)) for part in parts]
        data[f"n_{name}_missed"] = int_cells(missed)
    for q in sample.quantiles:
        column = f"{name}_{quantile_name(q)}"
        found = [quantile_of_cells(part.values, part.ordered, part.copies, q, confidence) for part in parts]
        data[column] = float_cells([estimate.value for estimate in found])
        data[f"{column}_low"] = float_cells([estimate.low for estimate in found])
        data[f"{column}_high"] = float_cells([estimate.high for estimate in found])
        for estimate, said in zip(found, notes, strict=True):
            if estimate.note and estimate.n:
                said.append(f"{column} ({estimate.note.removeprefix(TOO_SMALL + ': ')})")
    return data


def _sentence(parts: Sequence[str]) -> str | None:
    return f"n too small: {', '.join(parts)}" if parts else None
