"""A study to give away: one file without this machine's names, with or without the audio it was made from.

What identifies host and user is taken out: host names, process numbers, tracebacks, folders. Transcripts and settings
are what a study is about and stay in it. Whoever gets it finds shipped clips in their own installation, others in the
file or, by their hash, in folders of theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from realtime_lab.errors import ScriptError, StudyError
from realtime_lab.sweep.store import schema
from realtime_lab.sweep.store.lock import check_local
from realtime_lab.sweep.store.reader import StudyReader, reading

AUDIO_CODEC = "file"
"""Codec of blobs that are whole audio files."""
ELSEWHERE = ""
"""Place of a clip in a study that was given away: to be found by its hash."""
MAX_CLIP_BYTES = 512 * 1024 * 1024
"""A longer file is not put into a study, nor taken out of one."""
_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au")


def share_study(path: Path, out: Path, audio: bool) -> Path:
    """Write a copy of a study to give away.

    Args:
        path: The study.
        out: The new file; it must not be there yet.
        audio: Whether the user's own clips go into it.

    Raises:
        StudyError: If `out` exists or cannot be written, or a clip is missing or is no longer what it was.
    """
    if out.exists():
        raise StudyError(f"{out} is there already: give another name", out)
    check_local(out)
    with reading(path) as reader:
        plan = reader.json("plan")
        clips = _own_clips(plan)
        files = list(_audio_files(path, clips)) if audio else []
        for clip in clips:
            clip["path"] = ELSEWHERE
        beside = out.with_name(f".{out.name}.part")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with schema.plain_errors(out, "written"):
                _write_copy(reader, beside, plan, files)
            os.replace(beside, out)
        except OSError as error:
            raise StudyError(f"{out} cannot be written: {error.strerror}", out) from None
        finally:
            beside.unlink(missing_ok=True)
    return out


def _own_clips(plan: Any) -> list[dict[str, Any]]:
    """The clips of a plan that are not shipped; records, to be changed in place."""
    try:
        return [clip for clip in plan["scripts"]["clips"] if clip["path"] is not None]
    except (KeyError, TypeError):
        return []


def _audio_files(path: Path, clips: Sequence[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """(SHA-256, bytes) of each clip's file, each once; all that is wrong with them in one error."""
    wrong: list[str] = []
    done: set[str] = set()
    for clip in clips:
        if clip["sha256"] in done:
            continue
        done.add(clip["sha256"])
        try:
            place = Path(clip["path"])
            data = place.read_bytes() if place.stat().st_size <= MAX_CLIP_BYTES else b""
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() == clip["sha256"]:
            yield clip["sha256"], data
        else:
            wrong.append(f"{clip['file']} (SHA-256 {clip['sha256']})")
    if wrong:
        raise StudyError(
            f"the audio of {path} is missing or has changed: {', '.join(wrong)}; leave out audio=True", path
        )


def _write_copy(reader: StudyReader, out: Path, plan: Any, files: Sequence[tuple[str, bytes]]) -> None:
    out.unlink(missing_ok=True)
    with closing(sqlite3.connect(out, isolation_level=None)) as copy:
        reader.backup(copy)
        copy.execute("BEGIN")
        text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        copy.execute("UPDATE meta SET value = ? WHERE name = 'plan'", (text,))
        copy.execute("UPDATE attempts SET host = '', pid = 0, detail = NULL")
        copy.execute("UPDATE trials SET state = 'planned' WHERE state = 'running'")
        copy.executemany(
            "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)",
            ((sha256, AUDIO_CODEC, len(data), data) for sha256, data in files),
        )
        copy.execute("COMMIT")
        copy.execute("VACUUM")
        copy.execute("PRAGMA journal_mode = DELETE")


def audio_here(path: Path, clips: Sequence[dict[str, Any]], folders: Sequence[Path], into: Path) -> None:
    """Say where on this machine the clips of a study are, in the records themselves.

    A clip is looked for where it was, in the study itself, and by its hash in `folders`.

    Args:
        path: The study.
        clips: Records of its clips; `path` is set in each that is not shipped.
        folders: Where else to look, with everything below.
        into: Folder for audio that the study itself has.

    Raises:
        ScriptError: If clips are not to be found, each named with its hash.
    """
    missing: list[str] = []
    elsewhere = _Folders(folders)
    with reading(path) as reader:
        for clip in clips:
            sha256 = str(clip.get("sha256"))
            found = _as_it_was(clip, sha256) or _from_study(reader, clip, sha256, into) or elsewhere.find(sha256)
            if found is None:
                missing.append(f"{str(clip.get('file'))[:200]!r} (SHA-256 {sha256[:64]})")
            else:
                clip["path"] = str(found)
    if missing:
        raise ScriptError(
            f"audio of {path} is not on this machine: {', '.join(missing)}; name a folder that has it (--audio "
            "FOLDER, or plan_here(folder)), or ask for a copy of the study with its sound (export(..., audio=True))",
            path,
        )


def _as_it_was(clip: dict[str, Any], sha256: str) -> Path | None:
    """A file somebody else's study names is looked at only to compare its hash."""
    place = Path(str(clip["path"])) if clip["path"] != ELSEWHERE else None
    return place if place is not None and _is_audio(place) and _hash_of(place) == sha256 else None


def _from_study(reader: StudyReader, clip: dict[str, Any], sha256: str, into: Path) -> Path | None:
    data = reader.blob(sha256, AUDIO_CODEC, MAX_CLIP_BYTES)
    if data is None:
        return None
    suffix = Path(str(clip.get("file"))).suffix.lower()
    # The name is made of a checked hash and a known suffix: nothing in it is the file's own.
    place = into / f"{hashlib.sha256(data).hexdigest()}{suffix if suffix in _SUFFIXES else '.wav'}"
    if not (place.is_file() and _hash_of(place) == sha256):
        into.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        beside.write_bytes(data)
        os.replace(beside, place)
    return place


def _is_audio(place: Path) -> bool:
    try:
        return place.suffix.lower() in _SUFFIXES and place.is_file() and place.stat().st_size <= MAX_CLIP_BYTES
    except (OSError, ValueError):
        return False


def _hash_of(place: Path) -> str | None:
    try:
        with open(place, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


class _Folders:
    """Audio files of some folders by their hash; read once, when first asked."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: dict[str, Path] | None = None

    def find(self, sha256: str) -> Path | None:
        if self._known is None:
            files = (place for folder in self._folders for place in sorted(folder.rglob("*")) if _is_audio(place))
            self._known = {str(_hash_of(place)): place for place in files}
        return self._known.get(sha256)
