"""What the caller of an imported call said, from a script that was made of the same audio."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from realtime_lab.audio.pcm import Interval
from realtime_lab.audio.script import Script
from realtime_lab.errors import ArgumentError, Problem
from realtime_lab.recording.events import ReferenceTurn

_DEADLINE_MS = 5_000.0


def reference_of(script: Script, offset_ms: float, audio_ms: float) -> tuple[ReferenceTurn, ...]:
    """A script's turns in a session's audio time.

    Args:
        script: Made from one recording, whose time is meant, or with fixed timing.
        offset_ms: Audio time at which the script's own time is 0, ms.
        audio_ms: Audio sent in all; a turn whose end was not waited for is not complete.

    Raises:
        ConfigError: If the script does not say when its turns are spoken, or they would begin before the audio.
    """
    spoken = [tuple(part.shifted(offset_ms) for part in speech) for speech in _timeline(script)]
    if spoken and spoken[0] and spoken[0][0].start_ms < 0:
        allowed = "an offset at which no turn begins before the audio does"
        raise ArgumentError([Problem("offset_ms", offset_ms, allowed)])
    said = zip(turns_at(spoken, audio_ms), script.turns, strict=True)
    return tuple(msgspec.structs.replace(turn, text=of.text, speaker=of.speaker) for turn, of in said)


def turns_at(spoken: Sequence[tuple[Interval, ...]], audio_ms: float) -> tuple[ReferenceTurn, ...]:
    """Turns without words, from where their speech lies in audio time; the last is over at its deadline only."""
    return tuple(
        ReferenceTurn(
            index=index,
            speech_ms=speech,
            deadline_ms=speech[-1].end_ms + _DEADLINE_MS,
            complete=index + 1 < len(spoken) or audio_ms >= speech[-1].end_ms + _DEADLINE_MS,
        )
        for index, speech in enumerate(spoken)
    )


def _timeline(script: Script) -> Sequence[tuple[Interval, ...]]:
    segments = [segment for turn in script.turns for segment in turn.segments]
    spans = [segment.span_ms for segment in segments]
    in_order = all(before.end_ms <= after.start_ms for before, after in pairwise(spans))
    if len(segments) == len(script.turns) and len(script.clips) == 1 and in_order:
        return [segment.speech_ms for segment in segments]
    if script.timing == "fixed":
        # Rendering needs the audio libraries, which reading a log does not.
        from realtime_lab.audio.conditions import clean
        from realtime_lab.audio.render import Renderer

        return Renderer(script, clean()).fixed()[1]
    hint = "give reference= with the turns as they were spoken"
    raise ArgumentError([Problem("script", script.id, "a script of one recording, or one with fixed timing", hint)])
