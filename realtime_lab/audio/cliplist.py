"""`clips.csv`: the list of a set's clips, one a row, with transcript, licence, hash and where speech is.

Columns: file, text, speaker, licence, source, sha256, speech_intervals_ms, reference_source. Intervals are written
`start-end;start-end` in ms. The files themselves are read in `audio.files`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from realtime_lab.audio.files import audio_length_ms
from realtime_lab.audio.pcm import Interval
from realtime_lab.audio.script import REFERENCE_SOURCES, Clip
from realtime_lab.errors import ScriptError

__all__ = ["COLUMNS", "format_intervals", "parse_intervals", "read_clips"]

COLUMNS = ("file", "text", "speaker", "licence", "source", "sha256", "speech_intervals_ms", "reference_source")
"""The columns of `clips.csv`, all of them needed."""

MAX_CLIP_MS = 7_200_000.0
_INTERVAL = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)-(\d{1,9}(?:\.\d{1,6})?)\s*", re.ASCII)


def read_clips(path: Path, root: Path) -> dict[str, Clip]:
    """Read a list of clips and check that each file is there and unchanged.

    Args:
        path: The `clips.csv`.
        root: Folder that the files' names are under.

    Returns:
        The clips by their file name, in the order of the list.

    Raises:
        ScriptError: If the list has a mistake, or a file is missing, has another hash or is too short.
        AudioError: If a file is not audio.
    """
    clips: dict[str, Clip] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ScriptError(f"{path}: line 1: the column {missing[0]} is missing", path)
            for row in reader:
                where = f"{path}: line {reader.line_num}"
                clip = _clip(path, where, row, root)
                if clip.file in clips:
                    raise ScriptError(f"{where}: {clip.file!r} is listed twice", path)
                clips[clip.file] = clip
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}", path) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ScriptError(f"{path}: not a CSV text in UTF-8: {error}", path) from error
    return clips


def _clip(path: Path, where: str, row: Mapping[str | None, str | None], root: Path) -> Clip:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if None in row or any(row.get(name) is None for name in COLUMNS):
        raise ScriptError(f"{where}: it has not as many fields as the first line", path)
    source = next((known for known in REFERENCE_SOURCES if known == values["reference_source"]), None)
    if source is None:
        allowed = ", ".join(REFERENCE_SOURCES)
        raise ScriptError(f"{where}: reference_source = {values['reference_source']!r:.40}: allowed: {allowed}", path)
    file = _checked_file(path, where, values["file"], values["sha256"], root)
    try:
        intervals = parse_intervals(values["speech_intervals_ms"])
    except ValueError as error:
        raise ScriptError(f"{where}: speech_intervals_ms: {error}", path) from error
    if intervals[-1].end_ms > (length_ms := audio_length_ms(file)):
        raise ScriptError(f"{where}: speech_intervals_ms: {values['file']!r} ends at {length_ms:.0f} ms already", path)
    return Clip(
        file=values["file"],
        path=file,
        text=values["text"] or None,
        speaker=values["speaker"] or None,
        licence=values["licence"],
        source=values["source"],
        sha256=values["sha256"],
        speech_intervals_ms=intervals,
        reference_source=source,
    )


def _checked_file(path: Path, where: str, name: str, sha256: str, root: Path) -> Path:
    relative = PurePosixPath(name)
    file = root / relative
    if not name or relative.is_absolute() or ".." in relative.parts or "\\" in name or "\0" in name:
        raise ScriptError(f"{where}: file = {name!r:.80}: give a name under {root}, with forward slashes", path)
    if not file.is_file() or not file.resolve().is_relative_to(root.resolve()):
        raise ScriptError(f"{where}: there is no file {name!r:.80} under {root}", path)
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise ScriptError(f"{where}: {name!r} is not the listed file: its sha256 is {found}, not {sha256:.64}", path)
    return file


def parse_intervals(text: str) -> tuple[Interval, ...]:
    """Read `start-end;start-end`, ms.

    Raises:
        ValueError: If it is not of that form, or the intervals are empty, overlap or are out of order.
    """
    intervals: list[Interval] = []
    for part in text.split(";"):
        match = _INTERVAL.fullmatch(part)
        if match is None:
            raise ValueError(f"{part.strip()!r:.40} is not start-end in ms")
        interval = Interval(float(match[1]), float(match[2]))
        if not interval.start_ms < interval.end_ms <= MAX_CLIP_MS:
            raise ValueError(f"{part.strip()!r:.40} does not end after it starts")
        if intervals and interval.start_ms <= intervals[-1].end_ms:
            raise ValueError(f"{part.strip()!r:.40} overlaps what stands before it, or is out of order")
        intervals.append(interval)
    return tuple(intervals)


def format_intervals(intervals: tuple[Interval, ...]) -> str:
    """Write intervals as `parse_intervals` reads them."""
    return ";".join(f"{_plain(start)}-{_plain(end)}" for start, end in intervals)


def _plain(ms: float) -> str:
    return f"{ms:.6f}".rstrip("0").rstrip(".")
