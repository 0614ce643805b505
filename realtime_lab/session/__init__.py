"""Make one session happen: play a script to a target and bring back a Recording.

`caller` decides what the microphone and the client do; `virtual` holds the session on a clock that never waits,
`live` over a socket, `replay` not at all.
"""

from __future__ import annotations

from realtime_lab.session.live_faults import FATAL_FAULTS
from realtime_lab.session.run import run_session
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import (
    TARGETS,
    Live,
    Mocked,
    Replay,
    Target,
    azure,
    calibrated_against,
    live,
    mocked,
    openai,
    replay,
)

__all__ = [
    "FATAL_FAULTS",
    "TARGETS",
    "Live",
    "Mocked",
    "Replay",
    "Stage",
    "Target",
    "azure",
    "calibrated_against",
    "live",
    "mocked",
    "openai",
    "replay",
    "run_session",
]
