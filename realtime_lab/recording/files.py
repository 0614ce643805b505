"""The file form of a Recording: JSON Lines, one record a line, readable with any tool; `.gz` when the name says so."""

from __future__ import annotations

import gzip
import zlib
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
"""A recording holds no audio; anything larger than this is not one."""


def recording_to_bytes(recording: Recording) -> bytes:
    """The recording as JSON Lines, UTF-8."""
    lines: list[Any] = [{"header": recording.header, "audio_ms": recording.audio_ms}]
    lines += [{"reference": turn} for turn in recording.reference]
    lines += [{"append": run} for run in recording.appends]
    lines += [_event_line(entry) for entry in recording.events]
    return b"\n".join(map(msgspec.json.encode, lines)) + b"\n"


def _event_line(entry: RecordedEvent) -> dict[str, Any]:
    event = event_to_builtins(entry.event) if isinstance(entry.event, UnknownEvent) else entry.event
    return {"t_ms": entry.t_ms, "from": entry.direction, "event": event}


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
