"""A TCP proxy on 127.0.0.1 that delays, cuts or swallows what passes through it. It knows bytes only."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

_READ_BYTES = 65_536


@dataclass
class TcpProxy:
    """Stands between a client and a server of this machine; an asynchronous context manager.

    Its methods may be called at any time, from any thread, and concern open and later connections alike.

    Args:
        target_port: Where the server listens, on 127.0.0.1.
        delay_ms: How much later bytes leave than they came, each way.
    """

    target_port: int
    delay_ms: float = 0.0
    port: int = field(default=0, init=False)
    """Where the proxy listens."""
    connections: int = field(default=0, init=False)
    """How many were made so far."""

    def __post_init__(self) -> None:
        self._swallowing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """Base address for Realtime clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    def blackhole(self) -> None:
        """Swallow everything, both ways, as a dead link does; connections stay open and nobody is told."""
        self._swallowing = True

    def cut(self) -> None:
        """Reset every open connection."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._reset_all)

    async def __aenter__(self) -> TcpProxy:
        """Start listening."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._on_connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and cut what is open."""
        self._server.close()
        self._reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for writer in self._writers:
            transport = writer.transport
            assert isinstance(transport, asyncio.WriteTransport)
            transport.abort()

    async def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
                self._writers.add(far_writer)
                try:
                    await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
                finally:
                    self._writers.discard(far_writer)
                    far_writer.close()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way, each piece `delay_ms` after it came."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        pump = asyncio.create_task(self._pump(queue, writer))
        try:
            while data := await reader.read(_READ_BYTES):
                if not self._swallowing:
                    queue.put_nowait((loop.time() + self.delay_ms / 1000.0, data))
            queue.put_nowait((loop.time() + self.delay_ms / 1000.0, b""))
            await pump
        finally:
            pump.cancel()

    async def _pump(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s, data = await queue.get()
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if not data:
                if not self._swallowing and writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
