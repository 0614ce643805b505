"""What happened in one session: its events with their times, its reference, and the file they rest in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from realtime_lab.recording.events import AppendRun, Header, RecordedEvent, Recording, ReferenceTurn
from realtime_lab.recording.files import (
    load_recording,
    recording_from_bytes,
    recording_to_bytes,
    save_recording,
)

if TYPE_CHECKING:
    from realtime_lab.recording.importing import import_recording

__all__ = [
    "AppendRun",
    "Header",
    "RecordedEvent",
    "Recording",
    "ReferenceTurn",
    "import_recording",
    "load_recording",
    "recording_from_bytes",
    "recording_to_bytes",
    "save_recording",
]


def __getattr__(name: str) -> Any:
    # Those who only pass recordings around need none of what reading foreign logs takes.
    if name != "import_recording":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.importing").import_recording
