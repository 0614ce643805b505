"""The entries of a foreign event log, one after another: lines or an array of JSON, packed or not, broken or not.

What an entry means is read in `importing_frames`. The file is hostile: its size, unpacked size, lines and nesting are
bounded, and what cannot be read is reported with its place and left out.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from realtime_lab.errors import RecordingError
from realtime_lab.protocol.codec import MAX_FRAME_BYTES

MAX_BYTES = 512 * 1024 * 1024
"""A log of an hour with its audio in base64 has about half of this."""
_DENSE_BYTES, _DENSEST = 64 * 1024 * 1024, 100
"""From so many bytes on, what packs so many times smaller is not a log."""
_MAX_ENTRY_BYTES = MAX_FRAME_BYTES + 64 * 1024
_CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS
_CONTENT = re.compile(rb"\S")
_CONTAINERS = ("events", "entries", "messages", "frames", "records", "log", "items", "data")


class Entry(NamedTuple):
    """One entry of a log."""

    place: str
    """Where it stands, such as "line 4"."""
    fields: Mapping[str, Any] | None
    """Its content; None when it cannot be read."""
    problem: str = ""
    """Why not."""


def read_log(path: Path) -> bytes:
    """A log's bytes, unpacked when they are gzipped.

    Raises:
        RecordingError: If the file is missing, or larger than a log is.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecordingError(f"{path} is larger than {MAX_BYTES:,} bytes: cut it into sessions", path)
        with path.open("rb") as stream:
            packed = stream.read(2) == GZIP_MAGIC
        data = _unpacked(path) if packed else path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}", path) from None
    return data.removeprefix(b"\xef\xbb\xbf")


def _unpacked(path: Path) -> bytes:
    """A gzipped file's content; what comes before damage is kept, and its last line made one that is not JSON."""
    parts: list[bytes] = []
    size, read, packed = 0, 0, b""
    unpacker = zlib.decompressobj(_GZIP)
    with path.open("rb") as stream:
        while packed := packed or stream.read(_CHUNK_BYTES):
            if unpacker.eof:
                if not packed.startswith(GZIP_MAGIC):
                    break
                unpacker = zlib.decompressobj(_GZIP)
            try:
                parts.append(unpacker.decompress(packed, _CHUNK_BYTES))
            except zlib.error:
                break
            size, read = size + len(parts[-1]), stream.tell()
            most = MAX_BYTES if size < _DENSEST * read else min(MAX_BYTES, _DENSE_BYTES)
            if size > most:
                raise RecordingError(f"{path} unpacks to more than {most:,} bytes: not a session's log", path)
            packed = unpacker.unconsumed_tail or unpacker.unused_data
    return b"".join(parts if unpacker.eof else [*parts, b"{"])


def read_entries(data: bytes) -> Iterator[Entry]:
    """The entries of a log: those of a JSON array, of an object that holds one, or one a line.

    Args:
        data: The log's bytes.
    """
    content = _CONTENT.search(data)
    if content is None:
        return
    start = content.start()
    if content[0] == b"[":
        whole = _array(data)
        yield from _lines(data) if whole is None else _numbered(whole)
        return
    end = data.find(b"\n", start)
    first = data[start:] if end < 0 else data[start:end]
    alone = end < 0 or _CONTENT.search(data, end) is None
    contained = _contained(data) if alone or _decoded(first) is None else None
    yield from _lines(data) if contained is None else _numbered(contained)


def _array(data: bytes) -> list[msgspec.Raw] | None:
    try:
        return msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _numbered(entries: list[Any]) -> Iterator[Entry]:
    for number, entry in enumerate(entries, 1):
        place = f"entry {number}"
        if isinstance(entry, msgspec.Raw):
            yield _entry(place, bytes(entry))
        elif isinstance(entry, dict):
            yield Entry(place, entry)
        else:
            yield Entry(place, None, "not a JSON object")


def _lines(data: bytes) -> Iterator[Entry]:
    number, start = 0, 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        # The commas and brackets are those of an array that was never closed.
        line = data[start:end].strip().removeprefix(b"[").removesuffix(b"]").strip().removesuffix(b",")
        start = end + 1
        if line:
            yield _entry(f"line {number}", line)


def _entry(place: str, raw: bytes) -> Entry:
    if len(raw) > _MAX_ENTRY_BYTES:
        return Entry(place, None, f"{len(raw):,} bytes, more than an event may have")
    decoded = _decoded(raw)
    if decoded is None:
        return Entry(place, None, "not JSON, or nested too deeply")
    return Entry(place, decoded) if isinstance(decoded, dict) else Entry(place, None, "not a JSON object")


def _decoded(raw: bytes) -> Any:
    """The JSON value; None when it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return None


def _contained(data: bytes) -> list[Any] | None:
    """The entries inside one JSON object: its own list, or the socket messages of a browser's network archive."""
    whole = _decoded(data)
    if not isinstance(whole, dict):
        return None
    log = whole.get("log")
    if isinstance(log, dict) and isinstance(log.get("entries"), list):
        requests = [entry for entry in log["entries"] if isinstance(entry, dict)]
        sockets = [entry.get("_webSocketMessages") for entry in requests]
        return [message for messages in sockets if isinstance(messages, list) for message in messages]
    return next((whole[key] for key in _CONTAINERS if isinstance(whole.get(key), list)), None)
