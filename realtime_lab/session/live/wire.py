"""One WebSocket: bytes in, stamped before they are decoded; messages out. The only place that knows websockets.

The sans-I/O connection does the framing; compression is off, because it makes receiving several times dearer. A ping
goes out every 2 s, and a peer from which nothing came for 2 s after one is half open.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime_lab.protocol.codec import MAX_FRAME_BYTES
from realtime_lab.session.live.faults import LiveFault, close_fault, handshake_fault

PING_EVERY_S = 2.0
PING_TIMEOUT_S = 2.0
CLOSE_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 10.0
MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Two minutes of audio: a server that takes none for so long is gone, or asks for more pongs than it reads."""
_STOPPED_S = 1.0
"""A timer this late says that this process stood still, so that silence proves nothing."""

# Its own debug output would print the Authorization header.
_silent = logging.Logger("realtime_lab.wire", logging.CRITICAL + 1)
_silent.disabled = True

OnMessage = Callable[[bytes, float], None]


def _nobody(*_: object) -> None:
    pass


class Wire(asyncio.Protocol):
    """An open WebSocket, or one about to be.

    Args:
        url: ws or wss.
        headers: More headers of the handshake.
        on_message: Called with each message and the monotonic time at which its last bytes came, seconds.
        on_gone: Called once, with the fault, when the connection is over and nobody here closed it.
    """

    def __init__(
        self,
        url: str,
        headers: list[tuple[str, str]],
        on_message: OnMessage,
        on_gone: Callable[[LiveFault], None],
    ) -> None:
        self._ws = ClientProtocol(parse_uri(url), max_size=MAX_FRAME_BYTES, logger=_silent)
        self._headers, self._on_message, self._on_gone = headers, on_message, on_gone
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._message = bytearray()
        self._heard_s = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._closing = False
        self.backlog = False
        """Whether the socket took less than it was given at some time."""

    # --- asyncio's side -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        request = self._ws.connect()
        for name, value in self._headers:
            request.headers[name] = value
        self._ws.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        # Stamped before anything is decoded: decoding would be counted as the service's time.
        at_s = time.monotonic()
        self._heard_s = at_s
        self._ws.receive_data(data)
        self._take(at_s)

    def eof_received(self) -> bool:
        self._ws.receive_eof()
        self._take(time.monotonic())
        return False

    def pause_writing(self) -> None:
        self.backlog = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._beat is not None:
            self._beat.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        self._fail(self._end_fault())
        # The session refers to this connection: its memory is given back when it ends, not when circles are looked for.
        self._on_message, self._on_gone = _nobody, _nobody

    @property
    def connected(self) -> bool:
        """Whether there was a connection, open or not."""
        return self._transport is not None

    # --- the session's side -------------------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Send one text message; nothing happens when the connection is over."""
        if self._ws.state is State.OPEN:
            self._ws.send_text(message)
            self._flush()

    async def close(self) -> None:
        """Close within 2 s, whatever the other side does."""
        self._closing = True
        if self._ws.state is State.OPEN:
            self._ws.send_close(1000)
            self._flush()
        if self._transport is not None and not self.lost.done():
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await asyncio.shield(self.lost)
            except TimeoutError:
                self._transport.abort()
        if self._beat is not None:
            self._beat.cancel()

    def abandon(self) -> None:
        """Drop the connection at once."""
        self._closing = True
        if not self.opened.cancel() and not self.opened.cancelled():
            self.opened.exception()  # seen, also where nobody waited for it any longer
        if self._transport is not None:
            self._transport.abort()

    # --- inside -------------------------------------------------------------------------------------------------

    def _take(self, at_s: float) -> None:
        for event in self._ws.events_received():
            if isinstance(event, Response):
                self._on_response(event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._message += event.data
                if event.fin:
                    message, self._message = bytes(self._message), bytearray()
                    self._on_message(message, at_s)
        if self._ws.handshake_exc is not None and not self.opened.done():
            if not self._heard_s:
                self._fail(LiveFault("reset", "the connection was lost during the handshake", again=True))
                return
            detail = f"the answer is no WebSocket handshake ({type(self._ws.handshake_exc).__name__})"
            self._fail(LiveFault("handshake_refused", detail))
        self._flush()

    def _on_response(self, response: Response) -> None:
        if self._ws.handshake_exc is None:
            self.opened.set_result(None)
            self._schedule_beat()
        elif isinstance(self._ws.handshake_exc, InvalidStatus):
            retry_after = response.headers.get("Retry-After")
            self._fail(handshake_fault(response.status_code, bytes(response.body or b""), retry_after))

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return  # asyncio logs what is written to a connection that is over
        for data in self._ws.data_to_send():
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self._fail(LiveFault("too_much_data", f"more than {MAX_WAITING_BYTES:,} bytes wait for the server to read"))
            transport.abort()
            return
        if self._ws.close_expected() and not self._closing and self._ws.close_rcvd is None:
            transport.close()  # this side failed the connection

    def _end_fault(self) -> LiveFault:
        received, sent = self._ws.close_rcvd, self._ws.close_sent
        if received is None and sent is not None and not self._closing:
            return LiveFault("protocol", f"the server broke the WebSocket protocol: {sent.code} ({sent.reason})")
        return close_fault(None, "") if received is None else close_fault(received.code, received.reason)

    def _fail(self, fault: LiveFault) -> None:
        if not self.opened.done():
            self.opened.set_exception(fault)
        elif not self._closing:
            self._closing = True
            self._on_gone(fault)

    def _schedule_beat(self) -> None:
        self._ping_s = time.monotonic()
        self._ws.send_ping(b"")
        self._flush()
        due_s = self._loop.time() + PING_TIMEOUT_S
        self._beat = self._loop.call_at(due_s, self._judge, due_s)

    def _judge(self, due_s: float) -> None:
        """The last ping has had its time: is the other side still there?"""
        if self._closing or self._ws.state is not State.OPEN:
            return
        # Any byte proves the other side alive, not only the pong: it may queue behind seconds of audio.
        silent = self._heard_s < self._ping_s
        if silent and self._loop.time() - due_s < _STOPPED_S:
            fault = LiveFault("half_open", f"nothing came for {PING_TIMEOUT_S:g} s after a ping")
            self._fail(fault)
            if self._transport is not None:
                self._transport.abort()
            return
        wait_s = max(0.0, PING_EVERY_S - PING_TIMEOUT_S)
        self._beat = self._loop.call_later(wait_s, self._schedule_beat)


async def open_wire(
    url: str, headers: list[tuple[str, str]], on_message: OnMessage, on_gone: Callable[[LiveFault], None]
) -> Wire:
    """Connect and shake hands; no proxy is used.

    Raises:
        LiveFault: If that fails, or takes longer than 10 s.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    loop = asyncio.get_running_loop()
    port = parts.port or (443 if secure else 80)
    options: dict[str, Any] = {"ssl": ssl.create_default_context(), "server_hostname": parts.hostname} if secure else {}
    wire = Wire(url, headers, on_message, on_gone)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.create_connection(lambda: wire, parts.hostname or "", port, **options)
            await asyncio.shield(wire.opened)
            return wire
    except TimeoutError:
        name = "handshake_timeout" if wire.connected else "connect_timeout"
        fault = LiveFault(name, f"no answer within {CONNECT_TIMEOUT_S:g} s", again=True)
    except LiveFault as error:
        fault = error
    except OSError as error:
        fault = _connect_fault(error)
    except asyncio.CancelledError:
        wire.abandon()
        raise
    wire.abandon()
    raise fault


def _connect_fault(error: OSError) -> LiveFault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return LiveFault("tls", f"the server's certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return LiveFault("tls", f"no secure connection: {error.reason or 'TLS failed'}", again=True)
    if isinstance(error, ConnectionRefusedError):
        return LiveFault("refused", "nothing listens there", again=True)
    if type(error).__name__ == "gaierror":
        return LiveFault("dns", "the host's name is not known", again=True)
    return LiveFault("refused", error.strerror or type(error).__name__, again=True)


def framed(message: bytes) -> bytes:
    """A text message as a server sends it: with `unframed`, what the framing costs can be measured without a socket."""
    return Frame(Opcode.TEXT, message).serialize(mask=False)


def unframed(frames: Iterable[bytes]) -> Iterator[bytes]:
    """The messages in a server's frames, taken apart as a `Wire` does once its handshake is over."""
    ws = ClientProtocol(parse_uri("ws://127.0.0.1/"), max_size=MAX_FRAME_BYTES, logger=_silent)
    ws.state, ws.parser = State.OPEN, None  # type: ignore[assignment]
    ws.parser = ws.parse()
    next(ws.parser)
    for data in frames:
        ws.receive_data(data)
        for event in ws.events_received():
            if isinstance(event, Frame):
                yield bytes(event.data)
