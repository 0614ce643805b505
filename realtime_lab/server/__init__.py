"""The server that listens: VAD, endpointing, responses, as one engine that does no I/O."""

from __future__ import annotations

from realtime_lab.server.engine import Engine
from realtime_lab.server.profile import PROFILES, Calibration, LogNormal, Profile

__all__ = ["PROFILES", "Calibration", "Engine", "LogNormal", "Profile"]
