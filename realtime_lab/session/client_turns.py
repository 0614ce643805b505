"""When the client ends a turn itself, as it must where the server detects none (turn_detection null).

Either at the end of the turn that the script knows, `commit_delay_ms` later: the oracle, which no endpointing can
beat. Or when an endpointer of the user's own says so, frame by frame. Both commit the audio and ask for a response.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import GRID_MS, GRID_SAMPLES
from realtime_lab.audio.render import Passage
from realtime_lab.config import SessionConfig
from realtime_lab.errors import Problem
from realtime_lab.server.plugged import Plugged

MAX_COMMIT_DELAY_MS = 4_000.0
"""Longer, and the turn would count as missed."""

HearFrame = Callable[[NDArray[np.int16]], bool]
"""Takes the next 32 ms of the caller's audio, int16, shape (768,) at 24 kHz; True: the turn is over, commit now."""
ClientEndpointer = Callable[[], HearFrame]
"""Called once per session; what it returns hears every frame of that session, in order."""


class Placed(Protocol):
    """A passage on the session's timeline."""

    @property
    def start_frame(self) -> int:
        """Grid frame at which it starts."""
        ...

    @property
    def passage(self) -> Passage:
        """What is played."""
        ...


@dataclass(frozen=True)
class ClientTurns:
    """How the client ends turns."""

    commit_delay_ms: float = 0.0
    """From the end of each turn to the commit, where no endpointer is given."""
    endpointer: Plugged | None = None
    """Names a ClientEndpointer."""

    @property
    def name(self) -> str:
        """What ends turns, for the recording's header."""
        if self.endpointer is None:
            return f"client: end of turn by the script + {self.commit_delay_ms:g} ms"
        return f"client: {self.endpointer}"


BY_SCRIPT = ClientTurns()
"""At the very end of each turn."""


class FrameEar:
    """Lets an endpointer hear what the microphone plays, frame by frame.

    Args:
        make: Makes the session's endpointer.
        placements: What is played; it grows.
    """

    def __init__(self, make: ClientEndpointer, placements: Sequence[Placed]) -> None:
        self._hear = make()
        self._placements = placements
        self._place = 0
        self._frames = 0

    def next_ms(self) -> float:
        """When the next frame has wholly been said."""
        return (self._frames + 1) * float(GRID_MS)

    def hear(self) -> bool:
        """Hear the next frame; whether the turn is over."""
        frame, self._frames = self._frames, self._frames + 1
        while self._place + 1 < len(self._placements) and self._placements[self._place + 1].start_frame <= frame:
            self._place += 1
        placed = self._placements[self._place]
        first = (frame - placed.start_frame) * GRID_SAMPLES
        return bool(self._hear(placed.passage.pcm[first : first + GRID_SAMPLES]))


def client_turn_problems(config: SessionConfig, turns: ClientTurns) -> list[Problem]:
    """What is wrong with ending turns so in a session like that."""
    problems = []
    if not 0 <= turns.commit_delay_ms <= MAX_COMMIT_DELAY_MS:
        problems.append(Problem("commit_delay_ms", turns.commit_delay_ms, f"0 to {MAX_COMMIT_DELAY_MS:g} ms"))
    if turns.endpointer is not None:
        problems += turns.endpointer.problems("endpointer")
    detected = config.get("turn_detection", "unset")
    if turns != BY_SCRIPT and detected is not None:
        hint = "the client ends turns only where the server detects none"
        problems.append(Problem("audio.input.turn_detection", detected, "null, with these", hint))
    if turns.endpointer is not None and turns.commit_delay_ms:
        problems.append(Problem("commit_delay_ms", turns.commit_delay_ms, "unset beside an endpointer"))
    return problems
