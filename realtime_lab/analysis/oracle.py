"""Which rows are an oracle's: sessions whose client committed by the end of each turn that the script knows.

No detector knows it, so such rows are a bound to hold others against. They are no setting that anybody could choose.
"""

from __future__ import annotations

import pandas as pd

from realtime_lab.analysis.columns import COMMIT_DELAY

__all__ = ["is_bound", "is_oracle", "without_oracle"]


def is_oracle(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is an oracle's, shape (rows,)."""
    if COMMIT_DELAY not in frame.columns:
        return pd.Series(False, index=frame.index)
    return frame[COMMIT_DELAY].notna()


def is_bound(frame: pd.DataFrame) -> pd.Series:
    """Whether each row is of the oracle without any delay, which nothing can beat, shape (rows,)."""
    oracle = is_oracle(frame)
    return oracle if not oracle.any() else oracle & (frame[COMMIT_DELAY] == 0.0).fillna(False)


def without_oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that are no oracle's; all of them where there are no others, so that delays can be compared.

    The column of delays goes with its rows, as nothing is left in it.
    """
    oracle = is_oracle(frame)
    if not oracle.any() or oracle.all():
        return frame
    return frame[~oracle].drop(columns=COMMIT_DELAY).reset_index(drop=True)
