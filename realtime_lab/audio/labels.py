"""Labels of recordings, to and from files: where somebody speaks, in which turn, and what is said.

What is proposed by machine can be written out, corrected by ear in an editor and read back; it is then a person's.
The three forms themselves are in `labels_formats`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from realtime_lab.audio.labels_formats import Label, format_labels, parse_labels
from realtime_lab.audio.script import Script
from realtime_lab.audio.text_files import read_text
from realtime_lab.errors import ScriptError

__all__ = ["Label", "checked_labels", "labels_of", "load_labels", "save_labels"]

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
