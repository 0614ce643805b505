"""Where passages have speech, for every rule asked for: computed once, from remembered probabilities."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.server.endpointing import EndpointRule, Track

__all__ = ["ProbabilityStore", "TrackStore"]


class ProbabilityStore(Protocol):
    """Somewhere that remembers a passage's probabilities."""

    def probabilities(self, key: str, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
        """Probabilities of the passage `key`, whose samples are `pcm` at `rate_hz`."""
        ...


class TrackStore:
    """Tracks of passages, made once per pair of thresholds and lateness.

    Args:
        store: Where the probabilities come from.
    """

    def __init__(self, store: ProbabilityStore) -> None:
        self._store = store
        self._tracks: dict[tuple[str, int, float, float, int, int], Track] = {}

    def probabilities(self, key: str, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
        """The passage's probabilities."""
        return self._store.probabilities(key, pcm, rate_hz)

    def track(self, key: str, pcm: NDArray[np.int16], rate_hz: int, rule: EndpointRule) -> Track:
        """The passage's track under `rule`'s thresholds."""
        late = (rule.onset_late_frames, rule.offset_late_frames)
        name = (key, rate_hz, rule.threshold, rule.keep_threshold, *late)
        found = self._tracks.get(name)
        if found is None:
            found = Track.of(self._store.probabilities(key, pcm, rate_hz), rule)
            self._tracks[name] = found
        return found
