"""The file form of a Recording: JSON Lines, one record a line, readable with any tool; `.gz` when the name says so."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from realtime_lab.errors import ProtocolError, RecordingError
from realtime_lab.protocol.codec import event_from_builtins, event_to_builtins
from realtime_lab.protocol.events import UnknownEvent
from realtime_lab.recording.events import (
    FORMAT_VERSION,
    LONGEST_MS,
    AppendRun,
    Header,
    RecordedEvent,
    Recording,
    ReferenceTurn,
)

MAX_RECORDING_BYTES = 64 * 1024 * 1024
"""A recording holds no audio; anything larger than this is not one. Nothing larger is written either."""
_SHORTER = (64 * 1024, 4 * 1024, 512)
"""Bytes of a line that are kept of an event, tried in turn where a recording would be too long."""


def recording_to_bytes(recording: Recording) -> bytes:
    """The recording as JSON Lines, UTF-8, of at most `MAX_RECORDING_BYTES`.

    Where it would be longer, what unknown events held is left out, then what the longest of the others held, in whose
    place stands how much it was; then the last events.
    """
    lines: list[Any] = [{"header": recording.header, "audio_ms": recording.audio_ms}]
    lines += [{"reference": turn} for turn in recording.reference]
    lines += [{"append": run} for run in recording.appends]
    head = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    told = [_event_line(entry) for entry in recording.events]
    most = MAX_RECORDING_BYTES - len(head)
    for longest in (0, *_SHORTER):
        if sum(map(len, told)) <= most:
            break
        told = [_shortened(entry, line, longest) for entry, line in zip(recording.events, told, strict=True)]
    return head + b"".join(_first(told, most))


def _event_line(entry: RecordedEvent) -> bytes:
    event = event_to_builtins(entry.event) if isinstance(entry.event, UnknownEvent) else entry.event
    return msgspec.json.encode({"t_ms": entry.t_ms, "from": entry.direction, "event": event}) + b"\n"


def _shortened(entry: RecordedEvent, line: bytes, longest: int) -> bytes:
    """The line, or one that only says what is left out; `longest` 0 shortens unknown events alone."""
    known = not isinstance(entry.event, UnknownEvent)
    if len(line) <= longest or (known and not longest):
        return line
    kind = entry.event.type if isinstance(entry.event, UnknownEvent) else entry.event.__struct_config__.tag
    return _left_out(entry, str(kind)[:200], f"{len(line):,} bytes are left out")


def _left_out(entry: RecordedEvent, kind: str, what: str) -> bytes:
    return _event_line(RecordedEvent(entry.t_ms, entry.direction, UnknownEvent(type=kind, raw=b"", problem=what)))


def _first(lines: list[bytes], most: int) -> Iterator[bytes]:
    """As many of the lines as there is room for."""
    for line in lines:
        most -= len(line)
        if most < 0:
            return
        yield line


def recording_from_bytes(data: bytes, name: str = "recording") -> Recording:
    """Read what `recording_to_bytes` wrote.

    Raises:
        RecordingError: If a line is damaged, missing or of another format version; the message names the line.
    """
    header, audio_ms = None, 0.0
    reference: list[ReferenceTurn] = []
    appends: list[AppendRun] = []
    events: list[RecordedEvent] = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            record = msgspec.json.decode(line)
            if "event" in record:
                events.append(_read_event(record))
            elif "append" in record:
                appends.append(msgspec.convert(record["append"], AppendRun))
            elif "reference" in record:
                reference.append(msgspec.convert(record["reference"], ReferenceTurn))
            else:
                header, audio_ms = msgspec.convert(record["header"], Header), float(_read_ms(record["audio_ms"], 0.0))
        except (msgspec.MsgspecError, ProtocolError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise RecordingError(f"{name}: line {number} is not part of a recording: {error}", name) from None
    if header is None:
        raise RecordingError(f"{name}: no header line; this is not a recording", name)
    if header.format_version != FORMAT_VERSION:
        raise RecordingError(
            f"{name}: format version {header.format_version}; this version reads {FORMAT_VERSION}", name
        )
    return Recording(
        header=header, reference=tuple(reference), appends=tuple(appends), events=tuple(events), audio_ms=audio_ms
    )


def _read_event(record: dict[str, Any]) -> RecordedEvent:
    direction = record["from"]
    if direction not in ("client", "server"):
        raise ValueError(f"from = {direction!r}: allowed: 'client' or 'server'")
    event = event_from_builtins(record["event"], from_server=direction == "server")
    t_ms = record["t_ms"]
    return RecordedEvent(None if t_ms is None else _read_ms(t_ms, -LONGEST_MS), direction, event)


def _read_ms(value: object, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= LONGEST_MS:
        raise ValueError(f"{value!r:.40} is no time: allowed: ms, at most those of a day")
    return value


def save_recording(recording: Recording, path: str | Path) -> Path:
    """Write the recording to `path`, gzipped when the name ends in `.gz`; the bytes hold no dates."""
    path = Path(path)
    data = recording_to_bytes(recording)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def load_recording(path: str | Path) -> Recording:
    """Read a recording file.

    Raises:
        RecordingError: If the file is missing, too large, damaged or not a recording.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_RECORDING_BYTES + 1)
    except (OSError, zlib.error, EOFError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}", path) from None
    if len(data) > MAX_RECORDING_BYTES:
        raise RecordingError(f"{path}: holds more than {MAX_RECORDING_BYTES:,} bytes; this is not a recording", path)
    return recording_from_bytes(data, str(path))
