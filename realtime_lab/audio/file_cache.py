"""A folder of small files that remembers results by name, shared by any number of processes.

What is kept here can be computed again, so a full, damaged or read-only folder costs time and never a result.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MAX_BYTES = 1_000_000_000
"""The cache folder is kept under this size; least recently used files go first."""
_PATTERNS = ("vad/**/*.f32", "segments/**/*.json")


def cache_folder() -> Path:
    """`$REALTIME_LAB_CACHE`, or `realtime-lab` in the user's cache folder."""
    given = os.environ.get("REALTIME_LAB_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "realtime-lab"


class FileCache:
    """One kind of result, a file each.

    Args:
        folder: The cache folder; None: nothing is kept.
        kind: Folder within it: what is kept, and the version of what computes it.
        suffix: Ending of the files' names.
    """

    def __init__(self, folder: Path | None, kind: str, suffix: str) -> None:
        self._folder = None if folder is None else folder.joinpath(*kind.split("/"))
        self._suffix = suffix

    def get(self, name: str) -> bytes | None:
        """What was kept under a name of hexadecimal digits and dashes; None when nothing was."""
        path = self._path(name)
        if path is None:
            return None
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            os.utime(path)
        except OSError:
            pass  # a read-only cache still serves
        return data

    def put(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`; readers see all of it or nothing."""
        path = self._path(name)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
                stream.write(data)
            os.replace(stream.name, path)
        except OSError:
            return

    def _path(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / name[:2] / f"{name}{self._suffix}"


def prune_cache(folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Delete the least recently used of this module's files until they take at most `max_bytes` in all."""
    rows: list[tuple[float, int, Path]] = []
    for path in (path for pattern in _PATTERNS for path in folder.glob(pattern)):
        try:
            status = path.stat()
        except OSError:
            continue  # another process was quicker
        rows.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in rows) - max_bytes
    for _, size, path in sorted(rows):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= size
