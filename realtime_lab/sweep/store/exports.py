"""Frames as files for other programs: CSV that is safe to open in a spreadsheet, and Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from realtime_lab.errors import StudyError

__all__ = ["spreadsheet_safe", "write_frames"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_frames(frames: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Write each frame as `<name>.csv` and `<name>.parquet` into `folder`.

    Raises:
        StudyError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            spreadsheet_safe(frame).to_csv(folder / f"{name}.csv", index=False)
            frame.to_parquet(folder / f"{name}.parquet", index=False)
    except OSError as error:
        raise StudyError(f"{folder} cannot be written: {error.strerror}", folder) from None
    return folder


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which no text is taken for a formula: what begins like one gets an apostrophe before it."""
    safe = frame.copy()
    for name in safe.columns:
        column = safe[name]
        if isinstance(column.dtype, pd.StringDtype):
            risky = column.str.startswith(_FORMULA_STARTS).fillna(False).astype(bool)
            safe[name] = column.where(~risky, "'" + column)
    return safe
