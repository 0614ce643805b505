"""Frames of a study: stored rows joined with their trial's keys and swept settings, in plan order.

So the same plan and seed give the same frames, whatever the workers and whenever a trial was run. Needs pandas.

`StudyFrames` reads once what several frames of one view need, and prices them.

Reading the file is `reader`, joining rows with keys is `frames`, and pricing them is `costs`; here they meet. Needs
pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from realtime_lab.analysis.columns import KEYS, METRICS_VERSION
from realtime_lab.analysis.cost import RESPONSE_USD, TRANSCRIPTION_USD, TRIAL_USD
from realtime_lab.analysis.rows.frames import DTYPES, frame_of_arrow
from realtime_lab.config import FIELDS, SessionConfig
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ConfigError
from realtime_lab.protocol.codec import within_64_bits
from realtime_lab.sweep.plans.costs import Billing, asked_models, billing_of, load_prices, responses_usd, trials_usd
from realtime_lab.sweep.plans.records import plain_value
from realtime_lab.sweep.store.content import axis_dtype
from realtime_lab.sweep.store.reader import StudyReader
from realtime_lab.sweep.store.tables import KINDS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from realtime_lab.analysis.cost import PriceTable

_ARROW = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "str": pa.string()}

SettingColumn = tuple[str, str, list[Any]]
"""Name of a swept setting, its declared type, and its value in every setting of the plan."""
KeyColumns = Sequence[tuple[str, pa.Array]]
"""Name and values, one per trial."""


def typed(value: Any, dtype: str) -> Any:
    """A configuration's value as a cell: "inf" is infinite, an object its JSON text.

    Raises:
        ValueError: If it is not of its declared type.
    """
    if value is None:
        return None
    if dtype == "str":
        text = value if isinstance(value, str) else canonical_text(plain_value(value))
        return text.encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair, no column does
    if dtype == "bool" and isinstance(value, bool):
        return value
    if dtype in ("int", "float") and not isinstance(value, bool):
        return float(value) if dtype == "float" else int(value)
    raise ValueError(f"{value!r:.80} is not a {dtype}")


def setting_columns(axes: Any, settings: Any) -> list[SettingColumn]:
    """The swept settings of a study as columns over its settings.

    Args:
        axes: `StudyContent.axes`, as read from a study.
        settings: `StudyContent.settings`, as read from a study.

    Raises:
        ValueError: If they are not that.
    """
    try:
        known = [(str(axis["name"]), axis["dtype"]) for axis in axes if axis["dtype"] in DTYPES]
        # A setting that an axis does not apply to has no value of it.
        return [(name, dtype, [typed(setting.get(name), dtype) for setting in settings]) for name, dtype in known]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its settings cannot be read: {error}") from None


def key_columns(trials: Mapping[str, list[Any]], settings: Sequence[SettingColumn]) -> KeyColumns:
    """Keys and swept settings, one value per trial.

    Args:
        trials: As `StudyReader.trials` gives them.
        settings: As `setting_columns` gives them.
    """
    given = {"trial": "key", "attempt": "attempt", "script": "script", "condition": "condition"}
    given |= {"repeat": "repeat", "target": "target"}
    columns = [
        (entry.name, pa.array(trials[given[entry.name]], _ARROW[entry.dtype])) for entry in KEYS if entry.name in given
    ]
    of_trial = pa.array(trials["setting"], pa.int64())
    columns += [(name, pa.array(values, _ARROW[dtype]).take(of_trial)) for name, dtype, values in settings]
    return columns


def rows_frame(
    kind: str,
    rows: pa.Table,
    keys: KeyColumns,
    billing: Billing | None = None,
) -> pd.DataFrame:
    """The frame of one kind of rows.

    Args:
        kind: turns, responses or tokens.
        rows: As `StudyReader.rows` gives them.
        keys: As `key_columns` gives them.
        billing: What responses are priced by; adds their cost.
    """
    numbers = rows["trial_number"].combine_chunks()
    columns = [(name, values.take(numbers)) for name, values in keys]
    columns.append(("metrics_version", pa.repeat(pa.scalar(METRICS_VERSION, pa.int64()), rows.num_rows)))
    columns += [(entry.name, rows[entry.name]) for entry in KINDS[kind]]
    if billing is not None:
        columns.append((RESPONSE_USD.name, pa.array(responses_usd(rows, billing), pa.float64(), from_pandas=True)))
    return frame_of_arrow(pa.table([array for _, array in columns], names=[name for name, _ in columns]))


def trials_frame(
    rows: pa.Table,
    trials: Mapping[str, list[Any]],
    keys: KeyColumns,
    effective: Mapping[str, Mapping[str, Any]],
    billing: Billing,
    responses: pa.Table,
) -> pd.DataFrame:
    """One row per trial of the plan, run or not.

    Args:
        rows: Rows of kind trials.
        trials: As `StudyReader.trials` gives them.
        keys: As `key_columns` gives them.
        effective: Effective configurations by hash.
        billing: What the trials are priced by.
        responses: Rows of kind responses.
    """
    count = len(trials["trial"])
    columns = list(keys)
    columns.append(("metrics_version", pa.repeat(pa.scalar(METRICS_VERSION, pa.int64()), count)))
    columns += [(name, pa.array(trials[name], pa.int64())) for name in ("block", "seed")]
    columns.append(("state", pa.array(trials["state"], pa.string())))
    columns.append(("tainted", pa.array([None if t is None else bool(t) for t in trials["tainted"]], pa.bool_())))
    columns.append(("error", pa.array(trials["error"], pa.string())))
    place = np.full(count, -1)
    place[rows["trial_number"].to_numpy()] = np.arange(rows.num_rows)
    at = pa.array(place, pa.int64(), mask=place < 0)
    columns += [(entry.name, rows[entry.name].combine_chunks().take(at)) for entry in KINDS["trials"]]
    costs = zip((TRIAL_USD, TRANSCRIPTION_USD), trials_usd(rows, responses, billing), strict=True)
    columns += [(entry.name, pa.array(usd, pa.float64(), from_pandas=True)) for entry, usd in costs]
    columns += _effective_columns(trials["effective"], effective)
    return frame_of_arrow(pa.table([array for _, array in columns], names=[name for name, _ in columns]))


def _effective_columns(
    hashes: Sequence[str | None], effective: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, pa.Array]]:
    known: dict[str, dict[str, object]] = {}
    for sha256, session in effective.items():
        try:
            known[sha256] = SessionConfig.from_wire(session, strict=False).leaves()
        except ConfigError:
            continue
    named = list(dict.fromkeys(key for key in hashes if key in known))
    place = {key: number for number, key in enumerate(named)}
    at = pa.array([None if key is None else place.get(key) for key in hashes], pa.int64())
    columns = []
    for field in FIELDS:
        # Studies of earlier versions hold whole numbers as the server sent them.
        values = [within_64_bits(known[key].get(field.path)) for key in named]
        if any(field.path in known[key] for key in named):
            dtype = axis_dtype(field.path, values)
            cells = pa.array([typed(value, dtype) for value in values], _ARROW[dtype])
            columns.append((f"effective.{field.path}", cells.take(at)))
    return columns


def with_keys(
    frame: pd.DataFrame, number: int, trials: Mapping[str, list[Any]], settings: Sequence[SettingColumn]
) -> pd.DataFrame:
    """A frame about one trial, with that trial's keys and swept settings before its own columns."""
    columns = [
        (name, values.take(pa.repeat(pa.scalar(number), len(frame)))) for name, values in key_columns(trials, settings)
    ]
    columns.append(("metrics_version", pa.repeat(pa.scalar(METRICS_VERSION, pa.int64()), len(frame))))
    keys = frame_of_arrow(pa.table([array for _, array in columns], names=[name for name, _ in columns]))
    return pd.concat([keys, frame.reset_index(drop=True)], axis=1)


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
