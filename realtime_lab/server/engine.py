"""The server that listens: client events and audio in, server events with their due times out. No I/O, no clock.

The theory. The engine holds the session's settings, the conversation, the endpointer and at most one active response.
A shell tells it what arrived and when (`receive`, `hear`), asks when it wants to speak next (`next_due_ms`) and takes
what is due (`take_due`). Audio reaches it as bytes (behind a socket, frame by frame) or as stretches whose speech
probabilities are known (on the virtual clock); both run the same endpointing and give the same events at the same
audio times.

| input | no speech open | speech open | a response is active |
|---|---|---|---|
| speech starts | speech_started | - | and, if interrupt_response, the response is cancelled |
| speech stops | - | speech_stopped, committed, item; response if create_response | error if it still is |
| commit | committed, item | the same, and speech is closed | the same |
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.audio.vad import FrameVad
from realtime_lab.errors import Problem
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item
from realtime_lab.server.answering import Answering
from realtime_lab.server.conversation import USER_AUDIO_TOKEN_MS, Conversation
from realtime_lab.server.endpointing import FRAME_MS, Endpointer, EndpointRule, Track, Transition
from realtime_lab.server.item_requests import ItemRequests
from realtime_lab.server.outbox import Draws, Outbox
from realtime_lab.server.profile import Profile
from realtime_lab.server.settings import Settings
from realtime_lab.server.transcribing import Transcriber, Transcribing

__all__ = ["Engine", "FrameListener", "Stretch"]

MIN_COMMIT_MS = 100
"""The service refuses to commit less audio than this."""
_SESSION_LIFE_S = 3600


class FrameListener(Protocol):
    """A voice activity detector on a stream of 32 ms frames."""

    def feed(self, frame: NDArray[np.int16]) -> float:
        """Probability of speech in the next frame."""
        ...


class Stretch(Protocol):
    """Audio whose speech probabilities are known."""

    def track(self, rule: EndpointRule) -> Track:
        """The stretch under `rule`'s thresholds."""
        ...


@dataclass
class Engine:
    """One session on the server.

    Args:
        profile: Defaults and delays.
        seed: Decides every id and draw of this session.
        model: The model in the connection's URL, if any.
        transcriber: What transcribes the user's audio; None when nothing can.
        opened_unix_s: Wall date of the session's start, for `expires_at` only.
        make_vad: Makes the detector for a sample rate, when audio comes as bytes.
    """

    profile: Profile
    seed: int
    model: str | None = None
    transcriber: InitVar[Transcriber | None] = None
    opened_unix_s: int = 0
    make_vad: Callable[[int], FrameListener] = FrameVad
    settings: Settings = field(init=False)
    transcribing: Transcribing = field(init=False)

    def __post_init__(self, transcriber: Transcriber | None) -> None:
        self.settings = Settings(self.profile, self.model)
        self._draws = Draws(self.seed)
        # In eighths of a ms, which stay exact when times are added.
        self.connect_ms = round(self.profile.connect.draw(self._draws.rng("connect")) * 8) / 8
        self._outbox = Outbox(self._draws, self.profile.event_ms)
        self._conversation = Conversation()
        self.transcribing = Transcribing(self.settings, self._outbox, self._draws, transcriber)
        self._items = ItemRequests(self._conversation, self._outbox, self._draws)
        self._answering = Answering(self.settings, self._conversation, self._outbox, self._draws, on_idle=self._on_idle)
        self._endpointer = Endpointer(EndpointRule(0.5, 500))
        self._frames = 0
        self._heard_ms = 0.0
        self._uncommitted_from_ms = 0.0
        self._vad: FrameListener | None = None
        self._first_frame: NDArray[np.int16] | None = None
        self._pending = b""
        self._speech_item: str | None = None
        self._speech_start_ms = 0.0
        self._use_settings()

    # --- what a shell calls -------------------------------------------------------------------------------------

    def start(self, t_ms: float) -> None:
        """The connection is open, `connect_ms` after the client asked for it: announce the session."""
        self._outbox.send(t_ms, ev.SessionCreated(session=self.session()))

    def receive(self, event: ev.AnyEvent, t_ms: float) -> None:
        """Take one client event that arrived at `t_ms`."""
        match event:
            case ev.InputAudioAppend():
                self._on_append(event, t_ms)
            case ev.SessionUpdate():
                self._on_update(event, t_ms)
            case ev.InputAudioCommit():
                self._on_commit(event, t_ms)
            case ev.InputAudioClear():
                self._on_clear(t_ms)
            case ev.ResponseCreate():
                options = event.response if isinstance(event.response, dict) else None
                self._answering.respond(t_ms, options, event)
            case ev.ResponseCancel():
                self._answering.cancel_request(event, t_ms)
            case ev.ItemCreate():
                self._items.create(event, t_ms)
            case ev.ItemRetrieve():
                self._items.retrieve(event, t_ms)
            case ev.ItemDelete():
                self._items.delete(event, t_ms)
            case ev.ItemTruncate():
                self._items.truncate(event, t_ms)
            case _:
                self._refuse(event, t_ms)

    def hear(self, stretch: Stretch, start: int, stop: int, arrival_ms: Callable[[int], float]) -> int:
        """Take frames [start, stop) of a stretch, up to and including the first change of speech.

        Args:
            stretch: Audio whose first frame lies on the session's 32 ms grid.
            start: First frame, within the stretch.
            stop: Frame to stop before.
            arrival_ms: Wall time at which a frame of the session (counted from its first) has wholly arrived.

        Returns:
            The frame within the stretch after the last one taken.
        """
        taken, transition = stop - start, None
        if self._detection is not None:
            self._endpointer.frame = self._frames
            transition = self._endpointer.scan(stretch.track(self._detection.rule), start, stop)
            taken = self._endpointer.frame - self._frames
        self._frames += taken
        self._heard_ms = self._frames * float(FRAME_MS)
        if transition is not None:
            self._on_transition(transition, arrival_ms(transition.frame))
        return start + taken

    def next_due_ms(self) -> float | None:
        """When the engine next has something to send; None when it waits for the client."""
        return self._outbox.next_due_ms()

    def take_due(self, t_ms: float) -> list[tuple[float, ev.Event]]:
        """The events due at or before `t_ms`, as (due_ms, event), in order."""
        return self._outbox.take_due(t_ms)

    def session(self) -> dict[str, Any]:
        """The session object as the service reports it."""
        return {
            **self.settings.effective,
            "object": "realtime.session",
            "id": f"sess_{self._draws.tag}",
            "expires_at": self.opened_unix_s + _SESSION_LIFE_S,
        }

    # --- session ------------------------------------------------------------------------------------------------

    def _refuse(self, event: ev.AnyEvent, t_ms: float) -> None:
        if isinstance(event, ev.UnknownEvent) and event.problem:
            self._outbox.error(t_ms, "invalid_type", f"{event.type}: {event.problem}", cause=event)
            return
        message = f"Unsupported event type: '{ev.event_type(event)}'."
        self._outbox.error(t_ms, "invalid_value", message, "type", event)

    def _on_update(self, event: ev.SessionUpdate, t_ms: float) -> None:
        problem = self.settings.update(event.session)
        if problem is not None:
            self._outbox.error(t_ms, problem.code, _say(problem), f"session.{problem.path}", event)
            return
        self._use_settings()
        self._outbox.send(t_ms, ev.SessionUpdated(session=self.session()))

    def _use_settings(self) -> None:
        self._detection = self.settings.turn_detection()
        if self._detection is not None:
            self._endpointer.rule = self._detection.rule
        else:
            self._endpointer.stop_now()
            self._speech_item = None

    # --- audio --------------------------------------------------------------------------------------------------

    def _on_append(self, event: ev.InputAudioAppend, t_ms: float) -> None:
        try:
            raw = base64.b64decode(str(event.audio), validate=True)
        except (binascii.Error, ValueError):
            message = "Invalid 'audio'. Expected base64-encoded audio bytes."
            self._outbox.error(t_ms, "invalid_value", message, "audio", event)
            return
        rate_hz = self.settings.input_rate_hz()
        width = 2 if rate_hz == 24_000 else 1
        frame_bytes = width * rate_hz * FRAME_MS // 1000
        self._heard_ms += len(raw) / width * 1000 / rate_hz
        self._pending += raw
        while len(self._pending) >= frame_bytes:
            frame, self._pending = self._pending[:frame_bytes], self._pending[frame_bytes:]
            self._hear_frame(frame, t_ms)

    def _hear_frame(self, raw: bytes, t_ms: float) -> None:
        self._frames += 1
        if self._detection is None:
            return
        if self._vad is None:
            self._vad = self.make_vad(self.settings.input_rate_hz())
        frame = self._decode(raw)
        self._start_afresh_at(frame)
        self._endpointer.frame = self._frames - 1
        transition = self._endpointer.step(self._vad.feed(frame))
        if transition is not None:
            self._on_transition(transition, t_ms)

    def _start_afresh_at(self, frame: NDArray[np.int16]) -> None:
        """Follow the detector's restart rule; digital silence is sound that goes on, and restarts nothing here."""
        if self._first_frame is None:
            self._first_frame = frame
        elif frame.any() and np.array_equal(frame, self._first_frame):
            self._endpointer.start_afresh()

    def _decode(self, raw: bytes) -> NDArray[np.int16]:
        kind = self.settings.effective["audio"]["input"]["format"]["type"]
        if kind == "audio/pcmu":
            return decode_ulaw(raw)
        return decode_alaw(raw) if kind == "audio/pcma" else np.frombuffer(raw, dtype="<i2")

    def _on_transition(self, transition: Transition, t_ms: float) -> None:
        if transition.kind == "started":
            self._on_speech(transition.edge_frame * FRAME_MS, t_ms)
        else:
            self._on_silence((transition.edge_frame + 1) * FRAME_MS, t_ms)

    def _on_speech(self, onset_ms: float, t_ms: float) -> None:
        assert self._detection is not None
        self._speech_item = self._draws.new_id("item")
        self._speech_start_ms = max(0.0, onset_ms - self._detection.prefix_padding_ms)
        self._answering.silence(t_ms)
        start_ms = round(self._speech_start_ms)
        self._outbox.send(t_ms, ev.SpeechStarted(item_id=self._speech_item, audio_start_ms=start_ms))
        if self._detection.interrupt_response:
            self._answering.cancel(t_ms, "turn_detected")

    def _on_silence(self, offset_ms: float, t_ms: float) -> None:
        assert self._detection is not None and self._speech_item is not None
        end_ms = offset_ms + self._detection.rule.silence_duration_ms
        item_id = self._speech_item
        self._outbox.send(t_ms, ev.SpeechStopped(item_id=item_id, audio_end_ms=round(end_ms)))
        self._commit(t_ms, item_id, self._speech_start_ms, end_ms)
        if self._detection.create_response:
            self._answering.respond(t_ms)

    # --- committing ---------------------------------------------------------------------------------------------

    def _on_commit(self, event: ev.InputAudioCommit, t_ms: float) -> None:
        held_ms = self._heard_ms - self._uncommitted_from_ms
        if held_ms < MIN_COMMIT_MS:
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of "
                f"audio, but buffer only has {held_ms:.2f}ms of audio."
            )
            self._outbox.error(t_ms, "input_audio_buffer_commit_empty", message, cause=event)
            return
        item_id = self._speech_item or self._draws.new_id("item")
        self._endpointer.stop_now()
        self._commit(t_ms, item_id, self._uncommitted_from_ms, self._heard_ms)

    def _on_clear(self, t_ms: float) -> None:
        self._uncommitted_from_ms = self._heard_ms
        self._endpointer.stop_now()
        self._speech_item = None
        self._outbox.send(t_ms, ev.InputAudioCleared())

    def _commit(self, t_ms: float, item_id: str, start_ms: float, end_ms: float) -> None:
        previous = self._conversation.last_id()
        self._speech_item = None
        self._uncommitted_from_ms = self._heard_ms
        part = ContentPart(type="input_audio", transcript=None)
        item = Item(id=item_id, object="realtime.item", type="message", status="completed", role="user", content=[part])
        self._conversation.add(item, audio=math.ceil((end_ms - start_ms) / USER_AUDIO_TOKEN_MS))
        self._outbox.send(t_ms, ev.InputAudioCommitted(item_id=item_id, previous_item_id=previous))
        self._outbox.send(t_ms, ev.ItemAdded(item=item, previous_item_id=previous))
        self._outbox.send(t_ms, ev.ItemDone(item=item, previous_item_id=previous))
        self.transcribing.begin(t_ms, item_id, start_ms, end_ms)

    def _on_idle(self, t_ms: float) -> None:
        """Nobody has spoken for idle_timeout_ms: commit the silence and let the model go on."""
        item_id = self._draws.new_id("item")
        start_ms, end_ms = self._uncommitted_from_ms, self._heard_ms
        event = ev.TimeoutTriggered(item_id=item_id, audio_start_ms=round(start_ms), audio_end_ms=round(end_ms))
        self._outbox.send(t_ms, event)
        self._commit(t_ms, item_id, start_ms, end_ms)
        self._answering.respond(t_ms)


def _say(problem: Problem) -> str:
    """The mistake in the service's manner."""
    if problem.code == "missing_required_parameter":
        return f"Missing required parameter: 'session.{problem.path}'."
    if problem.code == "unknown_parameter":
        return f"Unknown parameter: 'session.{problem.path}'."
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"Invalid 'session.{problem.path}': allowed: {problem.allowed}.{hint}"
