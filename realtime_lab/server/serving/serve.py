"""The listening server behind a socket on this machine: WebSocket sessions and REST, for any Realtime client.

A shell around the engine: it reads bytes, stamps the time, hands events to the engine and sends what is due. It
listens on the loopback interface only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import h11
import msgspec
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as UpgradeRequest
from websockets.server import ServerProtocol

from realtime_lab.audio.g711 import encode_alaw, encode_ulaw
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import MAX_FRAME_BYTES, encode
from realtime_lab.protocol.items import AudioRef, ErrorDetail
from realtime_lab.server.engine.engine import Engine
from realtime_lab.server.engine.listening import FrameListener
from realtime_lab.server.engine.profile import PROFILES, Profile
from realtime_lab.server.engine.responder import voice_piece
from realtime_lab.server.hearing.heard import HeardFrames
from realtime_lab.server.hearing.semantic import EndOfTurn, EndOfTurnMaker
from realtime_lab.server.recogniser.recogniser import Recogniser
from realtime_lab.server.recogniser.transcriber import (
    PunctuationEndOfTurn,
    RecognisingTranscriber,
    default_transcriber,
    find_recogniser,
)
from realtime_lab.server.serving.fair_queue import FairQueue
from realtime_lab.server.serving.rest import ClientSecrets, Reply, Request, answer, refusal, wrong_key
from realtime_lab.server.serving.shared_vad import SharedProbabilities, SharedVad

_HEAD_TIMEOUT_S = 10.0
_LINGER_S = 2.0
_MAX_BODY_BYTES = 1_000_000
_READ_BYTES = 16_384
"""Read at once: of fragments of one byte that is 20 ms of work, for which everybody else waits."""
_BUFFER_BYTES = 65_536
_MAX_FRAGMENTS = 4_096
"""Of one message; clients send one."""
# Its own debug output would print keys.
_silent = logging.Logger("realtime_lab.serve", logging.CRITICAL + 1)
_silent.disabled = True
BETA_CLOSE_CODE = 4000
BAD_KEY_CLOSE_CODE = 3000


@dataclass
class RealtimeServer:
    """A Realtime server on 127.0.0.1.

    Use it as an async context manager; `url` is then the base a client takes, ending in /v1.

    Args:
        profile: Defaults and delays.
        seed: Decides the draws of its sessions, with the number of the session.
        port: Where it listens; 0: any free port.
        key: The only API key it takes; None: any, or none.
        same_seed: Give every session the seed itself, so that each is like the one on the virtual clock.
        transcriber: "whisper" or a folder of Whisper weights; "simulated": nothing, as no script says what is spoken.
            Default: "whisper" where the extra is installed.
        end_of_turn: What estimates the end of a turn, for semantic_vad; None: the recogniser's punctuation.
    """

    profile: Profile = field(default_factory=lambda: PROFILES["documented"])
    seed: int = 0
    port: int = 0
    key: str | None = field(default=None, repr=False)
    same_seed: bool = False
    transcriber: str = field(default_factory=default_transcriber)
    end_of_turn: EndOfTurnMaker | None = None
    sessions: int = field(default=0, init=False)
    """How many sessions were opened so far."""

    def __post_init__(self) -> None:
        self._shared = SharedProbabilities()
        self._secrets = ClientSecrets()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = FairQueue("realtime-lab-recogniser")

    @property
    def url(self) -> str:
        """Base address for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> RealtimeServer:
        """Start listening.

        Raises:
            MissingExtraError: If the transcriber needs the extra `whisper`, which is not installed.
            ConfigError: If its weights cannot be used.
        """
        self._recogniser = find_recogniser(self.transcriber)
        self._server = await asyncio.start_server(self._on_connect, "127.0.0.1", self.port, limit=_BUFFER_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and end the open sessions."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.shutdown()

    async def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._handle(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_S):
                request, raw = await _read_request(reader)
        except (h11.RemoteProtocolError, TimeoutError):
            await _reply(writer, Reply(400, {"error": {"message": "This is no HTTP request.", "type": "bad_request"}}))
            return
        request = replace(request, access=self._secrets.access(request.key, time.time()))
        reply = self.refusal(request)
        if reply is None and not request.upgrades:
            reply = self._answer(request)
        if reply is not None:
            await _reply(writer, reply)
            return
        self.sessions += 1
        seed = self.seed if self.same_seed else self.seed + self.sessions - 1
        recogniser = self._recogniser
        heard = None if recogniser is None and self.end_of_turn is None else HeardFrames()
        listening = self._listening.client()
        engine = Engine(
            self.profile,
            seed,
            model=request.query("model"),
            opened_unix_s=int(time.time()),
            make_vad=self.listener,
            intent=request.query("intent"),
            heard=heard,
            # The estimate decides whether a turn is over, so this one the session waits for.
            end_of_turn=None if heard is None else self._estimate(recogniser, heard),
            # On a thread of its own: recognition takes a third of a second, and other sessions must not wait for it.
            transcriber=None
            if recogniser is None or heard is None
            else RecognisingTranscriber(recogniser, heard, listening.submit),
        )
        opened = self._secrets.session(request.key)
        if opened is not None:
            engine.open_as(opened)
        try:
            await self.session(reader, writer, engine, request).run(raw)
        finally:
            listening.leave()

    def _estimate(self, recogniser: Recogniser | None, heard: HeardFrames) -> EndOfTurn | None:
        """What a session's semantic_vad waits for."""
        if self.end_of_turn is not None:
            return self.end_of_turn(heard)
        return None if recogniser is None else PunctuationEndOfTurn(recogniser, heard)

    def _answer(self, request: Request) -> Reply:
        """Answer a REST request."""
        if self.key is not None and request.key != self.key:
            return wrong_key()
        reply = answer(request, self.profile, self.seed, int(time.time()))
        self._secrets.remember(reply)
        return reply

    def listener(self, rate_hz: int) -> FrameListener:
        """The detector of one session, for audio at `rate_hz`."""
        return SharedVad(self._shared, rate_hz)

    def refusal(self, request: Request) -> Reply | None:
        """Why a request may not come in; None when it may."""
        return refusal(request)

    def session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, engine: Engine, request: Request
    ) -> SocketSession:
        """What holds one WebSocket session."""
        return SocketSession(reader, writer, engine, request, self.key)


async def _read_request(reader: asyncio.StreamReader) -> tuple[Request, bytes]:
    """One request, and the bytes it was read from."""
    connection, raw, body = h11.Connection(h11.SERVER), b"", b""
    head: h11.Request | None = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_READ_BYTES)
            raw += data
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            if len(body) > _MAX_BODY_BYTES:
                raise h11.RemoteProtocolError("body too large")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
            return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers, body), raw
        else:
            raise h11.RemoteProtocolError("the connection was closed")


async def _reply(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = reply.encoded()
    head = (
        f"HTTP/1.1 {reply.status} {'OK' if reply.status == 200 else 'Refused'}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items()) + "\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


@dataclass
class SocketSession:
    """One WebSocket session."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    engine: Engine
    request: Request
    key: str | None

    def __post_init__(self) -> None:
        self._protocol = ServerProtocol(max_size=MAX_FRAME_BYTES, logger=_silent)
        self._wake = asyncio.Event()
        self._opened_s = time.monotonic()
        self._parts, self._fragments = bytearray(), 0

    def _now_ms(self) -> float:
        return (time.monotonic() - self._opened_s) * 1000.0

    async def run(self, raw: bytes) -> None:
        """Hold the session until either side closes it."""
        await asyncio.sleep(self.engine.connect_ms / 1000)
        self._protocol.receive_data(raw)
        events = self._protocol.events_received()
        if not events or not isinstance(events[0], UpgradeRequest):
            return
        response = self._protocol.accept(events[0])
        self._protocol.send_response(response)
        await self._flush()
        if response.status_code != 101 or await self._turned_away():
            return
        self.engine.start(self._now_ms())
        sender = asyncio.create_task(self._send_when_due())
        sender.add_done_callback(self._on_sender_end)
        try:
            self._take(events[1:])
            await self._receive()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self.engine.let_go()

    async def _turned_away(self) -> bool:
        """Close at once where the service would; True when that was done."""
        if self.request.headers.get("openai-beta", "").lower() == "realtime=v1":
            message = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
            detail = ErrorDetail(type="invalid_request_error", code="beta_api_shape_disabled", message=message)
            self._protocol.send_text(encode(ev.ErrorEvent(event_id="event_beta", error=detail)))
            await self._close(BETA_CLOSE_CODE, "invalid_request_error.beta_api_shape_disabled")
            return True
        foreign = self.key is not None and self.request.key != self.key and self.request.access != "granted"
        if foreign or self.request.access == "expired":
            await self._close(BAD_KEY_CLOSE_CODE, "invalid_request_error.invalid_api_key")
            return True
        return False

    async def _close(self, code: int, reason: str) -> None:
        self._protocol.send_close(code, reason)
        await self._flush()
        await self._linger()

    async def _linger(self) -> None:
        """Read on until the client hangs up: closing on unread bytes would take our last words with it."""
        self.writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while await self.reader.read(_READ_BYTES):
                    pass

    async def _receive(self) -> None:
        while data := await self.reader.read(_READ_BYTES):
            self._protocol.receive_data(data)
            self._take(self._protocol.events_received())
            await self._flush()
            await asyncio.sleep(0)  # reading and writing need not wait, and then nobody else has a turn
            if self._over():
                if self._protocol.close_rcvd is None:
                    await self._linger()
                return
        self._protocol.receive_eof()

    def _over(self) -> bool:
        return self._protocol.close_expected()

    def _take(self, frames: list[Any]) -> None:
        now_ms = self._now_ms()
        for frame in frames:
            if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            self._parts += frame.data
            self._fragments += 1
            if self._fragments > _MAX_FRAGMENTS:
                self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {_MAX_FRAGMENTS:,} fragments")
                return
            if frame.fin:
                message, self._parts, self._fragments = bytes(self._parts), bytearray(), 0
                self._take_message(message, now_ms)
        self._wake.set()

    def _take_message(self, message: bytes, now_ms: float) -> None:
        try:
            self.engine.receive_frame(message, now_ms)
        except Exception as error:  # a service answers so too, and goes on
            text = f"The server had an error while processing your event: {type(error).__name__}"
            detail = ErrorDetail(type="server_error", code="internal_error", message=text)
            self._protocol.send_text(encode(ev.ErrorEvent(event_id="event_internal", error=detail)))

    def _on_sender_end(self, sender: asyncio.Task[None]) -> None:
        if not sender.cancelled() and sender.exception() is not None:
            self.writer.close()

    async def _send_when_due(self) -> None:
        while True:
            self._wake.clear()
            due_ms = self.engine.next_due_ms()
            if due_ms is None or due_ms > self._now_ms():
                wait_s = None if due_ms is None else (due_ms - self._now_ms()) / 1000
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                continue
            for _, event in self.engine.take_due(self._now_ms()):
                await self.deliver(event)
            await self._flush()
            if self.engine.closing is not None and self.engine.next_due_ms() is None:
                self._protocol.send_close(*self.engine.closing)
                await self._flush()
                return

    async def deliver(self, event: ev.Event) -> None:
        """Put one event on the wire."""
        self._protocol.send_text(encode(self._with_audio(event)))

    def _with_audio(self, event: ev.Event) -> ev.Event:
        """The event with its audio inline, as the wire has it."""
        if not isinstance(event, ev.AudioDelta) or not isinstance(event.delta, AudioRef):
            return event
        format_type = self.engine.settings.effective["audio"]["output"]["format"]["type"]
        return msgspec.structs.replace(event, delta=_voice_base64(event.delta, format_type))

    async def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        # In one piece: asyncio logs each further write to a connection of which one has just found that it is gone.
        if data and not self.writer.is_closing():
            self.writer.write(data)
        await self.writer.drain()


_ENCODERS: dict[str, Callable[[Any], bytes]] = {"audio/pcmu": encode_ulaw, "audio/pcma": encode_alaw}


@lru_cache(maxsize=2048)
def _voice_base64(ref: AudioRef, format_type: str) -> str:
    piece = voice_piece(ref.offset_samples, ref.samples, ref.rate_hz)
    raw = _ENCODERS[format_type](piece) if format_type in _ENCODERS else piece.astype("<i2").tobytes()
    return base64.b64encode(raw).decode()
