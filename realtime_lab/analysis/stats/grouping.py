"""Rows by group, for summaries of millions of rows: a number per row, and sums over the rows of a number.

Columns are numbered once and everything after that is counting on whole arrays; pandas is only asked in which order the
few groups come. What is summed up per group is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def flags(frame: pd.DataFrame, name: str, *, absent: bool = False) -> NDArray[np.bool_]:
    """A boolean column, missing values false; all `absent` where there is no such column."""
    if name not in frame.columns:
        return np.full(len(frame), absent)
    return frame[name].astype("boolean").to_numpy(dtype=bool, na_value=False)


def numbers(frame: pd.DataFrame, name: str, missing: float = 0.0) -> NDArray[np.float64]:
    """A column of numbers; `missing` for each value that is, and everywhere where there is no such column."""
    if name not in frame.columns:
        return np.full(len(frame), missing)
    return frame[name].to_numpy(dtype=np.float64, na_value=missing)


Ints = NDArray[np.int64]


def column_codes(column: pd.Series[Any]) -> Ints:
    """A number from 1 for each different value of a column, 0 where it is missing."""
    return pd.factorize(column, use_na_sentinel=True)[0].astype(np.int64) + 1


def numbered(key: Ints) -> tuple[Ints, Ints]:
    """Keys as numbers without gaps, in their order, and how often each is there."""
    if int(key.max(initial=0)) >= 8 * len(key) + 1024:
        _, number, size = np.unique(key, return_inverse=True, return_counts=True)
        return number.astype(np.int64), size.astype(np.int64)
    # A million keys of a small range: counting is ten times as fast as sorting.
    size = np.bincount(key)
    number_of = np.cumsum(size > 0) - 1
    return number_of[key].astype(np.int64, copy=False), size[size > 0].astype(np.int64, copy=False)


class Groups:
    """Which group each row of a frame is in.

    Args:
        frame: The rows.
        by: Columns that tell groups apart; none: all rows are one group, even when there are none.
    """

    def __init__(self, frame: pd.DataFrame, by: Sequence[str]) -> None:
        self.by = list(by)
        self.codes: Ints = np.zeros(len(frame), dtype=np.int64)
        """Group of each row, from 0."""
        self.keys = pd.DataFrame(index=[0])
        """Values of `by` for each group, in ascending order."""
        self.count = 1
        """How many groups there are."""
        if self.by:
            self._number(frame)

    def _number(self, frame: pd.DataFrame) -> None:
        number = self.codes
        for name in self.by:
            codes = column_codes(frame[name])
            number, _ = numbered(number * (int(codes.max(initial=0)) + 1) + codes)
        first = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.int64)
        first[number[::-1]] = np.arange(len(number) - 1, -1, -1)  # the first row is written last
        some = frame[self.by].iloc[first]
        rank = some.groupby(self.by, sort=True, dropna=False, observed=True).ngroup().to_numpy()
        order = np.lexsort((first, rank))
        leading = order[np.unique(rank[order], return_index=True)[1]]
        self.codes, self.count = rank[number].astype(np.int64, copy=False), len(leading)
        self.keys = some.iloc[leading].reset_index(drop=True)

    def sums(self, values: NDArray[Any]) -> Ints:
        """Sum of an integer or boolean array per group."""
        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.int64)

    def codes_of(self, other: pd.DataFrame) -> Ints:
        """Group numbers of another frame's rows; -1 for rows of no group."""
        if not self.by:
            return np.zeros(len(other), dtype=np.int64)
        both = Groups(pd.concat([self.keys, other[self.by]], ignore_index=True), self.by)
        lookup = np.full(both.count, -1)
        lookup[both.codes[: self.count]] = np.arange(self.count)
        return lookup[both.codes[self.count :]]
