"""What a live session keeps of the events that passed, within bounds that its recording can hold.

Events that are known are kept until there are too many to be a session's. Of others so much is kept as may be looked
at; beyond that they are counted by type.
"""

from __future__ import annotations

from collections import Counter

from realtime_lab.protocol import events as ev
from realtime_lab.recording.events import RecordedEvent
from realtime_lab.recording.files import MAX_RECORDING_BYTES

MAX_EVENTS = 200_000
"""Three times what an hour of turns one upon the other has."""
MAX_MESSAGES = 1_000_000
"""Kept or not."""
MAX_TEXT_BYTES = MAX_RECORDING_BYTES // 2
"""Of the frames of known events, audio apart: with their times they stay below what a recording may be."""
_UNKNOWN_BYTES = MAX_RECORDING_BYTES // 16
"""Four frames of the longest that is kept; where escapes make them longer in a recording, its writer shortens them."""
_UNKNOWN_EVENTS = 10_000
_MAX_TYPES = 100
_MAX_TYPE_CHARACTERS = 100
_AUDIO_BYTES = 200
"""What a delta of audio is in the recording, which refers to its samples."""


class EventLog:
    """Events with the monotonic time of each, seconds."""

    def __init__(self) -> None:
        self._events: list[tuple[float, str, ev.AnyEvent]] = []
        self._known_bytes = self._unknown_bytes = self._unknown = self._messages = 0
        self._left_out: Counter[str] = Counter()
        self._last_s = 0.0

    @property
    def overflow(self) -> str | None:
        """What there is too much of to go on; None while there is room."""
        if len(self._events) > MAX_EVENTS:
            return f"more than {MAX_EVENTS:,} events came"
        if self._messages > MAX_MESSAGES:
            return f"more than {MAX_MESSAGES:,} messages came"
        if self._known_bytes > MAX_TEXT_BYTES:
            return f"more than {MAX_TEXT_BYTES:,} bytes of text came"
        return None

    def add(self, at_s: float, direction: str, event: ev.AnyEvent, size: int = 0) -> None:
        """Keep an event, or count it.

        Args:
            at_s: When it passed.
            direction: Who sent it, client or server.
            event: The event.
            size: Bytes of its frame; 0 for the client's own.
        """
        self._messages += 1
        if isinstance(event, ev.UnknownEvent):
            self._unknown_bytes += len(event.raw)
            self._unknown += 1
            if self._unknown > _UNKNOWN_EVENTS or self._unknown_bytes > _UNKNOWN_BYTES:
                kind = event.type[:_MAX_TYPE_CHARACTERS]
                self._left_out[kind if kind in self._left_out or len(self._left_out) < _MAX_TYPES else ""] += 1
                self._last_s = at_s
                return
        else:
            self._known_bytes += _AUDIO_BYTES if isinstance(event, ev.AudioDelta) else size
        self._events.append((at_s, direction, event))

    def events(self, zero_s: float) -> list[RecordedEvent]:
        """The log in ms after `zero_s`, with one more event for each type that was counted; audio is still inline."""
        counted = [
            (self._last_s, "server", ev.UnknownEvent(type=kind, raw=b"", problem=f"{number:,} more were not kept"))
            for kind, number in self._left_out.items()
        ]
        return [
            RecordedEvent(round((at_s - zero_s) * 1000.0, 3), direction, event)  # type: ignore[arg-type]
            for at_s, direction, event in self._events + counted
        ]
