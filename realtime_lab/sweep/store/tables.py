"""Rows as Arrow tables and as bytes: the column batches a study is made of, and the declared columns they hold.

A batch holds what `analysis.columns` declares for its kind plus two columns of its own: `trial_number` (position in
the plan) and `attempt`. Keys and settings are the same for a whole trial, so they are joined when a frame is asked
for. pyarrow is imported here and nowhere else in the sweep; workers never import this module.

Frames become files for other programs here: CSV that is safe in a spreadsheet, and Parquet.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from realtime_lab.analysis import columns as declared
from realtime_lab.errors import StudyError

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


KINDS: dict[str, tuple[declared.Column, ...]] = {
    "trials": declared.TRIALS,
    "turns": declared.TURNS,
    "responses": declared.RESPONSES,
    "tokens": declared.TOKENS,
}
"""Declared columns of every kind of row that a study keeps."""

_TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "str": pa.string()}
_OWN = [pa.field("trial_number", pa.int32(), nullable=False), pa.field("attempt", pa.int32(), nullable=False)]
_SCHEMAS = {
    kind: pa.schema([*_OWN, *(pa.field(entry.name, _TYPES[entry.dtype]) for entry in entries)])
    for kind, entries in KINDS.items()
}
_NAMES = {kind: frozenset(schema.names) for kind, schema in _SCHEMAS.items()}


_RECURS = 8
"""Texts that stand this often on average are stored once."""
_THREADS_FROM_BYTES = 1 << 20
"""Below this a batch is read by the calling thread: handing it over takes longer than the work."""
QUICK, HARD = 1, 7
"""zstd levels: for a batch while its sweep waits, and for what is merged when a study is closed."""
_MOST_BYTES = 1 << 28
"""What one batch may unpack to, and its recurring texts written out; merged ones have a sixteenth of it."""
_MOST_ROWS = 1 << 20
CONVERSION_ERRORS = (ValueError, TypeError, OverflowError)
"""What `table_of` raises for a value that is not of its column's type."""


def check_rows(rows: Mapping[str, Sequence[Mapping[str, Any]]], values: bool = False) -> str | None:
    """What is wrong with a session's rows, in one line; None when every column is declared.

    Args:
        rows: Rows by kind.
        values: Whether to look at the values as well, which takes longer.
    """
    for kind, entries in rows.items():
        if kind not in KINDS:
            return f"rows of a kind that is not declared: {kind!r}"
        for entry in entries:
            if not entry.keys() <= _NAMES[kind]:
                return f"{kind} rows have columns that are not declared: {sorted(entry.keys() - _NAMES[kind])}"
        try:
            if values:
                table_of(kind, ((0, 1, entry) for entry in entries))
        except CONVERSION_ERRORS as error:
            return f"{kind} rows are not what is declared: {error}"
    return None


def table_of(kind: str, rows: Iterable[tuple[int, int, Mapping[str, Any]]]) -> pa.Table:
    """A table of one kind from (trial number, attempt, row); what a row leaves out is null.

    Raises:
        ValueError, TypeError, OverflowError: If a value is not of its column's type.
    """
    rows = list(rows)
    schema = _SCHEMAS[kind]
    data: list[Any] = [[number for number, _, _ in rows], [attempt for _, attempt, _ in rows]]
    data += [[row.get(name) for _, _, row in rows] for name in schema.names[2:]]
    arrays = [pa.array(values, field.type, from_pandas=True) for values, field in zip(data, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def batch(kind: str, table: pa.Table, level: int = QUICK) -> tuple[str, int, str, bytes]:
    """What a study stores of a table: (kind, rows, SHA-256 in hex, compressed Arrow IPC stream).

    Args:
        kind: A kind of rows.
        table: The rows.
        level: How hard zstd tries.
    """
    table = table.combine_chunks()  # one record batch: each has a header with every column
    lean = pa.table({name: _lean(table[name]) for name in table.column_names})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, lean.schema) as writer:
        writer.write_table(lean)
    data = _packed(sink.getvalue(), level)
    return kind, table.num_rows, hashlib.sha256(data).hexdigest(), data


def _packed(stream: pa.Buffer, level: int) -> bytes:
    """Its length in 8 bytes, little end first, and all of it in one zstd frame.

    Arrow's own compression is by column, and finds neither one column in another (latencies, of which most are equal
    to others) nor one id in the next; together that is a fifth of a study.
    """
    packed: bytes = pa.Codec("zstd", compression_level=level).compress(stream, asbytes=True)
    length: bytes = int(stream.size).to_bytes(8, "little")
    return length + packed


def _unpacked(data: bytes) -> Any:
    """The stream in what `_packed` gave."""
    size = int.from_bytes(data[:8], "little")
    if size > _MOST_BYTES:
        raise ValueError(f"it claims to unpack to {size:,} bytes, and {_MOST_BYTES:,} are allowed")
    try:
        return pa.Codec("zstd").decompress(memoryview(data)[8:], decompressed_size=size)
    except OSError as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None


def from_bytes(kind: str, data: bytes, sha256: str) -> pa.Table:
    """Read the bytes that `batch` made, trusting none of it.

    Raises:
        ValueError: If the bytes do not match their checksum, or hold a table with columns that `kind` does not have.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("its bytes do not match their checksum")
    try:
        return _table(kind, data)
    except (pa.ArrowException, OSError, TypeError, MemoryError, struct.error, IndexError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def _table(kind: str, data: bytes) -> pa.Table:
    options = pa.ipc.IpcReadOptions(use_threads=len(data) >= _THREADS_FROM_BYTES)
    stream = _unpacked(data)
    if any(_is_packed(message) for message in pa.ipc.MessageReader.open_stream(stream)):
        raise ValueError("its columns are packed one by one, so that nobody knows what they unpack to")
    stored = pa.ipc.open_stream(stream, options=options).read_all()
    stored.validate(full=True)
    if stored.num_rows > _MOST_ROWS or sum(map(_text_bytes, stored.columns)) > _MOST_BYTES:
        raise ValueError(f"it has {stored.num_rows:,} rows, or texts too long to be written out")
    schema, names = _SCHEMAS[kind], stored.schema.names
    if names[:2] != schema.names[:2] or len(set(names)) < len(names):
        raise ValueError(f"it does not hold {kind}")
    table = pa.table({name: _whole(stored[name]) for name in names})
    if any(field.name not in _NAMES[kind] or field.type != schema.field(field.name).type for field in table.schema):
        raise ValueError(f"it does not hold {kind}")
    if names == schema.names:
        return table.cast(schema)
    # Written before a column was declared: what it does not have is null.
    arrays = [table[field.name] if field.name in names else pa.nulls(table.num_rows, field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _lean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as it is stored: texts that recur stand once, and rows name them by number."""
    recurs = pa.types.is_string(column.type) and pc.count_distinct(column).as_py() * _RECURS <= len(column)
    return column.dictionary_encode() if recurs else column


_DICTIONARY, _RECORDS = 2, 3


def _is_packed(message: pa.Message) -> bool:
    """Whether the columns of a message are compressed one by one (`compression` of Message.fbs in Arrow's format)."""
    data = message.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", data)
    kind, header = _slot(data, root, 1), _slot(data, root, 2)
    if not kind or not header or data[kind] not in (_DICTIONARY, _RECORDS):
        return False
    records = header + struct.unpack_from("<I", data, header)[0]
    if data[kind] == _DICTIONARY:
        inner = _slot(data, records, 1)
        records = inner + struct.unpack_from("<I", data, inner)[0]
    return bool(_slot(data, records, 3))


def _slot(data: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffers table stands; 0 when it is left out."""
    places = table - struct.unpack_from("<i", data, table)[0]
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", data, places)[0]:
        return 0
    (offset,) = struct.unpack_from("<H", data, places + at)
    return table + offset if offset else 0


def _text_bytes(column: pa.ChunkedArray) -> int:
    """What the texts of a column take once each row has its own."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        return 0
    parts = (pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() for chunk in column.chunks)
    return sum(part or 0 for part in parts)


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def join(parts: Sequence[pa.Table]) -> pa.Table:
    """The rows of several tables of one kind in plan order, each trial's rows in their own order."""
    whole = pa.concat_tables(parts)
    numbers = whole["trial_number"].to_numpy()
    if (numbers[1:] >= numbers[:-1]).all():
        return whole
    return whole.combine_chunks().take(pa.array(np.argsort(numbers, kind="stable")))


def empty_table(kind: str) -> pa.Table:
    """A table of one kind without rows."""
    return _SCHEMAS[kind].empty_table()
