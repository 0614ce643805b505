"""A Realtime server that goes wrong on purpose: the listening server behind its socket, with faults at set moments.

| moment | when |
|---|---|
| connect | instead of the upgrade |
| greeting | instead of session.created |
| before | when the user's item was committed, before a response |
| during | after the first output delta of a response |
| after | after response.done |

| kind | what happens; what it takes |
|---|---|
| status | an HTTP error at connect: `code`, and `retry_after` for 429 |
| silence | nothing comes any more, nor an answer to a close; pings are answered |
| close | a close frame: `code`, `reason` |
| reset | the connection is cut |
| error | an error event: `name` is its code; the session goes on |
| fail | response.done with status failed and zero usage; `name` is the error's code |
| drop | events of the type `name` are left out from then on |
| raw | the frame `raw`, as text or bytes |
| twice | every event comes twice from then on |
| swap | events change places, two by two, from then on |

`held` keeps a server open from synchronous code, such as a test or a notebook cell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from realtime_lab import background
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import encode
from realtime_lab.protocol.items import ErrorDetail, Response, StatusDetails, Usage
from realtime_lab.server.engine.engine import Engine
from realtime_lab.server.engine.listening import FrameListener
from realtime_lab.server.serving.rest import Reply, Request
from realtime_lab.server.serving.serve import RealtimeServer, SocketSession

T = TypeVar("T")


@contextmanager
def held(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter `manager` on the background loop, and leave it at the end of the block."""

    async def enter() -> T:
        return await manager.__aenter__()

    async def leave() -> None:
        await manager.__aexit__(None, None, None)

    value = background.run(enter())
    try:
        yield value
    finally:
        background.run(leave())


Moment = Literal["connect", "greeting", "before", "during", "after"]
Kind = Literal["status", "silence", "close", "reset", "error", "fail", "drop", "raw", "twice", "swap"]
MOMENTS: tuple[str, ...] = get_args(Moment)
FAULT_KINDS: tuple[str, ...] = get_args(Kind)
_OUTPUT = (ev.AudioDelta, ev.TextDelta, ev.AudioTranscriptDelta)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in a session."""

    kind: Kind
    moment: Moment
    code: int = 1011
    """HTTP status, or code of the close frame."""
    reason: str = ""
    """Reason in the close frame."""
    name: str = "server_error"
    """Code of an error, or the type of event to leave out."""
    raw: bytes | str = b""
    """A frame to send as it is."""
    retry_after: str | None = None
    """Retry-After of a 429."""

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS or self.moment not in MOMENTS:
            raise ValueError(f"a fault of kind {self.kind!r} at {self.moment!r}: allowed: {FAULT_KINDS}, {MOMENTS}")
        if (self.kind == "status") != (self.moment == "connect") and self.kind not in ("silence", "reset"):
            raise ValueError(f"a fault of kind {self.kind!r} cannot happen at {self.moment!r}")


@dataclass
class FaultServer(RealtimeServer):
    """A RealtimeServer whose sessions go wrong.

    Args:
        faults: What goes wrong, in every faulty session.
        faulty: How many sessions are faulty, the first ones; None: all.
        listen: Makes the detector of a session; default: the real one.
    """

    faults: Sequence[Fault] = ()
    faulty: int | None = None
    listen: Callable[[int], FrameListener] | None = None
    attempts: int = field(default=0, init=False)
    """Connections that asked for a session so far, refused ones too."""

    def listener(self, rate_hz: int) -> FrameListener:
        """The detector of one session."""
        return super().listener(rate_hz) if self.listen is None else self.listen(rate_hz)

    def refusal(self, request: Request) -> Reply | None:
        """Also refuses as a fault at connect says."""
        reply = super().refusal(request)
        if reply is not None or not request.upgrades:
            return reply
        self.attempts += 1
        for fault in self._current():
            if fault.kind == "status":
                headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return Reply(fault.code, {"error": {"message": "scripted", "code": fault.name}}, headers)
        return None

    def session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: Engine, request: Request
    ) -> SocketSession:
        """A session with its faults."""
        return FaultySession(reader, writer, engine, request, self.key, tuple(self._current()))

    def _current(self) -> Sequence[Fault]:
        return self.faults if self.faulty is None or self.attempts <= self.faulty else ()


@dataclass
class FaultySession(SocketSession):
    """One session in which faults happen."""

    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._waiting = list(self.faults)
        self._mute = self._deaf = False
        self._dropped: set[str] = set()
        self._twice = self._swapping = False
        self._held: ev.Event | None = None

    async def run(self, raw: bytes) -> None:
        """Hold the session; a fault at connect leaves the client without an answer."""
        for fault in self._due("connect"):
            if fault.kind == "reset":
                self._reset()
                return
            if fault.kind == "silence":
                await self.reader.read(-1)
                return
        await super().run(raw)

    def _due(self, moment: str) -> list[Fault]:
        due = [fault for fault in self._waiting if fault.moment == moment]
        self._waiting = [fault for fault in self._waiting if fault.moment != moment]
        return due

    async def deliver(self, event: ev.Event) -> None:
        """Send one event, unless a fault has it otherwise."""
        if isinstance(event, ev.SessionCreated) and await self._strike("greeting", None):
            return
        if isinstance(event, ev.ResponseCreated) and await self._strike("before", None):
            return
        await self._pass_on(event)
        if isinstance(event, _OUTPUT):
            await self._strike("during", event.response_id)
        elif isinstance(event, ev.ResponseDone):
            await self._strike("after", event.response.id)

    async def _pass_on(self, event: ev.Event) -> None:
        if self._mute or ev.event_type(event) in self._dropped:
            return
        if self._swapping and self._held is None and not isinstance(event, ev.ResponseDone):
            self._held = event
            return
        waiting, self._held = self._held, None
        for one in (event, waiting):
            for _ in range(2 if self._twice else 1):
                if one is not None:
                    await super().deliver(one)

    async def _strike(self, moment: str, response_id: str | None) -> bool:
        """Let what is due at a moment happen; True when it takes the place of what was to be sent."""
        struck = False
        for fault in self._due(moment):
            struck = await self._happen(fault, response_id) or struck
        return struck

    async def _happen(self, fault: Fault, response_id: str | None) -> bool:
        match fault.kind:
            case "silence":
                self._mute = self._deaf = True
                return True
            case "close":
                self._mute = True
                self._protocol.send_close(fault.code, fault.reason)
                await self._flush()
                return True
            case "reset":
                self._mute = True
                self._reset()
                return True
            case "error":
                detail = ErrorDetail(type="invalid_request_error", code=fault.name, message="scripted")
                self._protocol.send_text(encode(ev.ErrorEvent(event_id="event_fault", error=detail)))
            case "fail":
                self._protocol.send_text(encode(_failed(fault.name, response_id or "resp_fault")))
            case "drop":
                self._dropped.add(fault.name)
            case "raw":
                if isinstance(fault.raw, str):
                    self._protocol.send_text(fault.raw.encode())
                else:
                    self._protocol.send_binary(fault.raw)
            case "twice":
                self._twice = True
            case "swap":
                self._swapping = True
        return False

    def _reset(self) -> None:
        transport = self.writer.transport
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()

    async def _flush(self) -> None:
        if self._deaf and self._protocol.close_rcvd is not None:
            self._protocol.data_to_send()  # the answer to the close, which is never sent
            return
        await super()._flush()

    def _over(self) -> bool:
        return not self._deaf and super()._over()


def _failed(code: str, response_id: str) -> ev.ResponseDone:
    details = StatusDetails(type="failed", error={"type": "server_error", "code": code, "message": "scripted"})
    response = Response(id=response_id, status="failed", status_details=details, usage=Usage())
    return ev.ResponseDone(event_id="event_fault", response=response)
