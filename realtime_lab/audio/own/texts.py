"""What is said in a user's recordings, when they wrote it down: `NAME.txt` beside the audio, or a table (CSV).

A text of one line is what is said in the only turn; one of several lines has a line for each turn. A text that fits
neither is left out with a warning, because a wrong reference is worse than none.

Text files of a user's, labels too, are read here: of bounded size, in UTF-8.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from realtime_lab.errors import ScriptError

_MAX_BYTES = 16_000_000


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        ScriptError: If it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScriptError(f"{path}: larger than {_MAX_BYTES} bytes", path)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: not a text in UTF-8: {error.reason}", path) from None


Texts = Mapping[str, tuple[str, ...]]
"""Lines of text by the recording's name, with or without suffix."""

_TABLE = "transcripts.csv"
_LABEL_LINE = re.compile(r"-?\d+(?:\.\d+)?\t-?\d+(?:\.\d+)?(?:\t.*)?", re.ASCII)


def read_texts(files: Sequence[Path], table: str | Path | None) -> Texts:
    """Find the texts of recordings.

    Args:
        files: The recordings, all in one folder.
        table: A CSV with the columns file and text, one row for each turn in order, or for a whole recording; None:
            `transcripts.csv` in the folder if it is there. A `NAME.txt` beside a recording the table has no text of
            is read as well, unless it holds labels.

    Raises:
        ScriptError: If a file has a mistake, or the table names a recording that is not there.
    """
    folder = files[0].parent
    found: dict[str, tuple[str, ...]] = {}
    place = folder / _TABLE if table is None else Path(table)
    if table is not None or place.is_file():
        found = _read_table(place)
        known = {name for file in files for name in (file.name, file.stem)}
        if strange := next((name for name in found if name not in known), None):
            raise ScriptError(f"{place}: there is no recording {strange!r:.80} in the folder", place)
    for file in files:
        beside = file.with_suffix(".txt")
        if file.name not in found and file.stem not in found and beside.is_file():
            lines = tuple(line for line in map(_clean, read_text(beside).split("\n")) if line)
            if lines and not _LABEL_LINE.fullmatch(_first_line(beside)):
                found[file.name] = lines
    return found


def _first_line(path: Path) -> str:
    return next((line.strip("\r") for line in read_text(path).split("\n") if line.strip()), "")


def _read_table(path: Path) -> dict[str, tuple[str, ...]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    found: dict[str, tuple[str, ...]] = {}
    try:
        missing = [name for name in ("file", "text") if name not in (reader.fieldnames or ())]
        if missing:
            raise ScriptError(f"{path}: line 1: the column {missing[0]} is missing", path)
        for row in reader:
            name, text = _clean(row["file"] or ""), _clean(row["text"] or "")
            if not name:
                raise ScriptError(f"{path}: line {reader.line_num}: it names no file", path)
            # An empty text keeps its place among the turns.
            found[name] = (*found.get(name, ()), text)
    except csv.Error as error:
        raise ScriptError(f"{path}: line {reader.line_num}: not CSV: {error}", path) from error
    return found


def _clean(text: str) -> str:
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())


def texts_of_turns(texts: Texts, file: Path, turns: int) -> list[str | None]:
    """The text of each of a recording's turns; None where there is none.

    Args:
        texts: What `read_texts` found.
        file: The recording.
        turns: How many turns it has.
    """
    lines = texts.get(file.name, texts.get(file.stem, ()))
    if turns == 1 and lines:
        return [" ".join(filter(None, lines)) or None]
    if len(lines) != turns:
        if lines:
            counted = f"{len(lines)} line{'s' if len(lines) != 1 else ''} of text and {turns} turns"
            warnings.warn(f"{file.name!r:.80} has {counted}: its text is left out", UserWarning, stacklevel=2)
        return [None] * turns
    return [line or None for line in lines]
