"""The microphone of a live session: which bytes the next append holds, when it is due, and the log of what was sent.

Frame k of a session is due when its last sample would have been captured, (k + 1) * frame_ms after the first one's,
whatever happened before: deadlines are absolute, so lateness never adds up. No sockets and no clock here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from realtime_lab.audio.pcm import GRID_MS
from realtime_lab.recording.events import AppendRun
from realtime_lab.session.caller import Placement
from realtime_lab.session.stage import WireAudio

_HEAD, _TAIL = b'{"type":"input_audio_buffer.append","audio":"', b'"}'


class _Piece(NamedTuple):
    """Consecutive samples of one placement within one frame."""

    placement: int
    offset: int
    samples: int
    sent_ms: float


@dataclass
class Microphone:
    """Cuts placed passages into append frames.

    Args:
        placements: What is played; it may grow until a frame reaches its end.
        wire: Gives a passage in the session's audio format.
        frame_ms: Audio in one append.
        rate_hz: Sample rate on the wire.
        width: Bytes in a sample on the wire.
    """

    placements: list[Placement]
    wire: Callable[[Placement], WireAudio]
    frame_ms: float
    rate_hz: int
    width: int
    frames: int = 0
    """How many appends were taken so far."""
    _pieces: list[_Piece] = field(default_factory=list)
    _current: int = 0

    @property
    def due_ms(self) -> float:
        """When the next append is due."""
        return (self.frames + 1) * self.frame_ms

    @property
    def audio_ms(self) -> float:
        """Audio sent so far."""
        return self._position(self.frames) * 1000.0 / self.rate_hz

    def _position(self, frame: int) -> int:
        return round(frame * self.frame_ms * self.rate_hz / 1000.0)

    def next_append(self, sent_ms: float) -> bytes:
        """The next frame as an append event, logged as sent at `sent_ms`."""
        position, stop = self._position(self.frames), self._position(self.frames + 1)
        self.frames += 1
        parts = []
        while position < stop:
            start, end = self._span(self._current)
            if position >= end:
                self._current += 1
                continue
            last = min(end, stop)
            data = self.wire(self.placements[self._current]).data
            parts.append(data[(position - start) * self.width : (last - start) * self.width])
            self._pieces.append(_Piece(self._current, position - start, last - position, sent_ms))
            position = last
        return _HEAD + base64.b64encode(parts[0] if len(parts) == 1 else b"".join(parts)) + _TAIL

    def _span(self, number: int) -> tuple[int, int]:
        """First sample of a placement, and the one after its last, on the session's timeline."""
        per_frame = self.rate_hz * GRID_MS // 1000
        placement = self.placements[number]
        end = placement.start_frame + placement.passage.n_frames
        if number + 1 < len(self.placements):
            end = min(end, self.placements[number + 1].start_frame)
        return placement.start_frame * per_frame, end * per_frame

    def runs(self) -> tuple[AppendRun, ...]:
        """What was sent: a run for each stretch of whole frames of one passage, and for each partial frame."""
        whole = self._position(1)
        groups: list[list[_Piece]] = []
        for piece in self._pieces:
            last = groups[-1][-1] if groups else None
            if last is not None and last.placement == piece.placement and last.samples == whole:
                groups[-1].append(piece)
            else:
                groups.append([piece])
        return tuple(self._run(group) for group in groups)

    def _run(self, group: list[_Piece]) -> AppendRun:
        first = group[0]
        placement = self.placements[first.placement]
        scale = 24_000 // self.rate_hz
        return AppendRun(
            start_ms=placement.start_frame * float(GRID_MS) + first.offset * 1000.0 / self.rate_hz,
            samples=sum(piece.samples for piece in group) * scale,
            sha256=placement.passage.key,
            offset_samples=first.offset * scale,
            frame_ms=self.frame_ms,
            sent_ms=tuple(round(piece.sent_ms, 3) for piece in group),
        )


@dataclass
class Pace:
    """How well a session kept time."""

    late_ms: list[float] = field(default_factory=list)
    """Lateness of each append."""
    lag_ms: float = 0.0
    """The longest the event loop was late."""

    def lagged(self, late_ms: float) -> None:
        """A timer rang `late_ms` after it was due."""
        self.lag_ms = max(self.lag_ms, late_ms)

    @property
    def error_ms(self) -> float | None:
        """99th percentile of the appends' lateness; None when nothing was sent."""
        return float(np.percentile(self.late_ms, 99)) if self.late_ms else None
