"""A client that holds a session with the engine and writes down what both sides said, as loggers of real ones do."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field

import numpy as np

from realtime_lab.protocol import event_to_builtins
from realtime_lab.server import PROFILES, Engine
from realtime_lab.server.engine.responder import voice_piece
from realtime_lab.server.engine.transcribing import Recognition

APPEND = "input_audio_buffer.append"


@dataclass
class Words:
    """A transcriber that always hears the same, or fails."""

    text: str | None = "hello there"
    name: str = "words"

    def begin(self, start_ms, end_ms, asked):
        found = Recognition(self.name, self.text, code=None if self.text else "server_error", message="no")
        return lambda: found


@dataclass
class LoggedService:
    """One session; `lines` are its log.

    Args:
        profile: Whose server it is.
        options: Of the Engine.
    """

    profile: object = PROFILES["openai"]
    options: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
    t_ms: float = 0.0

    def __post_init__(self):
        self.engine = Engine(self.profile, 3, **{"model": "gpt-realtime", "transcriber": Words()} | self.options)
        self.engine.start(0.0)
        self.wait(100)

    def send(self, kind, **fields):
        """Send one event now."""
        event = {"type": kind, **fields}
        self._note("client", event)
        self.engine.receive_frame(json.dumps(event), self.t_ms)
        return self

    def update(self, **session):
        """Configure the session, and wait for the answer."""
        return self.send("session.update", session={"type": "realtime", **session}).wait(100)

    def wait(self, ms):
        """Let time pass."""
        until_ms = self.t_ms + ms
        for due_ms, event in self.engine.take_due(until_ms):
            self.t_ms = due_ms
            fields = event_to_builtins(event)
            delta = fields.get("delta")
            if isinstance(delta, dict):
                piece = voice_piece(delta["offset_samples"], delta["samples"])
                fields["delta"] = base64.b64encode(piece.astype("<i2").tobytes()).decode()
            self._note("server", fields)
        self.t_ms = until_ms
        return self

    def say(self, pcm, *, append_ms=100, pace=0.0, encode=None):
        """Append a clip; `pace` is how much time passes for each ms of it."""
        each = append_ms * 24
        for start in range(0, len(pcm), each):
            piece = pcm[start : start + each]
            raw = piece.astype("<i2").tobytes() if encode is None else encode(piece)
            self.send(APPEND, audio=base64.b64encode(raw).decode())
            self.wait(len(piece) / 24 * pace)
        return self

    def last(self, kind):
        """The newest event of a type."""
        return next(line["event"] for line in reversed(self.lines) if line["event"]["type"] == kind)

    def _note(self, direction, event):
        self.lines.append({"t_ms": self.t_ms, "direction": direction, "event": copy.deepcopy(event)})


def without_audio(lines):
    """The log as a cassette keeps it: appends stay, their bytes do not; and without times."""
    return [
        {"direction": line["direction"], "event": {**line["event"], "audio": ""} if is_append(line) else line["event"]}
        for line in lines
    ]


def untimed(lines):
    """The log without times."""
    return [{"direction": line["direction"], "event": line["event"]} for line in lines]


def is_append(line):
    """Whether it is an append."""
    return line["event"]["type"] == APPEND


def write_log(path, lines):
    """As JSON lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def silence(ms):
    """Digital silence."""
    return np.zeros(int(ms * 24), dtype=np.int16)
