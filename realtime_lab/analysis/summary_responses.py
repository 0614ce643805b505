"""What a summary says of responses: how many hit their token limit, their tokens, and both tokens and cost per turn.

A limit that breaks an answer off breaks it off in every repeat, so the rate's interval counts each turn's speech once
(see `clustered`). What turns spend hangs together inside a script, so scripts are the blocks of the other intervals
(see `block_ratio`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.block_ratio import BlockRatio, ratio_over_blocks
from realtime_lab.analysis.clustered import Denominator, same_speech
from realtime_lab.analysis.column_values import flags, numbers
from realtime_lab.analysis.summary_columns import TOKEN_SUMS

__all__ = ["Responses"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Responses:
    """The responses of a summary's groups.

    Args:
        turns: A turns frame.
        of_turns: Group of each of its rows.
        responses: The responses frame of the same sessions.
        of_responses: Group of each of its rows; -1 for one of no group.
        count: How many groups there are.
    """

    def __init__(
        self, turns: pd.DataFrame, of_turns: Ints, responses: pd.DataFrame, of_responses: Ints, count: int
    ) -> None:
        known = of_responses >= 0
        self._turns, self._of_turns, self._count = turns, of_turns, count
        self._rows, self._of_rows = responses[known], of_responses[known]
        self._ended = (self._rows["status"].astype("string").fillna("") != "in_progress").to_numpy(dtype=bool)
        self._truncated = self._ended & flags(self._rows, "truncated")

    def counts(self) -> dict[str, Ints]:
        """Integer columns per group."""
        values: dict[str, NDArray[Any]] = {"n_responses": self._ended, "n_truncated": self._truncated}
        values |= {name: numbers(self._rows, name) for name in TOKEN_SUMS}
        return {name: np.bincount(self._of_rows, value, self._count).astype(np.int64) for name, value in values.items()}

    def truncated_effects(self, by: Sequence[str]) -> Floats:
        """Design effect of the rate of truncated responses in each group."""
        speech = same_speech(self._rows, self._of_rows, self._count, by)
        if not speech.repeated.any() or not self._ended.any():
            return np.ones(self._count)
        return Denominator(self._ended, speech).effects(self._truncated)

    def per_turn(self, confidence: float) -> Iterator[tuple[str, BlockRatio]]:
        """Output tokens and USD of all responses over turns; NaN where a response's price is not known."""
        groups = np.concatenate([self._of_turns, self._of_rows])
        scripts = [
            frame["script"] if "script" in frame.columns else pd.Series("", index=frame.index)
            for frame in (self._turns, self._rows)
        ]
        blocks = pd.factorize(pd.concat(scripts, ignore_index=True), use_na_sentinel=False)[0].astype(np.int64)
        below = np.concatenate([np.ones(len(self._turns)), np.zeros(len(self._rows))])
        spent = {"output_tokens": numbers(self._rows, "output_tokens"), "usd": numbers(self._rows, "usd", np.nan)}
        for name, values in spent.items():
            above = np.concatenate([np.zeros(len(self._turns)), values])
            found = ratio_over_blocks(groups, blocks, above, below, self._count, confidence=confidence)
            yield f"{name}_per_turn", found
