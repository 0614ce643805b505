"""A user's own recordings as scripts, from nothing but audio.

A file becomes a script: who speaks when is proposed by the detector (`own_speech`), said by labels, or, in a call with
the agent on a channel of its own, divided into turns by what the agent did (`own_turns`). A turn is one segment of the
file, from its first speech to its last, so its pauses are the recording's own, noise and all. Whatever a file is
called or a text says is only text.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

from realtime_lab.audio.file_cache import cache_folder
from realtime_lab.audio.files import audio_channels, read_audio
from realtime_lab.audio.own.labels import Label, checked_labels, load_labels
from realtime_lab.audio.own.speech import MIN_PAUSE_MS, padded_to_grid, speech_intervals
from realtime_lab.audio.own.texts import Texts, read_texts, texts_of_turns
from realtime_lab.audio.own.turns import SpokenTurn, flagged, turns_by_agent, turns_by_pauses
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, Interval, pcm_key, samples_to_ms
from realtime_lab.audio.script import Clip, ReferenceSource, Script, Segment, Timing, Turn
from realtime_lab.audio.vad_cache import VadCache
from realtime_lab.errors import ArgumentError, Problem, ScriptError

SUFFIXES = (".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wave")
"""What counts as audio in a folder."""
MAX_HOLD_MS = 2_000.0
"""The longest pause inside a turn of a caller who is alone on the recording, ms."""
MAX_CALL_HOLD_MS = 10_000.0
"""The longest in a call, where the agent's silence says that the turn goes on, ms."""
MAX_SCRIPT_MS = 900_000.0
"""A script holds this much of a recording; a session lasts an hour at most, and answers take their time. ms."""
GAP_MS = 700.0
_LONGEST_PAUSE_MS = 60_000.0
_LABEL_OVERHANG_MS = 100.0


@dataclass(frozen=True)
class OwnOptions:
    """How recordings are to be read; `load_scripts` says what each option means."""

    caller: int | None = None
    agent: int | None = None
    max_hold_ms: float | None = None
    timing: Timing | None = None
    transcripts: str | Path | None = None
    labels: str | Path | Sequence[Label] | None = None

    def check(self) -> None:
        """Raise a ConfigError with every mistake."""
        problems: list[Problem] = []
        for name in ("caller", "agent"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                problems.append(Problem(name, value, "the number of a channel, from 0"))
        if self.agent is not None and self.caller in (None, self.agent):
            problems.append(Problem("caller", self.caller, "a channel of its own", "as in caller=0, agent=1"))
        hold = self.max_hold_ms
        good = isinstance(hold, (int, float)) and not isinstance(hold, bool) and math.isfinite(hold)
        if hold is not None and (not good or not 0 < hold <= _LONGEST_PAUSE_MS):
            problems.append(Problem("max_hold_ms", hold, f"more than 0 and at most {_LONGEST_PAUSE_MS:g} ms"))
        if self.timing is not None and self.timing not in get_args(Timing):
            problems.append(Problem("timing", self.timing, " or ".join(map(repr, get_args(Timing)))))
        if problems:
            raise ArgumentError(problems)

    def given(self) -> list[str]:
        """Names of the options that were given."""
        return [name for name in self.__dataclass_fields__ if getattr(self, name) is not None]


def audio_files(folder: Path) -> tuple[Path, ...]:
    """The audio files in a folder, by name; hidden ones and subfolders are left alone."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    return tuple(p for p in entries if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())


def load_own(place: Path, options: OwnOptions) -> tuple[Script, ...]:
    """Read a folder of recordings, or one recording.

    Args:
        place: The folder, or the file.
        options: How.

    Returns:
        The scripts, by file name; private. A recording whose turns fill more than `MAX_SCRIPT_MS` becomes several,
        `NAME-part1` and so on.

    Raises:
        ConfigError: If an option has a value that is not allowed.
        ScriptError: If there is no audio, or channels, texts or labels do not fit it.
        AudioError: If a file cannot be read.
    """
    options.check()
    files = audio_files(place) if place.is_dir() else (place,)
    if not files:
        raise ScriptError(
            f"{place} is not a script set (no scripts.toml) and holds no audio (WAV, FLAC, MP3); subfolders are not "
            "looked into",
            place,
        )
    for file in files:
        _check_channels(file, options)
    texts = read_texts(files, options.transcripts)
    reader = _Reader(options, texts, _labels_by_file(files, options.labels), _names(files))
    scripts = [script for file in files for script in reader.scripts(file)]
    if not scripts:
        raise ScriptError(f"{place}: nobody speaks in it, as far as the detector can tell", place)
    if reader.silent:
        named = ", ".join(repr(name) for name in reader.silent[:5])
        warnings.warn(f"nobody speaks in {named}: left out ({len(reader.silent)} of {len(files)})", stacklevel=3)
    return tuple(scripts)


def _check_channels(file: Path, options: OwnOptions) -> None:
    count = audio_channels(file)
    asked = [(name, channel) for name, channel in (("caller", options.caller), ("agent", options.agent))]
    given = [(name, channel) for name, channel in asked if channel is not None]
    if count > 1 and options.caller is None:
        raise ScriptError(
            f"{file} has {count} channels: say who is on which, as in caller=0, agent=1 (or caller=0 alone); they are "
            "never mixed down",
            file,
        )
    for name, channel in given:
        if channel >= count:
            there = "one channel" if count == 1 else f"{count} channels, numbered from 0"
            raise ScriptError(f"{file} has {there}: {name}={channel} is not there", file)


def _names(files: Sequence[Path]) -> dict[Path, tuple[str, str]]:
    """For each file, what it is called (its name as plain text) and the id of its script; both unique."""
    shown = _unique([_plain(file.name) for file in files])
    stems = [_plain(file.stem) for file in files]
    ids = _unique([stem if stems.count(stem) == 1 else name for stem, name in zip(stems, shown, strict=True)])
    return dict(zip(files, zip(shown, ids, strict=True), strict=True))


def _plain(name: str) -> str:
    """A file name as text that can be shown and stored: control characters and broken bytes replaced."""
    return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in name)


def _absolute(file: Path) -> Path:
    # A link stays the link it is: the folder is where the user looks for the file.
    return Path(os.path.abspath(file))


def _unique(names: Sequence[str]) -> list[str]:
    counts: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return unique


def _labels_by_file(
    files: Sequence[Path], given: str | Path | Sequence[Label] | None
) -> dict[Path, tuple[Label, ...]] | None:
    """Each file's labels; None without any."""
    if given is None:
        return None
    place = given if isinstance(given, (str, Path)) else "labels"
    labels = load_labels(given) if isinstance(given, (str, Path)) else checked_labels(given)
    groups = {name: tuple(group) for name, group in groupby(labels, key=lambda label: label.file)}
    if len(files) == 1 and len(groups) == 1:
        return {files[0]: labels}
    known = {name: file for file in files for name in (_plain(file.stem), _plain(file.name))}
    for name in groups:
        if name not in known:
            near = difflib.get_close_matches(name or "", list(known), n=1)
            hint = f"; did you mean {near[0]!r:.80}?" if near else ""
            raise ScriptError(f"{place}: there is no recording {name!r:.80} in the folder{hint}")
    return {known[str(name)]: group for name, group in groups.items()}


class _Reader:
    """Makes scripts of files, one after another, so that one file's audio is in memory at a time."""

    def __init__(
        self,
        options: OwnOptions,
        texts: Texts,
        labels: dict[Path, tuple[Label, ...]] | None,
        names: dict[Path, tuple[str, str]],
    ) -> None:
        self.silent: list[str] = []
        self._options = options
        self._texts = texts
        self._labels = labels or {}
        self._names = names
        self._cache = VadCache(cache_folder())

    def scripts(self, file: Path) -> list[Script]:
        """The scripts of one file; none when nobody speaks in it."""
        name, script_id = self._names[file]
        labels = self._labels.get(file)
        source: ReferenceSource
        if labels:
            source, spoken = "human", self._labelled(file, labels)
        else:
            source = "automatic" if self._options.agent is None else "two_channel"
            spoken = self._divided(self._speech(file, self._options.caller), self._agent(file))
        if not spoken:
            self.silent.append(name)
            return []
        turns = self._turns(file, name, source, spoken)
        parts = _parts(turns)
        timing = self._options.timing or "closed"
        return [
            Script(
                id=script_id if len(parts) == 1 else f"{script_id}-part{number}",
                turns=tuple(part),
                set_name=_plain(_absolute(file).parent.name),
                timing=timing,
                reference_source=source,
                private=True,
            )
            for number, part in enumerate(parts, 1)
        ]

    def _speech(self, file: Path, channel: int | None) -> tuple[Interval, ...]:
        pcm = read_audio(file, channel)
        padded = padded_to_grid(pcm)
        if not len(padded):
            return ()
        return speech_intervals(pcm, self._cache.probabilities(pcm_key(padded), padded, SAMPLE_RATE_HZ))

    def _agent(self, file: Path) -> tuple[Interval, ...] | None:
        return None if self._options.agent is None else self._speech(file, self._options.agent)

    def _divided(self, speech: Sequence[Interval], agent: Sequence[Interval] | None) -> Sequence[SpokenTurn]:
        if agent is None:
            return turns_by_pauses(speech, self._options.max_hold_ms or MAX_HOLD_MS)
        return turns_by_agent(speech, agent, self._options.max_hold_ms or MAX_CALL_HOLD_MS)

    def _labelled(self, file: Path, labels: Sequence[Label]) -> Sequence[SpokenTurn]:
        length_ms = samples_to_ms(len(read_audio(file, self._options.caller)))
        if labels[-1].end_ms > length_ms + _LABEL_OVERHANG_MS:
            ends = f"a label ends at {labels[-1].end_ms / 1000:g} s"
            raise ScriptError(f"{file}: {ends}, and the recording at {length_ms / 1000:.3f} s", file)
        agent = self._agent(file)
        if labels[0].turn is None:
            return self._divided(_speech_of(labels, length_ms), agent)
        turns = [SpokenTurn(_speech_of(list(part), length_ms)) for _, part in groupby(labels, key=lambda x: x.turn)]
        return flagged([turn for turn in turns if turn.speech_ms], agent or ())

    def _turns(self, file: Path, name: str, source: ReferenceSource, spoken: Sequence[SpokenTurn]) -> list[Turn]:
        labels = self._labels.get(file, ())
        if any(label.text for label in labels):
            texts = [_said(labels, turn.span_ms) for turn in spoken]
        else:
            texts = texts_of_turns(self._texts, file, len(spoken))
        clip = self._clip(file, name, source, spoken, texts)
        gaps = [GAP_MS] * len(spoken)
        if self._options.timing == "fixed":
            ends = [turn.span_ms.end_ms for turn in spoken[:-1]]
            gaps[1:] = [turn.span_ms.start_ms - end for turn, end in zip(spoken[1:], ends, strict=True)]
        return [
            Turn(
                segments=(Segment(clip, *turn.span_ms),),
                gap_ms=gap,
                text=text,
                speaker=_voice(labels, turn.span_ms),
                cut_by_agent=turn.cut_by_agent,
            )
            for turn, gap, text in zip(spoken, gaps, texts, strict=True)
        ]

    def _clip(
        self, file: Path, name: str, source: ReferenceSource, spoken: Sequence[SpokenTurn], texts: Sequence[str | None]
    ) -> Clip:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return Clip(
            file=name,
            path=_absolute(file),
            text=None if None in texts else " ".join(map(str, texts)),
            speaker=None,
            licence="private",
            source="own recording",
            sha256=sha256,
            speech_intervals_ms=tuple(part for turn in spoken for part in turn.speech_ms),
            reference_source=source,
            channel=self._options.caller if audio_channels(file) > 1 else None,
        )


def _speech_of(labels: Sequence[Label], length_ms: float) -> tuple[Interval, ...]:
    """Labelled stretches, those with no pause worth the name between them as one."""
    speech: list[Interval] = []
    for label in labels:
        end_ms = min(label.end_ms, length_ms)
        if label.start_ms >= end_ms:
            continue
        if speech and label.start_ms - speech[-1].end_ms < MIN_PAUSE_MS:
            speech[-1] = Interval(speech[-1].start_ms, end_ms)
        else:
            speech.append(Interval(label.start_ms, end_ms))
    return tuple(speech)


def _said(labels: Sequence[Label], span: Interval) -> str | None:
    texts = [x.text for x in labels if x.text and x.start_ms < span.end_ms and span.start_ms < x.end_ms]
    return " ".join(texts) or None


def _voice(labels: Sequence[Label], span: Interval) -> str | None:
    voices = {x.speaker for x in labels if x.start_ms < span.end_ms and span.start_ms < x.end_ms}
    return next(iter(voices)) if len(voices) == 1 else None


def _parts(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Turns in parts of at most `MAX_SCRIPT_MS`, pauses between fixed turns included; a longer turn stays whole."""
    parts: list[list[Turn]] = []
    length_ms = 0.0
    for turn in turns:
        gap_ms = turn.gap_ms if parts else 0.0
        length_ms += gap_ms + turn.segments[0].span_ms.length_ms
        if not parts or length_ms > MAX_SCRIPT_MS:
            parts.append([])
            length_ms = turn.segments[0].span_ms.length_ms
        parts[-1].append(turn)
    return parts
