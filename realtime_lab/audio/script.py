"""What is said: clips of real speech, and scripts that string them into turns with known pauses.

These are values only: reading them from a folder is `audio.sets`, making sound of them `audio.render`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from realtime_lab.audio.pcm import Interval

ReferenceSource = Literal["human", "two_channel", "constructed", "automatic"]
"""Who says where speech is. Constructed: pauses of known length stand between stretches of speech whose edges were
measured on the clean clip. Automatic labels give provisional rates."""
Timing = Literal["closed", "fixed"]
"""Closed: each turn waits for the answer to the one before. Fixed: the script plays as it was recorded."""

REFERENCE_SOURCES: tuple[ReferenceSource, ...] = get_args(ReferenceSource)
"""Every reference source, most trusted first."""


@dataclass(frozen=True)
class Clip:
    """One audio file of speech, with what is known about it."""

    file: str
    """Its name inside its set, with forward slashes."""
    path: Path
    """Where it is on this machine."""
    text: str | None
    """What is said; None when nobody wrote it down."""
    speaker: str | None
    """Whose voice it is."""
    licence: str
    """SPDX name of its licence, or 'private'."""
    source: str
    """Where it comes from, in words."""
    sha256: str
    """SHA-256 (hex) of the file's bytes."""
    speech_intervals_ms: tuple[Interval, ...]
    """Stretches of speech, ms from the clip's first sample; a pause between two of them is a hold."""
    reference_source: ReferenceSource
    """Who says so."""
    channel: int | None = None
    """Which channel of the file, from 0; None when it has one."""

    @property
    def speech_span_ms(self) -> Interval:
        """From the first edge of speech to the last, ms."""
        return Interval(self.speech_intervals_ms[0].start_ms, self.speech_intervals_ms[-1].end_ms)


@dataclass(frozen=True)
class Segment:
    """A stretch of one clip that a turn plays without a pause before its end."""

    clip: Clip
    start_ms: float | None = None
    """Where it begins in the clip, ms; None: at the first edge of speech."""
    end_ms: float | None = None
    """Where it ends in the clip, ms; None: at the last edge of speech."""

    @property
    def span_ms(self) -> Interval:
        """The stretch with absent edges filled in, ms of the clip."""
        whole = self.clip.speech_span_ms
        return Interval(
            whole.start_ms if self.start_ms is None else self.start_ms,
            whole.end_ms if self.end_ms is None else self.end_ms,
        )

    @property
    def speech_ms(self) -> tuple[Interval, ...]:
        """The clip's speech inside the stretch, ms of the clip."""
        span = self.span_ms
        cut = (
            Interval(max(part.start_ms, span.start_ms), min(part.end_ms, span.end_ms))
            for part in self.clip.speech_intervals_ms
        )
        return tuple(part for part in cut if part.end_ms > part.start_ms)


@dataclass(frozen=True)
class Turn:
    """What the caller says in one go: segments with holds (pauses that do not end the turn) between them."""

    segments: tuple[Segment, ...]
    hold_ms: tuple[float, ...] = ()
    """Length of the pause after each segment but the last, from speech to speech, ms."""
    gap_ms: float = 700.0
    """How long the caller waits after the previous answer has been played out, ms."""
    text: str | None = None
    """What is said in the whole turn; None when unknown."""
    speaker: str | None = None
    """Whose voice it is."""
    barge_in_ms: float | None = None
    """Start this long after the first audible audio of the answer before, ms; None: let it finish."""
    cut_by_agent: bool = False
    """In the call this was recorded in, the agent began to speak and the caller went on. Nothing is played by it."""


@dataclass(frozen=True, repr=False)
class Script:
    """One side of a conversation."""

    id: str
    """Its name, unique in its set."""
    turns: tuple[Turn, ...]
    set_name: str
    """The set or folder it belongs to."""
    timing: Timing = "closed"
    reference_source: ReferenceSource = "constructed"
    """The least trusted source among its clips."""
    private: bool = False
    """True for a user's own audio: it stays out of reports unless asked for."""

    def __repr__(self) -> str:
        turns = f"{len(self.turns)} turn{'s' * (len(self.turns) != 1)}"
        return f"<Script {self.id!r:.120}: {turns}, reference {self.reference_source}>"

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every clip played, each once, in order of first use."""
        return tuple(dict.fromkeys(segment.clip for turn in self.turns for segment in turn.segments))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of everything that decides this script's audio and its reference; its name is not part."""
        content = {
            "timing": self.timing,
            "reference_source": self.reference_source,
            "turns": [_turn_content(turn) for turn in self.turns],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _turn_content(turn: Turn) -> dict[str, object]:
    return {
        "segments": [
            [
                *_audio_content(segment.clip),
                *map(float, segment.span_ms),
                [list(map(float, part)) for part in segment.speech_ms],
            ]
            for segment in turn.segments
        ],
        "hold_ms": list(map(float, turn.hold_ms)),
        "gap_ms": float(turn.gap_ms),
        "barge_in_ms": None if turn.barge_in_ms is None else float(turn.barge_in_ms),
        "text": turn.text,
        "speaker": turn.speaker,
    }


def _audio_content(clip: Clip) -> list[object]:
    return [clip.sha256] if clip.channel is None else [clip.sha256, clip.channel]
