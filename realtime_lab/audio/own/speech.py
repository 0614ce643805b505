"""Where somebody speaks in a recording that nobody labelled: the detector proposes, the level puts the edges.

The detector (`audio.vad`) decides what is speech, but its edges are a frame or several late. So inside what it found,
and a little around it, edges and pauses are placed by level, in windows of 10 ms moved by 1 ms, much as those of the
shipped clips were measured:

- Speech lies above 30 dB under the stretch's loud moments, and above the quiet of the recording.
- It rises over 20 dB under them for 25 ms or more, or touches such a part within 80 ms, as a weak consonant does.
- Where the detector falls silent and the level sees no pause, as in a room that rings, what is as quiet as the
  detector's silence is the pause.
- Parts less than 100 ms apart are one, because a pause that short is not a hold.

Where loud moments are less than 23 dB above the quiet, the level says little: the detector's own frames stand, its
hangover taken off. Nothing here reads a file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_MS, GRID_SAMPLES, SAMPLES_PER_MS, Interval, as_float

MIN_PAUSE_MS = 100
"""Shorter pauses are part of speaking, ms."""

_ON, _OFF = 0.5, 0.35
"""Speech starts at the first probability and lasts until one is under the second: the service's own hysteresis."""
_AROUND_MS = 160
"""How far outside the detector's frames an edge may lie."""
_HANGOVER_MS = 64
"""How much longer than speech the detector's frames last, in the middle."""
_LOUD_PERCENTILE, _FLOOR_PERCENTILE, _QUIET_PERCENTILE = 95, 3, 75
_LOW_DB, _STRONG_DB = 30.0, 20.0
_ABOVE_FLOOR_DB, _ABOVE_QUIET_DB = 7.0, 2.0
_CLEAR_DB = 23.0
_QUIETEST_DB = 15.0
"""A stretch this far under the recording's loud moments, or further, is measured as if it were this loud."""
_STRONG_MS, _TOUCH_MS = 25, 80
_SHORTEST_SILENCE_MS = 2 * GRID_MS
_WINDOW_MS = 10
_SILENT_DB = -100.0
_BLOCK_MS = 60_000

Levels = NDArray[np.float32]


def padded_to_grid(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """`pcm` with zeros up to a whole grid frame, as the detector takes it."""
    missing = -len(pcm) % GRID_SAMPLES
    return np.concatenate([pcm, np.zeros(missing, dtype=np.int16)]) if missing else pcm


def speech_intervals(pcm: NDArray[np.int16], probabilities: NDArray[np.float32]) -> tuple[Interval, ...]:
    """Where somebody speaks.

    Args:
        pcm: 24 kHz samples of one channel.
        probabilities: The detector's, one for each grid frame of `pcm`, the last of which may be part of one.

    Returns:
        Stretches of speech in whole ms, in order, at least `MIN_PAUSE_MS` apart; none when nobody speaks.
    """
    heard = _detected(probabilities)
    if not heard:
        return ()
    levels = _levels(pcm)
    loud = _percentile(np.concatenate([levels[a:b] for a, b in heard]), _LOUD_PERCENTILE)
    floor = _floor(levels, heard)
    if loud - floor < _CLEAR_DB:
        found = [(a, max(b - _HANGOVER_MS, a + GRID_MS)) for a, b in heard]
    else:
        found = [part for stretch in _widened(heard, len(levels)) for part in _by_level(levels, stretch, loud, floor)]
        found = _merged(_overlapping(found, heard), MIN_PAUSE_MS)
        for (_, silent_ms), (speaks_ms, _) in pairwise(heard):
            found = _with_pause(levels, found, silent_ms, speaks_ms)
    parts = [(a, min(b, len(levels))) for a, b in _merged(found, MIN_PAUSE_MS)]
    return tuple(Interval(float(a), float(b)) for a, b in parts if a < b)


def _detected(probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The detector's stretches, ms: from a probability of `_ON` while it stays at `_OFF` or more."""
    stretches: list[tuple[int, int]] = []
    for first, after in _runs(probabilities >= _OFF):
        onset = np.flatnonzero(probabilities[first:after] >= _ON)
        if len(onset):
            stretches.append((int(first + onset[0]) * GRID_MS, after * GRID_MS))
    return stretches


def _levels(pcm: NDArray[np.int16]) -> Levels:
    """Level of the 10 ms around each ms, dB of full scale; computed in blocks, so that a long file fits."""
    count = len(pcm) // SAMPLES_PER_MS
    beside = np.zeros(_WINDOW_MS // 2)
    # Sums over a window are differences of one running sum.
    running = np.cumsum(np.concatenate([[0.0], beside, *_powers(pcm, count), beside]))
    mean = (running[_WINDOW_MS:] - running[:-_WINDOW_MS])[:count] / _WINDOW_MS
    levels: Levels = (10.0 * np.log10(np.maximum(mean, 10.0 ** (_SILENT_DB / 10.0)))).astype(np.float32)
    return levels


def _powers(pcm: NDArray[np.int16], count: int) -> Iterator[NDArray[np.float64]]:
    for start in range(0, count, _BLOCK_MS):
        block = as_float(pcm[start * SAMPLES_PER_MS : min(start + _BLOCK_MS, count) * SAMPLES_PER_MS])
        yield np.mean(np.square(block.reshape(-1, SAMPLES_PER_MS)), axis=1)


def _percentile(levels: Levels, percent: float) -> float:
    return float(np.percentile(levels, percent)) if len(levels) else _SILENT_DB


def _floor(levels: Levels, heard: list[tuple[int, int]]) -> float:
    """The level that speech has to be over, whoever speaks: the recording's quiet, as far as it can be told."""
    quiet = np.ones(len(levels), dtype=bool)
    for a, b in _widened(heard, len(levels)):
        quiet[a:b] = False
    floor = _percentile(levels, _FLOOR_PERCENTILE) + _ABOVE_FLOOR_DB
    if np.count_nonzero(quiet) < _AROUND_MS:
        return floor
    return max(floor, _percentile(levels[quiet], _QUIET_PERCENTILE) + _ABOVE_QUIET_DB)


def _widened(stretches: list[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    return _merged([(max(a - _AROUND_MS, 0), min(b + _AROUND_MS, end)) for a, b in stretches], 0)


def _by_level(levels: Levels, stretch: tuple[int, int], loud: float, floor: float) -> list[tuple[int, int]]:
    """Speech inside one stretch, by the rule of this module."""
    first, after = stretch
    here = levels[first:after]
    peak = min(max(_percentile(here, _LOUD_PERCENTILE), loud - _QUIETEST_DB), loud)
    low = max(peak - _LOW_DB, floor)
    strong = [run for run in _runs(here >= max(peak - _STRONG_DB, low)) if run[1] - run[0] >= _STRONG_MS]
    ends = [end for _, end in strong]
    kept: list[tuple[int, int]] = []
    for a, b in _runs(here >= low):
        touching = kept and a - kept[-1][1] <= _TOUCH_MS
        following = bisect_right(ends, a - _TOUCH_MS)
        if touching or (following < len(strong) and strong[following][0] - _TOUCH_MS < b):
            kept.append((a, b))
    return [(first + a, first + b) for a, b in kept]


def _overlapping(found: list[tuple[int, int]], heard: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What the level found that the detector heard at least a part of."""
    kept: list[tuple[int, int]] = []
    place = 0
    for a, b in found:
        while place < len(heard) and heard[place][1] <= a:
            place += 1
        if place < len(heard) and heard[place][0] < b:
            kept.append((a, b))
    return kept


def _with_pause(levels: Levels, found: list[tuple[int, int]], silent: int, speaks: int) -> list[tuple[int, int]]:
    """`found` with a pause where the detector was silent from `silent` to `speaks`, unless one is there."""
    over = next((part for part in found if part[0] < silent and speaks < part[1]), None)
    if over is None or speaks - silent < _SHORTEST_SILENCE_MS:
        return found
    quiet = _percentile(levels[silent:speaks], _QUIET_PERCENTILE) + _ABOVE_QUIET_DB
    louder = np.flatnonzero(levels[over[0] : over[1]] >= quiet) + over[0]
    before, after = louder[louder < silent], louder[louder >= speaks]
    if not len(before) or not len(after) or after[0] - before[-1] <= MIN_PAUSE_MS:
        return found
    place = found.index(over)
    return [*found[:place], (over[0], int(before[-1]) + 1), (int(after[0]), over[1]), *found[place + 1 :]]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, first after) of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _merged(stretches: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Stretches less than `gap` apart, or overlapping, as one."""
    merged: list[tuple[int, int]] = []
    for a, b in stretches:
        if merged and (a - merged[-1][1] < gap or a <= merged[-1][1]):
            merged[-1] = (merged[-1][0], max(merged[-1][1], b))
        else:
            merged.append((a, b))
    return merged
