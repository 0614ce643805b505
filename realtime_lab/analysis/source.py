"""What statistics are asked about: a study, or frames of turns and responses."""

from __future__ import annotations

from typing import Protocol

import pandas as pd

from realtime_lab.analysis.oracle import without_oracle
from realtime_lab.errors import RealtimeLabError

__all__ = ["HasFrames", "first_condition", "frames_of"]


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
