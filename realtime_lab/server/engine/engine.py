"""The server that listens: client events and audio in, server events with their due times out. No I/O, no clock.

The theory. The engine holds the session's settings, the conversation, the ears and at most one active response of the
conversation. A shell tells it what arrived and when (`receive`, `receive_frame`, `hear`), asks when it wants to speak
next (`next_due_ms`), takes what is due (`take_due`), and hangs up when it says so (`closing`). Audio reaches it as
bytes (behind a socket, frame by frame) or as stretches whose speech probabilities are known (on the virtual clock);
both run the same turn detection and give the same events at the same audio times. What happens to turns is in
`turn_detection`, to responses in `answering`, to items in `item_requests`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

from realtime_lab.audio.vad import FrameVad
from realtime_lab.errors import ProtocolError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import decode_client
from realtime_lab.server.engine.answering import Answering
from realtime_lab.server.engine.conversation import Conversation
from realtime_lab.server.engine.item_requests import ItemRequests
from realtime_lab.server.engine.listening import FrameListener, Listening, Stretch
from realtime_lab.server.engine.outbox import Draws, Outbox, Ticket
from realtime_lab.server.engine.profile import Profile
from realtime_lab.server.engine.refusals import in_words, refusal_of
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.engine.transcribing import Transcriber, Transcribing
from realtime_lab.server.engine.turn_taking import InputBuffer, TurnTaking
from realtime_lab.server.hearing.heard import HeardFrames
from realtime_lab.server.hearing.semantic import EndOfTurn

MAX_APPEND_BYTES = 15 * 1024 * 1024
"""The most audio one append may carry: documented."""
_ABOUT_RESPONSES = (ev.ResponseCreate, ev.ResponseCancel, ev.ItemCreate, ev.ItemTruncate)
"""What a session that only transcribes has no use for."""


class Closing(NamedTuple):
    """How a shell is to close the connection."""

    code: int
    reason: str


_EXPIRED = Closing(1001, "session_expired")
_NO_MODEL = Closing(4004, "invalid_request_error.model_not_found")


def _nobody_waits(_t_ms: float) -> None:
    pass


@dataclass
class Engine:
    """One session on the server.

    Args:
        profile: Defaults, delays and limits.
        seed: Decides every id and draw of this session.
        model: The model in the connection's URL, if any.
        transcriber: What transcribes the user's audio; None when nothing can.
        opened_unix_s: Wall date of the session's start, for `expires_at` only.
        make_vad: Makes the detector for a sample rate, when audio comes as bytes.
        end_of_turn: The estimate that semantic_vad waits for; None: semantic_vad is refused.
        heard: Keeps audio that comes as bytes, for those who listen to it again; None: it is not kept.
        intent: "transcription" for a session that only transcribes, as the connection's URL says.
    """

    profile: Profile
    seed: int
    model: str | None = None
    transcriber: InitVar[Transcriber | None] = None
    opened_unix_s: int = 0
    make_vad: Callable[[int], FrameListener] = FrameVad
    end_of_turn: InitVar[EndOfTurn | None] = None
    heard: HeardFrames | None = None
    intent: str | None = None
    settings: Settings = field(init=False)
    transcribing: Transcribing = field(init=False)
    turns: TurnTaking = field(init=False)
    closing: Closing | None = field(default=None, init=False)
    """How the connection is to be closed, once what is due has been sent; None while the session lasts."""

    def __post_init__(self, transcriber: Transcriber | None, end_of_turn: EndOfTurn | None) -> None:
        kind = "transcription" if self.intent == "transcription" else "realtime"
        self.settings = Settings(self.profile, self.model, kind, estimates=end_of_turn is not None)
        self._draws = Draws(self.seed)
        # In eighths of a ms, which stay exact when times are added.
        self.connect_ms = round(self.profile.connect.draw(self._draws.rng("connect")) * 8) / 8
        self._outbox = Outbox(self._draws, self.profile.event_ms)
        self._conversation = Conversation()
        self.transcribing = Transcribing(self.settings, self._outbox, self._draws, self._conversation, transcriber)
        self._items = ItemRequests(self._conversation, self._outbox, self._draws)
        self._listening = Listening(self.settings, self.make_vad, self.heard)
        self._answering = Answering(
            self.settings, self._conversation, self._outbox, self._draws, on_played=lambda t: self.turns.on_played(t)
        )
        buffer = InputBuffer(self._conversation, self._outbox, self.transcribing)
        self.turns = TurnTaking(
            self.settings, self._listening, buffer, self._answering, self._outbox, self._draws, end_of_turn
        )
        self.turns.use_settings()

    # --- what a shell calls -------------------------------------------------------------------------------------

    def let_go(self) -> None:
        """The connection is gone: nothing is due any more, and the session's memory can be given back at once.

        What is planned refers to the session it lies in. A thousand sessions would wait for the interpreter to look
        for such circles, with a detector and minutes of audio each.
        """
        self._outbox.drop()
        self._answering.on_played = _nobody_waits

    def open_as(self, session: Mapping[str, Any]) -> None:
        """Begin as the session that a client secret was given out for, before `start`."""
        self.settings.open_as(session)
        self.turns.use_settings()

    def start(self, t_ms: float) -> None:
        """The connection is open, `connect_ms` after the client asked: announce the session, if its model is there."""
        known = self.profile.limits.models
        if known and self.model is not None and self.model not in known:
            message = f"The model '{self.model[:100]}' does not exist or you do not have access to it."
            self._end(t_ms, "model_not_found", message, "model", _NO_MODEL)
            return
        self._outbox.send(t_ms, ev.SessionCreated(session=self.session()))
        life_s = self.profile.limits.session_life_s
        message = f"Your session hit the maximum duration of {life_s / 60:g} minutes."
        end = Ticket()
        self._outbox.alarm(t_ms + life_s * 1000, lambda late_ms: self._end(late_ms, "session_expired", message), end)

    def receive_frame(self, frame: bytes | str, t_ms: float) -> None:
        """Take one text frame that arrived at `t_ms`, whatever is in it."""
        try:
            event = decode_client(frame)
        except ProtocolError as error:
            message = f"We could not parse your event: {error}"[:500]
            self._outbox.error(t_ms, "invalid_json", message)
            return
        self.receive(event, t_ms)

    def receive(self, event: ev.AnyEvent, t_ms: float) -> None:
        """Take one client event that arrived at `t_ms`."""
        if self.closing is not None:
            return
        if self.settings.kind == "transcription" and isinstance(event, _ABOUT_RESPONSES):
            message = f"'{ev.event_type(event)}' is not supported in a transcription session."
            self._outbox.error(t_ms, "invalid_value", message, "type", event)
            return
        match event:
            case ev.InputAudioAppend():
                self._on_append(event, t_ms)
            case ev.SessionUpdate():
                self._on_update(event, t_ms)
            case ev.InputAudioCommit():
                self.turns.commit(event, t_ms)
            case ev.InputAudioClear():
                self.turns.clear(t_ms)
            case ev.ResponseCreate():
                asked = event.response if isinstance(event.response, dict) else None
                self._answering.respond(t_ms, asked, event)
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
        self.turns.on_heard(arrival_ms(self._listening.frames))
        taken, transition = self._listening.hear(stretch, start, stop)
        if transition is not None:
            self.turns.on_transition(transition, arrival_ms(transition.frame))
        return start + taken

    def next_due_ms(self) -> float | None:
        """When the engine next has something to send; None when it waits for the client."""
        return self._outbox.next_due_ms()

    def take_due(self, t_ms: float) -> list[tuple[float, ev.Event]]:
        """The events due at or before `t_ms`, as (due_ms, event), in order."""
        return self._outbox.take_due(t_ms)

    def session(self) -> dict[str, Any]:
        """The session object as the service reports it."""
        kind = "realtime.session" if self.settings.kind == "realtime" else "realtime.transcription_session"
        return {
            **self.settings.effective,
            "object": kind,
            "id": f"sess_{self._draws.tag}",
            "expires_at": self.opened_unix_s + int(self.profile.limits.session_life_s),
        }

    # --- session ------------------------------------------------------------------------------------------------

    def _end(self, t_ms: float, code: str, message: str, param: str | None = None, closing: Closing = _EXPIRED) -> None:
        """Say why the session ends, and nothing after it."""
        self._outbox.drop()
        self._outbox.error(t_ms, code, message, param)
        self.closing = closing

    def _refuse(self, event: ev.AnyEvent, t_ms: float) -> None:
        if isinstance(event, ev.OutputAudioClear):
            message = "'output_audio_buffer.clear' needs WebRTC or SIP: over a WebSocket the client plays the audio."
            self._outbox.error(t_ms, "invalid_value", message, "type", event)
            return
        unknown = event if isinstance(event, ev.UnknownEvent) else ev.UnknownEvent(type=ev.event_type(event), raw=b"")
        refusal = refusal_of(unknown)
        self._outbox.error(t_ms, refusal.code, refusal.message, refusal.param, refusal.event_id)

    def _on_update(self, event: ev.SessionUpdate, t_ms: float) -> None:
        problem = self.settings.update(event.session)
        if problem is not None:
            self._outbox.error(t_ms, problem.code, in_words(problem, "session"), f"session.{problem.path}", event)
            return
        self.turns.use_settings()
        self._outbox.send(t_ms, ev.SessionUpdated(session=self.session()))

    def _on_append(self, event: ev.InputAudioAppend, t_ms: float) -> None:
        try:
            raw = base64.b64decode(str(event.audio), validate=True)
        except (binascii.Error, ValueError):
            message = "Invalid 'audio'. Expected base64-encoded audio bytes."
            self._outbox.error(t_ms, "invalid_value", message, "audio", event)
            return
        if len(raw) > MAX_APPEND_BYTES:
            message = f"Invalid 'audio': {len(raw):,} bytes are more than the {MAX_APPEND_BYTES:,} one event may carry."
            self._outbox.error(t_ms, "invalid_value", message, "audio", event)
            return
        self.turns.on_heard(t_ms)
        for transition in self._listening.append(raw):
            self.turns.on_transition(transition, t_ms)
