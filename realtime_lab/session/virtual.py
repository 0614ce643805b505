"""A session on the virtual clock: the caller and the engine face to face, no sockets, no sleeping, no threads.

Time jumps from one thing that happens to the next. Audio is never cut into append events here: the engine hears
whole stretches of it up to the next change of speech, at the times at which a paced client would have sent the frames.

What the engine hears again is rendered passages, by reference; without a recogniser, the script's own words stand for
transcripts, labelled simulated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.noise_reduction import GATE_VERSION
from realtime_lab.audio.pcm import GRID_MS, Interval
from realtime_lab.audio.script import Script
from realtime_lab.audio.vad import VAD_NAME
from realtime_lab.clock import VirtualClock
from realtime_lab.config import SemanticVad, SessionConfig
from realtime_lab.errors import MissingExtraError
from realtime_lab.protocol import events as ev
from realtime_lab.recording.events import AppendRun, Header, RecordedEvent, Recording
from realtime_lab.server.engine.engine import Engine
from realtime_lab.server.engine.transcribing import Asked, Pending, Recognition
from realtime_lab.server.hearing.heard import HeardSpan, sample_at
from realtime_lab.server.hearing.semantic import EndOfTurn
from realtime_lab.server.recogniser.recogniser import Recogniser
from realtime_lab.server.recogniser.transcriber import (
    SIMULATED,
    PunctuationEndOfTurn,
    RecognisingTranscriber,
    find_recogniser,
)
from realtime_lab.server.recogniser.weights import EXTRA, HOW_TO_INSTALL
from realtime_lab.session.caller import Caller, Placement
from realtime_lab.session.client_turns import BY_SCRIPT, ClientTurns
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import Mocked


@dataclass
class PlacedAudio:
    """A HeardAudio over the caller's placements.

    Args:
        stage: Gives passages as the server hears them.
    """

    stage: Stage
    placements: Sequence[Placement] = ()
    """What is played, from which frame on; each until the next begins."""
    wire_form: tuple[str, str | None] = ("audio/pcm", None)
    """Audio format, and the noise reduction if there is one."""

    def span(self, start_ms: float, end_ms: float) -> HeardSpan:
        """Audio time [start_ms, end_ms): views into passages; its name says which parts of which."""
        rate_hz = 24_000 if self.wire_form[0] == "audio/pcm" else 8_000
        size = rate_hz * GRID_MS // 1000
        from_sample, to_sample = sample_at(start_ms, rate_hz), sample_at(end_ms, rate_hz)
        pieces, parts = [], []
        for position, placement in enumerate(self.placements):
            begin = placement.start_frame * size
            stop = begin + placement.passage.n_frames * size
            if position + 1 < len(self.placements):
                stop = min(stop, self.placements[position + 1].start_frame * size)
            first, last = max(begin, from_sample), min(stop, to_sample)
            if first < last:
                wire = self.stage.wire(placement.passage, *self.wire_form)
                pieces.append(wire.heard[first - begin : last - begin])
                parts.append((wire.heard_key, first - begin, last - begin))
        return HeardSpan(rate_hz, tuple(pieces), tuple(parts))


@dataclass
class ReferenceTranscriber:
    """Stands in for a recogniser: gives back the script's own words, so it is never wrong. Labelled simulated.

    Args:
        caller: Knows which words were spoken when.
    """

    caller: Caller
    texts: tuple[str | None, ...]
    name: str = "simulated: words of the reference"

    def begin(self, start_ms: float, end_ms: float, asked: Asked) -> Pending:
        """The reference's words whose middle lies in the span; no transcript where a turn in it has no reference."""
        said: list[str] = []
        for index, speech in self.caller.placed_turns():
            if speech[0].start_ms < end_ms and speech[-1].end_ms > start_ms:
                text = self.texts[index]
                if text is None:
                    message = "The script has no reference text here, and no recogniser listens."
                    unknown = Recognition(self.name, None, code="transcription_unavailable", message=message)
                    return lambda: unknown
                said += _words_between(text.split(), speech, start_ms, end_ms)
        known = Recognition(self.name, " ".join(said))
        return lambda: known


def _words_between(words: list[str], speech: tuple[Interval, ...], start_ms: float, end_ms: float) -> list[str]:
    """The words whose middle lies in [start_ms, end_ms), each word taking an equal share of the speech."""
    share_ms = sum(part.length_ms for part in speech) / max(len(words), 1)
    chosen = []
    for position, word in enumerate(words):
        middle_ms = (position + 0.5) * share_ms
        for part in speech:
            if middle_ms <= part.length_ms:
                if start_ms <= part.start_ms + middle_ms < end_ms:
                    chosen.append(word)
                break
            middle_ms -= part.length_ms
    return chosen


_ROUNDING = 5e-10
"""Where a quotient of times is a whole number, this keeps floating point from taking it for the one below."""


@dataclass
class _VirtualSession:
    """The state of one run."""

    config: SessionConfig
    script: Script
    condition: Condition
    target: Mocked
    seed: int
    frame_ms: float
    stage: Stage
    client_turns: ClientTurns
    clock: VirtualClock = field(init=False)
    log: list[RecordedEvent] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)

    def run(self) -> Recording:
        """From the handshake to the end."""
        requested = self.config.to_wire("ga")
        recogniser = self._recogniser()
        self.audio = PlacedAudio(self.stage)
        self.engine = Engine(
            self.target.profile,
            self.seed,
            model=requested.get("model"),
            end_of_turn=self._end_of_turn(recogniser),
            intent="transcription" if self.config.session_type == "transcription" else None,
        )
        # The microphone opens at 0, when session.created and session.updated have come.
        self.clock = VirtualClock(-2 * self.target.profile.event_ms)
        failure = self._shake_hands(requested)
        if failure is not None:
            return self._recording(requested, None, failure)
        renderer = self.stage.renderer(self.script, self.condition)
        self.caller = Caller(renderer, self.engine.session(), self.client_turns)
        settings = self.engine.settings
        self._wire_form = (settings.input_format(), settings.noise_reduction())
        self._listen(recogniser)
        self._heard_frames = 0
        self._placement = self._placements = self._heard_start = self._heard_end = 0
        self.caller.begin()
        self.clock.move_to(0.0)
        while not self.caller.finished and self.engine.closing is None:
            self._advance()
        failure = None if self.engine.closing is None else self._last_words()
        return self._recording(requested, self.caller, failure)

    def _recogniser(self) -> Recogniser | None:
        """The recogniser, if the session has something for it to do."""
        semantic = isinstance(self.config.get("turn_detection"), SemanticVad) and self.target.end_of_turn is None
        if not semantic and self.config.get("transcription") is None:
            return None
        recogniser = find_recogniser(self.target.transcriber)
        if semantic and recogniser is None:
            raise MissingExtraError(f"semantic_vad takes a recogniser (transcriber='whisper'); {HOW_TO_INSTALL}", EXTRA)
        return recogniser

    def _end_of_turn(self, recogniser: Recogniser | None) -> EndOfTurn | None:
        """The estimate that semantic_vad waits for: the target's own, or what the recogniser's punctuation says."""
        if self.target.end_of_turn is not None:
            made: EndOfTurn = self.target.end_of_turn.called("end_of_turn")(self.audio)
            return made
        return None if recogniser is None else PunctuationEndOfTurn(recogniser, self.audio)

    def _listen(self, recogniser: Recogniser | None) -> None:
        """Give the engine what transcribes, and what it hears."""
        self.audio.placements, self.audio.wire_form = self.caller.placements, self._wire_form
        if recogniser is not None:
            self.engine.transcribing.transcriber = RecognisingTranscriber(
                recogniser, self.audio, segments=self.segments
            )
        elif self.target.transcriber == SIMULATED:
            texts = tuple(turn.text for turn in self.script.turns)
            self.engine.transcribing.transcriber = ReferenceTranscriber(self.caller, texts)

    def _last_words(self) -> str:
        """Take what an engine that hangs up still says: why it does."""
        said = [event for _, event in self._take_due(math.inf) if isinstance(event, ev.ErrorEvent)]
        return "closed" if not said else f"{said[-1].error.code}: {said[-1].error.message}"

    def _shake_hands(self, requested: dict[str, Any]) -> str | None:
        """Open the session and ask for the configuration; why it was refused, or None."""
        self.engine.start(self.clock.now_ms())
        update = ev.SessionUpdate(session=requested)
        while (due_ms := self.engine.next_due_ms()) is not None:
            self.clock.move_to(due_ms)
            for t_ms, event in self._take_due(due_ms):
                if isinstance(event, ev.ErrorEvent):
                    return f"{event.error.code}: {event.error.message}"
                if isinstance(event, ev.SessionCreated):
                    self._send(update, t_ms)
                if isinstance(event, ev.SessionUpdated):
                    return None
        return "no_session: the server says nothing"

    def _advance(self) -> None:
        """Go to the next thing that happens."""
        due_ms = self.engine.next_due_ms()
        decision_ms = self.caller.next_decision_ms()
        horizon_ms = decision_ms if due_ms is None else min(due_ms, decision_ms)
        horizon_ms = max(horizon_ms, self.clock.now_ms())  # a deadline may have passed while speech was open
        if self._hear_until(horizon_ms):
            return
        self.clock.move_to(horizon_ms)
        for t_ms, event in self._take_due(horizon_ms):
            for answer in self.caller.on_event(event, t_ms):
                self._send(answer, t_ms)
        if horizon_ms >= decision_ms:
            for event in self.caller.decide(horizon_ms):
                self._send(event, horizon_ms)

    def _take_due(self, t_ms: float) -> list[tuple[float, ev.Event]]:
        taken = self.engine.take_due(t_ms)
        self.log += [RecordedEvent(due_ms, "server", event) for due_ms, event in taken]
        return taken

    def _send(self, event: ev.Event, t_ms: float) -> None:
        self.log.append(RecordedEvent(t_ms, "client", event))
        self.engine.receive(event, t_ms)

    def _hear_until(self, horizon_ms: float) -> bool:
        """Let the engine hear what has arrived by `horizon_ms`; True when it stopped early at a change of speech."""
        sent_ms = math.floor(horizon_ms / self.frame_ms + _ROUNDING) * self.frame_ms
        arrived = math.floor(sent_ms / GRID_MS + _ROUNDING)
        while self._heard_frames < arrived:
            known = self._heard_frames < self._heard_end and self._placements == len(self.caller.placements)
            if not known and not self._find_placement():
                return False
            stop = min(self._heard_end, arrived) - self._heard_start
            taken = self.engine.hear(self._wire, self._heard_frames - self._heard_start, stop, self._arrival_ms)
            self._heard_frames = self._heard_start + taken
            if taken < stop or self._due_by(horizon_ms):
                return True
        return False

    def _find_placement(self) -> bool:
        """Find what is played at the first frame not heard yet; False when that is not decided."""
        placements = self.caller.placements
        self._placements = len(placements)
        for position in range(self._placement, len(placements)):
            start_frame, passage, _ = placements[position]
            end = start_frame + passage.n_frames
            if position + 1 < len(placements):
                end = min(end, placements[position + 1].start_frame)
            if self._heard_frames < end:
                self._placement, self._heard_start, self._heard_end = position, start_frame, end
                self._wire = self.stage.wire(passage, *self._wire_form)
                return True
        return False

    def _due_by(self, horizon_ms: float) -> bool:
        due_ms = self.engine.next_due_ms()
        return due_ms is not None and due_ms < horizon_ms

    def _arrival_ms(self, frame: int) -> float:
        """Wall time at which a grid frame of the session has wholly arrived."""
        return math.ceil(round((frame + 1) * GRID_MS / self.frame_ms, 9)) * self.frame_ms

    def _recording(self, requested: dict[str, Any], caller: Caller | None, failure: str | None) -> Recording:
        audio_ms = max(0.0, math.floor(round(self.clock.now_ms() / self.frame_ms, 9)) * self.frame_ms)
        header = Header(
            target=self.target.name,
            script_id=self.script.id,
            script_hash=self.script.content_hash,
            condition=self.condition.name,
            seed=self.seed,
            timing=self.script.timing,
            reference_source=self.script.reference_source,
            requested=requested,
            effective=None if failure else self.engine.session(),
            engine=self._engine_names(),
            segments=tuple(self.segments),
            outcome="failed" if failure else "complete",
            failure=failure,
            connect_ms=self.engine.connect_ms + self.target.profile.event_ms,
            private=self.script.private,
        )
        return Recording(
            header=header,
            reference=() if caller is None else caller.reference(audio_ms),
            appends=() if caller is None else _append_runs(caller.placements, audio_ms, self.frame_ms),
            events=tuple(self.log),
            audio_ms=audio_ms,
        )

    def _engine_names(self) -> dict[str, str]:
        """What listened, by its part."""
        names = {
            "vad": VAD_NAME,
            "profile": f"{self.target.profile.name} ({self.target.profile.note})",
            "transcription": self.engine.transcribing.name,
        }
        detection, settings = self.engine.settings.turn_detection(), self.engine.settings
        if detection is None:
            names["turns"] = self.client_turns.name
        elif detection.eagerness is not None and self.engine.turns.end_of_turn is not None:
            names["turns"] = f"semantic_vad, approximated, uncalibrated: {self.engine.turns.end_of_turn.name}"
        if settings.noise_reduction() is not None:
            names["noise_reduction"] = f"spectral gate {GATE_VERSION}, approximated"
        return names


def _append_runs(placements: list[Placement], audio_ms: float, frame_ms: float) -> tuple[AppendRun, ...]:
    """What was sent, passage by passage."""
    runs = []
    for position, placement in enumerate(placements):
        start_ms = placement.start_frame * float(GRID_MS)
        end_ms = min(audio_ms, start_ms + placement.passage.n_frames * GRID_MS)
        if position + 1 < len(placements):
            end_ms = min(end_ms, placements[position + 1].start_frame * float(GRID_MS))
        if end_ms > start_ms:
            runs.append(
                AppendRun(
                    start_ms=start_ms,
                    samples=round((end_ms - start_ms) * 24),
                    sha256=placement.passage.key,
                    offset_samples=0,
                    frame_ms=frame_ms,
                )
            )
    return tuple(runs)


def run_virtual(
    config: SessionConfig,
    script: Script,
    condition: Condition,
    target: Mocked,
    seed: int,
    frame_ms: float,
    stage: Stage,
    client_turns: ClientTurns = BY_SCRIPT,
) -> Recording:
    """Hold one session with the mocked target.

    Args:
        config: What is asked for.
        script: What is said.
        condition: What it sounds like.
        target: The mocked server.
        seed: Decides every draw of the server's.
        frame_ms: Audio in one append; it changes wall times by at most one frame, and nothing else.
        stage: Rendered audio shared between sessions.
        client_turns: How the client ends turns where the server detects none.

    Raises:
        MissingExtraError: If semantic_vad is asked for and nothing can estimate the end of a turn.
    """
    return _VirtualSession(config, script, condition, target, seed, frame_ms, stage, client_turns).run()
