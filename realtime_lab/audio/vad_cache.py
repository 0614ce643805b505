"""Remembers speech probabilities by the hash of the audio, in memory and in the user's cache folder.

VAD costs 2 ms of CPU per 32 ms frame, a hundred times the rest of a session, and depends on the audio alone; so it
runs once per rendered passage, whatever the number of settings, sessions and studies.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.vad import VAD_NAME, passage_probabilities

__all__ = ["VadCache", "cache_folder"]

MAX_BYTES = 1_000_000_000
"""The folder is kept under this size; least recently used files go first."""


def cache_folder() -> Path:
    """`$REALTIME_LAB_CACHE`, or `realtime-lab` in the user's cache folder."""
    given = os.environ.get("REALTIME_LAB_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "realtime-lab"


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
        self._folder = None if folder is None else folder / "vad" / version
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
                self._save(key, rate_hz, found)
            self._known[name] = found
        return self._known[name]

    def _path(self, key: str, rate_hz: int) -> Path | None:
        return None if self._folder is None else self._folder / key[:2] / f"{key}-{rate_hz}.f32"

    def _load(self, key: str, rate_hz: int, n_frames: int) -> NDArray[np.float32] | None:
        path = self._path(key, rate_hz)
        try:
            raw = b"" if path is None else path.read_bytes()
        except OSError:
            return None
        found = np.frombuffer(raw, dtype="<f4") if len(raw) == 4 * n_frames else np.zeros(0, dtype=np.float32)
        valid = len(found) == n_frames and bool(np.all((found >= 0) & (found <= 1)))
        if not valid or path is None:
            return None
        try:
            os.utime(path)
        except OSError:
            pass  # a read-only cache still serves
        return found

    def _save(self, key: str, rate_hz: int, found: NDArray[np.float32]) -> None:
        path = self._path(key, rate_hz)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
                stream.write(found.astype("<f4").tobytes())
            os.replace(stream.name, path)
        except OSError:
            return  # a full or read-only disk costs time, never a result

    def prune(self, max_bytes: int = MAX_BYTES) -> None:
        """Delete the least recently used files until the folder is under `max_bytes`."""
        if self._folder is None or not self._folder.is_dir():
            return
        rows = sorted((p.stat().st_mtime, p.stat().st_size, p) for p in self._folder.rglob("*.f32"))
        excess = sum(size for _, size, _ in rows) - max_bytes
        for _, size, path in rows:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size
