"""The same speech heard more than once: intervals that do not take a repeat for a new caller.

A mocked server hears the very same audio in every repeat and under every token limit, and a live one hears speech
that is alike; rows about the same turn of the same script in the same condition are therefore one *cell*. Where a
group holds cells of several rows, its intervals are those of a smaller sample: the sample's size over the design
effect, which is the variance of the cells' sums over what it would be if all rows were independent. Exact copies come
out as one each; rows that only share their speech lie between.

Sources: for rates Korn and Graubard ("Confidence intervals for proportions with small expected number of positive
counts", Survey Methodology 24, 1998), for quantiles Woodruff ("Confidence intervals for medians and other position
measures", JASA 47, 1952). Where no speech is heard twice, nothing here changes anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.stats import (
    CONFIDENCE,
    TOO_SMALL,
    QuantileEstimate,
    linear_quantile,
    order_statistic,
    quantile_interval,
    quantile_of_sorted,
    sample_floor,
)

__all__ = ["Speech", "quantile_of_cells", "rate_effects", "same_speech"]

_SPOKEN = ("script", "turn", "condition")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Speech(NamedTuple):
    """Which rows are about the same speech."""

    cell: Ints
    """Cell of each row; cells of one group follow one another."""
    group: Ints
    """Group of each cell."""
    n_cells: Ints
    """Cells of each group."""
    repeated: NDArray[np.bool_]
    """Groups in which some speech was heard more than once."""


def same_speech(frame: pd.DataFrame, groups: Ints, count: int, by: Sequence[str]) -> Speech:
    """Find the cells of every group.

    Args:
        frame: Rows with script, turn and condition; without them every row is a cell.
        groups: Group of each row.
        count: How many groups there are.
        by: What they were grouped by, which need not be looked at again.
    """
    key = groups.astype(np.int64)
    if not {"script", "turn"} <= set(frame.columns):
        key = np.arange(len(frame), dtype=np.int64) + len(frame) * key
    else:
        for name in _SPOKEN:
            if name in frame.columns and name not in by:
                codes = _codes(frame[name])
                key = key * (int(codes.max(initial=0)) + 1) + codes
    cell, size = _numbered(key)
    group = np.zeros(len(size), dtype=np.int64)
    group[cell] = groups
    repeated = np.zeros(count, dtype=bool)
    repeated[group[size > 1]] = True
    return Speech(cell, group, np.bincount(group, minlength=count).astype(np.int64), repeated)


def _numbered(key: Ints) -> tuple[Ints, Ints]:
    """Keys as numbers without gaps, in their order, and how often each is there."""
    if int(key.max(initial=0)) >= 8 * len(key) + 1024:
        _, number, size = np.unique(key, return_inverse=True, return_counts=True)
        return number.astype(np.int64), size.astype(np.int64)
    # A million keys of a small range: counting is ten times as fast as sorting.
    size = np.bincount(key)
    number_of = np.cumsum(size > 0) - 1
    return number_of[key].astype(np.int64), size[size > 0].astype(np.int64)


def _codes(column: pd.Series[Any]) -> Ints:
    return pd.factorize(column, use_na_sentinel=True)[0].astype(np.int64) + 1


def rate_effects(above: Floats, below: Floats, speech: Speech) -> Floats:
    """The design effect of a rate in each group, 1 where no speech was heard twice.

    Args:
        above: Each row's share of the numerator.
        below: Each row's share of the denominator.
        speech: The rows' cells.
    """
    groups, cells = len(speech.n_cells), len(speech.group)
    of_cell, size = np.bincount(speech.cell, above, cells), np.bincount(speech.cell, below, cells)
    total, hits = np.bincount(speech.group, size, groups), np.bincount(speech.group, of_cell, groups)
    rate = np.divide(hits, total, out=np.zeros(groups), where=total > 0)
    spread = np.bincount(speech.group, (of_cell - rate[speech.group] * size) ** 2, groups)
    row_group = speech.group[speech.cell]
    alone = np.bincount(row_group, (above - rate[row_group] * below) ** 2, groups)
    # Where all rows agree, nothing tells how alike repeats are: as if they were copies.
    heard = np.bincount(speech.cell[below > 0], minlength=cells)
    copies = np.bincount(speech.group, heard, groups) / np.maximum(np.bincount(speech.group, heard > 0, groups), 1)
    effect = np.where(alone > 0, spread / np.where(alone > 0, alone, 1.0), copies)
    found: Floats = np.where(speech.repeated, np.clip(effect, 1.0, np.maximum(copies, 1.0)), 1.0)
    return found


def quantile_of_cells(
    values: Floats, ordered: Floats, cells: Ints | None, q: float, confidence: float = CONFIDENCE
) -> QuantileEstimate:
    """A quantile with the interval of as many observations as there is different speech.

    Args:
        values: The sample.
        ordered: The same in ascending order.
        cells: Cell of each value; None: all are different.
        q: Which quantile.
        confidence: Two-sided.
    """
    if cells is None or not len(values):
        return quantile_of_sorted(ordered, q, confidence)
    value, n = linear_quantile(ordered, q), len(values)
    n_like = math.floor(n / _effect(values <= value, cells) + 1e-9)
    if n_like >= n:
        return quantile_of_sorted(ordered, q, confidence)
    found, n_censored = quantile_interval(n_like, q, confidence), int(np.count_nonzero(values == np.inf))
    if found is None:
        note = f"{TOO_SMALL}: {n_like} of {sample_floor(q, confidence)}"
        return QuantileEstimate(q, None, None, None, n, n_censored, None, note)
    ends = [_place(place, n_like, n) for place in (found.low, found.high)]
    low, high = order_statistic(ordered, ends[0], up=False), order_statistic(ordered, ends[1], up=True)
    return QuantileEstimate(q, value, low, high, n, n_censored, found.coverage, "")


def _effect(below: NDArray[np.bool_], cells: Ints) -> float:
    """Design effect of the share of values below the quantile."""
    cell = cells - cells.min()
    size = np.bincount(cell)
    copies = len(cell) / int(np.count_nonzero(size))
    share = float(below.mean())
    alone = share * (1.0 - share) * len(cell)
    if alone == 0.0:
        return copies
    spread = float(((np.bincount(cell, below) - share * size) ** 2).sum())
    return min(max(spread / alone, 1.0), copies)


def _place(place: float, n_like: int, n: int) -> float:
    """A place in a sample of `n_like` as one in a sample of `n`: every value stands for n / n_like of them."""
    return min(max((place - 0.5) * n / n_like + 0.5, 1.0), float(n))
