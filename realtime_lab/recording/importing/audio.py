"""Audio in a foreign log: measured, hashed, and replaced by a reference, so that nothing of it is kept.

Appends become runs on the session's audio time; each spoken answer becomes one blob that its deltas refer to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef
from realtime_lab.recording.events import AppendRun

_PENDING = "pending:"
_PENDING_HASH = re.compile(r"pending:(\d{1,9})", re.ASCII)
_G711: dict[str, Callable[[bytes], NDArray[np.int16]]] = {"ulaw": decode_ulaw, "alaw": decode_alaw}
_FLAT_FORMATS = {"pcm16": ("pcm", 24_000), "g711_ulaw": ("ulaw", 8_000), "g711_alaw": ("alaw", 8_000)}
_FORMATS = {"audio/pcm": ("pcm", 24_000), "audio/pcmu": ("ulaw", 8_000), "audio/pcma": ("alaw", 8_000)}
_RATES_HZ = range(8_000, 48_001)


class _Format(NamedTuple):
    coding: str = "pcm"
    rate_hz: int = SAMPLE_RATE_HZ

    def samples(self, data: bytes) -> int:
        return len(data) // 2 if self.coding == "pcm" else len(data)

    def audible(self, data: bytes) -> int | None:
        """First audible sample, at this format's rate."""
        even = data[: len(data) // 2 * 2]
        pcm = np.frombuffer(even, dtype="<i2") if self.coding == "pcm" else _G711[self.coding](data)
        # Audibility is measured in windows at one rate.
        at = np.arange(len(pcm) * SAMPLE_RATE_HZ // self.rate_hz) * self.rate_hz // SAMPLE_RATE_HZ
        heard = first_audible_sample(pcm.astype(np.int16)[at])
        return None if heard is None else heard * self.rate_hz // SAMPLE_RATE_HZ


@dataclass
class _Run:
    """Appends of one length, one after another."""

    start_ms: float
    rate_hz: int
    each: int
    """Samples in every append but the last."""
    samples: int = 0
    appends: list[int] = field(default_factory=list)
    """Their places among the log's frames."""
    hasher: Any = field(default_factory=hashlib.sha256)
    known_hash: str | None = None
    offset_samples: int = 0
    closed: bool = False


@dataclass
class _Blob:
    """Audio that several deltas are pieces of."""

    number: int
    samples: int = 0
    hasher: Any = field(default_factory=hashlib.sha256)


class AudioLedger:
    """Takes the audio out of a log's events, in the order of the log."""

    def __init__(self) -> None:
        self.unreadable = 0
        """Appends whose audio is missing or damaged: from the first on, audio time is not known."""
        self.appended_ms = 0.0
        self._runs: list[_Run] = []
        self._heard = _Format()
        self._spoken = _Format()
        self._blobs: list[_Blob] = []
        self._answers: dict[str, _Blob] = {}

    def on_session(self, session: object) -> None:
        """A session said in which formats audio travels."""
        if isinstance(session, Mapping):
            self._heard = _format(session, "input", self._heard)
            self._spoken = _format(session, "output", self._spoken)

    def on_append(self, audio: object, place: int) -> None:
        """An append stands at `place` among the log's frames."""
        data = _decoded(audio)
        ref = audio if isinstance(audio, Mapping) else None
        samples = self._heard.samples(data) if data is not None else _whole(ref, "samples")
        if not samples:
            self.unreadable += 1
            return
        rate_hz = self._heard.rate_hz
        run = self._runs[-1] if self._runs else None
        if run is None or run.closed or ref is not None or run.rate_hz != rate_hz or samples > run.each:
            run = _Run(self.appended_ms, rate_hz, samples)
            self._runs.append(run)
        if ref is not None:
            run.known_hash, run.offset_samples = str(ref.get("sha256"))[:64], _whole(ref, "offset_samples") or 0
        run.closed = ref is not None or samples < run.each
        run.samples += samples
        run.appends.append(place)
        run.hasher.update(data or b"")
        self.appended_ms += samples * 1000.0 / rate_hz

    @property
    def first_append(self) -> tuple[int, float] | None:
        """Place of the first append among the log's frames, and its length, ms."""
        if not self._runs:
            return None
        run = self._runs[0]
        return run.appends[0], min(run.each, run.samples) * 1000.0 / run.rate_hz

    def runs(self, times_ms: Sequence[float | None]) -> tuple[tuple[AppendRun, ...], bool]:
        """The appends, and whether all of them have a time.

        Args:
            times_ms: Wall time of each of the log's frames.
        """
        runs: list[AppendRun] = []
        for run in self._runs:
            sent = [at for place in run.appends if (at := times_ms[place]) is not None]
            runs.append(
                AppendRun(
                    start_ms=run.start_ms,
                    samples=run.samples,
                    sha256=run.known_hash or run.hasher.hexdigest(),
                    offset_samples=run.offset_samples,
                    frame_ms=run.each * 1000.0 / run.rate_hz,
                    rate_hz=run.rate_hz,
                    sent_ms=tuple(sent) if len(sent) == len(run.appends) else (),
                )
            )
        return tuple(runs), all(run.sent_ms for run in runs)

    def taken_out(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """An event's fields with references in place of its audio."""
        kind = str(fields["type"])
        if kind in ("response.output_audio.delta", "response.audio.delta"):
            key = "\0".join(str(fields.get(name)) for name in ("response_id", "item_id", "content_index"))
            blob = self._answers.get(key) or self._new_blob()
            self._answers[key] = blob
            return {**fields, "delta": self._reference(fields.get("delta"), blob, self._spoken)}
        if isinstance(item := fields.get("item"), Mapping) and isinstance(content := item.get("content"), list):
            return {**fields, "item": {**item, "content": [self._part(part) for part in content]}}
        if isinstance(part := fields.get("part"), Mapping):
            return {**fields, "part": self._part(part)}
        return dict(fields)

    def _part(self, part: Any) -> Any:
        if not isinstance(part, Mapping) or not isinstance(part.get("audio"), str):
            return part
        form = self._heard if part.get("type") == "input_audio" else self._spoken
        return {**part, "audio": self._reference(part["audio"], self._new_blob(), form)}

    def _new_blob(self) -> _Blob:
        self._blobs.append(_Blob(len(self._blobs)))
        return self._blobs[-1]

    def _reference(self, audio: object, blob: _Blob, form: _Format) -> Any:
        if isinstance(audio, Mapping):
            return audio
        data = _decoded(audio) or b""
        samples = form.samples(data)
        reference = {
            "sha256": f"{_PENDING}{blob.number}",
            "offset_samples": blob.samples,
            "samples": samples,
            "rate_hz": form.rate_hz,
            "audible_sample": form.audible(data),
        }
        blob.hasher.update(data)
        blob.samples += samples
        return reference

    def settle(self, event: ev.AnyEvent) -> None:
        """Give an event's references the hashes of their blobs, which are known once the log has been read."""
        if isinstance(event, ev.AudioDelta):
            event.delta = self._settled(event.delta)
        content = getattr(getattr(event, "item", None), "content", None)
        parts = [*(content if isinstance(content, list) else []), getattr(event, "part", None)]
        for part in parts:
            if part is not None and not isinstance(part, dict):
                part.audio = self._settled(part.audio)

    def _settled(self, audio: Any) -> Any:
        number = _PENDING_HASH.fullmatch(audio.sha256) if isinstance(audio, AudioRef) else None
        if number is None or int(number[1]) >= len(self._blobs):
            return audio
        return msgspec.structs.replace(audio, sha256=self._blobs[int(number[1])].hasher.hexdigest())


def _whole(ref: Mapping[str, Any] | None, name: str) -> int | None:
    value = None if ref is None else ref.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40 else None


def _decoded(audio: object) -> bytes | None:
    """The bytes of base64 text; None when it is none."""
    if not isinstance(audio, str):
        return None
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        return None


def _format(session: Mapping[str, Any], side: str, known: _Format) -> _Format:
    flat = session.get(f"{side}_audio_format")
    audio = session.get("audio")
    part = audio.get(side) if isinstance(audio, Mapping) else None
    given = part.get("format") if isinstance(part, Mapping) else flat
    if isinstance(given, str):
        return _Format(*_FLAT_FORMATS[given]) if given in _FLAT_FORMATS else known
    if not isinstance(given, Mapping) or given.get("type") not in _FORMATS:
        return known
    coding, rate_hz = _FORMATS[str(given["type"])]
    asked = given.get("rate")
    return _Format(coding, asked if coding == "pcm" and isinstance(asked, int) and asked in _RATES_HZ else rate_hz)
