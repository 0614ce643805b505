"""A recorded session as sound: what the caller said and what was played back, rendered again from what is recorded.

A recording holds no audio. The caller's side is made again from its script and condition, piece by piece as it was
appended; the answers are put where a loudspeaker played them: one after another from their arrival, until the caller
was heard again. The mocked server's voice can be made anew; any other must be handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.pcm import GRID_MS, SAMPLE_RATE_HZ, SAMPLES_PER_MS, Interval, ms_to_samples
from realtime_lab.audio.render import Passage, Renderer
from realtime_lab.audio.script import Script
from realtime_lab.config.wire import lookup
from realtime_lab.errors import RealtimeLabError, RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef
from realtime_lab.recording.events import AppendRun, Recording
from realtime_lab.server.engine.responder import voice_piece, voice_ref
from realtime_lab.session.stage import Stage

BlobFinder = Callable[[str], "NDArray[np.int16] | None"]
"""Finds an audio blob, int16 at its own rate, by its SHA-256; None when it is not kept."""
LEAD_MS = 300.0
"""What is heard before a turn."""
TAIL_MS = 500.0
"""What is heard after it, at least."""


class Scripted(Protocol):
    """What a plan says about the audio of its sessions."""

    @property
    def scripts(self) -> Sequence[Script]:
        """What is said."""
        ...

    @property
    def conditions(self) -> Sequence[Condition]:
        """What the line sounds like."""
        ...


class PlayedPiece(NamedTuple):
    """A piece of answer as the loudspeaker played it."""

    start_ms: float
    """Wall time at which it began to play."""
    length_ms: float
    """How long it played; less than the piece when the caller was heard."""
    audio: AudioRef


def played_pieces(recording: Recording) -> list[PlayedPiece]:
    """Answers as they were played: each piece when it was received or when the one before was over.

    Empty where the log has no clocks, or no audio by reference.
    """
    pieces: list[PlayedPiece] = []
    free_ms = -math.inf
    for entry in recording.events:
        if entry.direction != "server" or entry.t_ms is None:
            continue
        event = entry.event
        if isinstance(event, ev.AudioDelta) and isinstance(event.delta, AudioRef):
            length_ms = 1000.0 * event.delta.samples / event.delta.rate_hz
            start_ms = max(entry.t_ms, free_ms)
            pieces.append(PlayedPiece(start_ms, length_ms, event.delta))
            free_ms = start_ms + length_ms
        elif isinstance(event, ev.SpeechStarted):
            pieces = list(_until(pieces, entry.t_ms))
            free_ms = min(free_ms, entry.t_ms)
    return pieces


def _until(pieces: Sequence[PlayedPiece], t_ms: float) -> Iterator[PlayedPiece]:
    """The pieces, falling silent at wall time `t_ms`."""
    for piece in pieces:
        if piece.start_ms < t_ms:
            yield piece._replace(length_ms=min(piece.length_ms, t_ms - piece.start_ms))


def turn_window(recording: Recording, turn: int, max_answer_ms: float = math.inf) -> Interval:
    """The stretch of a session in which one turn and its answer are heard, wall ms.

    Args:
        recording: The session.
        turn: Position of the turn in its script, from 0.
        max_answer_ms: How much of the answer is heard at most.

    Raises:
        RecordingError: If the session has no such turn, or nobody speaks in it.
    """
    spoken = [reference for reference in recording.reference if reference.speech_ms]
    this = next((reference for reference in spoken if reference.index == turn), None)
    if this is None:
        there = ", ".join(str(reference.index) for reference in spoken) or "none"
        raise RecordingError(f"turn {turn}: the session's turns with speech are {there}")
    start_ms, end_ms = this.speech_ms[0].start_ms, this.speech_ms[-1].end_ms
    following = min((r.speech_ms[0].start_ms for r in spoken if r.speech_ms[0].start_ms > start_ms), default=math.inf)
    over_ms = min(following, recording.audio_ms)
    answers = [piece for piece in played_pieces(recording) if end_ms <= piece.start_ms + piece.length_ms]
    begun = [piece for piece in answers if piece.start_ms < over_ms]
    if not begun:
        return Interval(max(0.0, start_ms - LEAD_MS), min(over_ms, max(end_ms + TAIL_MS, this.deadline_ms)))
    first_ms, last = max(end_ms, min(map(_audible_ms, begun))), begun[-1]
    heard_ms = min(last.start_ms + last.length_ms, first_ms + max_answer_ms)
    return Interval(max(0.0, start_ms - LEAD_MS), max(min(over_ms, heard_ms + TAIL_MS), end_ms))


def _audible_ms(piece: PlayedPiece) -> float:
    audible = piece.audio.audible_sample
    return math.inf if audible is None else piece.start_ms + 1000.0 * audible / piece.audio.rate_hz


def find_script(plan: Scripted, recording: Recording) -> tuple[Script, Condition]:
    """The script and condition a recording was made with.

    Raises:
        RecordingError: If the plan has them not, or the script has changed since.
    """
    header = recording.header
    script = next((entry for entry in plan.scripts if entry.content_hash == header.script_hash), None)
    condition = next((entry for entry in plan.conditions if entry.name == header.condition), None)
    if script is None or condition is None:
        what = f"script {header.script_id!r:.60}" if script is None else f"condition {header.condition!r:.60}"
        raise RecordingError(f"{what} of this recording is not in its plan, so its audio cannot be rendered")
    return script, condition


@dataclass(eq=False)
class AudioReplay:
    """The sound of one session, any stretch of it.

    Args:
        recording: The session.
        script: What was said.
        condition: What it sounded like.
        stage: Rendered audio to share; default: a new one.
        blobs: Finds answers that are not the mocked server's.
    """

    recording: Recording
    script: Script
    condition: Condition
    stage: Stage = field(default_factory=Stage)
    blobs: BlobFinder | None = None

    def __post_init__(self) -> None:
        self._passages: dict[str, Passage] = {}

    def caller(self, window: Interval) -> NDArray[np.int16]:
        """What the microphone sent, 24 kHz.

        Args:
            window: Stretch of audio time, ms.

        Raises:
            RealtimeLabError: If the clips cannot be read or are not what was played.
        """
        first, sound = _empty(window)
        for run in self._runs(window):
            offset = ms_to_samples(run.start_ms) - first
            pcm = self._passage(run.sha256).pcm[run.offset_samples : run.offset_samples + run.samples]
            _put(sound, offset, pcm)
        return sound

    def probabilities(self, window: Interval) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The detector's speech probability in what the microphone sent.

        Args:
            window: Stretch of audio time, ms.

        Returns:
            Start of each 32 ms frame, ms, and its probability.
        """
        starts: list[NDArray[np.float64]] = [np.zeros(0)]
        found: list[NDArray[np.float64]] = [np.zeros(0)]
        for run in self._runs(window):
            passage = self._passage(run.sha256)
            values = self.stage.cache.probabilities(passage.key, passage.pcm, SAMPLE_RATE_HZ)
            first = run.offset_samples // (GRID_MS * SAMPLES_PER_MS)
            values = values[first : first + math.ceil(run.samples / (GRID_MS * SAMPLES_PER_MS))]
            at = run.start_ms + GRID_MS * np.arange(len(values))
            inside = (at >= window.start_ms - GRID_MS) & (at < window.end_ms)
            starts.append(at[inside].astype(np.float64))
            found.append(values[inside].astype(np.float64))
        return np.concatenate(starts), np.concatenate(found)

    def frame_probabilities(self) -> NDArray[np.float64]:
        """Speech probability in every 32 ms frame of the session, as its server was sent it and cleaned it.

        Returns:
            Shape (n_frames,): the frames that were sent whole, from the first.

        Raises:
            RealtimeLabError: If the clips cannot be read or are not what was played.
        """
        format_type = _heard_as(self.recording, "format") or "audio/pcm"
        reduction = _heard_as(self.recording, "noise_reduction")
        found = np.zeros(math.floor(round(self.recording.audio_ms / GRID_MS, 6)))
        for run in self.recording.appends:
            values = self.stage.wire(self._passage(run.sha256), format_type, reduction).probabilities()
            passage_ms = run.start_ms - run.offset_samples * 1000.0 / run.rate_hz
            base = round(passage_ms / GRID_MS)  # passages begin on the session's grid
            first, stop = (math.ceil(round(at / GRID_MS, 6)) for at in (run.start_ms, run.end_ms))
            stop = min(stop, len(found), base + len(values))
            found[first:stop] = values[first - base : stop - base]
        return found

    def answer(self, window: Interval) -> NDArray[np.int16]:
        """What the loudspeaker played, 24 kHz; silence where an answer's audio was not kept.

        Args:
            window: Stretch of wall time, ms.
        """
        first, sound = _empty(window)
        for piece in played_pieces(self.recording):
            if piece.start_ms < window.end_ms and piece.start_ms + piece.length_ms > window.start_ms:
                pcm = self._blob(piece.audio)[: ms_to_samples(piece.length_ms)]
                _put(sound, ms_to_samples(piece.start_ms) - first, pcm)
        return sound

    def _runs(self, window: Interval) -> Iterator[AppendRun]:
        return (run for run in self.recording.appends if run.start_ms < window.end_ms and run.end_ms > window.start_ms)

    def _passage(self, key: str) -> Passage:
        if key not in self._passages:
            for passage in _rendered(self.stage.renderer(self.script, self.condition)):
                self._passages[passage.key] = passage
                if passage.key == key:
                    break
            else:
                raise RealtimeLabError(
                    f"the audio of script {self.script.id!r:.60} is not what was played then: its clips, or the "
                    "version that renders them, have changed"
                )
        return self._passages[key]

    def _blob(self, ref: AudioRef) -> NDArray[np.int16]:
        """A piece of an answer at 24 kHz."""
        if ref.sha256 == voice_ref(0, 0, ref.rate_hz).sha256:
            scale = SAMPLE_RATE_HZ // ref.rate_hz
            return voice_piece(ref.offset_samples * scale, ref.samples * scale)
        found = None if self.blobs is None else self.blobs(ref.sha256)
        if found is None:
            return np.zeros(0, dtype=np.int16)
        pcm = found[ref.offset_samples : ref.offset_samples + ref.samples]
        if ref.rate_hz == SAMPLE_RATE_HZ:
            return pcm
        # To be listened to, not measured: straight lines between the samples will do.
        at = np.arange(len(pcm) * SAMPLE_RATE_HZ // ref.rate_hz) * ref.rate_hz / SAMPLE_RATE_HZ
        return np.rint(np.interp(at, np.arange(len(pcm)), pcm)).astype(np.int16)


def _heard_as(recording: Recording, part: str) -> str | None:
    """The type of a part of the input's configuration; None where it is not a text."""
    header = recording.header
    value = lookup(header.effective or header.requested, ("audio", "input", part, "type"))
    return value if isinstance(value, str) else None


def _rendered(renderer: Renderer) -> Iterator[Passage]:
    if renderer.script.timing == "fixed":
        yield renderer.fixed()[0]
    yield renderer.idle()
    if renderer.script.timing != "fixed":
        for index in range(len(renderer.script.turns)):
            yield renderer.turn(index)


def _empty(window: Interval) -> tuple[int, NDArray[np.int16]]:
    """First sample of a window, and silence as long as it."""
    first = ms_to_samples(window.start_ms)
    return first, np.zeros(max(0, ms_to_samples(window.end_ms) - first), dtype=np.int16)


def _put(sound: NDArray[np.int16], offset: int, pcm: NDArray[np.int16]) -> None:
    """Lay `pcm` into `sound` from position `offset`, as far as both reach."""
    low, high = max(0, offset), min(len(sound), offset + len(pcm))
    if high > low:
        sound[low:high] = pcm[low - offset : high - offset]
