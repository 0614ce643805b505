"""Hold one session and bring back its Recording: the door to every target."""

from __future__ import annotations

from realtime_lab.audio.conditions import Condition, clean
from realtime_lab.audio.script import Script
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.recording.events import Recording
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import Live, Target, mocked
from realtime_lab.session.virtual import run_virtual

__all__ = ["run_session"]

DEFAULT_FRAME_MS = 20.0
"""Audio in one append event: what telephony and most clients send."""


def run_session(
    config: SessionConfig,
    script: Script,
    target: Target | None = None,
    *,
    condition: Condition | None = None,
    seed: int = 0,
    frame_ms: float = DEFAULT_FRAME_MS,
    stage: Stage | None = None,
) -> Recording:
    """Play a script to a target and record what happens.

    Args:
        config: The session asked for.
        script: What the caller says.
        target: Who answers; default: the mocked server.
        condition: What the caller's line sounds like; default: clean.
        seed: Decides the mocked server's draws.
        frame_ms: Audio in one append event, ms.
        stage: Rendered audio to share between sessions; default: a new one.

    Returns:
        The recording; its header says whether the session failed, and why.

    Raises:
        ConfigError: If `frame_ms` is not positive, or a live target's key is not set.
        AudioError: If a clip cannot be read.
    """
    if not 0 < frame_ms <= 1000:
        raise ConfigError([Problem("frame_ms", frame_ms, "more than 0 and at most 1000 ms", "20 is usual")])
    target, condition, stage = target or mocked(), condition or clean(), stage or Stage()
    if isinstance(target, Live):
        from realtime_lab.session.live_run import (
            LiveRequest,
            run_live,
        )  # asyncio and websockets, which a mocked session never needs

        return run_live(LiveRequest(config, script, condition, target, seed, stage, frame_ms))
    return run_virtual(config, script, condition, target, seed, frame_ms, stage)
