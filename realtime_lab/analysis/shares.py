"""What each turn adds to each count of a summary, and cells of a summary out of plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.column_values import flags, numbers
from realtime_lab.analysis.columns import OUTCOMES

__all__ = ["Shares", "float_cells", "int_cells"]

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
