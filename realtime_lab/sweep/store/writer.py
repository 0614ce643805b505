"""The one writer of a study file: what has been acknowledged here survives a kill at any instant.

One transaction per returned batch of trials, `synchronous=FULL`, write-ahead log while open, one plain file when
closed. A trial's state goes planned -> running -> complete | failed | cancelled; whatever a dead writer left running
is planned again at the next open. Reading is `reader`, deciding what to run is `runner`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from realtime_lab.analysis.columns import METRICS_VERSION
from realtime_lab.errors import StudyError, StudyMismatchError, StudyUnwritableError, StudyVersionError
from realtime_lab.sweep.store import schema, tables
from realtime_lab.sweep.store.lock import StudyLock, check_local
from realtime_lab.sweep.store.reader import AGAIN, CHECK_DIGITS, EFFECTIVE_DIGITS
from realtime_lab.sweep.workers.worker import TrialResult

SMALL_BATCH_ROWS = 16_384
"""Batches with fewer rows than this are merged when a study is closed."""
_VACUUM_BELOW_BYTES = 256 * 1024 * 1024
_CLOSE_PATIENCE_MS = 500


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """What the study keeps of a trial before it is run."""

    key: str
    block: int
    setting: int
    """Position in `StudyContent.settings`."""
    script: str
    condition: str
    repeat: int
    seed: int
    target: str
    gap: str | None = None
    """Why the target cannot hold it; such a trial is excluded."""


@dataclass(frozen=True)
class StudyContent:
    """What a study is about; two runs with equal content may share a file."""

    plan: Mapping[str, Any]
    """The plan as plain JSON values."""
    plan_hash: str
    target: Mapping[str, Any]
    """What describes the target, without secrets."""
    settings: Sequence[Mapping[str, Any]]
    """Swept values of each setting as plain JSON values."""
    axes: Sequence[Mapping[str, str]]
    """Name, path and dtype of each swept setting."""
    trials: Sequence[PlannedTrial]


class StudyWriter:
    """The right and the means to write one study. Use `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: StudyLock) -> None:
        self.path = path
        self._db = connection
        self._lock = lock
        self._attempts: dict[int, int] = {}
        self._host = socket.gethostname()

    @classmethod
    def open(cls, path: str | Path, content: StudyContent) -> StudyWriter:
        """Create the study, or go on with it when it has the same content.

        Raises:
            StudyLockedError: If another sweep is writing it.
            StudyMismatchError: If it holds another plan or target.
            StudyVersionError: If another version of schema or metrics wrote it.
            StudyDamagedError: If its bytes are damaged.
            StudyError: If it is not a study or cannot be written.
        """
        path = Path(path)
        if path.is_dir():
            raise StudyError(f"{path} is a folder: give the name of a study file", path)
        check_local(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"{path.parent} cannot be made: {error.strerror}", path) from None
        lock = StudyLock(path)
        lock.acquire()
        connection = None
        try:
            with schema.plain_errors(path, "written"):
                connection = schema.connect(path, write=True)
                writer = cls(path, connection, lock)
                writer._start(content)
            return writer
        except BaseException:
            if connection is not None:
                connection.close()
            lock.release()
            raise

    def _start(self, content: StudyContent) -> None:
        if schema.is_empty(self._db):
            # In a write-ahead log a commit is one append, and readers go on while it is written (sqlite.org/wal.html).
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                schema.create_tables(self._db)
                self._fill(content)
        else:
            schema.check_study(self._db, self.path)
            self._check_same(content)
            self._db.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                self._give_up_orphans()
        rows = self._db.execute("SELECT trial, attempt FROM trials WHERE attempt IS NOT NULL")
        self._attempts = {int(trial): int(attempt) for trial, attempt in rows}

    def _give_up_orphans(self) -> None:
        """Plan again what a writer that is gone left running; it stays on record, as it may have been paid for."""
        now_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        for (trial,) in self._db.execute("SELECT trial FROM trials WHERE state = 'running'").fetchall():
            self._attempt(int(trial), None, "lost", "the sweep that ran it ended", now_utc, now_utc)
        self._db.execute("UPDATE trials SET state = 'planned' WHERE state = 'running'")

    def _fill(self, content: StudyContent) -> None:
        meta = {
            "plan": _json(content.plan),
            "plan_hash": content.plan_hash,
            "target": _json(content.target),
            "settings": _json(content.settings),
            "axes": _json(content.axes),
            "metrics_version": str(METRICS_VERSION),
        }
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self._db.executemany(
            "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)",
            (
                (number, t.key, t.block, t.setting, t.script, t.condition, t.repeat, t.seed, t.target)
                + ("planned" if t.gap is None else "excluded", t.gap)
                for number, t in enumerate(content.trials)
            ),
        )

    def _check_same(self, content: StudyContent) -> None:
        meta = dict(self._db.execute("SELECT name, value FROM meta"))
        version = meta.get("metrics_version")
        if version != str(METRICS_VERSION):
            raise StudyVersionError(
                f"{self.path} holds metrics of version {version}, this is version {METRICS_VERSION}, and the two are "
                "never pooled: give another store",
                self.path,
            )
        keys = [key for (key,) in self._db.execute("SELECT key FROM trials ORDER BY trial")]
        if meta.get("plan_hash") == content.plan_hash and keys == [trial.key for trial in content.trials]:
            return
        differing = _difference(meta, content)
        raise StudyMismatchError(
            f"{self.path} belongs to another plan ({str(meta.get('plan_hash'))[:12]}, not {content.plan_hash[:12]}): "
            f"{differing}; give another store, or run the plan it was made with",
            self.path,
        )

    def unfinished(self) -> list[int]:
        """Numbers of the trials still to run, in plan order: planned, failed and cancelled ones."""
        with schema.plain_errors(self.path, "read"):
            rows = self._db.execute(
                "SELECT trial FROM trials WHERE state NOT IN ('complete', 'excluded') ORDER BY trial"
            )
            return [int(number) for (number,) in rows]

    def abandon(self, trials: Iterable[int], sent_utc: str, returned_utc: str) -> None:
        """Keep on record that trials were sent out and not waited for."""
        with self._transaction():
            for trial in trials:
                self._db.execute("UPDATE trials SET state = 'cancelled' WHERE trial = ?", (trial,))
                self._attempt(trial, None, "cancelled", None, sent_utc, returned_utc)

    def mark(self, trials: Iterable[int], state: Literal["planned", "running", "cancelled"]) -> None:
        """Note that trials were sent to a worker, or given back."""
        with self._transaction():
            self._db.executemany("UPDATE trials SET state = ? WHERE trial = ?", ((state, trial) for trial in trials))

    def lose(self, trials: Iterable[int], reason: str, sent_utc: str, returned_utc: str) -> None:
        """Keep on record that trials were sent out and nothing came back; they are planned again."""
        with self._transaction():
            for trial in trials:
                self._db.execute("UPDATE trials SET state = 'planned' WHERE trial = ?", (trial,))
                self._attempt(trial, None, "lost", reason, sent_utc, returned_utc)

    def commit(self, results: Sequence[TrialResult], sent_utc: str, returned_utc: str) -> list[TrialResult]:
        """Store what came back, in one transaction; once this returns, nothing can lose it.

        Args:
            results: Results of one batch.
            sent_utc: When the batch was sent, ISO 8601.
            returned_utc: When it came back.

        Returns:
            The results as stored: one whose rows are not what is declared has become a failed one.
        """
        try:
            numbered, batches = self._prepared([_checked(result) for result in results])
        # A column did not take a value: look at each, which is slow, so that one trial fails and not the batch.
        except tables.CONVERSION_ERRORS:
            numbered, batches = self._prepared([_checked(result, values=True) for result in results])
        with self._transaction():
            for result, attempt in numbered:
                self._store(result, attempt)
                self._attempt(result.index, attempt, result.state, result.detail, sent_utc, returned_utc)
            self._db.executemany("INSERT INTO batches (kind, n, sha256, data) VALUES (?, ?, ?, ?)", batches)
        self._attempts.update({result.index: attempt for result, attempt in numbered})
        return [result for result, _ in numbered]

    def _prepared(
        self, results: Sequence[TrialResult]
    ) -> tuple[list[tuple[TrialResult, int]], list[tuple[str, int, str, bytes]]]:
        numbered = [(result, self._attempts.get(result.index, 0) + 1) for result in results]
        return numbered, list(_batches(numbered))

    def _store(self, result: TrialResult, attempt: int) -> None:
        effective = None if result.effective is None else self._blob(result.effective.encode())
        self._db.execute(
            "UPDATE trials SET state = ?, attempt = ?, tainted = ?, effective = ?, error = ? WHERE trial = ?",
            (result.state, attempt, int(result.tainted), effective, result.error, result.index),
        )
        if result.recording is not None:
            packed, codec = result.recording, "zlib"
            if not packed.data:
                packed, codec = replace(packed, sha256=packed.sha256[:CHECK_DIGITS]), AGAIN
            self._db.execute(
                "INSERT INTO recordings VALUES (?, ?, ?, ?, ?, ?)",
                (result.index, attempt, codec, packed.size, packed.sha256, packed.data),
            )

    def _attempt(
        self, trial: int, attempt: int | None, state: str, detail: str | None, sent_utc: str, returned_utc: str
    ) -> None:
        self._db.execute(
            "INSERT INTO attempts (trial, attempt, state, detail, host, pid, sent_utc, returned_utc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (trial, attempt, state, detail, self._host, os.getpid(), sent_utc, returned_utc),
        )

    def _blob(self, data: bytes) -> str:
        """Store bytes once; the beginning of their hash, which is what every trial keeps."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._db.execute("INSERT OR IGNORE INTO blobs VALUES (?, 'raw', ?, ?)", (sha256, len(data), data))
        return sha256[:EFFECTIVE_DIGITS]

    def close(self, compact: bool = True) -> None:
        """Leave one plain file and give the lock back.

        Args:
            compact: Merge small batches first; False to be quick.
        """
        try:
            if compact:
                # On a full disk the study stays larger than need be, and as whole.
                with suppress(StudyUnwritableError), schema.plain_errors(self.path, "written"):
                    self._compact()
            # Leaving the log takes every reader's leave; a study in one plain file can be copied by hand.
            self._db.execute(f"PRAGMA busy_timeout = {_CLOSE_PATIENCE_MS}")
            try:
                self._db.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError:
                pass  # a reader is on it, or the disk is full: the log stays beside the file, and is as safe there
        finally:
            self._db.close()
            self._lock.release()

    def _compact(self) -> None:
        merged = sum(self._merge_small(kind) for kind in tables.KINDS)
        if not merged:
            return
        free, pages, size = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_count", "page_size")
        )
        if free * 4 > pages and pages * size < _VACUUM_BELOW_BYTES:
            self._db.execute("VACUUM")

    def _merge_small(self, kind: str) -> int:
        """Merge the small batches of one kind, a bounded number of rows at a time; returns how many were merged."""
        query = "SELECT id, n FROM batches WHERE kind = ? AND n < ? ORDER BY id"
        group: list[int] = []
        rows = merged = 0
        for number, n in self._db.execute(query, (kind, SMALL_BATCH_ROWS)).fetchall():
            group.append(number)
            rows += n
            if rows >= SMALL_BATCH_ROWS:
                merged += self._merge(kind, group)
                group, rows = [], 0
        return merged + self._merge(kind, group)

    def _merge(self, kind: str, group: Sequence[int]) -> int:
        whole = []
        for number in group:
            sha256, data = self._db.execute("SELECT sha256, data FROM batches WHERE id = ?", (number,)).fetchone()
            try:
                whole.append((number, tables.from_bytes(kind, data, sha256)))
            except ValueError:  # damaged: left as it is, for a reader to name
                continue
        if len(whole) < 2:
            return 0
        batch = tables.batch(kind, tables.join([table for _, table in whole]), tables.HARD)
        with self._transaction():
            self._db.executemany("DELETE FROM batches WHERE id = ?", [(number,) for number, _ in whole])
            self._db.execute("INSERT INTO batches (kind, n, sha256, data) VALUES (?, ?, ?, ?)", batch)
        return len(whole)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with schema.plain_errors(self.path, "written"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _checked(result: TrialResult, values: bool = False) -> TrialResult:
    wrong = tables.check_rows(result.rows, values)
    if wrong is None:
        return result
    return TrialResult(result.index, "failed", result.recording, effective=result.effective, error=wrong)


def _batches(numbered: Sequence[tuple[TrialResult, int]]) -> Iterator[tuple[str, int, str, bytes]]:
    for kind in tables.KINDS:
        rows = [(result.index, attempt, row) for result, attempt in numbered for row in result.rows.get(kind, ())]
        if rows:
            yield tables.batch(kind, tables.table_of(kind, rows))


def _difference(meta: Mapping[str, str], content: StudyContent) -> str:
    try:
        before = json.loads(meta["plan"]) | {"target": json.loads(meta["target"])}
    except (KeyError, ValueError, TypeError):
        return "its plan cannot be read"
    now = json.loads(_json(content.plan)) | {"target": json.loads(_json(content.target))}
    names = [name for name in now if before.get(name) != now[name]]
    return f"they differ in {', '.join(names)}" if names else "its trials were planned by another version"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
