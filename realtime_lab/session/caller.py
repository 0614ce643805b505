"""The caller: decides what the microphone plays and what the client sends, from a script and what the server does.

Sans I/O: a shell (virtual or live) tells it what was received and when, and asks what to play and when it next wants
to decide. Times are wall ms of the session, 0 at the first sample; playing is in 32 ms grid frames.

The theory. A turn is played as one passage and never waits: the caller talks on through a hold even when the server
cuts in. Between turns the idle passage loops. A turn is over when, after its end, an endpoint has closed it and the
response it caused is done and played out; or at the deadline, when no endpoint came (missed). Then the next turn's
speech starts gap_ms later, or barge_in_ms after the first audible audio of the response.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import UNSET

from realtime_lab.audio.pcm import GRID_MS, Interval
from realtime_lab.audio.render import LEAD_IN_FRAMES, Passage, Renderer
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef
from realtime_lab.recording.events import ReferenceTurn
from realtime_lab.session.client_turns import BY_SCRIPT, ClientTurns, FrameEar

DEADLINE_MS = 5_000.0
"""How long after the end of a turn an endpoint is waited for."""
RESPONSE_DEADLINE_MS = 60_000.0
"""How long after an endpoint a response is waited for, played out and all."""
LEAD_IN_MS = LEAD_IN_FRAMES * GRID_MS


class Placement(NamedTuple):
    """A passage put on the session's timeline."""

    start_frame: int
    """Grid frame of the session at which it starts."""
    passage: Passage
    turn: int | None
    """The turn it speaks; None when idle, or for a whole fixed script."""


@dataclass
class _Turn:
    """The turn on stage."""

    index: int
    speech_ms: tuple[Interval, ...]
    """In audio time."""
    endpoint_ms: float | None = None
    """When the endpoint that may close it was received."""
    answered: bool = False
    """A response begun after that endpoint is done."""
    sent_commit: bool = False

    @property
    def end_ms(self) -> float:
        return self.speech_ms[-1].end_ms


@dataclass
class _Playback:
    """The client's loudspeaker."""

    item_id: str | None = None
    started_ms: float = 0.0
    end_ms: float = 0.0

    def add(self, t_ms: float, item_id: str, length_ms: float) -> float:
        """Queue `length_ms` of audio received now; when it starts to play."""
        if item_id != self.item_id or t_ms > self.end_ms:
            self.item_id, self.started_ms = item_id, max(t_ms, self.end_ms)
            self.end_ms = self.started_ms
        starts_ms = self.end_ms
        self.end_ms += length_ms
        return starts_ms

    def stop(self, t_ms: float) -> ev.ItemTruncate | None:
        """Fall silent; what to tell the server about the audio that was not played."""
        if self.item_id is None or t_ms >= self.end_ms:
            return None
        played_ms = max(0.0, t_ms - self.started_ms)
        self.end_ms = t_ms
        return ev.ItemTruncate(item_id=self.item_id, content_index=0, audio_end_ms=int(played_ms))


@dataclass
class Caller:
    """One conversation, from the caller's side.

    Args:
        renderer: The script under its condition.
        effective: The session the server confirmed, in today's wire shape.
        client_turns: How turns are ended where the server detects none.
        frame_ms: Audio in one append: a commit waits for the one that holds the end of the turn. 0: any length.
    """

    renderer: Renderer
    effective: dict[str, Any]
    client_turns: ClientTurns = BY_SCRIPT
    frame_ms: float = 0.0
    placements: list[Placement] = field(default_factory=list)
    """What was and is played; the last one plays until the next decision."""
    finished: bool = False

    def __post_init__(self) -> None:
        self._script = self.renderer.script
        audio_in = self.effective["audio"]["input"]
        self._detection = audio_in.get("turn_detection")
        converses = self.effective.get("type", "realtime") == "realtime"
        automatic = self._detection is None or self._detection.get("create_response") is not False
        self._answers = converses and automatic
        self._commits: deque[float] = deque()
        self._ear: FrameEar | None = None
        if self._detection is None and self.client_turns.endpointer is not None:
            self._ear = FrameEar(self.client_turns.endpointer.called("endpointer"), self.placements)
        self._transcribes = audio_in.get("transcription") is not None
        text = self.effective.get("output_modalities") == ["text"]
        # Some servers look for the modality here only.
        self._create = {"output_modalities": ["text"]} if text else UNSET
        self._turn: _Turn | None = None
        self._started: list[_Turn] = []
        self._over: set[int] = set()
        self._next_start: int | None = None
        self._speech_open = False
        self._hears_ends = False
        self._announces = False
        self._known: set[str] = set()
        self._active: str | None = None
        self._awaited: str | None = None
        self._untranscribed: set[str] = set()
        self._playback = _Playback()
        self._finish_ms: float | None = None

    # --- what the shell asks ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The server is ready; the microphone opens at wall 0."""
        if self._script.timing == "fixed":
            passage, turns = self.renderer.fixed()
            self.placements.append(Placement(0, passage, None))
            self._started = [_Turn(index, speech) for index, speech in enumerate(turns)]
            self._turn = self._started[-1]
        else:
            self._play_turn(0)

    def next_decision_ms(self) -> float:
        """When the caller next wants to act if nothing is received before."""
        current = self.placements[-1]
        due = (current.start_frame + current.passage.n_frames) * float(GRID_MS)
        if self._next_start is not None:
            due = min(due, self._next_start * float(GRID_MS))
        for later_ms in (self._deadline_ms(), self._commit_ms(), self._finish_ms):
            if later_ms is not None:
                due = min(due, later_ms)
        return due

    def decide(self, t_ms: float) -> list[ev.Event]:
        """Time has come to `t_ms`: move on. What to send."""
        sent: list[ev.Event] = []
        if self._finish_ms is not None and t_ms >= self._finish_ms:
            self.finished = True
            return sent
        while (commit_ms := self._commit_ms()) is not None and t_ms >= commit_ms:
            sent += self._commit(commit_ms)
        deadline_ms = self._deadline_ms()
        if deadline_ms is not None and t_ms >= deadline_ms:
            self._end_turn(t_ms)
        self._look_around(t_ms)
        self._next_passage(t_ms)
        return sent

    def on_event(self, event: ev.AnyEvent, t_ms: float) -> list[ev.Event]:
        """A server event was received at `t_ms`. What to send."""
        sent: list[ev.Event] = []
        match event:
            case ev.AudioDelta():  # first, as most events are
                self._on_sign(event.response_id, t_ms)
                self._on_audio(event, t_ms)
            case ev.TextDelta() | ev.AudioTranscriptDelta():
                self._on_sign(event.response_id, t_ms)
            case ev.SpeechStarted():
                self._speech_open = True
                truncate = self._playback.stop(t_ms)
                sent += [] if truncate is None else [truncate]
            case ev.SpeechStopped():
                self._speech_open, self._hears_ends = False, True
                if self._transcribes:
                    self._untranscribed.add(event.item_id)
                self._on_endpoint(t_ms if event.audio_end_ms is None else event.audio_end_ms, t_ms)
            case ev.InputAudioCommitted():
                self._on_committed(event.item_id, t_ms)
            case ev.ErrorEvent() if event.error.code == "input_audio_buffer_commit_empty" and self._commits:
                self._commits.popleft()
            case ev.TranscriptionCompleted() | ev.TranscriptionFailed():
                self._untranscribed.discard(event.item_id)
            case ev.ResponseCreated():
                self._announces = True
                self._on_created(event.response.id, t_ms)
            case ev.ResponseDone():
                self._on_sign(event.response.id, t_ms)
                self._on_done(event.response.id, event.response.status)
            case _:
                return sent
        self._look_around(t_ms)
        return sent

    def reference(self, audio_ms: float) -> tuple[ReferenceTurn, ...]:
        """What was really said, in audio time, when `audio_ms` of audio was sent in all."""
        rows = []
        for turn in self._started:
            spoken = self._script.turns[turn.index]
            deadline_ms = turn.end_ms + DEADLINE_MS
            rows.append(
                ReferenceTurn(
                    index=turn.index,
                    speech_ms=turn.speech_ms,
                    deadline_ms=deadline_ms,
                    complete=turn.index in self._over or audio_ms >= deadline_ms,
                    text=spoken.text,
                    speaker=spoken.speaker,
                )
            )
        return tuple(rows)

    def placed_turns(self) -> list[tuple[int, tuple[Interval, ...]]]:
        """(turn, speech in audio time) of every turn started so far."""
        return [(turn.index, turn.speech_ms) for turn in self._started]

    # --- the turn on stage --------------------------------------------------------------------------------------

    def _on_endpoint(self, audio_end_ms: float, t_ms: float) -> None:
        turn = self._turn
        if turn is not None and audio_end_ms > turn.speech_ms[-1].start_ms:
            turn.endpoint_ms, turn.answered = t_ms, False
            self._awaited = None

    def _on_committed(self, item_id: str, t_ms: float) -> None:
        if self._transcribes:
            self._untranscribed.add(item_id)
        if self._commits:
            self._on_endpoint(self._commits.popleft(), t_ms)
        elif self._detection is not None and not self._hears_ends:  # this server does not announce where speech stops
            self._speech_open = False
            self._on_endpoint(t_ms, t_ms)

    def _on_sign(self, response_id: str, t_ms: float) -> None:
        """A response is heard of, which may be the first of it where the server announces none."""
        if not self._announces and self._active is None:
            self._on_created(response_id, t_ms)

    def _on_created(self, response_id: str, t_ms: float) -> None:
        if response_id in self._known:
            return
        self._known.add(response_id)
        self._active = response_id
        self._imply_endpoint(t_ms)
        if self._turn is not None and self._turn.endpoint_ms is not None:
            self._awaited = response_id

    def _imply_endpoint(self, t_ms: float) -> None:
        """A server that says nothing of the end of speech, or of a commit, says by its answer that it took the turn."""
        if self._commits:
            self._on_endpoint(self._commits.popleft(), t_ms)
        elif self._detection is not None and not self._hears_ends and self._unended():
            self._speech_open = False
            self._on_endpoint(t_ms, t_ms)

    def _unended(self) -> bool:
        return self._turn is not None and self._turn.endpoint_ms is None

    def _on_audio(self, event: ev.AudioDelta, t_ms: float) -> None:
        if event.response_id != self._active or not isinstance(event.delta, AudioRef):
            return
        per_ms = event.delta.rate_hz / 1000
        starts_ms = self._playback.add(t_ms, event.item_id, event.delta.samples / per_ms)
        audible = event.delta.audible_sample
        if audible is not None and event.response_id == self._awaited:
            self._barge_in(t_ms, starts_ms + audible / per_ms)

    def _barge_in(self, t_ms: float, audible_ms: float) -> None:
        following = len(self._started)
        if self._script.timing == "fixed" or self._next_start is not None or following >= len(self._script.turns):
            return
        wait_ms = self._script.turns[following].barge_in_ms
        if wait_ms is not None and self._turn is not None:
            self._over.add(self._turn.index)
            self._schedule(t_ms, audible_ms + wait_ms)

    def _on_done(self, response_id: str, status: str) -> None:
        if response_id == self._active:
            self._active = None
        if response_id == self._awaited and status != "cancelled" and self._turn is not None:
            self._turn.answered = True

    def _look_around(self, t_ms: float) -> None:
        """Is the turn over?"""
        turn = self._turn
        if turn is None or turn.endpoint_ms is None or self._speech_open or self._active is not None:
            return
        if self._next_start is not None or self._finish_ms is not None or (self._answers and not turn.answered):
            return
        if self._script.timing == "fixed" or t_ms < turn.end_ms:
            return
        if turn.index == len(self._script.turns) - 1 and self._untranscribed:
            return
        self._end_turn(max(t_ms, self._playback.end_ms))

    def _deadline_ms(self) -> float | None:
        turn = self._turn
        if turn is None or self._next_start is not None or self._finish_ms is not None:
            return None
        if turn.endpoint_ms is None or self._speech_open:
            return turn.end_ms + DEADLINE_MS
        if self._script.timing == "fixed":
            return max(turn.end_ms, turn.endpoint_ms) + DEADLINE_MS
        return max(turn.end_ms, turn.endpoint_ms) + RESPONSE_DEADLINE_MS

    def _commit_ms(self) -> float | None:
        """When the client itself next ends a turn, or next asks its endpointer; None when the server detects turns."""
        if self._detection is not None:
            return None
        if self._ear is not None:
            return self._ear.next_ms()
        turn = self._uncommitted()
        if turn is None:
            return None
        at_ms, frame_ms = turn.end_ms + self.client_turns.commit_delay_ms, self.frame_ms
        return math.ceil(at_ms / frame_ms) * frame_ms if frame_ms else at_ms

    def _commit(self, at_ms: float) -> list[ev.Event]:
        """The client ends a turn at `at_ms`, unless its endpointer says no: what it sends."""
        if self._ear is not None:
            if not self._ear.hear():
                return []
        elif (turn := self._uncommitted()) is not None:
            turn.sent_commit = True
        self._commits.append(at_ms)
        talks_over = self._answers and self._ear is not None and self._active is not None
        cancel: list[ev.Event] = [ev.ResponseCancel()] if talks_over else []
        return [*cancel, ev.InputAudioCommit(), *([ev.ResponseCreate(response=self._create)] if self._answers else [])]

    def _uncommitted(self) -> _Turn | None:
        """The first turn whose end the client has yet to tell the server."""
        return next((turn for turn in self._started if not turn.sent_commit), None)

    def _end_turn(self, t_ms: float) -> None:
        """The turn is over at `t_ms`: what comes next?"""
        assert self._turn is not None
        self._over.add(self._turn.index)
        following = self._turn.index + 1
        if self._script.timing == "fixed" or following >= len(self._script.turns):
            self._finish_ms = t_ms
        else:
            self._schedule(t_ms, t_ms + self._script.turns[following].gap_ms)

    # --- the microphone -----------------------------------------------------------------------------------------

    def _schedule(self, t_ms: float, speech_ms: float) -> None:
        """Let the next turn's speech start at `speech_ms`, or as soon after as its lead-in allows."""
        earliest = math.ceil(max(t_ms, speech_ms - LEAD_IN_MS) / GRID_MS)
        current = self.placements[-1]
        if current.turn is not None:
            earliest = max(earliest, current.start_frame + current.passage.n_frames)
        self._next_start = earliest

    def _next_passage(self, t_ms: float) -> None:
        frame = math.ceil(t_ms / GRID_MS)
        if self._next_start is not None and frame >= self._next_start:
            self._next_start = None
            self._play_turn(frame)
            return
        current = self.placements[-1]
        end = current.start_frame + current.passage.n_frames
        if frame >= end:
            self.placements.append(Placement(end, self.renderer.idle(), None))

    def _play_turn(self, frame: int) -> None:
        index = len(self._started)
        passage = self.renderer.turn(index)
        self.placements.append(Placement(frame, passage, index))
        start_ms = frame * float(GRID_MS)
        self._turn = _Turn(index, tuple(part.shifted(start_ms) for part in passage.speech_ms))
        self._started.append(self._turn)
