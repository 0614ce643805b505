"""Label files as text: Audacity, CSV and RTTM, read and written. Which label belongs to which audio is not known here.

All of it is hostile text: a mistake is a ValueError with the line's number in front, and nothing a label says is more
than text. Times are kept to the microsecond.

A label says where somebody speaks, in which turn, and what is said.

What is proposed by machine can be written out, corrected by ear in an editor and read back; it is then a person's.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from urllib.parse import quote, unquote

from realtime_lab.audio.own.texts import read_text
from realtime_lab.audio.script import Script
from realtime_lab.errors import ScriptError

MAX_LABEL_MS = 7_200_000.0
"""Labels lie within the longest recording that is read, ms."""
COLUMNS = ("file", "start_ms", "end_ms", "turn", "text", "speaker")
"""Columns of a label CSV; `start` and `end` in seconds stand for the two in ms, and only those are needed."""

_MAX_TEXT = 10_000
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,12})?", re.ASCII)
_TURN = re.compile(r"turn (\d{1,6})(?::\s*(.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)
_RTTM_TURN = re.compile(r";;\s*turn (\d{1,6})\s*", re.IGNORECASE | re.ASCII)
_RTTM_NONE = "<NA>"
# What a spreadsheet would run as a formula; the apostrophes keep one that is already guarded apart from its guard.
_FORMULA = re.compile(r"'*[=+\-@]")
_GUARDED = re.compile(r"'+[=+\-@]")


@dataclass(frozen=True)
class Label:
    """A stretch of speech, as a person marked it."""

    file: str | None
    """The recording, by its name with or without suffix; None when the label file is about one recording."""
    start_ms: float
    """First instant of speech, ms of the recording."""
    end_ms: float
    """First instant after, ms."""
    turn: int | None = None
    """The turn it belongs to, from 1; None when nobody said."""
    text: str | None = None
    """What is said in it; None when nobody wrote it down."""
    speaker: str | None = None
    """Whose voice it is."""


Numbered = tuple[int, Label]


def parse_labels(text: str, suffix: str) -> tuple[Label, ...]:
    """Read a label file.

    Args:
        text: Its content.
        suffix: `.txt` (Audacity), `.csv` or `.rttm`.

    Returns:
        Its labels, by file in order of first mention, in order of time.

    Raises:
        ValueError: If a line has a mistake, or two stretches of one recording overlap; the message begins with the
            line's number.
    """
    labels = list(_READERS[suffix](text))
    places = {file: place for place, file in enumerate(dict.fromkeys(label.file for _, label in labels))}
    labels.sort(key=lambda entry: (places[entry[1].file], entry[1].start_ms, entry[1].end_ms))
    for _, group in groupby(labels, key=lambda entry: entry[1].file):
        _check_sequence(list(group))
    return tuple(label for _, label in labels)


def _check_sequence(labels: Sequence[Numbered]) -> None:
    """Labels of one recording, in order of time: none overlap, and turns follow one another."""
    for (earlier, before), (line, after) in pairwise(labels):
        if after.start_ms < before.end_ms:
            raise _mistake(line, f"{_span(after)} overlaps {_span(before)} of line {earlier}")
        if (before.turn is None) != (after.turn is None):
            raise _mistake(line if after.turn is None else earlier, "it says no turn, and other lines do")
        if before.turn is not None and after.turn is not None and after.turn < before.turn:
            raise _mistake(line, f"turn {after.turn} begins after turn {before.turn}, which stands in line {earlier}")


def _span(label: Label) -> str:
    return f"{label.start_ms / 1000:g} to {label.end_ms / 1000:g} s"


def _mistake(line: int, what: str) -> ValueError:
    return ValueError(f"line {line}: {what}")


def _ms(line: int, name: str, value: str, scale: int) -> Decimal:
    value = value.strip()
    if not _NUMBER.fullmatch(value):
        raise _mistake(line, f"{name} = {value!r:.40} is not a number, such as 12.345")
    if value.startswith("-"):
        raise _mistake(line, f"{name} = {value} is negative")
    return Decimal(value) * scale


def _label(
    line: int, start_ms: Decimal, end_ms: Decimal, file: str | None, turn: int | None, text: str, speaker: str
) -> Numbered:
    start, end = (float(round(value, 3)) for value in (start_ms, end_ms))
    if start >= end:
        raise _mistake(line, f"it ends at {end / 1000:g} s, not after its start at {start / 1000:g} s")
    if end > MAX_LABEL_MS:
        raise _mistake(line, f"it ends at {end / 1000:g} s; recordings end by {MAX_LABEL_MS / 1000:g} s")
    if turn == 0:
        raise _mistake(line, "turns are numbered from 1")
    if len(text) > _MAX_TEXT:
        raise _mistake(line, f"its text has more than {_MAX_TEXT} characters")
    return line, Label(file, start, end, turn, _one_line(text), _one_line(speaker))


def _one_line(text: str) -> str | None:
    """Text without line ends, tabs and other control characters; None when nothing is left."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text).split()) or None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines: only a line end ends a line, whatever else a text holds.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            yield number, line


# --- Audacity: start TAB end TAB label, seconds ---


def _read_audacity(text: str) -> Iterator[Numbered]:
    for number, line in _lines(text):
        if line.startswith("\\"):  # the frequencies of a spectral selection
            continue
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            raise _mistake(number, f"{line!r:.60} is not start, end and label with tabs between them")
        mark = _TURN.fullmatch(fields[2].strip()) if len(fields) == 3 else None
        start, end = _ms(number, "start", fields[0], 1000), _ms(number, "end", fields[1], 1000)
        # A label of another form says only that somebody speaks: it may be anything.
        yield _label(number, start, end, None, int(mark[1]) if mark else None, (mark[2] or "") if mark else "", "")


def _write_audacity(labels: Sequence[Label]) -> str:
    return "".join(f"{_seconds(x.start_ms)}\t{_seconds(x.end_ms)}\t{_mark(x)}\n" for x in labels)


def _mark(label: Label) -> str:
    if label.turn is None:
        return "speech"
    text = _one_line(label.text or "")
    return f"turn {label.turn}" + (f": {text}" if text else "")


def _seconds(ms: float) -> str:
    return f"{Decimal(str(round(ms, 3))) / 1000:.6f}"


# --- CSV ---


def _read_csv(text: str) -> Iterator[Numbered]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        scale = _csv_scale([name.strip() for name in reader.fieldnames or ()])
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        for row in reader:
            yield _csv_label(reader.line_num, row, scale)
    except csv.Error as error:
        raise _mistake(max(reader.line_num, 1), f"not CSV: {error}") from None


def _csv_scale(names: Sequence[str]) -> int:
    for pair, scale in ((("start_ms", "end_ms"), 1), (("start", "end"), 1000)):
        if all(name in names for name in pair):
            return scale
    raise _mistake(1, "it needs the columns start_ms and end_ms, or start and end in seconds")


def _csv_label(line: int, row: Mapping[str | None, str | None], scale: int) -> Numbered:
    if None in row or any(value is None for value in row.values()):
        raise _mistake(line, "it has not as many fields as the first line")
    given = {name: _unguarded((value or "").strip()) for name, value in row.items()}
    names = ("start_ms", "end_ms") if scale == 1 else ("start", "end")
    start, end = (_ms(line, name, given[name], scale) for name in names)
    turn = given.get("turn", "")
    if turn and not re.fullmatch(r"[0-9]{1,6}", turn):
        raise _mistake(line, f"turn = {turn!r:.40} is not a whole number, from 1")
    file = _one_line(given.get("file", ""))
    return _label(line, start, end, file, int(turn) if turn else None, given.get("text", ""), given.get("speaker", ""))


def _write_csv(labels: Sequence[Label]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in labels:
        texts = [_guarded(_one_line(value or "") or "") for value in (label.file, label.text, label.speaker)]
        times = [_plain_ms(label.start_ms), _plain_ms(label.end_ms)]
        writer.writerow([texts[0], *times, label.turn or "", texts[1], texts[2]])
    return stream.getvalue()


def _plain_ms(ms: float) -> str:
    return f"{ms:.3f}".rstrip("0").rstrip(".")


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if _GUARDED.match(text) else text


# --- RTTM: SPEAKER file channel start duration <NA> <NA> name <NA> <NA>, seconds ---


def _read_rttm(text: str) -> Iterator[Numbered]:
    turn: int | None = None
    file: str | None = None
    told = False
    for number, line in _lines(text):
        if line.lstrip().startswith(";"):
            # A comment to others; `_write_rttm` says so where a turn begins.
            mark = _RTTM_TURN.fullmatch(line.strip())
            turn, told = (int(mark[1]), True) if mark else (turn, told)
            continue
        fields = line.split()
        if fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise _mistake(number, f"{line!r:.60} has {len(fields)} fields; a SPEAKER line has 8 or more")
        start, length = _ms(number, "start", fields[3], 1000), _ms(number, "duration", fields[4], 1000)
        speaker = "" if fields[7] == _RTTM_NONE else unquote(fields[7])
        named = None if fields[1] == _RTTM_NONE else _one_line(unquote(fields[1]))
        turn = turn if told or named == file else None
        file, told = named, False
        yield _label(number, start, start + length, file, turn, "", speaker)


def _write_rttm(labels: Sequence[Label]) -> str:
    lines: list[str] = []
    for file, group in groupby(labels, key=lambda label: label.file):
        for turn, part in groupby(group, key=lambda label: label.turn):
            lines += [] if turn is None else [f";; turn {turn}"]
            for label in part:
                start, end = (Decimal(str(round(ms, 3))) for ms in (label.start_ms, label.end_ms))
                times = f"{start / 1000:.6f} {(end - start) / 1000:.6f}"
                lines.append(f"SPEAKER {_word(file)} 1 {times} <NA> <NA> {_word(label.speaker)} <NA> <NA>")
    return "\n".join(lines) + "\n"


def _word(text: str | None) -> str:
    """Text as one word without blanks, which RTTM's fields are."""
    return quote(_one_line(text or "") or "", safe="/()[]+,:@~") or _RTTM_NONE


_READERS: dict[str, Callable[[str], Iterable[Numbered]]] = {
    ".txt": _read_audacity,
    ".csv": _read_csv,
    ".rttm": _read_rttm,
}
_WRITERS = {".txt": _write_audacity, ".csv": _write_csv, ".rttm": _write_rttm}


def format_labels(labels: Sequence[Label], suffix: str) -> str:
    """Write labels as `parse_labels` reads them; Audacity's form has no place for the file and the speaker."""
    return _WRITERS[suffix](labels)


_SUFFIXES = (".txt", ".csv", ".rttm")
_MARK = ".labels"


def load_labels(path: str | Path) -> tuple[Label, ...]:
    """Read labels.

    Args:
        path: One file, or a folder with one `NAME.labels.txt` for each recording. `.txt` is Audacity's form: start,
            end and label with tabs between them, in seconds; a label `turn 2: what is said` says which turn it is
            and what is said, any other only that somebody speaks. `.csv` has the columns start_ms and end_ms (or
            start and end in seconds) and may have file, turn, text and speaker. `.rttm` has SPEAKER lines.

    Returns:
        The labels, those of one recording together and in order of time. In Audacity's form the recording is the
        one the file is named after.

    Raises:
        ScriptError: If it cannot be read, or a stretch is empty, negative or overlaps another: one line that names
            the file and the line.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob(f"*{_MARK}.txt"))
        if not files:
            raise ScriptError(f"{path} holds no labels (NAME{_MARK}.txt)", path)
        return tuple(label for file in files for label in load_labels(file))
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ScriptError(f"{path}: labels are {', '.join(_SUFFIXES)} files (Audacity, CSV, RTTM)", path)
    try:
        labels = parse_labels(read_text(path), suffix)
    except ValueError as error:
        raise ScriptError(f"{path}: {error}", path) from None
    if not labels:
        raise ScriptError(f"{path} holds no labels", path)
    if suffix != ".txt":
        return labels
    recording = path.stem.removesuffix(_MARK)
    return tuple(replace(label, file=recording) for label in labels)


def checked_labels(labels: Sequence[Label]) -> tuple[Label, ...]:
    """Labels that were made in a program, in order, checked as those of a file are.

    Raises:
        ScriptError: If a stretch is empty, negative or overlaps another; line 2 is the first label.
    """
    try:
        return parse_labels(format_labels(labels, ".csv"), ".csv")
    except ValueError as error:
        raise ScriptError(f"labels: {error}") from None


def save_labels(scripts: Script | Sequence[Script], path: str | Path) -> Path:
    """Write where the callers of some recordings speak, for an editor, another tool or `load_labels`.

    Args:
        scripts: Scripts read from recordings by `load_scripts`.
        path: A `.csv` or `.rttm` file for all of them; a `.txt` file, in Audacity's form, for one recording; or a
            folder, which gets one `NAME.labels.txt` for each.

    Returns:
        Where they were written.

    Raises:
        ScriptError: If a script is pieced together from several clips, the form cannot hold what is asked for, or
            the file cannot be written.
    """
    path = Path(path)
    labels = labels_of([scripts] if isinstance(scripts, Script) else scripts)
    suffix = path.suffix.lower()
    if not labels:
        raise ScriptError("there are no scripts to write labels of", path)
    try:
        if suffix in _SUFFIXES:
            _check_recordings(path, suffix, labels)
            path.write_text(format_labels(labels, suffix), encoding="utf-8", newline="")
        elif suffix and not path.is_dir():
            raise ScriptError(f"{path}: labels are {', '.join(_SUFFIXES)} files, or a folder of .txt files", path)
        else:
            path.mkdir(parents=True, exist_ok=True)
            _save_each(path, labels)
    except OSError as error:
        raise ScriptError(f"{path}: cannot be written: {error.strerror}", path) from error
    return path


def _check_recordings(path: Path, suffix: str, labels: Sequence[Label]) -> None:
    files = {label.file for label in labels}
    if suffix == ".txt" and len(files) > 1:
        raise ScriptError(f"{path}: Audacity's form holds one recording, not {len(files)}: give a folder", path)


def _save_each(folder: Path, labels: Sequence[Label]) -> None:
    by_stem: dict[str, list[Label]] = {}
    for label in labels:
        by_stem.setdefault(Path(label.file or "").stem, []).append(label)
    for stem, own in by_stem.items():
        if len({label.file for label in own}) > 1:
            raise ScriptError(f"two recordings are called {stem!r:.80} but for their suffix: write a CSV", folder)
        text = format_labels(own, ".txt")
        (folder / f"{stem}{_MARK}.txt").write_text(text, encoding="utf-8", newline="")


def labels_of(scripts: Sequence[Script]) -> tuple[Label, ...]:
    """The labels that scripts read from recordings stand for; turns are numbered from 1 in each recording.

    Raises:
        ScriptError: If a script is pieced together from several clips.
    """
    counts: dict[str, int] = {}
    labels: dict[str, list[Label]] = {}
    for script in scripts:
        for turn in script.turns:
            if len(turn.segments) != 1 or len(script.clips) != 1:
                raise ScriptError(f"script {script.id!r:.80} is pieced together from clips: labels are of recordings")
            file = turn.segments[0].clip.file
            counts[file] = counts.get(file, 0) + 1
            texts = [turn.text, *[None] * len(turn.segments[0].speech_ms)]
            labels.setdefault(file, []).extend(
                Label(file, part.start_ms, part.end_ms, counts[file], text, turn.speaker)
                for part, text in zip(turn.segments[0].speech_ms, texts, strict=False)
            )
    return tuple(label for own in labels.values() for label in own)
