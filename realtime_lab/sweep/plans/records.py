"""Scripts, targets and setting values as plain JSON values and back: what a study keeps of its plan.

A study names its clips by hash and, when they are a user's own, by their place on this machine; the audio itself is
not in it. Shipped clips are found again wherever the package is installed. Everything read here is hostile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from realtime_lab.audio import Clip, Interval, Script, Segment, Turn
from realtime_lab.config.masking import masked
from realtime_lab.config.parts.part import plain
from realtime_lab.errors import ConfigError
from realtime_lab.resources import data_path
from realtime_lab.server.engine.profile import PROFILES, Profile
from realtime_lab.server.plugged import Plugged
from realtime_lab.server.recogniser.transcriber import SIMULATED
from realtime_lab.session import TARGETS, Live, Mocked, Replay, Target
from realtime_lab.session.targets import known_to_cost
from realtime_lab.sweep.plans.confirm import Confirm

_SEVERAL = "several"


def plain_value(value: object) -> Any:
    """A configuration's value as plain JSON: parts and tuples become objects and lists."""
    return plain(value)


def target_to_record(target: Target) -> dict[str, Any]:
    """What describes a target, without secrets; how many sessions run at a time makes it no other target."""
    if isinstance(target, Live):
        told = {**dataclasses.asdict(target), "headers": masked(dict(target.headers))}
        del told["sessions"], told["from_file"]
        return {"kind": target.kind, "name": target.name, "live": told}
    if isinstance(target, Replay):
        return {"kind": target.kind, "name": target.name, "recordings": target.digest}
    # Through msgspec and back, so that 500 and 500.0 are one number here as they are in the profile.
    profile = msgspec.convert(dataclasses.asdict(target.profile), Profile)
    told = {"profile": dataclasses.asdict(profile), "transcriber": target.transcriber}
    told |= {} if target.end_of_turn is None else {"end_of_turn": str(target.end_of_turn)}
    return {"kind": target.kind, "name": target.name, **told}


def target_from_record(record: Mapping[str, Any]) -> Target:
    """The target that `target_to_record` described.

    Raises:
        ValueError: If it describes none.
    """
    if not isinstance(record, Mapping):
        raise ValueError("a target that is no object")
    if record.get("kind") == Live.kind:
        return _live(record.get("live"))
    if record.get("kind") == Replay.kind:
        return Replay((), str(record.get("name")), str(record.get("recordings")))
    if record.get("kind") != Mocked.kind:
        raise ValueError(f"a target of kind {record.get('kind')!r:.40} is not known")
    try:
        profile = msgspec.convert(record.get("profile"), Profile)
        # Studies made before there was a recogniser name none.
        transcriber = msgspec.convert(record.get("transcriber", SIMULATED), str)
        # Equal numbers may be written otherwise, and sessions repeat them: what is shipped stays as it is shipped.
        shipped = PROFILES.get(profile.name)
        estimate = msgspec.convert(record.get("end_of_turn"), str | None)
        kept = None if estimate is None else Plugged(estimate)
        return Mocked(shipped if shipped == profile else profile, transcriber, kept)
    except (msgspec.ValidationError, ConfigError) as error:
        raise ValueError(str(error)) from None


def as_stored(target: Target) -> Target:
    """A target as its study gives it back, so that a session held again is the same to the last digit."""
    if not isinstance(target, Mocked):
        return target
    stored = target_from_record(target_to_record(target))
    # The record keeps the estimate's name alone.
    return dataclasses.replace(stored, end_of_turn=target.end_of_turn) if isinstance(stored, Mocked) else stored


def targets_to_record(targets: Target | Sequence[Target]) -> dict[str, Any]:
    """What describes one target or several."""
    if isinstance(targets, TARGETS):
        return target_to_record(targets)
    if len(targets) == 1:
        return target_to_record(targets[0])
    return {"kind": _SEVERAL, "targets": [target_to_record(target) for target in targets]}


def targets_from_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `targets_to_record` described, as a plan's arguments.

    Raises:
        ValueError: If it describes none.
    """
    if not isinstance(record, Mapping):
        raise ValueError("a target that is no object")
    if record.get("kind") != _SEVERAL:
        return {"target": target_from_record(record)}
    told = record.get("targets")
    if not isinstance(told, list) or not all(isinstance(entry, dict) for entry in told):
        raise ValueError("several targets without their descriptions")
    return {"targets": tuple(map(target_from_record, told))}


def confirm_to_record(confirm: Confirm) -> dict[str, Any]:
    """The second stage of a plan as plain values."""
    told = {entry.name: getattr(confirm, entry.name) for entry in dataclasses.fields(confirm)}
    return told | {"target": target_to_record(confirm.target)}


def confirm_from_record(record: Mapping[str, Any]) -> Confirm:
    """What `confirm_to_record` described.

    Raises:
        ValueError, TypeError, KeyError, ConfigError: If it describes none.
    """
    return Confirm(**{**record, "target": target_from_record(record["target"])})


def _live(told: object) -> Live:
    if not isinstance(told, dict) or not isinstance(told.get("headers"), dict):
        raise ValueError("a live target without its fields")
    try:
        told = {**told, "headers": list(told["headers"].items()), "from_file": True}
        target = msgspec.convert(told, Live)
        # A file does not say that a paid service is free.
        return dataclasses.replace(target, paid=target.paid or known_to_cost(target.url))
    except (msgspec.ValidationError, ConfigError) as error:
        raise ValueError(str(error)) from None


def scripts_to_record(scripts: Sequence[Script]) -> dict[str, Any]:
    """Scripts with every clip they use, each once."""
    clips = list(dict.fromkeys(clip for script in scripts for clip in script.clips))
    numbers = {clip: number for number, clip in enumerate(clips)}
    return {
        "clips": [_clip_record(clip) for clip in clips],
        "scripts": [
            {
                "id": script.id,
                "set_name": script.set_name,
                "timing": script.timing,
                "reference_source": script.reference_source,
                "private": script.private,
                "turns": [
                    {
                        "segments": [[numbers[part.clip], part.start_ms, part.end_ms] for part in turn.segments],
                        "hold_ms": list(turn.hold_ms),
                        "gap_ms": turn.gap_ms,
                        "text": turn.text,
                        "speaker": turn.speaker,
                        "barge_in_ms": turn.barge_in_ms,
                    }
                    for turn in script.turns
                ],
            }
            for script in scripts
        ],
    }


def _clip_record(clip: Clip) -> dict[str, Any]:
    fields = {field.name: getattr(clip, field.name) for field in dataclasses.fields(clip)}
    fields["speech_intervals_ms"] = [list(part) for part in clip.speech_intervals_ms]
    fields["path"] = None if _shipped(clip.file) == clip.path else str(clip.path)
    return fields


def _shipped(file: str) -> Path:
    root = data_path("speech")
    name = PurePosixPath(file)
    return root if name.is_absolute() or ".." in name.parts else root / name


class _Turn(msgspec.Struct):
    segments: list[tuple[int, float | None, float | None]]
    hold_ms: list[float]
    gap_ms: float
    text: str | None
    speaker: str | None
    barge_in_ms: float | None


class _Script(msgspec.Struct):
    id: str
    set_name: str
    timing: str
    reference_source: str
    private: bool
    turns: list[_Turn]


class _Record(msgspec.Struct):
    clips: list[dict[str, Any]]
    scripts: list[_Script]


def scripts_from_record(record: Any) -> tuple[Script, ...]:
    """The scripts that `scripts_to_record` described.

    Raises:
        ValueError: If it describes none.
    """
    try:
        read = msgspec.convert(record, _Record)
        clips = [_clip(fields) for fields in read.clips]
        return tuple(_script(entry, clips) for entry in read.scripts)
    except (msgspec.ValidationError, TypeError, IndexError) as error:
        raise ValueError(f"its scripts cannot be read: {error}") from None


def _clip(fields: Mapping[str, Any]) -> Clip:
    intervals = msgspec.convert(fields.get("speech_intervals_ms"), list[tuple[float, float]])
    path = fields.get("path")
    # A clip of a study that was given away has no place: its name says which one is missed when it is played.
    place = _shipped(str(fields.get("file"))) if path is None else Path(str(path) or str(fields.get("file")))
    known = dict(fields) | {"path": place, "speech_intervals_ms": tuple(Interval(*part) for part in intervals)}
    return Clip(**known)


def _script(entry: _Script, clips: Sequence[Clip]) -> Script:
    turns = tuple(
        Turn(
            segments=tuple(Segment(clips[number], start, end) for number, start, end in turn.segments),
            hold_ms=tuple(turn.hold_ms),
            gap_ms=turn.gap_ms,
            text=turn.text,
            speaker=turn.speaker,
            barge_in_ms=turn.barge_in_ms,
        )
        for turn in entry.turns
    )
    timing, source = entry.timing, entry.reference_source
    return Script(entry.id, turns, entry.set_name, timing, source, entry.private)  # type: ignore[arg-type]
