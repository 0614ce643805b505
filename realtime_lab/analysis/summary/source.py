"""What statistics are asked about: a study or frames of it, by setting and condition, and which rows are an oracle's.

An oracle's sessions are those whose client committed by the end of each turn that the script knows. No detector knows
it, so such rows are a bound to hold others against. They are no setting that anybody could choose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import COMMIT_DELAY, setting_names
from realtime_lab.errors import RealtimeLabError


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


ALL_CONDITIONS = "all"
"""As a condition: every condition pooled."""


class Groups(NamedTuple):
    """The settings of a frame, numbered in the summary's order."""

    names: list[str]
    settings: list[dict[str, Any]]
    of_turns: NDArray[np.int64]
    """Setting of each row of the turns frame."""
    of_responses: NDArray[np.int64]
    """Setting of each row of the responses frame; -1 for one that has no turns."""


def setting_groups(turns: pd.DataFrame, responses: pd.DataFrame | None) -> Groups:
    """Number the settings of both frames alike, in ascending order of their swept values, as `summary` has them."""
    names = setting_names(turns.columns)
    count = 0 if responses is None else len(responses)
    if not names:
        return Groups([], [{}], np.zeros(len(turns), dtype=np.int64), np.zeros(count, dtype=np.int64))
    of_turns: NDArray[np.int64] = (
        turns.groupby(names, sort=True, dropna=False, observed=True).ngroup().to_numpy().astype(np.int64)
    )
    first = np.unique(of_turns, return_index=True)[1]
    keys = turns[names].iloc[first]
    settings = [plain_row(row) for row in keys.to_dict("records")]
    if responses is None:
        return Groups(names, settings, of_turns, np.zeros(0, dtype=np.int64))
    both = pd.concat([keys, responses[names]], ignore_index=True)
    joint = both.groupby(names, sort=False, dropna=False, observed=True).ngroup().to_numpy(dtype=np.int64)
    number_of = np.full(int(joint.max(initial=-1)) + 1, -1, dtype=np.int64)
    number_of[joint[: len(keys)]] = np.arange(len(keys))
    return Groups(names, settings, of_turns, number_of[joint[len(keys) :]])


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A frame's row with missing values as None and numbers as Python's own."""
    return {str(name): plain_cell(value) for name, value in row.items()}


def plain_cell(value: Any) -> Any:
    """A frame's cell: None when missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def in_condition(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows of one acoustic condition; all of them for "all"."""
    if condition == ALL_CONDITIONS:
        return frame.reset_index(drop=True)
    return frame[frame["condition"].astype("string").fillna("") == condition].reset_index(drop=True)


def of_setting(frame: pd.DataFrame, setting: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have these swept values."""
    mask = np.ones(len(frame), dtype=bool)
    for name, value in setting.items():
        column = frame[name]
        same = column.isna() if value is None else (column == value).fillna(False)
        mask &= same.to_numpy(dtype=bool)
    return frame[mask].reset_index(drop=True)


class HasFrames(Protocol):
    """Anything with turns and responses, such as a Study."""

    def turns_df(self) -> pd.DataFrame:
        """One row per turn."""
        ...

    def responses_df(self) -> pd.DataFrame:
        """One row per response."""
        ...


def frames_of(source: HasFrames | pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Turns and responses of a source; a frame is taken for turns, without responses. An oracle's are left out.

    Raises:
        RealtimeLabError: If there are no turns.
    """
    if isinstance(source, pd.DataFrame):
        turns, responses = source, None
    else:
        turns, responses = source.turns_df(), source.responses_df()
    if turns.empty:
        raise RealtimeLabError("there are no turns: no session is complete")
    return without_oracle(turns), None if responses is None else without_oracle(responses)


def first_condition(turns: pd.DataFrame) -> str:
    """The acoustic condition to look at first: clean, else the first there is; "all" where nobody says."""
    if "condition" not in turns.columns:
        return "all"
    names = turns["condition"].astype("string").fillna("")
    return "clean" if (names == "clean").any() else str(names.iloc[0])
