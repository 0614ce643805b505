"""A good client of `realtime-lab serve` beside a thousand idle sockets, fragments, commits and items without end.

Only with --full, as what is measured is time; what the bounds are is tested in `test_fair_queue`, `test_serve` and
`test_items` always.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect

from realtime_lab.audio import read_audio

pytestmark = pytest.mark.full

SECONDS = 12.0
EVENT_S, TRANSCRIPT_S = 0.5, 3.0
MAX_PEAK_MB = 1_000
CONFIG = {"type": "realtime", "audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}}
UPDATE = {"type": "session.update", "session": CONFIG}
COMMIT = {"type": "input_audio_buffer.commit"}
UPGRADE = (
    "GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def served():
    """The command in a process of its own: (port, process)."""
    command = [sys.executable, "-m", "realtime_lab.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "127.0.0.1:" in line)
        yield int(re.search(r"127\.0\.0\.1:(\d+)", said)[1]), process
        process.kill()


def frame(opcode, data, fin=True):
    """One frame as a client sends it, masked by zeros."""
    size = len(data)
    long = struct.pack(">BH", 0xFE, size) if size < 65_536 else struct.pack(">BQ", 0xFF, size)
    return bytes([0x80 * fin | opcode]) + (bytes([0x80 | size]) if size < 126 else long) + bytes(4) + data


def text(event):
    return frame(1, json.dumps(event).encode())


def said_item(words):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}


def append(clip, samples):
    audio = base64.b64encode(clip[:samples].astype("<i2").tobytes()).decode()
    return {"type": "input_audio_buffer.append", "audio": audio}


def keep_sending(port, head, blob, stop):
    """One hostile client after the other, each for as long as the server lets it."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            raw.sendall(UPGRADE.format(port).encode())
            threading.Thread(target=read_all, args=(raw,), daemon=True).start()
            raw.sendall(head)
            until_s = time.monotonic() + 4.0
            while not stop.is_set() and time.monotonic() < until_s:
                raw.sendall(blob)


def read_all(raw):
    with suppress(OSError):
        while raw.recv(65_536):
            pass


def waits(port, clip):
    """How long a good client waited for events and for transcripts, s."""
    events, transcripts = [], []
    with connect(f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime") as good:

        def until(kind):
            while json.loads(good.recv(timeout=60))["type"] != kind:
                pass

        until_s = time.monotonic() + SECONDS
        while time.monotonic() < until_s:
            asked_s = time.monotonic()
            good.send(json.dumps(UPDATE))
            until("session.updated")
            events.append(time.monotonic() - asked_s)
            asked_s = time.monotonic()
            good.send(json.dumps(append(clip, len(clip))))
            good.send(json.dumps(COMMIT))
            until("input_audio_buffer.committed")
            events.append(time.monotonic() - asked_s)
            until("conversation.item.input_audio_transcription.completed")
            transcripts.append(time.monotonic() - asked_s)
    return events, transcripts


@pytest.mark.parametrize("flood", ["sockets", "fragments", "commits", "items"])
def test_a_good_client_hardly_notices(served, root, flood):
    port, process = served
    clip = read_audio(root / "data" / "speech" / "librivox" / "sense-and-sensibility-0880.flac")
    head, blob = {
        "sockets": (b"", b""),
        "fragments": (frame(1, b"a", fin=False), frame(0, b"a", fin=False) * 20_000),
        "commits": (text(UPDATE), text(append(clip, 48_000)) + text(COMMIT)),
        "items": (b"", text({"type": "conversation.item.create", "item": said_item("x" * 20_000)}) * 50),
    }[flood]
    stop, idle = threading.Event(), []
    if flood == "sockets":
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(1_000)]
    else:
        threading.Thread(target=keep_sending, args=(port, head, blob, stop), daemon=True).start()
    time.sleep(1.0)
    try:
        events, transcripts = waits(port, clip)
    finally:
        stop.set()
        for one in idle:
            one.close()
    peak_mb = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]) // 1024
    print(f"{flood}: events {max(events):.2f} s, transcripts {max(transcripts):.2f} s at worst, {peak_mb} MB")
    assert max(events) <= EVENT_S and max(transcripts) <= TRANSCRIPT_S and peak_mb < MAX_PEAK_MB
