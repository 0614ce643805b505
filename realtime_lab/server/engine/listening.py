"""The session's ears: audio in, as bytes or as stretches with known speech probabilities; changes of speech out.

Bytes are cut into 32 ms frames, decoded, cleaned if the session reduces noise, and given to the detector; a stretch
on the virtual clock has gone through the same steps before. What a change of speech means is said in `turn_detection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.audio.noise_reduction import FrameGate
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.hearing.endpointing import FRAME_MS, Endpointer, EndpointRule, Track, Transition
from realtime_lab.server.hearing.heard import HeardFrames


class FrameListener(Protocol):
    """A voice activity detector on a stream of 32 ms frames."""

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame."""
        ...


class Stretch(Protocol):
    """Audio whose speech probabilities are known."""

    def track(self, rule: EndpointRule, before: NDArray[np.float64]) -> Track:
        """The stretch under `rule`, heard after frames of the probabilities `before`."""
        ...

    def probabilities(self) -> NDArray[np.float32]:
        """Of every frame of the stretch."""
        ...


@dataclass
class Listening:
    """What one session hears.

    Args:
        settings: The session's configuration.
        make_vad: Makes the detector for a sample rate.
        heard: Keeps what is heard; None: it is not kept.
    """

    settings: Settings
    make_vad: Callable[[int], FrameListener]
    heard: HeardFrames | None = None
    endpointer: Endpointer = field(default_factory=lambda: Endpointer(EndpointRule(0.5, 500)))
    frames: int = 0
    """Whole frames heard."""
    _pending: bytes = b""
    _format: str = "audio/pcm"
    _vad: FrameListener | None = None
    _gate: FrameGate | None = None
    _gate_kind: str | None = None
    _past: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _before_stretch: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _tracked: tuple[Stretch, EndpointRule, Track] | None = None
    """The stretch heard last, and its track under a rule."""

    @property
    def heard_ms(self) -> float:
        """Audio time up to which whole frames were heard."""
        return self.frames * float(FRAME_MS)

    @property
    def pending_ms(self) -> float:
        """Audio that is less than a frame yet."""
        return len(self._pending) / self._bytes_per_ms()

    def use_settings(self) -> None:
        """The settings were changed: another format begins a stream of its own."""
        detection = self.settings.turn_detection()
        if detection is None:
            self.endpointer.stop_now()
        else:
            self.endpointer.rule = detection.rule
        if self.settings.input_format() != self._format:
            self._format, self._pending, self._vad, self._gate = self.settings.input_format(), b"", None, None
        if self.settings.noise_reduction() != self._gate_kind:
            self._gate_kind, self._gate = self.settings.noise_reduction(), None

    def append(self, raw: bytes) -> Iterator[Transition]:
        """Take bytes of audio; the changes of speech in them, one by one, each before what follows it is heard."""
        self._pending += raw
        frame_bytes = FRAME_MS * self._bytes_per_ms()
        position = 0
        try:
            while len(self._pending) - position >= frame_bytes:
                frame = self._pending[position : position + frame_bytes]
                position += frame_bytes
                transition = self._hear_frame(frame)
                if transition is not None:
                    yield transition
        finally:
            self._pending = self._pending[position:]

    def hear(self, stretch: Stretch, start: int, stop: int) -> tuple[int, Transition | None]:
        """Take frames [start, stop) of a stretch, up to and including the first change of speech.

        Returns:
            How many frames were taken, and the change.
        """
        taken, transition = stop - start, None
        detection = self.settings.turn_detection()
        if detection is not None:
            rule = detection.rule
            if start == 0:
                self._before_stretch = self._past
            self.endpointer.frame = self.frames
            transition = self.endpointer.scan(self._track(stretch, rule), start, stop)
            taken = self.endpointer.frame - self.frames
            if rule.late_frames:
                heard = np.concatenate([self._before_stretch, stretch.probabilities()[: start + taken]])
                self._past = heard[-rule.late_frames :]
        self.frames += taken
        return taken, transition

    def _track(self, stretch: Stretch, rule: EndpointRule) -> Track:
        """The stretch's track; most calls go on in the stretch of the call before."""
        if rule.late_frames:  # what was heard before the stretch matters too
            return stretch.track(rule, self._before_stretch)
        if self._tracked is None or self._tracked[0] is not stretch or self._tracked[1] is not rule:
            self._tracked = (stretch, rule, stretch.track(rule, self._before_stretch))
        return self._tracked[2]

    def _hear_frame(self, raw: bytes) -> Transition | None:
        self.frames += 1
        listens = self.settings.effective["audio"]["input"]["turn_detection"] is not None
        if self.heard is None and not listens:
            return None
        frame = self._cleaned(self._decode(raw))
        if self.heard is not None:
            self.heard.append(frame)
        if not listens:
            return None
        if self._vad is None:
            self._vad = self.make_vad(self.settings.input_rate_hz())
        self.endpointer.frame = self.frames - 1
        return self.endpointer.step(self._vad.feed(frame))

    def _decode(self, raw: bytes) -> NDArray[np.int16]:
        if self._format == "audio/pcmu":
            return decode_ulaw(raw)
        return decode_alaw(raw) if self._format == "audio/pcma" else np.frombuffer(raw, dtype="<i2")

    def _cleaned(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        if self._gate_kind is None:
            return frame
        if self._gate is None:
            self._gate = FrameGate(self._gate_kind, self.settings.input_rate_hz())
        return self._gate.feed(frame)

    def _bytes_per_ms(self) -> int:
        return 48 if self._format == "audio/pcm" else 8
