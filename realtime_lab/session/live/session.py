"""One connection of a live session: shake hands, play the script at its pace, log every event with its time.

The theory. There is one timer. It rings at the next append's deadline or the caller's next decision, whichever comes
first; what is due is then done in the order of its due times, appends before decisions, so that the caller decides as
on the virtual clock however late the timer rang. An event is stamped when its bytes come; what was due before it is
done first, then the caller hears of it. Decoding audio, hashing and rows wait until the connection is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from realtime_lab.audio.render import Renderer
from realtime_lab.config import tracing_change
from realtime_lab.errors import ConfigError, ProtocolError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import decode_server, encode
from realtime_lab.recording.events import RecordedEvent
from realtime_lab.session.caller import Caller, Placement
from realtime_lab.session.client_turns import BY_SCRIPT, ClientTurns
from realtime_lab.session.live.audio import OutputAudio, light_ref
from realtime_lab.session.live.event_log import EventLog
from realtime_lab.session.live.faults import LiveFault, SilenceWatch, error_fault, greeting_fault, response_fault
from realtime_lab.session.live.pacing import Microphone, Pace
from realtime_lab.session.live.reported import Names, believed_session, effective_session, with_formats
from realtime_lab.session.live.wire import Wire, open_wire
from realtime_lab.session.stage import WireAudio

GREETING_TIMEOUT_S = 10.0
"""How long session.created and session.updated are waited for."""
FIRST_WORD_S = 2.0
"""How long session.created is waited for before the client speaks: some servers wait for the client."""
MAX_RECEIVED_BYTES = 256 * 1024 * 1024
"""An hour of speech without a pause, in base64. Audio is kept as it came until the session ends."""
MAX_RAW_BYTES = 1_048_576
"""A frame that cannot be read is kept up to this length."""
MAX_SESSION_MS = 3_600_000.0
_MAX_DECISIONS = 16
"""Decisions at one instant; more would mean that the caller makes no headway."""


@dataclass(frozen=True)
class Call:
    """What a connection needs to know."""

    url: str
    headers: list[tuple[str, str]] = field(repr=False)
    scrub: Callable[[bytes], bytes]
    """Takes the key out of what the server says, should it say it."""
    update: dict[str, Any]
    """The session object of session.update."""
    requested: dict[str, Any]
    """The same in today's wire shape."""
    confirms: bool
    dialect: str
    stall_ms: float
    frame_ms: float
    renderer: Renderer
    wire: Callable[[Placement, str], WireAudio]
    """A placed passage in an audio format."""
    client_turns: ClientTurns = BY_SCRIPT
    """How turns are ended where the server detects none."""


class LiveConnection:
    """One connection, from the handshake to the close; `hold` runs it.

    Args:
        call: What is to be done.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._log = EventLog()
        self._created: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._updated: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._wire: Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._zero_s = self._began_s = time.monotonic()
        self._received_bytes = 0
        self._last_ms = 0.0
        self._audible: set[str] = set()
        self._names = Names()
        self.pace = Pace()
        self.caller: Caller | None = None
        self.microphone: Microphone | None = None
        self.effective: dict[str, Any] | None = None
        """What the server last reported, in today's wire shape."""
        self.connect_ms: float | None = None
        """From beginning to connect to session.created."""
        self.audio = OutputAudio("audio/pcm")

    async def hold(self) -> None:
        """Hold the session to its end.

        Raises:
            LiveFault: If it ends early.
        """
        self._began_s = time.monotonic()
        try:
            self._wire = await open_wire(self._call.url, self._call.headers, self._on_message, self._on_gone)
            reported = await self._greet()
            self._begin(reported)
            await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()
            try:
                if self._wire is not None:
                    await self._wire.close()
            finally:
                if self._over.done():
                    self._over.exception()  # seen, also where another fault came first

    @property
    def began(self) -> bool:
        """Whether any audio was sent."""
        return self.microphone is not None and self.microphone.frames > 0

    @property
    def disturbed(self) -> bool:
        """Whether the socket could not take what it was given."""
        return self._wire is not None and self._wire.backlog

    @property
    def zero_s(self) -> float:
        """Monotonic time at which the microphone opened, seconds."""
        return self._zero_s

    def events(self) -> list[RecordedEvent]:
        """The log in wall ms of the session; audio is still inline."""
        return self._log.events(self._zero_s)

    # --- the handshake ------------------------------------------------------------------------------------------

    async def _greet(self) -> dict[str, Any]:
        """Wait for the session, ask for the configuration, and wait for what the server makes of it."""
        await self._await(self._created, min(FIRST_WORD_S, GREETING_TIMEOUT_S))
        created = self._created.result() if self._created.done() else {}
        update = _allowed_update(with_formats(self._call.update, created, self._call.dialect), created)
        self._send(ev.SessionUpdate(session=update), time.monotonic())
        awaited = self._updated if self._call.confirms else self._created
        await self._await(awaited, GREETING_TIMEOUT_S)
        if awaited.done():
            session: dict[str, Any] = awaited.result()
            return session
        late = f"did not come within {GREETING_TIMEOUT_S:g} s"
        if not self._created.done():
            raise LiveFault("no_session", f"session.created {late}", again=True)
        hint = "for a server that never confirms, say live(..., confirms=False)"
        raise LiveFault("unconfirmed", f"session.updated {late}; {hint}")

    async def _await(self, future: asyncio.Future[Any], seconds: float) -> None:
        await asyncio.wait((future, self._over), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            self._over.result()

    def _begin(self, reported: dict[str, Any]) -> None:
        """The microphone opens."""
        try:
            if not self._call.confirms:
                reported = believed_session(reported, self._call.requested)
            effective = self.effective = effective_session(reported, self._call.requested)
        except ConfigError as error:
            raise LiveFault("unconfirmed", f"the session it reports cannot be read: {error}") from None
        format_type = effective["audio"]["input"]["format"]["type"]
        self.audio = OutputAudio(effective["audio"]["output"]["format"]["type"])
        incoming = OutputAudio(format_type)
        self.caller = caller = Caller(self._call.renderer, effective, self._call.client_turns, self._call.frame_ms)
        wire = self._call.wire  # and not `self`, which would refer to itself, and its memory stay until that is found
        self.microphone = Microphone(
            caller.placements,
            lambda placement: wire(placement, format_type),
            self._call.frame_ms,
            incoming.rate_hz,
            incoming.width,
        )
        detection = effective["audio"]["input"].get("turn_detection")
        converses = effective.get("type", "realtime") == "realtime"
        answers = converses and detection is not None and detection.get("create_response") is not False
        self._watch = SilenceWatch(self._call.stall_ms, answers)
        # Audio time and wall time both begin here; what was said before has negative times.
        self._zero_s = time.monotonic()
        caller.begin()
        self._arm()

    # --- time passes --------------------------------------------------------------------------------------------

    def _now_ms(self) -> float:
        return (time.monotonic() - self._zero_s) * 1000.0

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.caller is None or self.microphone is None or self._over.done():
            return
        # Absolute deadlines: waits of one frame each would add up, and stretch the audio by 6 to 14 %.
        due_ms = min(self.microphone.due_ms, max(self.caller.next_decision_ms(), self._last_ms))
        self._timer = self._loop.call_at(self._zero_s + due_ms / 1000.0, self._ring, due_ms)

    def _ring(self, due_ms: float) -> None:
        now_ms = self._now_ms()
        self.pace.lagged(now_ms - due_ms)
        self._catch_up(now_ms)
        fault = self._watch.fault(now_ms)
        if fault is None and now_ms > MAX_SESSION_MS:
            fault = LiveFault("deadline", f"the script did not end within {MAX_SESSION_MS / 60_000:g} minutes")
        if fault is not None and now_ms - due_ms < 1000.0:  # after standing still, hear first what has come
            self._end(fault)
        self._arm()

    def _catch_up(self, now_ms: float) -> None:
        """Do what is due by `now_ms`, in the order of its due times."""
        caller, microphone = self.caller, self.microphone
        if caller is None or microphone is None:
            return
        decisions = 0
        while not self._over.done():
            decision_ms = max(caller.next_decision_ms(), self._last_ms)
            if microphone.due_ms <= min(decision_ms, now_ms):
                self._append(microphone)
                decisions = 0
            elif decision_ms <= now_ms and decisions < _MAX_DECISIONS:
                decisions += 1
                self._last_ms = decision_ms
                for event in caller.decide(decision_ms):
                    self._send(event, time.monotonic())
                if caller.finished:
                    self._end(None)
            else:
                return

    def _append(self, microphone: Microphone) -> None:
        assert self._wire is not None
        due_ms, sent_ms = microphone.due_ms, self._now_ms()
        self._wire.send(microphone.next_append(sent_ms))
        self.pace.late_ms.append(sent_ms - due_ms)

    def _send(self, event: ev.AnyEvent, at_s: float) -> None:
        assert self._wire is not None
        if self._call.dialect == "flat" and isinstance(event, ev.ResponseCreate) and event.response is not UNSET:
            event = ev.ResponseCreate(response=_in_older_words(event.response))
        self._log.add(at_s, "client", event)
        if self.caller is not None:
            self._watch.on_sent(event, (at_s - self._zero_s) * 1000.0)
        self._wire.send(encode(event))

    # --- the server speaks --------------------------------------------------------------------------------------

    def _on_message(self, message: bytes, at_s: float) -> None:
        self._received_bytes += len(message)
        message = self._call.scrub(message)
        if self._received_bytes > MAX_RECEIVED_BYTES:
            self._end(LiveFault("too_much_data", f"more than {MAX_RECEIVED_BYTES:,} bytes came"))
            return
        try:
            event = decode_server(message)
        except ProtocolError as error:
            event = ev.UnknownEvent(type="", raw=message[:MAX_RAW_BYTES], problem=str(error)[:500])
        if isinstance(event, ev.UnknownEvent) and len(event.raw) > MAX_RAW_BYTES:
            event = ev.UnknownEvent(type=event.type[:200], raw=event.raw[:MAX_RAW_BYTES], problem=event.problem)
        event = self._names.completed(event)
        if self.caller is not None:
            self._catch_up((at_s - self._zero_s) * 1000.0)
        self._log.add(at_s, "server", event, len(message))
        if self._log.overflow is not None:
            self._end(LiveFault("too_much_data", self._log.overflow))
        elif self.caller is None:
            self._on_greeting(event, at_s)
        else:
            self._on_event(event, at_s)

    def _on_greeting(self, event: ev.AnyEvent, at_s: float) -> None:
        match event:
            case ev.SessionCreated() if not self._created.done():
                self.connect_ms = (at_s - self._began_s) * 1000.0
                self._created.set_result(event.session)
            case ev.SessionUpdated() if not self._updated.done():
                self._updated.set_result(event.session)
            case ev.ErrorEvent():
                self._end(greeting_fault(event.error, self._created.done()))

    def _on_event(self, event: ev.AnyEvent, at_s: float) -> None:
        assert self.caller is not None
        t_ms = (at_s - self._zero_s) * 1000.0
        self._last_ms = max(self._last_ms, t_ms)
        self._watch.on_event(event, t_ms)
        fault = self._fault_in(event)
        if fault is not None:
            self._end(fault)
            return
        for answer in self.caller.on_event(self._lightened(event), t_ms):
            self._send(answer, time.monotonic())
        if not self._over.done():
            self._arm()

    def _fault_in(self, event: ev.AnyEvent) -> LiveFault | None:
        match event:
            case ev.ErrorEvent():
                return error_fault(event.error)
            case ev.ResponseDone():
                return response_fault(event.response)
            case ev.SessionUpdated():
                # One that cannot be read stands in the log; what is known of the session stays.
                with suppress(ConfigError):
                    self.effective = effective_session(event.session, self._call.requested)
        return None

    def _lightened(self, event: ev.AnyEvent) -> ev.AnyEvent:
        """The event as the caller needs it: audio as a reference, looked into only until it is audible."""
        if not isinstance(event, ev.AudioDelta) or not isinstance(event.delta, str):
            return event
        ref = light_ref(event.delta, self.audio, event.response_id not in self._audible)
        if ref.audible_sample is not None:
            self._audible.add(event.response_id)
        return msgspec.structs.replace(event, delta=ref)

    # --- the end ------------------------------------------------------------------------------------------------

    def _on_gone(self, fault: LiveFault) -> None:
        self._end(fault)

    def _end(self, fault: LiveFault | None) -> None:
        if self._over.done():
            return
        if fault is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(fault)


def _in_older_words(response: dict[str, Any]) -> dict[str, Any]:
    return {"modalities" if name == "output_modalities" else name: value for name, value in response.items()}


def _allowed_update(update: dict[str, Any], created: dict[str, Any]) -> dict[str, Any]:
    """The update without the tracing that the session was opened with, as with a client secret.

    Raises:
        LiveFault: If it would change tracing that is on, which is refused before it is sent.
    """
    current = created.get("tracing")
    problem = tracing_change(current, update.get("tracing", current))
    if problem is not None:
        raise LiveFault("config_refused", str(problem))
    return update if current is None else {name: value for name, value in update.items() if name != "tracing"}
