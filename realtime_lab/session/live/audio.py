"""Output audio of a live session: from base64 in events to references with their hash; nothing is kept inline."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef, ContentPart, Item
from realtime_lab.recording.events import RecordedEvent

_G711 = {"audio/pcmu": decode_ulaw, "audio/pcma": decode_alaw}
_NARROW_HZ = 8_000
_MAX_RAW_BYTES = 1_048_576


class OutputAudio:
    """Reads audio of one format.

    Args:
        format_type: audio/pcm, audio/pcmu or audio/pcma.
    """

    def __init__(self, format_type: str) -> None:
        self._decode_narrow = _G711.get(format_type)
        self.rate_hz = SAMPLE_RATE_HZ if self._decode_narrow is None else _NARROW_HZ
        self.width = 2 if self._decode_narrow is None else 1

    def samples_of(self, raw: bytes) -> NDArray[np.int16]:
        """The samples in wire bytes, at `rate_hz`; a byte too many is dropped."""
        if self._decode_narrow is not None:
            return self._decode_narrow(raw)
        return np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16)

    def audible_sample(self, raw: bytes) -> int | None:
        """First audible sample in wire bytes, at `rate_hz`."""
        samples = self.samples_of(raw)
        if self.rate_hz == SAMPLE_RATE_HZ:
            return first_audible_sample(samples)
        scale = SAMPLE_RATE_HZ // self.rate_hz
        found = first_audible_sample(np.repeat(samples, scale))
        return None if found is None else found // scale


def light_ref(delta: str, audio: OutputAudio, look: bool) -> AudioRef:
    """What the caller needs to know of a delta while the session runs: its length, and where it is audible.

    Args:
        delta: base64.
        audio: The format.
        look: Whether to look for the first audible sample, which takes longer.
    """
    length = len(delta) * 3 // 4 - delta.count("=", -2)
    try:
        audible = audio.audible_sample(base64.b64decode(delta)) if look else None
    except (binascii.Error, ValueError):
        length, audible = 0, None
    return AudioRef(
        sha256="", offset_samples=0, samples=length // audio.width, rate_hz=audio.rate_hz, audible_sample=audible
    )


def without_audio(events: Iterable[RecordedEvent], audio: OutputAudio) -> tuple[RecordedEvent, ...]:
    """The log with references where audio was: each response part is one blob, hashed whole.

    A sample that two deltas share belongs to the one that ends it.
    """
    entries = [entry._replace(event=_read_delta(entry.event)) for entry in events]
    blobs: dict[tuple[object, ...], bytearray] = {}
    places = []
    for entry in entries:
        if isinstance(entry.event, ev.AudioDelta):
            blob = blobs.setdefault(_part(entry.event), bytearray())
            places.append(len(blob) // audio.width)
            blob += _raw(entry.event)
            places.append(len(blob) // audio.width)
    keys = {part: hashlib.sha256(blob).hexdigest() for part, blob in blobs.items()}
    place = iter(places)
    kept = []
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.AudioDelta):
            part, first, last = _part(event), next(place), next(place)
            ref = AudioRef(
                sha256=keys[part],
                offset_samples=first,
                samples=last - first,
                rate_hz=audio.rate_hz,
                audible_sample=audio.audible_sample(bytes(blobs[part][first * audio.width : last * audio.width])),
            )
            event = msgspec.structs.replace(event, delta=ref)
        kept.append(entry._replace(event=_stripped(event)))
    return tuple(kept)


def _part(event: ev.AudioDelta) -> tuple[object, ...]:
    return event.response_id, event.item_id, event.output_index, event.content_index


def _raw(event: ev.AudioDelta) -> bytes:
    return base64.b64decode(str(event.delta))


def _read_delta(event: ev.AnyEvent) -> ev.AnyEvent:
    """An audio delta that is no base64 is kept as a frame that could not be read."""
    if not isinstance(event, ev.AudioDelta):
        return event
    try:
        base64.b64decode(str(event.delta), validate=True)
    except (binascii.Error, ValueError):
        raw = msgspec.json.encode(event)[:_MAX_RAW_BYTES]
        return ev.UnknownEvent(type=ev.event_type(event), raw=raw, problem="its audio is no base64")
    return event


def _stripped(event: ev.AnyEvent) -> ev.AnyEvent:
    """The event without audio that stands inline in its items."""
    item = getattr(event, "item", None)
    if isinstance(item, Item) and item.content is not UNSET and any(part.audio is not UNSET for part in item.content):
        silent = msgspec.structs.replace(item, content=[_silent(part) for part in item.content])
        return msgspec.structs.replace(event, item=silent)
    part = getattr(event, "part", None)
    if isinstance(part, ContentPart) and part.audio is not UNSET:
        return msgspec.structs.replace(event, part=_silent(part))
    return event


def _silent(part: ContentPart) -> ContentPart:
    return msgspec.structs.replace(part, audio=UNSET)
