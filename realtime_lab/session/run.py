"""Hold one session and bring back its Recording: the door to every target."""

from __future__ import annotations

from realtime_lab.audio.conditions import Condition, clean
from realtime_lab.audio.script import Script
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ArgumentError, Problem
from realtime_lab.recording.events import Recording
from realtime_lab.server.plugged import Plugged, plugged
from realtime_lab.session.client_turns import ClientEndpointer, ClientTurns, client_turn_problems
from realtime_lab.session.recorded import run_replay
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import Live, Replay, Target, mocked
from realtime_lab.session.virtual import run_virtual

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
    commit_delay_ms: float = 0.0,
    endpointer: ClientEndpointer | Plugged | None = None,
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
        commit_delay_ms: With turn_detection null: from the end of each turn, which the script knows, to the commit.
        endpointer: With turn_detection null: ends turns in place of the script. It is called once and returns a
            function that is given each 32 ms of the caller's audio, int16 of shape (768,) at 24 kHz, and says whether
            the turn is over; then the client commits and asks for a response. Live it runs while time is measured.

    Returns:
        The recording; its header says whether the session failed, and why.

    Raises:
        ConfigError: If `frame_ms` is not positive, a live target's key is not set, or the client is to end turns that
            the server detects.
        MissingExtraError: If semantic_vad is asked of the mocked server and nothing can estimate the end of a turn.
        AudioError: If a clip cannot be read.
        RecordingError: If a replay target has no recording of this.
    """
    if not 0 < frame_ms <= 1000:
        raise ArgumentError([Problem("frame_ms", frame_ms, "more than 0 and at most 1000 ms", "20 is usual")])
    turns = ClientTurns(commit_delay_ms, None if endpointer is None else plugged("endpointer", endpointer))
    problems = client_turn_problems(config, turns)
    if problems:
        raise ArgumentError(problems)
    target, condition, stage = target or mocked(), condition or clean(), stage or Stage()
    if isinstance(target, Replay):
        return run_replay(config, script, condition, target, seed, turns)
    if isinstance(target, Live):
        from realtime_lab.session.live.run import (
            LiveRequest,
            run_live,
        )  # asyncio and websockets, which a mocked session never needs

        return run_live(LiveRequest(config, script, condition, target, seed, stage, frame_ms, turns))
    return run_virtual(config, script, condition, target, seed, frame_ms, stage, turns)
