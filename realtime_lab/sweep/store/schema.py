"""The inside of a study file: its tables, its marks, and how SQLite's errors become the package's own.

A study is one SQLite file. Text in it is hostile: it may hold these tables and nothing else, is read with schema
programs untrusted, and never runs code. Who writes is `lock`, what is written is `store`, what is read is `reader`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from realtime_lab.errors import StudyDamagedError, StudyError, StudyUnwritableError, StudyVersionError

APPLICATION_ID = 0x524C5354
"""Marks an SQLite file as a study: `RLST`."""
SCHEMA_VERSION = 3
"""Version of the tables below and of what is packed in them. Until 2 each column of a batch was compressed by itself,
which is no longer read: nobody could tell beforehand what it unpacks to."""
BUSY_TIMEOUT_S = 5.0

_TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # setting: position in meta's settings; effective: first 16 digits of a blob's SHA-256; error: one line.
    "trials": """CREATE TABLE trials (
        trial INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, block INTEGER NOT NULL, setting INTEGER NOT NULL,
        script TEXT NOT NULL, condition TEXT NOT NULL, repeat INTEGER NOT NULL, seed INTEGER NOT NULL,
        target TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER, tainted INTEGER, effective TEXT, error TEXT)""",
    # Only here stand host, process and dates. attempt: null when it left no result.
    "attempts": """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, attempt INTEGER, state TEXT NOT NULL, detail TEXT,
        host TEXT NOT NULL, pid INTEGER NOT NULL, sent_utc TEXT NOT NULL, returned_utc TEXT NOT NULL)""",
    "blobs": """CREATE TABLE blobs (
        sha256 TEXT PRIMARY KEY, codec TEXT NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL)""",
    "recordings": """CREATE TABLE recordings (
        trial INTEGER NOT NULL, attempt INTEGER NOT NULL, codec TEXT NOT NULL, size INTEGER NOT NULL,
        sha256 TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (trial, attempt))""",
    # data: an Arrow IPC stream of n rows of one kind; sha256 is of data.
    "batches": """CREATE TABLE batches (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, n INTEGER NOT NULL, sha256 TEXT NOT NULL, data BLOB NOT NULL)""",
}


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open a file with SQLite, in autocommit mode, trusting nothing in its schema."""
    uri = f"file:{quote(str(path.resolve()))}?mode={'rwc' if write else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if write:
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing has been written yet: a new file, or one whose very first write was cut short."""
    return bool(
        _number(connection, "SELECT count(*) FROM sqlite_master") == 0
        and _number(connection, "PRAGMA application_id") == 0
    )


def create_tables(connection: sqlite3.Connection) -> None:
    """Write tables and marks; call it inside a transaction."""
    for statement in _TABLES.values():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_study(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse whatever is not a study of this schema version.

    Raises:
        StudyVersionError: If it is a study of another schema version.
        StudyError: If it is not a study.
    """
    if is_empty(connection):
        raise StudyError(f"{path} is empty: no sweep has written to it yet", path)
    if _number(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StudyError(f"{path} is an SQLite file, but not a study of this package", path)
    version = _number(connection, "PRAGMA user_version")
    if version != SCHEMA_VERSION:
        again = ", or let realtime-lab salvage make a new study of its recordings" if version < SCHEMA_VERSION else ""
        raise StudyVersionError(
            f"{path} has schema version {version}, this version of the package reads {SCHEMA_VERSION}: "
            f"open it with the version that wrote it{again}",
            path,
        )
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    named = {(kind, name): sql for kind, name, sql in rows if not (kind == "index" and sql is None)}
    if named != {("table", name): statement for name, statement in _TABLES.items()}:
        raise StudyError(f"{path} has tables that no study has: it was not written by this package", path)


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


@contextmanager
def plain_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's errors into one plain line about `path`.

    Args:
        path: The study file.
        doing: What was tried, such as "read" or "written".

    Raises:
        StudyDamagedError: If the file's bytes are damaged or are not SQLite's at all.
        StudyError: For everything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(error, path, doing) from None


def _plain(error: sqlite3.Error, path: Path, doing: str) -> StudyError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return StudyDamagedError(
            f"{path} is not a study, or its first page is damaged: realtime-lab salvage tells", path
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT) or "decode" in str(error):
        return StudyDamagedError(
            f"{path} is damaged ({error}): realtime-lab salvage copies what is whole into a new study", path
        )
    if code == sqlite3.SQLITE_FULL or (doing == "written" and code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)):
        full = code == sqlite3.SQLITE_FULL
        reason = "the disk is full" if full else str(error)
        text = f"{path} cannot be {doing}: {reason}; what was finished before is kept"
        return StudyUnwritableError(text, path, reason=reason, full=full)
    if code == sqlite3.SQLITE_CANTOPEN:
        what = "it is a folder" if path.is_dir() else "there is no such file" if not path.exists() else "no access"
        return StudyError(f"{path} cannot be opened: {what}", path)
    return StudyError(f"{path} cannot be {doing}: {error}", path)
