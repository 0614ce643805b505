"""Real servers on loopback for tests, and a small synchronous client to look at them with."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

from sessions import LOUD
from websockets.sync.client import connect

from realtime_lab import background
from realtime_lab.audio import Script, Turn, clean, load_scripts
from realtime_lab.server import PROFILES, LogNormal
from realtime_lab.server.serving.serve import RealtimeServer
from realtime_lab.session import Stage

QUICK = replace(
    PROFILES["documented"],
    name="quick",
    event_ms=1.0,
    create=LogNormal(5.0, 0.1),
    first_byte=LogNormal(20.0, 0.1),
    transcription=LogNormal(15.0, 0.1),
    response_s=LogNormal(0.4, 0.1),
    realtime_factor=20.0,
    text_tokens_per_s=2000.0,
)
"""A server that takes little time."""


class LoudnessListener:
    """A perfect detector of `sessions.tone_stage`'s speech."""

    def feed(self, frame):
        return 1.0 if abs(frame.astype(int)).max() >= LOUD else 0.0


class ToneServer(RealtimeServer):
    """A server that hears tones, so that a turn can be short."""

    def listener(self, rate_hz):
        return LoudnessListener()


class TappedServer(RealtimeServer):
    """A server that keeps every frame it sends, as it stands on the wire."""

    def __post_init__(self):
        super().__post_init__()
        self.frames = []

    def session(self, *args):
        session = super().session(*args)
        send_text = session._protocol.send_text

        def tapped(frame):
            self.frames.append(frame)
            send_text(frame)

        session._protocol.send_text = tapped
        return session


@contextmanager
def running(server):
    """Hold an asynchronous context manager open on the background loop."""
    background.run(server.__aenter__())
    try:
        yield server
    finally:
        background.run(server.__aexit__(None, None, None))


@contextmanager
def serving(kind=RealtimeServer, **options):
    """A server on a free port."""
    with running(kind(**{"profile": QUICK, "same_seed": True, **options})) as server:
        yield server


def undisturbed(hold, tries=6):
    """What `hold` recorded, the first time that the session's own bounds do not flag it: a busy machine disturbs time.

    The last one is given back as it is, so a session that is always flagged is looked at all the same.
    """
    for _ in range(tries):
        recording = hold()
        if not recording.header.tainted:
            break
    return recording


@contextmanager
def client(server, path="/v1/realtime?model=gpt-realtime", **options):
    """A WebSocket to `server`."""
    with connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, compression=None, **options) as socket:
        yield socket


def send(socket, type_, **fields):
    socket.send(json.dumps({"type": type_, **fields}))


def receive_until(socket, type_):
    """The events up to and including the first of `type_`."""
    events = []
    while not events or events[-1]["type"] != type_:
        events.append(json.loads(socket.recv(timeout=5)))
    return events


@lru_cache(maxsize=1)
def shortest_script():
    """The shortest stretch of shipped speech, as a script of one turn."""
    segments = [segment for script in load_scripts("orders") for turn in script.turns for segment in turn.segments]
    shortest = min(segments, key=lambda segment: segment.span_ms.end_ms - segment.span_ms.start_ms)
    return Script("short", (Turn((shortest,), ()),), "test")


@lru_cache(maxsize=1)
def spoken_pcm():
    """One shipped turn and a second and a half of its noise floor, as PCM bytes."""
    renderer = Stage().renderer(load_scripts("orders")[0], clean())
    return (renderer.turn(0).pcm.tobytes() + renderer.idle().pcm.tobytes())[:]


def append_all(socket, pcm, step=9600):
    for start in range(0, len(pcm), step):
        audio = base64.b64encode(pcm[start : start + step]).decode()
        send(socket, "input_audio_buffer.append", audio=audio)
