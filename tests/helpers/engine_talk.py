"""One session with the engine, in wire terms: frames in, events out as plain mappings, on a time of its own."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
from sessions import LOUD

from realtime_lab.protocol import check_order, event_to_builtins
from realtime_lab.server import PROFILES, Engine

PROFILE = replace(PROFILES["documented"], event_ms=10.0)  # answers come within the 15 ms that `ask` gives them
FRAME_SAMPLES = 768


class LoudnessListener:
    """A perfect detector on loud and quiet frames."""

    def __init__(self, rate_hz):
        self.rate_hz = rate_hz

    def feed(self, frame):
        return 1.0 if len(frame) and np.abs(frame.astype(np.int32)).max() >= LOUD else 0.0


class Talk:
    """A client that holds one session.

    Args:
        options: Of the Engine; `limits` and other profile fields may be given as `profile`.
    """

    def __init__(self, profile=PROFILE, seed=0, **options):
        self.engine = Engine(profile, seed, make_vad=LoudnessListener, **options)
        self.t_ms = 0.0
        self.events = []
        self.received = []
        self.engine.start(0.0)

    def send(self, kind, **fields):
        """Send one event now."""
        self.engine.receive_frame(json.dumps({"type": kind, **fields}), self.t_ms)

    def frame(self, raw):
        """Send one frame, whatever it is."""
        self.engine.receive_frame(raw, self.t_ms)

    def until(self, t_ms):
        """Let time pass; what was said in between, as mappings."""
        new = self.engine.take_due(t_ms)
        self.t_ms = max(t_ms, self.t_ms)
        self.received += [event for _, event in new]
        said = [{**event_to_builtins(event), "at_ms": due_ms} for due_ms, event in new]
        self.events += said
        return said

    def wait(self, ms):
        """Let `ms` pass."""
        return self.until(self.t_ms + ms)

    def ask(self, kind, **fields):
        """Send one event and give it a moment; the answers."""
        self.wait(20)
        self.send(kind, **fields)
        return self.wait(15)

    def update(self, **session):
        """Send a session.update; the answer."""
        (answer,) = self.ask("session.update", session={"type": self.engine.settings.kind, **session})
        return answer

    def error(self, kind, **fields):
        """Send one event; the error it is answered with."""
        (answer,) = self.ask(kind, **fields)
        assert answer["type"] == "error", answer
        return answer["error"]

    def respond(self, **response):
        """Ask for a response and hear it out; its events."""
        self.send("response.create", **({"response": response} if response else {}))
        return self.wait(60_000)

    def say(self, frames, loud):
        """Speak or be silent for some 32 ms frames, in real time; what was said meanwhile."""
        pcm = np.full(FRAME_SAMPLES, LOUD if loud else 3, np.int16)
        said = []
        for _ in range(frames):
            self.t_ms += 32
            self.send("input_audio_buffer.append", audio=base64.b64encode(pcm.tobytes()).decode())
            said += self.until(self.t_ms)
        return said

    def in_order(self):
        """What the order checker says of everything heard."""
        return check_order(self.received)


def kinds(events):
    """The types of events, in order."""
    return [event["type"] for event in events]


def only(events, kind):
    """The events of one type."""
    return [event for event in events if event["type"] == kind]


def profile_with(**fields):
    """The documented profile with other figures; those of its limits by their names."""
    limits = {name: fields.pop(name) for name in list(fields) if hasattr(PROFILE.limits, name)}
    return replace(PROFILE, name="test", limits=replace(PROFILE.limits, **limits), **fields)
