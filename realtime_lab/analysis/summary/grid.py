"""Every setting of a sweep in one condition, with resamples drawn once for all its columns.

Fronts, operating points and effects are computed from it; the blocks and samples are those of `choice_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.summary.sample import (
    Blocks,
    Measured,
    block_draws,
    find_blocks,
    measurable,
    measure,
    replicates,
)
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.source import (
    Groups,
    HasFrames,
    first_condition,
    frames_of,
    in_condition,
    plain_row,
    setting_groups,
)
from realtime_lab.analysis.summary.wording import column_of
from realtime_lab.errors import ArgumentError, Problem

Floats = NDArray[np.float64]


class Resampled(NamedTuple):
    """One column of the summary over all settings."""

    estimates: Floats
    """Shape (settings,); NaN where the sample is too small, inf past the deadline."""
    drawn: Floats
    """Shape (replicates, settings)."""


@dataclass(eq=False)
class Grid:
    """Settings, their rows, and the blocks that are drawn."""

    turns: pd.DataFrame
    responses: pd.DataFrame | None
    groups: Groups
    blocks: Blocks
    condition: str
    draws: NDArray[np.int64]
    """The same for every column, so that columns are resampled together."""
    _known: dict[str, Resampled] = field(default_factory=dict)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Swept values of each setting, in the summary's order."""
        return self.groups.settings

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the summary that can be resampled here."""
        return measurable(self.turns.columns)

    def measured(self, name: str) -> Measured:
        """One column as the rows it is computed from."""
        if name not in self.columns:
            raise ArgumentError([Problem("metric", name, f"one of {', '.join(self.columns)}")])
        of_turns, of_responses = self.groups.of_turns, self.groups.of_responses
        count = len(self.settings)
        return measure(name, self.turns, self.responses, of_turns, of_responses, self.blocks, count)

    def column(self, name: str) -> Resampled:
        """One column with its resamples.

        Raises:
            ConfigError: If it cannot be resampled.
        """
        if name not in self._known:
            found = self.measured(name)
            self._known[name] = Resampled(found.estimates(), replicates(found, self.draws))
        return self._known[name]

    def losses(self, name: str) -> Resampled:
        """A column turned so that low is good: the answered rate with its sign changed."""
        found, entry = self.column(name), column_of(name)
        high_is_good = entry is not None and entry.lower_is_better is False
        return Resampled(-found.estimates, -found.drawn) if high_is_good else found

    def rows(self) -> list[Mapping[str, Any]]:
        """The summary's row of each setting."""
        table = summary(self.turns, self.responses, by=self.groups.names)
        return [plain_row(row) for row in table.to_dict("records")]


def grid_of(source: HasFrames | pd.DataFrame, condition: str | None = None, seed: int = 0) -> Grid:
    """Gather the settings of a study.

    Args:
        source: A study or a turns frame.
        condition: The acoustic condition; None: clean, else the first there is; "all": pooled.
        seed: Decides the resamples.

    Raises:
        ConfigError: If there is no such condition.
        RealtimeLabError: If there are no turns.
    """
    turns, responses = frames_of(source)
    chosen = first_condition(turns) if condition is None else condition
    here = in_condition(turns, chosen)
    if here.empty:
        there = ", ".join(map(str, turns["condition"].dropna().unique()))
        raise ArgumentError([Problem("condition", chosen, f"{there} or all")])
    said = None if responses is None else in_condition(responses, chosen)
    groups, blocks = setting_groups(here, said), find_blocks(here, said)
    return Grid(here, said, groups, blocks, chosen, block_draws(blocks, len(here), seed))
