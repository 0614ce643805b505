"""Rows, Arrow tables and recordings as pandas frames with the declared types; pandas lives from here up.

Types are pandas' nullable ones (Float64, Int64, boolean, string), so a missing value is NA and a whole number stays
one. Works with pandas 2.3 and 3.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from realtime_lab.analysis.columns import EVENTS, KEYS, METRICS_VERSION, RESPONSES, TOKENS, TRIALS, TURNS, Column
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.config.masking import masked
from realtime_lab.errors import RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import event_to_builtins
from realtime_lab.recording.events import AppendRun, RecordedEvent, Recording

if TYPE_CHECKING:
    import pyarrow as pa

DTYPES = {"float": "Float64", "int": "Int64", "bool": "boolean", "str": "string"}
"""pandas' type for each declared type."""
_MOST_FRAMES = 1_000_000
"""Five hours of audio in frames of 20 ms; a few bytes of a file can claim any number."""

Cell = str | int | float | bool | None


def frame_of_rows(
    rows: Sequence[Mapping[str, Any]], columns: Iterable[Column], keys: Mapping[str, Cell] | None = None
) -> pd.DataFrame:
    """Rows as a frame of the declared columns, in their order; what a row leaves out is NA.

    Args:
        rows: Rows by column name.
        columns: The declared columns.
        keys: Columns that hold the same value in every row, put first.
    """
    data: dict[str, Any] = {}
    for name, value in (keys or {}).items():
        data[name] = _array([value] * len(rows), _kind_of(value))
    for entry in columns:
        data[entry.name] = _array([row.get(entry.name) for row in rows], entry.dtype)
    return pd.DataFrame(data)


def _array(values: Any, kind: str) -> Any:
    return pd.array(values, dtype=DTYPES[kind])


def _kind_of(value: Cell) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "str"


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a frame with nullable types; its dictionary columns become categories."""
    import pyarrow as pa

    mapping = {
        pa.float64(): pd.Float64Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.int32(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=mapping.get)
    return frame


def turns_df(recording: Recording) -> pd.DataFrame:
    """One row per reference turn of a recording."""
    return frame_of_rows(session_rows(recording).turns, TURNS, _keys(recording))


def responses_df(recording: Recording) -> pd.DataFrame:
    """One row per response of a recording."""
    return frame_of_rows(session_rows(recording).responses, RESPONSES, _keys(recording))


def tokens_df(recording: Recording) -> pd.DataFrame:
    """One row per transcription token of a recording that came with a log-probability."""
    return frame_of_rows(session_rows(recording).tokens, TOKENS, _keys(recording))


def trials_df(recording: Recording) -> pd.DataFrame:
    """One row: the session as a whole."""
    return frame_of_rows(session_rows(recording).trials, TRIALS, _keys(recording))


def _keys(recording: Recording) -> dict[str, Cell]:
    header = recording.header
    known: dict[str, Cell] = {
        "script": header.script_id,
        "condition": header.condition,
        "target": header.target,
        "metrics_version": METRICS_VERSION,
    }
    return {entry.name: known[entry.name] for entry in KEYS if entry.name in known}


def events_df(recording: Recording) -> pd.DataFrame:
    """One row per event of a recording in the order of time, consecutive appends taken apart again.

    At equal times an append stands before what the server answered; without clocks the log's own order is kept and
    appends come first.

    Raises:
        RecordingError: If the recording claims more than a million appends.
    """
    rows = list(islice(_append_rows(recording.appends, recording.header.has_send_clock), _MOST_FRAMES + 1))
    if len(rows) > _MOST_FRAMES:
        raise RecordingError(f"the recording claims more than {_MOST_FRAMES:,} appends, which is more than is laid out")
    rows += map(_event_row, recording.events)
    timed = all(row["t_ms"] is not None for row in rows)
    return frame_of_rows(sorted(rows, key=lambda row: row["t_ms"]) if timed else rows, EVENTS)


def _event_row(entry: RecordedEvent) -> dict[str, Cell]:
    event = entry.event
    item, response = getattr(event, "item", None), getattr(event, "response", None)
    audio_ms = getattr(event, "audio_end_ms", getattr(event, "audio_start_ms", None))
    return {
        "t_ms": entry.t_ms,
        "audio_ms": None if audio_ms is None else float(audio_ms),
        "direction": entry.direction,
        "type": ev.event_type(event),
        "item_id": _text(getattr(event, "item_id", getattr(item, "id", None))),
        "response_id": _text(getattr(event, "response_id", getattr(response, "id", None))),
        "event": _json(event),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


_HOLD_SETTINGS = (
    ev.SessionUpdate,
    ev.SessionCreated,
    ev.SessionUpdated,
    ev.ResponseCreate,
    ev.ResponseCreated,
    ev.ErrorEvent,
    ev.UnknownEvent,
)
"""Events in which a key or an authorization header may stand."""


def _json(event: ev.AnyEvent) -> str:
    plain: object = event_to_builtins(event)
    return json.dumps(masked(plain) if isinstance(event, _HOLD_SETTINGS) else plain, ensure_ascii=False)


def _append_rows(runs: Sequence[AppendRun], timed: bool) -> Iterator[dict[str, Cell]]:
    for (logged, frame_ms), group in groupby(runs, key=lambda run: (run.sent_ms is not None, run.frame_ms)):
        for run in group if logged else [list(group)]:
            stretch = run if isinstance(run, list) else [run]
            yield from _frames(stretch, frame_ms, timed)


def _frames(stretch: Sequence[AppendRun], frame_ms: float, timed: bool) -> Iterator[dict[str, Cell]]:
    """Frames of runs that follow one another; a frame that spans two of them holds a piece of each."""
    start_ms, end_ms, sent_ms = stretch[0].start_ms, stretch[-1].end_ms, stretch[0].sent_ms
    # Frames without a log lie on the session's own grid; those with one start where their run does.
    first = 0 if sent_ms is not None else math.floor(start_ms / frame_ms + 1e-9)
    origin_ms = start_ms if sent_ms is not None else 0.0
    count = math.ceil((end_ms - origin_ms) / frame_ms - 1e-9)
    position = 0
    for number in range(first, count):
        low, high = origin_ms + number * frame_ms, min(origin_ms + (number + 1) * frame_ms, end_ms)
        while stretch[position].end_ms <= low and position + 1 < len(stretch):
            position += 1
        at_ms: float | None = (number + 1) * frame_ms
        if sent_ms is not None:
            at_ms = sent_ms[number] if number < len(sent_ms) else None
        audio = [_piece(run, low, high) for run in stretch[position : position + 2] if run.start_ms < high]
        payload = {"type": "input_audio_buffer.append", "audio": audio[0] if len(audio) == 1 else audio}
        yield {
            "t_ms": at_ms if timed else None,
            "audio_ms": high,
            "direction": "client",
            "type": "input_audio_buffer.append",
            "item_id": None,
            "response_id": None,
            "event": json.dumps(payload),
        }


def _piece(run: AppendRun, low_ms: float, high_ms: float) -> dict[str, Cell]:
    first = round((max(low_ms, run.start_ms) - run.start_ms) * run.rate_hz / 1000.0)
    last = round((min(high_ms, run.end_ms) - run.start_ms) * run.rate_hz / 1000.0)
    return {"sha256": run.sha256, "offset_samples": run.offset_samples + first, "samples": last - first}
