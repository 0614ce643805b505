"""A small script set of a user's own, for tests: two clips of tones where speech would be, and one script."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from realtime_lab.audio.sets import COLUMNS

SCRIPTS = """
format_version = 1

[[scripts]]
id = "order"

[[scripts.turns]]
text = "one two"
speaker = "tone"
gap_ms = 500
hold_ms = [250.5]
segments = [{ clip = "one.wav" }, { clip = "two.wav" }]

[[scripts.turns]]
segments = [{ clip = "two.wav", start_ms = 100, end_ms = 220 }]
"""

SPEECH_MS = {"one.wav": "50-350", "two.wav": "60-160;280-400"}


def tone_clip(path: Path, intervals: str, pitch_hz: float) -> Path:
    """Half a second at 24 kHz with a tone inside `intervals` and a faint noise throughout."""
    samples = 3 * np.random.default_rng(int(pitch_hz)).standard_normal(12_000)
    for part in intervals.split(";"):
        start, end = (int(float(ms) * 24) for ms in part.split("-"))
        samples[start:end] += 4_000 * np.sin(2 * np.pi * pitch_hz * np.arange(start, end) / 24_000)
    soundfile.write(path, samples.astype(np.int16), 24_000)
    return path


def clip_row(path: Path, intervals: str, **changes: str) -> dict[str, str]:
    """A row of clips.csv for the file at `path`."""
    row = {
        "file": path.name,
        "text": path.stem,
        "speaker": "tone",
        "licence": "private",
        "source": "made for a test",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "speech_intervals_ms": intervals,
        "reference_source": "human",
    }
    return row | changes


def write_rows(path: Path, rows: list[Mapping[str, str]]) -> None:
    """Write a clips.csv."""
    lines = [",".join(COLUMNS)] + [",".join(f'"{row[name]}"' for name in COLUMNS) for row in rows]
    path.write_text("\n".join(lines) + "\n")


def script_folder(folder: Path, scripts: str = SCRIPTS, **changes: str) -> Path:
    """Write the set into `folder`; `changes` go into the row of the first clip."""
    clips = [tone_clip(folder / name, spoken, 300.0 + 100 * n) for n, (name, spoken) in enumerate(SPEECH_MS.items())]
    rows = [clip_row(path, SPEECH_MS[path.name]) for path in clips]
    rows[0] |= changes
    write_rows(folder / "clips.csv", list(rows))
    (folder / "scripts.toml").write_text(scripts)
    return folder
