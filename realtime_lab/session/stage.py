"""What sessions share: rendered passages, their wire form and their speech tracks. One Stage serves a worker's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.causal import resample_causally
from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.file_cache import cache_folder
from realtime_lab.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from realtime_lab.audio.noise_reduction import GATE_VERSION, reduce_noise
from realtime_lab.audio.pcm import GRID_SAMPLES, SAMPLE_RATE_HZ
from realtime_lab.audio.render import Passage, Renderer
from realtime_lab.audio.script import Script
from realtime_lab.audio.vad_cache import VadCache
from realtime_lab.server.hearing.endpointing import EndpointRule, Track, TrackStore

_CODECS = {"audio/pcmu": (encode_ulaw, decode_ulaw), "audio/pcma": (encode_alaw, decode_alaw)}


@dataclass(frozen=True, eq=False)
class WireAudio:
    """A passage as it travels in one audio format; also a Stretch the engine can hear."""

    passage: Passage
    format_type: str
    """audio/pcm, audio/pcmu or audio/pcma."""
    tracks: TrackStore
    noise_reduction: str | None = None
    """What the server does to it before it listens: near_field, far_field or nothing."""

    @property
    def rate_hz(self) -> int:
        """Sample rate on the wire."""
        return SAMPLE_RATE_HZ if self.format_type == "audio/pcm" else 8_000

    @cached_property
    def data(self) -> bytes:
        """The bytes on the wire: little-endian PCM16 or G.711."""
        if self.format_type == "audio/pcm":
            return self.passage.pcm.astype("<i2").tobytes()
        narrow = resample_causally(self.passage.pcm, SAMPLE_RATE_HZ, self.rate_hz, GRID_SAMPLES)
        return _CODECS[self.format_type][0](narrow)

    @cached_property
    def heard(self) -> NDArray[np.int16]:
        """The samples a server listens to, at `rate_hz`: decoded, and cleaned where noise is reduced."""
        plain = self.passage.pcm if self.format_type == "audio/pcm" else _CODECS[self.format_type][1](self.data)
        return plain if self.noise_reduction is None else reduce_noise(plain, self.noise_reduction, self.rate_hz)

    @property
    def heard_key(self) -> str:
        """Names `heard` in caches."""
        name = self.passage.key + self.format_type.removeprefix("audio/pcm")
        return name if self.noise_reduction is None else f"{name}-{GATE_VERSION}-{self.noise_reduction}"

    def track(self, rule: EndpointRule, before: NDArray[np.float64] | None = None) -> Track:
        """Where speech is in this passage under `rule`, heard after frames of the probabilities `before`."""
        if rule.late_frames and before is not None and len(before):
            return Track.of(self.probabilities(), rule, before)
        return self.tracks.track(self.heard_key, self.heard, self.rate_hz, rule)

    def probabilities(self) -> NDArray[np.float32]:
        """Our detector's speech probabilities in this passage, as a server hears it, one per 32 ms frame."""
        return self.tracks.probabilities(self.heard_key, self.heard, self.rate_hz)


@dataclass
class Stage:
    """Rendered audio and its tracks, made once.

    Args:
        cache: Where speech probabilities are remembered; default: the user's cache folder.
    """

    cache: VadCache = field(default_factory=lambda: VadCache(cache_folder()))
    _renderers: dict[tuple[str, Condition], Renderer] = field(default_factory=dict)
    _wire: dict[tuple[str, str, str | None], WireAudio] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tracks = TrackStore(self.cache)

    def renderer(self, script: Script, condition: Condition) -> Renderer:
        """The renderer of one script under one condition."""
        key = (script.content_hash, condition)
        if key not in self._renderers:
            self._renderers[key] = Renderer(script, condition)
        return self._renderers[key]

    def wire(self, passage: Passage, format_type: str, noise_reduction: str | None = None) -> WireAudio:
        """The passage in one wire format, and what a server with this noise reduction makes of it."""
        key = (passage.key, format_type, noise_reduction)
        if key not in self._wire:
            self._wire[key] = WireAudio(passage, format_type, self._tracks, noise_reduction)
        return self._wire[key]
