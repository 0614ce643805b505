"""Small scripts and fakes that session tests share: no files, no VAD, everything known by construction."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from realtime_lab.audio.conditions import clean
from realtime_lab.audio.pcm import GRID_SAMPLES, Interval, pcm_key
from realtime_lab.audio.render import Passage
from realtime_lab.audio.script import Script, Turn
from realtime_lab.audio.vad_cache import VadCache
from realtime_lab.session.stage import Stage

LOUD = 8000
"""Samples at or above this level are speech to `loudness_vad`."""


def loudness_vad(pcm, rate_hz):
    """A perfect detector: a frame is speech when any of its samples is loud."""
    frames = pcm.reshape(-1, rate_hz * 32 // 1000)
    return np.where(np.abs(frames.astype(np.int32)).max(axis=1) >= LOUD, 1.0, 0.0).astype(np.float32)


@dataclass
class ToneRenderer:
    """A renderer whose speech is a loud constant and whose floor is a quiet ramp; spans in grid frames."""

    script: Script
    spans: tuple[tuple[tuple[int, int], ...], ...]
    """For each turn, the (first, after last) speech frames, counted from the end of the lead-in."""
    _made: dict[int, Passage] = field(default_factory=dict)

    def turn(self, index: int) -> Passage:
        if index not in self._made:
            spans = self.spans[index]
            pcm = _floor(8 + spans[-1][1] + 8)
            for start, stop in spans:
                pcm[(8 + start) * GRID_SAMPLES : (8 + stop) * GRID_SAMPLES] = LOUD + index
            speech = tuple(Interval((8 + a) * 32.0, (8 + b) * 32.0) for a, b in spans)
            self._made[index] = Passage(pcm_key(pcm), pcm, speech)
        return self._made[index]

    def idle(self) -> Passage:
        pcm = _floor(64)
        return Passage(pcm_key(pcm), pcm, ())

    def fixed(self):
        parts = [self.turn(index) for index in range(len(self.script.turns))]
        starts = np.cumsum([0] + [part.n_frames * 32 for part in parts])
        pcm = _floor(int(starts[-1]) // 32)
        for part, start in zip(parts, starts, strict=False):
            pcm[start * 24 + GRID_SAMPLES : start * 24 + len(part.pcm)] = part.pcm[GRID_SAMPLES:]
        speech = [
            tuple(part_speech.shifted(float(start)) for part_speech in part.speech_ms)
            for part, start in zip(parts, starts, strict=False)
        ]
        flat = tuple(interval for turn in speech for interval in turn)
        return Passage(pcm_key(pcm), pcm, flat), tuple(speech)


def _floor(frames: int):
    pcm = (np.arange(frames * GRID_SAMPLES) % 1009 - 504).astype(np.int16)
    pcm[:GRID_SAMPLES] = np.arange(GRID_SAMPLES) % 7
    return pcm


def tone_stage(script: Script, *spans) -> Stage:
    """A stage on which `script` is spoken in tones and heard by `loudness_vad`."""
    stage = Stage(VadCache(None, loudness_vad))
    stage._renderers[(script.content_hash, clean())] = ToneRenderer(script, spans)
    return stage


def spoken_script(*texts: str | None, **turn_options) -> Script:
    """A script with one turn per text."""
    turns = tuple(Turn((), (), text=text, **turn_options) for text in texts)
    return Script("tones", turns, "test")
