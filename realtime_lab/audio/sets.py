"""Reading script sets: a folder with `scripts.toml` (who says what, with which pauses) and `clips.csv` (the audio).

The shipped sets and a user's folder have the same two files; only where the clips lie differs. Both files are
hostile text until checked: every mistake is a `ScriptError` of one line that names the file and the entry. A folder
without them is one of recordings, which `audio.own` reads.

`clips.csv` has a clip a row, with transcript, licence, hash and where speech is.

Columns: file, text, speaker, licence, source, sha256, speech_intervals_ms, reference_source. Intervals are written
`start-end;start-end` in ms. The files themselves are read in `audio.files`.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast, get_args

from realtime_lab.audio.files import audio_length_ms
from realtime_lab.audio.own.labels import Label
from realtime_lab.audio.own.recordings import OwnOptions, load_own
from realtime_lab.audio.pcm import Interval
from realtime_lab.audio.script import REFERENCE_SOURCES, Clip, Script, Segment, Timing, Turn
from realtime_lab.errors import ArgumentError, Problem, ScriptError
from realtime_lab.resources import data_path

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


FORMAT_VERSION = 1
"""Version of `scripts.toml` this package reads."""

MAX_PAUSE_MS = 60_000.0
MAX_ID_LENGTH = 100
_MAX_BYTES = 8_000_000
_SCRIPTS_FILE = "scripts.toml"
_CLIPS_FILE = "clips.csv"


def script_sets() -> tuple[str, ...]:
    """Names of the shipped script sets."""
    return tuple(sorted(path.parent.name for path in data_path("scripts").glob(f"*/{_SCRIPTS_FILE}")))


def shipped_clips() -> tuple[Clip, ...]:
    """Every shipped clip of speech, in the order of `data/speech/clips.csv`."""
    root = data_path("speech")
    return tuple(read_clips(root / _CLIPS_FILE, root).values())


def load_scripts(
    name_or_folder: str | Path,
    *,
    clips_root: str | Path | None = None,
    caller: int | None = None,
    agent: int | None = None,
    max_hold_ms: float | None = None,
    timing: Timing | None = None,
    transcripts: str | Path | None = None,
    labels: str | Path | Sequence[Label] | None = None,
) -> tuple[Script, ...]:
    """Read a script set, or recordings.

    Recordings need nothing but audio (WAV, FLAC, MP3, up to two hours each). Who speaks when is found by the
    voice-activity detector, which takes about 3 s a minute of audio the first time and is remembered. A script says
    where its labels come from (`reference_source`); those of a machine ("automatic") give provisional rates.

    Args:
        name_or_folder: A shipped set (see `script_sets`), a folder that holds `scripts.toml` and `clips.csv`, a
            folder of recordings, or one recording.
        clips_root: For a script set: folder that the clips' names are under; default: the set's folder, or the
            shipped speech.
        caller: For recordings of several channels: the caller's, from 0. They are never mixed down.
        agent: The agent's channel. It then says which pauses were holds and which ended a turn, and turns in which
            that agent cut in are flagged (`Turn.cut_by_agent`).
        max_hold_ms: The longest pause inside a turn; default: 2,000 ms, or 10,000 ms of mutual silence in a call.
        timing: "closed" (default): each turn waits for the answer to the one before; "fixed": turns as far apart as
            they were recorded.
        transcripts: A CSV with the columns file and text, a row for each recording or turn; default:
            `transcripts.csv` in the folder, and `NAME.txt` beside `NAME.wav`. Without a text, word error rates are
            null, as they are where the session asks for no `transcription`.
        labels: Speech marked by a person: a file, a folder of them (see `load_labels`), or labels. They take the
            place of what the detector finds.

    Returns:
        The scripts, in the order of the file, or by the recordings' names. Those of a user's folder are private.

    Raises:
        ScriptError: If there is no such set or recording, or its files have a mistake.
        AudioError: If a recording cannot be read.
        ConfigError: If an option has a value that is not allowed, or does not fit a script set.
    """
    shipped = isinstance(name_or_folder, str) and name_or_folder in script_sets()
    options = OwnOptions(caller, agent, max_hold_ms, timing, transcripts, labels)
    place = Path(name_or_folder)
    if not shipped and (place.is_file() or (place.is_dir() and not (place / _SCRIPTS_FILE).exists())):
        _check_options(["clips_root"] if clips_root is not None else [], "script sets")
        return load_own(place, options)
    folder = data_path(f"scripts/{name_or_folder}") if shipped else _user_folder(name_or_folder)
    _check_options(options.given(), "recordings")
    root = Path(clips_root) if clips_root is not None else data_path("speech") if shipped else folder
    clips = read_clips(folder / _CLIPS_FILE, root)
    reader = _Reader(folder / _SCRIPTS_FILE, clips, folder.name, private=not shipped)
    return reader.scripts(_read_toml(folder / _SCRIPTS_FILE))


def _user_folder(name_or_folder: str | Path) -> Path:
    folder = Path(name_or_folder)
    if not folder.is_dir():
        near = difflib.get_close_matches(str(name_or_folder), script_sets(), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"shipped sets are {', '.join(script_sets())}"
        raise ScriptError(f"there is no script set or folder {str(name_or_folder)!r}; {known}", folder)
    return folder


def _check_options(given: Sequence[str], where: str) -> None:
    if given:
        raise ArgumentError([Problem(name, "given", f"only for {where}") for name in given])


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScriptError(f"{path}: larger than {_MAX_BYTES} bytes", path)
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        # ValueError: not TOML, not UTF-8, or a number of thousands of digits.
        raise ScriptError(f"{path}: not TOML: {error}", path) from error
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}", path) from error


class _Reader:
    """Turns the parsed file into scripts; `where` in every method names the entry, for messages."""

    def __init__(self, path: Path, clips: Mapping[str, Clip], set_name: str, *, private: bool) -> None:
        self._path = path
        self._clips = clips
        self._set_name = set_name
        self._private = private

    def scripts(self, document: Mapping[str, Any]) -> tuple[Script, ...]:
        version = document.get("format_version")
        if version != FORMAT_VERSION or isinstance(version, bool):
            raise self._error("format_version", f"{_shown(version)} is not known; this version of the package reads 1")
        self._only("the file", document, ("format_version", "scripts"))
        found = tuple(self._script(n, entry) for n, entry in enumerate(self._tables("scripts", document, "scripts"), 1))
        ids = [script.id for script in found]
        if doubled := next((name for name in ids if ids.count(name) > 1), None):
            raise self._error("scripts", f"two scripts have the id {doubled!r}")
        return found

    def _script(self, number: int, entry: Mapping[str, Any]) -> Script:
        name = entry.get("id")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_ID_LENGTH:
            raise self._error(f"script {number}", f"it needs an id, a text of 1 to {MAX_ID_LENGTH} characters")
        where = f"script {name!r}"
        self._only(where, entry, ("id", "timing", "turns"))
        timing = entry.get("timing", "closed")
        if not isinstance(timing, str) or timing not in get_args(Timing):
            raise self._error(where, f"timing = {_shown(timing)}: allowed: {', '.join(get_args(Timing))}")
        tables = self._tables(where, entry, "turns")
        turns = tuple(self._turn(f"{where}, turn {n}", turn) for n, turn in enumerate(tables, 1))
        sources = {segment.clip.reference_source for turn in turns for segment in turn.segments}
        weakest = max(sources, key=REFERENCE_SOURCES.index)
        return Script(name, turns, self._set_name, cast(Timing, timing), weakest, self._private)

    def _turn(self, where: str, entry: Mapping[str, Any]) -> Turn:
        self._only(where, entry, ("segments", "hold_ms", "gap_ms", "text", "speaker", "barge_in_ms"))
        tables = self._tables(where, entry, "segments")
        segments = tuple(self._segment(f"{where}, segment {n}", table) for n, table in enumerate(tables, 1))
        holds = entry.get("hold_ms", [])
        if not isinstance(holds, list) or len(holds) != len(segments) - 1:
            raise self._error(
                where, f"hold_ms needs one pause between each two segments: {len(segments) - 1}, not {_shown(holds)}"
            )
        hold_ms = tuple(self._ms(where, "hold_ms", hold, zero=False) for hold in holds)
        gap_ms = self._ms(where, "gap_ms", entry.get("gap_ms", 700.0))
        barge = entry.get("barge_in_ms")
        barge_in_ms = None if barge is None else self._ms(where, "barge_in_ms", barge)
        text, speaker = self._text(where, entry, "text"), self._text(where, entry, "speaker")
        return Turn(segments, hold_ms, gap_ms, text, speaker, barge_in_ms)

    def _segment(self, where: str, entry: Mapping[str, Any]) -> Segment:
        self._only(where, entry, ("clip", "start_ms", "end_ms"))
        name = entry.get("clip")
        if not isinstance(name, str) or name not in self._clips:
            raise self._error(where, f"there is no clip {_shown(name)} in {_CLIPS_FILE}{_nearest(name, self._clips)}")
        start, end = (
            None if entry.get(key) is None else self._ms(where, key, entry[key]) for key in ("start_ms", "end_ms")
        )
        segment = Segment(self._clips[name], start, end)
        span = segment.span_ms
        if span.start_ms >= span.end_ms:
            raise self._error(where, f"it ends at {span.end_ms:g} ms, not after its start at {span.start_ms:g} ms")
        if not segment.speech_ms:
            raise self._error(where, f"no speech of {name!r} lies between {span.start_ms:g} and {span.end_ms:g} ms")
        return segment

    def _ms(self, where: str, key: str, value: object, *, zero: bool = True) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= cast(float, value) <= MAX_PAUSE_MS or (value == 0 and not zero):
            least = "0" if zero else "more than 0"
            raise self._error(where, f"{key} = {_shown(value)}: allowed: {least} to {MAX_PAUSE_MS:g} ms")
        return float(cast(float, value))

    def _text(self, where: str, entry: Mapping[str, Any], key: str) -> str | None:
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            raise self._error(where, f"{key} = {_shown(value)}: it is text, or left out")
        return value

    def _tables(self, where: str, entry: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        value = entry.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self._error(where, f"{key} must be a list of one table or more")
        return value

    def _only(self, where: str, entry: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in entry:
            if key not in known:
                raise self._error(where, f"unknown key {_shown(key)}{_nearest(key, known)}")

    def _error(self, where: str, what: str) -> ScriptError:
        return ScriptError(f"{self._path}: {where}: {what}", self._path)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nesting without end
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _nearest(name: object, known: Mapping[str, object] | Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name)[:200], list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
