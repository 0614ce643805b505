"""Reading a study file, also while another process writes it. Everything in it is hostile until checked.

A `StudyReader` is open for one question and closed again, so that an open `Study` holds no file. Frames are made of
what it returns in `frames`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from realtime_lab.errors import StudyDamagedError, StudyError
from realtime_lab.recording.files import MAX_RECORDING_BYTES
from realtime_lab.sweep.store import schema, tables
from realtime_lab.sweep.store.lock import is_locked

MAX_META_BYTES = 32_000_000
"""One text of a study's description; what claims to be longer is refused before it is read."""

EFFECTIVE_DIGITS = 16
"""Digits of a hash by which trials name their effective configuration."""
CHECK_DIGITS = 16
"""Digits of its hash that are kept of a recording that can be made again."""
AGAIN = "again"
"""Codec of a mocked recording of which only the checksum is kept: its session can be held again."""

_TRIAL_COLUMNS = (
    "trial, key, block, setting, script, condition, repeat, seed, target, state, attempt, tainted, effective, error"
)
_TYPES: dict[str, frozenset[type]] = {
    **dict.fromkeys(("trial", "block", "setting", "repeat", "seed"), frozenset([int])),
    **dict.fromkeys(("key", "script", "condition", "target", "state"), frozenset([str])),
    **dict.fromkeys(("attempt", "tainted"), frozenset([int, type(None)])),
    **dict.fromkeys(("effective", "error"), frozenset([str, type(None)])),
}
"""SQLite keeps whatever it is given, whatever a column is declared as."""


@contextmanager
def reading(path: Path) -> Iterator[StudyReader]:
    """Open a study for one question.

    Raises:
        StudyError: If it is missing, damaged, of another version or not a study.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise StudyError(f"{path} {what}: give the name of a study file", path)
    with schema.plain_errors(path, "read"):
        connection = schema.connect(path, write=False)
        try:
            connection.execute("BEGIN")  # one view of the file, whatever is written meanwhile
            schema.check_study(connection, path)
            yield StudyReader(path, connection)
        finally:
            connection.close()


class StudyReader:
    """Answers from one consistent view of a study file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    def meta(self, name: str) -> str:
        """One text of the study's own description, such as "plan_hash"."""
        (longest,) = self._db.execute(
            "SELECT max(length(CAST(value AS BLOB))) FROM meta WHERE name = ?", (name,)
        ).fetchone()
        if isinstance(longest, int) and longest > MAX_META_BYTES:
            raise self._damaged(f"{name} is {longest:,} bytes long, more than the {MAX_META_BYTES:,} that can be meant")
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None or not isinstance(row[0], str):
            raise self._damaged(f"{name} is missing")
        return row[0]

    def json(self, name: str) -> Any:
        """One JSON value of the study's own description, such as "settings"."""
        try:
            return json.loads(self.meta(name))
        except (ValueError, RecursionError):
            raise self._damaged(f"{name} is not JSON") from None

    def trials(self) -> dict[str, list[Any]]:
        """The trials table, column by column, in plan order."""
        names = _TRIAL_COLUMNS.split(", ")
        rows = self._db.execute(f"SELECT {_TRIAL_COLUMNS} FROM trials ORDER BY trial").fetchall()
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {n: [] for n in names}
        wrong = [name for name, allowed in _TYPES.items() if set(map(type, columns[name])) - allowed]
        if wrong:
            raise self._damaged(f"its trials hold what does not belong there in {', '.join(wrong)}")
        if columns["trial"] != list(range(len(rows))):
            raise self._damaged("its trials are not numbered one after another")
        if not is_locked(self.path):  # their writer is gone
            columns["state"] = ["planned" if state == "running" else state for state in columns["state"]]
        return columns

    def version(self) -> tuple[str, int]:
        """Changes whenever a trial's attempt does, which is when rows change."""
        (attempts,) = self._db.execute("SELECT coalesce(max(id), 0) FROM attempts").fetchone()
        return self.meta("plan_hash"), int(attempts)

    def states(self) -> dict[str, int]:
        """How many trials are in each state."""
        orphaned = not is_locked(self.path)
        counts: dict[str, int] = {}
        for state, count in self._db.execute("SELECT state, count(*) FROM trials GROUP BY state"):
            name = "planned" if orphaned and state == "running" else str(state)
            counts[name] = counts.get(name, 0) + int(count)
        return dict(sorted(counts.items()))

    def effective(self) -> dict[str, dict[str, Any]]:
        """Effective configurations by the beginning of their hash, as trials name them."""
        query = f"""SELECT substr(sha256, 1, {EFFECTIVE_DIGITS}), data FROM blobs WHERE codec = 'raw'
            AND substr(sha256, 1, {EFFECTIVE_DIGITS}) IN (SELECT effective FROM trials)"""
        try:
            return {str(name): dict(json.loads(data)) for name, data in self._db.execute(query)}
        except (ValueError, TypeError, RecursionError):
            raise self._damaged("an effective configuration is not a JSON object") from None

    def rows(self, kind: str) -> pa.Table:
        """All rows of one kind, in plan order; rows of attempts that a later one replaced are left out."""
        return self._current(self.rows_of_attempts(kind))

    def rows_of_attempts(self, kind: str) -> pa.Table:
        """All rows of one kind, in plan order, of every attempt."""
        parts = []
        query = "SELECT id, sha256, data FROM batches WHERE kind = ? ORDER BY id"
        for number, sha256, data in self._db.execute(query, (kind,)):
            try:
                parts.append(tables.from_bytes(kind, data, sha256))
            except (ValueError, TypeError) as error:
                raise self._damaged(f"batch {number} ({kind}): {error}") from None
        return tables.join(parts) if parts else tables.empty_table(kind)

    def attempts(self) -> list[tuple[int, int | None, str]]:
        """(trial, attempt, state) of everything that was ever sent; attempt is None where nothing came back."""
        rows = self._db.execute("SELECT trial, attempt, state FROM attempts ORDER BY id").fetchall()
        if any(not isinstance(trial, int) or not isinstance(attempt, int | None) for trial, attempt, _ in rows):
            raise self._damaged("its attempts hold text where numbers belong")
        return [(trial, attempt, str(state)) for trial, attempt, state in rows]

    def _current(self, table: pa.Table) -> pa.Table:
        attempts, numbers = self._attempts, table["trial_number"]
        if table.num_rows and not 0 <= pc.min(numbers).as_py() <= pc.max(numbers).as_py() < len(attempts):
            raise self._damaged("rows of trials that it does not have")
        wanted = pc.equal(table["attempt"], attempts.take(numbers.combine_chunks()))
        return table if pc.all(wanted).as_py() in (True, None) else table.filter(wanted)

    @cached_property
    def _attempts(self) -> pa.Array:
        """The attempt of each trial whose rows count; 0 for none."""
        attempts = [a for (a,) in self._db.execute("SELECT coalesce(attempt, 0) FROM trials ORDER BY trial")]
        if set(map(type, attempts)) - {int}:
            raise self._damaged("its trials hold text where numbers belong")
        try:
            return pa.array(attempts, pa.int32())
        except (pa.ArrowInvalid, OverflowError):
            raise self._damaged("its trials have attempts that are too many") from None

    def blob(self, sha256: str, codec: str, most: int) -> bytes | None:
        """A blob that is stored as it is; None when there is none of this codec.

        Args:
            sha256: Its name, and its checksum.
            codec: What it is.
            most: Bytes it may have at most.
        """
        row = self._db.execute("SELECT codec, length(data) FROM blobs WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None or row[0] != codec:
            return None
        if not isinstance(row[1], int) or row[1] > most:
            raise self._damaged(f"blob {sha256[:64]} has {row[1]} bytes, and {most:,} are allowed")
        (data,) = self._db.execute("SELECT data FROM blobs WHERE sha256 = ?", (sha256,)).fetchone()
        if not isinstance(data, bytes) or hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(f"blob {sha256[:64]} does not match its checksum")
        return data

    def backup(self, copy: sqlite3.Connection) -> None:
        """Copy the file as it is seen here, page by page."""
        self._db.backup(copy)

    def recording_sha256(self, trial: int) -> str | None:
        """The beginning of a trial's last recording's checksum where that alone was kept; None otherwise."""
        row = self._db.execute(
            "SELECT codec, sha256 FROM recordings WHERE trial = ? ORDER BY attempt DESC LIMIT 1", (trial,)
        ).fetchone()
        return str(row[1]) if row is not None and row[0] == AGAIN else None

    def recording(self, trial: int, attempt: int | None = None) -> bytes | None:
        """The bytes of a trial's last recording, or of one attempt's; None without one, or one to be made again."""
        row = self._db.execute(
            "SELECT codec, size, sha256, data FROM recordings WHERE trial = ? AND attempt = coalesce(?, attempt)"
            " ORDER BY attempt DESC LIMIT 1",
            (trial, attempt),
        ).fetchone()
        if row is None:
            return None
        codec, size, sha256, packed = row
        if codec == AGAIN:
            return None
        if codec != "zlib" or not isinstance(size, int) or not 0 <= size <= MAX_RECORDING_BYTES:
            raise self._damaged(f"the recording of trial {trial} is of an unknown kind")
        try:
            # No more than was promised is unpacked, whatever the bytes hold.
            data = zlib.decompressobj().decompress(packed, size + 1)
        except (zlib.error, TypeError):
            data = b""
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(f"the recording of trial {trial} does not match its checksum")
        return data

    def _damaged(self, what: str) -> StudyDamagedError:
        return StudyDamagedError(f"{self.path} is damaged: {what}", self.path)
