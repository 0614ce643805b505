"""Where the wait comes from: the response latency of a turn in parts that add up, and the parts' means per setting.

The parts follow one another from the end of the caller's turn to the first audible sample:

    end of turn --(endpoint delay)--> endpoint in the audio --(endpoint lag)--> speech_stopped received
      --(commit lag)--> committed --(created lag)--> response.created --(first byte lag)--> first output delta
      --(audible lag)--> first audible audio

In every turn they add up to `response_latency_ms` (in text mode, without the last, to `first_byte_latency_ms`).
Medians of parts do not add up to the median of the whole, means do: so a setting is shown by its means, over turns
that were answered, were not cut and have every part. Turns given up on have no parts; they are counted beside them,
and a mean over the others says nothing about them. Quantiles are in `summary`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import TURNS, Column
from realtime_lab.analysis.summary.settings import default_by
from realtime_lab.errors import RealtimeLabError

PARTS = ("endpoint_delay_ms", "endpoint_lag_ms", "commit_lag_ms", "created_lag_ms", "first_byte_lag_ms")
"""The parts up to the first output delta, in the order of time."""
_AUDIBLE = "audible_lag_ms"


class Decomposed(NamedTuple):
    """Turns that can be taken apart."""

    parts: tuple[Column, ...]
    """In the order of time."""
    total: Column
    """What they add up to."""
    rows: NDArray[np.bool_]
    """Which turns have every part."""
    missed: NDArray[np.bool_]
    """Uncut turns that were given up on."""
    values: NDArray[np.float64]
    """Parts of the turns in `rows`, shape (turns, parts)."""


def decompose(turns: pd.DataFrame) -> Decomposed:
    """Take the latency of turns apart.

    Args:
        turns: A turns frame.

    Raises:
        RealtimeLabError: If the frame has no such columns.
    """
    lacking = [name for name in (*PARTS, _AUDIBLE) if name not in turns.columns]
    if lacking:
        raise RealtimeLabError(f"the turns have no {lacking[0]}: it is computed anew from their recordings")
    spoken = bool(turns[_AUDIBLE].notna().any())
    names = [*PARTS, _AUDIBLE] if spoken else list(PARTS)
    declared = {entry.name: entry for entry in TURNS}
    uncut = ~turns["cut"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    outcome = turns["outcome"].astype("string").fillna("")
    answered = (outcome == "answered").to_numpy(dtype=bool) & uncut
    table = turns[names].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = answered & ~np.isnan(table).any(axis=1)
    missed = (outcome == "missed").to_numpy(dtype=bool) & uncut
    total = declared["response_latency_ms" if spoken else "first_byte_latency_ms"]
    return Decomposed(tuple(declared[name] for name in names), total, rows, missed, table[rows])


def latency_parts(turns: pd.DataFrame, *, by: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Mean parts of the response latency, one row per combination of the values of `by`.

    Args:
        turns: A turns frame, such as `study.turns_df()`.
        by: Columns to group by; None: every swept setting, the condition and the target. An empty list: one row.

    Returns:
        The groups in ascending order: `n_turns` taken apart, `n_missed` beside them, the mean of each part in ms (NA
        without turns), and `total_ms`, the mean latency of the same turns, which is the sum of the parts.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = default_by(turns.columns) if by is None else [by] if isinstance(by, str) else list(by)
    lacking = [name for name in names if name not in turns.columns]
    if lacking:
        raise RealtimeLabError(f"latency_parts by {lacking}: the turns have no such column")
    found = decompose(turns)
    keys, codes = _groups(turns, names)
    count = np.bincount(codes[found.rows], minlength=len(keys))
    data: dict[str, Any] = {
        "n_turns": pd.array(count, dtype="Int64"),
        "n_missed": pd.array(np.bincount(codes[found.missed], minlength=len(keys)), dtype="Int64"),
    }
    for number, part in enumerate(found.parts):
        data[part.name] = _means(found.values[:, number], codes[found.rows], count)
    data["total_ms"] = _means(found.values.sum(axis=1), codes[found.rows], count)
    return pd.concat([keys, pd.DataFrame(data, index=keys.index)], axis=1)


def _groups(turns: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    if not names:
        return pd.DataFrame(index=[0]), np.zeros(len(turns), dtype=np.int64)
    codes = turns.groupby(names, sort=True, dropna=False, observed=True).ngroup().to_numpy().astype(np.int64)
    first = np.unique(codes, return_index=True)[1]
    return turns[names].iloc[first].reset_index(drop=True), codes


def _means(values: NDArray[np.float64], codes: NDArray[np.int64], count: NDArray[np.int64]) -> Any:
    sums = np.bincount(codes, values, len(count))
    means = np.divide(sums, count, out=np.zeros(len(count)), where=count > 0)
    return pd.arrays.FloatingArray(means, count == 0)
