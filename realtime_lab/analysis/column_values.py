"""Columns of a frame as plain arrays; what stands for an absent column or a missing value, the caller says."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["flags", "numbers"]


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
