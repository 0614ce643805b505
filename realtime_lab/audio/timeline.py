"""Speech on a timeline: cutting segments out of clips and joining them with pauses of exact length.

A pause is measured from the last sample of speech before it to the first after it, so it has its length to the
sample whatever the segments sound like at their edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLES_PER_MS, as_float, ms_to_samples
from realtime_lab.audio.script import Segment

__all__ = ["FADE_SAMPLES", "ClipAudio", "Speech", "joined", "segment_speech"]

FADE_SAMPLES = 10 * SAMPLES_PER_MS
"""Length of the fade outside each edge of a segment's speech: 10 ms, so that nothing clicks and nothing is lost."""


class ClipAudio(NamedTuple):
    """A clip's samples at 24 kHz, or of a long clip the stretch that is needed."""

    pcm: NDArray[np.int16]
    first: int = 0
    """Position in the clip of the first of them."""


@dataclass(frozen=True, eq=False)
class Speech:
    """Sound whose speech begins at position 0."""

    samples: NDArray[np.float64]
    """The sound, from position -FADE_SAMPLES on, in its clips' own loudness."""
    stretches: tuple[tuple[int, int], ...]
    """First position inside and first after each stretch of speech; the first stretch begins at 0."""

    @property
    def end(self) -> int:
        """First position after the last stretch of speech."""
        return self.stretches[-1][1]

    def only(self) -> NDArray[np.float64]:
        """The samples of speech alone, pauses left out."""
        return np.concatenate([self.samples[a + FADE_SAMPLES : b + FADE_SAMPLES] for a, b in self.stretches])


def segment_speech(clip: ClipAudio, segment: Segment) -> Speech:
    """Cut a segment out of its clip, faded outside the edges of its speech.

    Args:
        clip: The clip's samples.
        segment: Which stretch; it must hold speech.
    """
    spoken = [(ms_to_samples(part.start_ms), ms_to_samples(part.end_ms)) for part in segment.speech_ms]
    first, after = spoken[0][0], spoken[-1][1]
    samples = np.zeros(after - first + 2 * FADE_SAMPLES)
    low, high = max(clip.first, first - FADE_SAMPLES), min(clip.first + len(clip.pcm), after + FADE_SAMPLES)
    heard = as_float(clip.pcm[low - clip.first : high - clip.first])
    samples[low - first + FADE_SAMPLES : high - first + FADE_SAMPLES] = heard
    ramp = np.sin(np.linspace(0, np.pi / 2, FADE_SAMPLES, endpoint=False)) ** 2
    samples[:FADE_SAMPLES] *= ramp
    samples[-FADE_SAMPLES:] *= ramp[::-1]
    return Speech(samples, tuple((a - first, b - first) for a, b in spoken))


def joined(parts: Sequence[Speech], pauses: Sequence[int]) -> Speech:
    """Put parts in a row.

    Args:
        parts: At least one.
        pauses: Samples from the speech of each part to the speech of the next; one fewer than parts.
    """
    starts = np.cumsum([0, *(part.end + pause for part, pause in zip(parts[:-1], pauses, strict=True))]).tolist()
    samples = np.zeros(max(start + len(part.samples) for start, part in zip(starts, parts, strict=True)))
    for start, part in zip(starts, parts, strict=True):
        samples[start : start + len(part.samples)] += part.samples
    spoken = [(a + start, b + start) for start, part in zip(starts, parts, strict=True) for a, b in part.stretches]
    return Speech(samples, tuple(spoken))
