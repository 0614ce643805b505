"""One session opened to be looked at and heard: the model behind SessionView. No widgets.

What is shown is what analysis and plots make of the recording; here it is only put together turn by turn, with its
sound where that can be made again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from realtime_lab.analysis.deciding.worst import worst_turns
from realtime_lab.analysis.rows.frames import turns_df
from realtime_lab.analysis.summary.decomposition import decompose
from realtime_lab.audio import Condition, Interval, Script, load_scripts, script_sets
from realtime_lab.errors import ConfigError, RealtimeLabError
from realtime_lab.plots import TimelineInfo, TranscriptInfo, timeline_info, transcript_info
from realtime_lab.recording import Recording
from realtime_lab.report import Listening
from realtime_lab.report.listening import said_in
from realtime_lab.session import Stage
from realtime_lab.session.replay_audio import AudioReplay
from realtime_lab.sweep import Study, Trial
from realtime_lab.widgets.configure.effective import FieldSides, sides_of_wire
from realtime_lab.widgets.look.event_log import EventLog

MAX_HEARD_MS = 180_000.0
"""Of a longer stretch nothing is played: turns are shorter."""


@dataclass(frozen=True)
class Wait:
    """What the wait for an answer was made of, or why that cannot be said."""

    parts: tuple[tuple[str, float], ...] = ()
    """(name, ms) in the order of time."""
    why_not: str = ""

    @property
    def total_ms(self) -> float:
        """What the parts add up to."""
        return sum(ms for _, ms in self.parts)


@dataclass(eq=False)
class OpenedSession:
    """A recording, and its sound where there is one.

    Args:
        recording: The session.
        replay: Its sound; None where it cannot be made again.
        silent: Why it cannot.
    """

    recording: Recording
    replay: AudioReplay | None = None
    silent: str = ""
    _timelines: dict[int | None, TimelineInfo] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def turns(self) -> pd.DataFrame:
        """Its turns frame."""
        return turns_df(self.recording)

    @cached_property
    def log(self) -> EventLog:
        """Its events."""
        return EventLog(self.recording)

    @cached_property
    def choices(self) -> tuple[tuple[str, int | None], ...]:
        """What can be looked at: turns in which somebody speaks, worst named as such, then the session as a whole."""
        spoken = {entry.index for entry in self.recording.reference if entry.speech_ms}
        rows = [row for row in self.turns.to_dict("records") if row["turn"] in spoken]
        named = [(f"turn {row['turn']}: {_outcome(row)}", int(row["turn"])) for row in rows]
        return (*named, ("the whole session", None))

    @property
    def worst(self) -> int | None:
        """The turn to look at first; None without turns."""
        found = worst_turns(self.turns, 1) if len(self.turns) else self.turns
        spoken = [turn for _, turn in self.choices]
        return int(found["turn"].iloc[0]) if len(found) and int(found["turn"].iloc[0]) in spoken else spoken[0]

    def row(self, turn: int) -> Mapping[str, Any]:
        """One turn's row.

        Raises:
            RealtimeLabError: If there is no such turn.
        """
        found = self.turns[self.turns["turn"] == turn].to_dict("records")
        if not found:
            there = ", ".join(map(str, self.turns["turn"])) or "none"
            raise RealtimeLabError(f"turn = {turn}: the session's turns are {there}")
        return {str(name): value for name, value in found[0].items()}

    def timeline(self, turn: int | None) -> TimelineInfo:
        """What the timeline of a turn shows, or of the whole session."""
        if turn not in self._timelines:
            self._timelines[turn] = timeline_info(self.recording, self.replay, turn)
        return self._timelines[turn]

    @cached_property
    def timed(self) -> bool:
        """Whether its log says when events passed."""
        return all(entry.t_ms is not None for entry in self.recording.events)

    def window(self, turn: int | None) -> Interval | None:
        """The stretch of wall time that is a turn and its answer; None for the whole session, or without clocks."""
        return None if turn is None or not self.timed else self.timeline(turn).window

    def origin_ms(self, turn: int | None) -> float:
        """From when time is counted: the start of the turn, or of the session."""
        return self.timeline(turn).origin_ms if self.timed else 0.0

    def sound(self, turn: int | None) -> Listening | None:
        """What is heard in the stretch that the timeline shows; None where `why_silent` says why."""
        window = self.timeline(turn).window
        if self.replay is None or not 0 < window.length_ms <= MAX_HEARD_MS:
            return None
        sides = np.stack([self.replay.caller(window), self.replay.answer(window)], axis=1)
        target = self.recording.header.target.removeprefix("replay:")
        kept = "" if target.startswith("mocked") else " (a service's voice is not kept, so that side is silent)"
        return Listening(sides, window.start_ms, f"caller left, answer right{kept}")

    def why_silent(self, turn: int | None) -> str:
        """Why a turn cannot be heard."""
        if self.replay is None:
            return f"cannot be heard: {self.silent or 'its script is not known'}"
        longest_s = MAX_HEARD_MS / 1000
        return "" if self.timeline(turn).window.length_ms <= MAX_HEARD_MS else f"over {longest_s:g} s: choose a turn"

    def wait(self, turn: int) -> Wait:
        """What the wait in one turn was made of."""
        found = decompose(self.turns[self.turns["turn"] == turn])
        if found.rows.any():
            names = [part.label for part in found.parts]
            return Wait(tuple(zip(names, map(float, found.values[0]), strict=True)))
        row = self.row(turn)
        if bool(row["cut"]):
            return Wait(why_not="The caller was cut off: from such a turn no wait is taken.")
        if row["outcome"] != "answered":
            return Wait(why_not=f"No answer to take apart: {_outcome(row)}.")
        return Wait(why_not="The session's log does not hold every part of the wait.")

    def transcript(self, turn: int) -> TranscriptInfo:
        """One turn's transcript beside its reference."""
        return transcript_info(self.recording, turn)

    @cached_property
    def configuration(self) -> tuple[FieldSides, ...] | None:
        """What was asked beside what the server says; None where it never said, or one of them is no session."""
        header = self.recording.header
        try:
            return None if header.effective is None else sides_of_wire(header.requested, header.effective)
        except ConfigError:
            return None


def _outcome(row: Mapping[Any, Any]) -> str:
    """How a turn went, in a few words."""
    if bool(row["cut"]):
        return f"cut off in {row['n_cut_holds']} of {row['n_holds']} pauses" if row["n_cut_holds"] else "cut off"
    reason = row["outcome_reason"]
    latency_ms = row["response_latency_ms"]
    if row["outcome"] == "answered" and not pd.isna(latency_ms) and math.isfinite(latency_ms):
        return f"answered after {latency_ms:,.0f} ms"
    return f"{row['outcome']}{'' if pd.isna(reason) or not reason else f' ({reason})'}"[:120]


def open_session(
    source: Study | Recording,
    trial: str | int | Trial | None = None,
    *,
    script: Script | None = None,
    condition: Condition | None = None,
    stage: Stage | None = None,
) -> OpenedSession:
    """Open one session of a study, or a recording by itself.

    Args:
        source: The study, or the recording.
        trial: Of a study: a trial's key or the beginning of it, its number in the plan, or a Trial.
        script: Of a recording: what was said, to hear it; None: the shipped script it was made with, if it was.
        condition: Of a recording: what the line sounded like; None: the one the recording names.
        stage: Rendered audio to share; None: a new one.

    Raises:
        StudyError: If there is no such trial, or it has no recording.
        RealtimeLabError: If a study is given without a trial.
    """
    if isinstance(source, Recording):
        recording, named = source, None
    elif trial is None:
        raise RealtimeLabError("trial = None: allowed: a trial's key, its number, or a Trial of this study")
    else:
        recording, named = source.recording(trial), source
    try:
        said = _said(recording, script, condition) if named is None else said_in(named, recording)
        replay = AudioReplay(recording, *said, stage or Stage())
        replay.caller(Interval(0.0, min(100.0, recording.audio_ms)))  # can it be made at all?
    except (RealtimeLabError, OSError) as error:
        return OpenedSession(recording, None, str(error))
    return OpenedSession(recording, replay)


def _said(recording: Recording, script: Script | None, condition: Condition | None) -> tuple[Script, Condition]:
    heard = condition or Condition.from_name(recording.header.condition)
    if script is not None:
        return script, heard
    shipped = (script for name in script_sets() for script in load_scripts(name))
    found = next((one for one in shipped if one.content_hash == recording.header.script_hash), None)
    if found is None:
        raise RealtimeLabError("its script is not a shipped one: give it as script=")
    return found, heard
