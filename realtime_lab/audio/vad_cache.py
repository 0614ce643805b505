"""Remembers speech probabilities by the hash of the audio, in memory and in the user's cache folder.

The detector is dearer than the rest of a session together, and depends on the audio alone; so it runs once per
rendered passage, whatever the number of settings, sessions and studies.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.file_cache import FileCache
from realtime_lab.audio.vad import VAD_NAME, passage_probabilities


class VadCache:
    """A ProbabilityStore.

    Args:
        folder: Where files are kept; None: in memory only.
        compute: What computes probabilities, (pcm, rate_hz) -> float32 of shape (n_frames,).
    """

    def __init__(
        self,
        folder: Path | None,
        compute: Callable[[NDArray[np.int16], int], NDArray[np.float32]] = passage_probabilities,
    ) -> None:
        version = "".join(ch if ch.isalnum() else "-" for ch in VAD_NAME)
        self._files = FileCache(folder, f"vad/{version}", ".f32")
        self._compute = compute
        self._known: dict[tuple[str, int], NDArray[np.float32]] = {}

    def probabilities(self, key: str, pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
        """Probabilities of the passage `key`, shape (n_frames,); computed when nobody remembers them."""
        name = (key, rate_hz)
        if name not in self._known:
            n_frames = len(pcm) * 1000 // (rate_hz * 32)
            found = self._load(key, rate_hz, n_frames)
            if found is None:
                found = self._compute(pcm, rate_hz)
                self._files.put(f"{key}-{rate_hz}", found.astype("<f4").tobytes())
            self._known[name] = found
        return self._known[name]

    def _load(self, key: str, rate_hz: int, n_frames: int) -> NDArray[np.float32] | None:
        raw = self._files.get(f"{key}-{rate_hz}")
        if raw is None or len(raw) != 4 * n_frames:
            return None
        found = np.frombuffer(raw, dtype="<f4")
        return found if bool(np.all((found >= 0) & (found <= 1))) else None
