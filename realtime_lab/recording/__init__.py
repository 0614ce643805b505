"""What happened in one session: its events with their times, its reference, and the file they rest in."""

from __future__ import annotations

from realtime_lab.recording.events import AppendRun, Header, RecordedEvent, Recording, ReferenceTurn
from realtime_lab.recording.files import (
    load_recording,
    recording_from_bytes,
    recording_to_bytes,
    save_recording,
)

__all__ = [
    "AppendRun",
    "Header",
    "RecordedEvent",
    "Recording",
    "ReferenceTurn",
    "load_recording",
    "recording_from_bytes",
    "recording_to_bytes",
    "save_recording",
]
