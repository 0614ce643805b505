"""The endpointing rule for many silences at once: what a whole session's probabilities make of each. Vectorised.

One pass over the stretches of speech does for all silences what `Endpointer` does for one; a test proves them equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realtime_lab.server.endpointing import EndpointRule, Track

__all__ = ["FoundSpeech", "speech_for_silences"]


class FoundSpeech(NamedTuple):
    """One stretch of speech the rule found, in frames of the session."""

    start: int
    """First speech frame."""
    last: int
    """Last speech frame; of an open stretch, the last one heard."""
    known_at: int | None
    """The frame at whose arrival its end is known; None while it is open."""


def speech_for_silences(probabilities: ArrayLike, rules: Sequence[EndpointRule]) -> list[list[FoundSpeech]]:
    """What each of some rules that differ in their silence only finds in one session.

    Args:
        probabilities: Shape (n_frames,), from the session's first frame.
        rules: At least one, all with the same thresholds and lateness.

    Returns:
        For each rule, its stretches of speech in order.
    """
    heard = np.asarray(probabilities, dtype=np.float64)
    track = Track.of(heard.astype(np.float64), rules[0])
    waits = np.array([rule.silent_frames for rule in rules])
    found: list[list[FoundSpeech]] = [[] for _ in rules]
    speaking = np.zeros(len(rules), dtype=bool)
    starts, last = np.zeros(len(rules), dtype=int), np.zeros(len(rules), dtype=int)
    onsets = np.array(track.onsets, dtype=int)
    for run_start, run_end in zip(track.run_starts, track.run_ends, strict=True):
        _close(found, speaking, starts, last, waits, run_start)
        first = int(np.searchsorted(onsets, run_start))
        if first < len(onsets) and onsets[first] < run_end:
            starts[~speaking] = onsets[first]
            speaking[:] = True
        last[speaking] = run_end - 1
    _close(found, speaking, starts, last, waits, len(heard))
    for number in np.flatnonzero(speaking):
        found[number].append(FoundSpeech(int(starts[number]), int(last[number]), None))
    return found


def _close(
    found: list[list[FoundSpeech]],
    speaking: NDArray[np.bool_],
    starts: NDArray[np.int_],
    last: NDArray[np.int_],
    waits: NDArray[np.int_],
    before: int,
) -> None:
    """End the stretches whose silence is long enough before frame `before`."""
    fires = last + waits
    for number in np.flatnonzero(speaking & (fires < before)):
        found[number].append(FoundSpeech(int(starts[number]), int(last[number]), int(fires[number])))
        speaking[number] = False
