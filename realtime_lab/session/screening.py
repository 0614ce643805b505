"""Turn detection of many mocked sessions at once, without holding them.

Inside a turn the timeline is fixed and the detector starts afresh with each passage, so where the server takes the turn
follows from the passage's probabilities alone, as long as nothing is heard between turns. Where that does not hold
(speech found in the noise between turns, a turn missed, a premature response that goes on, noise reduction, a kind of
turn detection without a threshold) there is no short cut, and a session must be held: `None` says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from realtime_lab.analysis.rows.asked import Asked
from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.reading import Row
from realtime_lab.analysis.rows.screened import screened_trial, screened_turn
from realtime_lab.analysis.rows.session import SessionRows
from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.script import Script
from realtime_lab.audio.vad import VAD_NAME
from realtime_lab.config import SessionConfig
from realtime_lab.recording.events import ReferenceTurn
from realtime_lab.server.engine.settings import Settings, TurnDetection
from realtime_lab.server.hearing.endpointing import FRAME_MS, Track
from realtime_lab.server.hearing.grid import PaddedTracks, endpoint_grid
from realtime_lab.session.caller import DEADLINE_MS
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import Mocked

Spans = list[tuple[int, int]]
_DEADLINE_FRAMES = math.floor(DEADLINE_MS / FRAME_MS)


@dataclass(frozen=True)
class _Wanted:
    """One session's turn detection."""

    detection: TurnDetection
    format_type: str

    @property
    def levels(self) -> tuple[str, float, float, int, int]:
        """What decides its tracks."""
        rule = self.detection.rule
        late = (rule.onset_late_frames, rule.offset_late_frames)
        return (self.format_type, rule.threshold, rule.keep_threshold, *late)

    @property
    def outcome_key(self) -> tuple[object, ...]:
        """What decides its rows."""
        detection = self.detection
        padding, silent_frames = detection.prefix_padding_ms, detection.rule.silent_frames
        return (*self.levels, silent_frames, padding, detection.interrupt_response)


def screen(
    configs: Sequence[SessionConfig], script: Script, condition: Condition, target: Mocked, stage: Stage
) -> list[SessionRows | None]:
    """What turn detection makes of one script under one condition, for many configurations.

    Args:
        configs: What the sessions are asked to be.
        script: What is said.
        condition: What it sounds like.
        target: The mocked server.
        stage: Rendered audio shared between sessions.

    Returns:
        Rows as a session has them after `screened`, one entry per configuration; None where a session must be held.
    """
    wanted = [_wanted(config, target) if script.timing == "closed" else None for config in configs]
    known = [one for one in wanted if one is not None]
    speech = _Speech(script, condition, stage, known)
    rows: dict[tuple[object, ...], list[Row] | None] = {}
    for one in {one.outcome_key: one for one in known}.values():
        rows[one.outcome_key] = _turn_rows(one, script, speech)
    profile = f"{target.profile.name} ({target.profile.note})"
    found: list[SessionRows | None] = []
    for asked in wanted:
        turns = None if asked is None else rows[asked.outcome_key]
        if turns is None:
            found.append(None)
            continue
        trial = screened_trial(turns, script.timing, script.reference_source, VAD_NAME, profile)
        found.append(SessionRows(turns, [], [], [trial]))
    return found


def _wanted(config: SessionConfig, target: Mocked) -> _Wanted | None:
    """The turn detection a session would have; None where it says more than a threshold and a silence."""
    wire = config.to_wire("ga")
    settings = Settings(target.profile, wire.get("model"))
    if settings.update(wire) is not None:
        return None
    heard = settings.effective["audio"]["input"]
    asked = heard["turn_detection"]
    if asked is None or asked["type"] != "server_vad" or heard.get("noise_reduction") is not None:
        return None
    detection = settings.turn_detection()
    if detection is None or detection.idle_timeout_ms is not None:
        return None
    if detection.rule.keep_threshold > detection.rule.threshold:
        return None
    return _Wanted(detection, heard["format"]["type"])


class _Speech:
    """Stretches of heard speech in every turn, for every pair of thresholds and every silence that are wanted."""

    def __init__(self, script: Script, condition: Condition, stage: Stage, wanted: Sequence[_Wanted]) -> None:
        renderer = stage.renderer(script, condition)
        self.passages = [renderer.turn(index) for index in range(len(script.turns))] if wanted else []
        self._silences = sorted({one.detection.rule.silent_frames for one in wanted})
        levels = {one.levels: one for one in wanted}
        self._heard_idle = set()
        tracks: list[Track] = []
        self._places: dict[tuple[object, int], int] = {}
        for key, one in levels.items():
            rule = one.detection.rule
            idle = stage.wire(renderer.idle(), one.format_type).track(rule)
            if idle.onsets:
                self._heard_idle.add(key)
                continue
            for index, passage in enumerate(self.passages):
                self._places[key, index] = len(tracks)
                track = stage.wire(passage, one.format_type).track(rule)
                tracks.append(_followed(track, passage.n_frames, idle, renderer.idle().n_frames))
        grid = endpoint_grid(PaddedTracks.of(tracks), np.array(self._silences, dtype=np.int32))
        self._spans = list(grid.by_cell())

    def spans(self, one: _Wanted, index: int) -> Spans | None:
        """(first, end) of every stretch in one turn; None where something is heard between turns as well."""
        if one.levels in self._heard_idle:
            return None
        silence = self._silences.index(one.detection.rule.silent_frames)
        return self._spans[self._places[one.levels, index] * len(self._silences) + silence]


def _followed(track: Track, n_frames: int, idle: Track, idle_frames: int) -> Track:
    """A passage's track with the idle passage after it, as often as a turn's deadline may need."""
    loops = range(n_frames, n_frames + _DEADLINE_FRAMES + idle_frames, idle_frames)
    starts = (*track.run_starts, *(at + start for at in loops for start in idle.run_starts))
    ends = (*track.run_ends, *(at + end for at in loops for end in idle.run_ends))
    return Track(track.onsets, starts, ends)


def _turn_rows(one: _Wanted, script: Script, speech: _Speech) -> list[Row] | None:
    rows = list(_turns(one, script, speech))
    whole = [row for row in rows if row is not None]
    return whole if len(whole) == len(rows) else None


def _turns(one: _Wanted, script: Script, speech: _Speech) -> Iterator[Row | None]:
    rule, detection = one.detection.rule, one.detection
    asked = Asked(True, rule.silent_frames * FRAME_MS, detection.prefix_padding_ms, False, False, False, False)
    followers = [*script.turns[1:], None]
    for index, (turn, following) in enumerate(zip(script.turns, followers, strict=True)):
        parts = speech.passages[index].speech_ms
        end_ms = parts[-1].end_ms
        spans = speech.spans(one, index)
        barges = following is not None and following.barge_in_ms is not None
        if spans is None or not _regular(spans, rule.silent_frames, parts[-1].start_ms, end_ms):
            yield None
            return
        if not detection.interrupt_response and (len(spans) > 1 or barges):
            yield None  # a response that goes on is in the way of the next one
            return
        reference = ReferenceTurn(
            index=index,
            speech_ms=parts,
            deadline_ms=end_ms + DEADLINE_MS,
            complete=True,
            text=turn.text,
            speaker=turn.speaker,
        )
        items = [_item(number, span, detection, first=index == 0) for number, span in enumerate(spans)]
        yield screened_turn(reference, items, asked)


def _regular(spans: Spans, silent_frames: int, last_start_ms: float, end_ms: float) -> bool:
    """Whether the last stretch closes the turn in time, and none begins after the turn's end."""
    if not spans:
        return False
    first, end = spans[-1]
    fires_ms = (end + silent_frames) * FRAME_MS
    return end * FRAME_MS > last_start_ms and first * FRAME_MS < end_ms and fires_ms < end_ms + DEADLINE_MS


def _item(number: int, span: tuple[int, int], detection: TurnDetection, first: bool) -> InputItem:
    """An item with the offsets that the engine gives it, rounded as there; before the first turn there is no audio."""
    start_ms = span[0] * FRAME_MS - detection.prefix_padding_ms
    start_ms = max(0.0, start_ms) if first else start_ms
    return InputItem(f"item_{number}", audio_start_ms=round(start_ms), audio_end_ms=detection.rule.end_ms(span[1]))
