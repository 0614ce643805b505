"""The frames of one view of a study: what several of them need is read once.

Reading the file is `reader`, joining rows with keys is `frames`, and pricing them is `costs`; here they meet. Needs
pandas.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from realtime_lab.sweep.plans.costs import Billing, asked_models, billing_of
from realtime_lab.sweep.plans.prices import load_prices
from realtime_lab.sweep.store.reader import StudyReader
from realtime_lab.sweep.studies.frames import (
    KeyColumns,
    SettingColumn,
    key_columns,
    rows_frame,
    setting_columns,
    trials_frame,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from realtime_lab.analysis.cost import PriceTable

__all__ = ["Keys", "StudyFrames", "read_keys"]

Keys = tuple[dict[str, list[Any]], list[SettingColumn]]
"""The trials of a study, column by column, and its swept settings."""


def read_keys(reader: StudyReader) -> Keys:
    """Keys and settings of the trials.

    Raises:
        ValueError: If the settings cannot be read.
    """
    return reader.trials(), setting_columns(reader.json("axes"), reader.json("settings"))


class StudyFrames:
    """Frames of what a reader sees; every method raises ValueError and its like where that is damaged.

    Args:
        reader: The open study.
        keys: What `read_keys` gave.
        prices: What sessions are priced by; None: the shipped price table.
    """

    def __init__(self, reader: StudyReader, keys: Keys, prices: PriceTable | None = None) -> None:
        self._reader, self._prices = reader, prices
        self._trials, self._settings = keys

    def rows(self, kind: str) -> pd.DataFrame:
        """One row per turn, or per token."""
        return rows_frame(kind, self._reader.rows(kind), self._keys)

    def responses(self) -> pd.DataFrame:
        """One row per response, priced."""
        return rows_frame("responses", self._responses, self._keys, self._billing)

    def trials(self, effective: bool = True) -> pd.DataFrame:
        """One row per trial of the plan, run or not.

        Args:
            effective: With the columns of the effective configuration, which take longest.
        """
        rows, told = self._reader.rows("trials"), self._effective if effective else {}
        return trials_frame(rows, self._trials, self._keys, told, self._billing, self._responses)

    @cached_property
    def _keys(self) -> KeyColumns:
        return key_columns(self._trials, self._settings)

    @cached_property
    def _responses(self) -> pa.Table:
        return self._reader.rows("responses")

    @cached_property
    def _effective(self) -> dict[str, dict[str, Any]]:
        return self._reader.effective()

    @cached_property
    def _billing(self) -> Billing:
        told = [self._reader.json(name) for name in ("plan", "axes", "settings")]
        return billing_of(self._prices or load_prices(), self._trials, self._effective, asked_models(*told))
