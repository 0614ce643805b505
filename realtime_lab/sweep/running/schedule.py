"""Which trials go to which worker next, and how many at a time: bookkeeping only, no processes and no store.

A lane stands for one worker. It takes a block of the plan (every setting on one script, condition and repeat) and
stays with that script and condition while there is work on it, since their audio and its voice-activity
probabilities are then at hand; a lane without a block of its own helps with the longest one. Tasks start at one
trial and grow until one lasts about half a second, and shrink towards the end so that lanes finish together. Trials
that a worker runs side by side are the sessions a service holds at a time: block after block until there are as many
as it may hold, halved when the service asks for fewer, one more with every task that went well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TARGET_TASK_S = 0.5
MAX_TASK_TRIALS = 256


@dataclass
class _Block:
    place: tuple[str, str]
    trials: deque[int] = field(default_factory=deque)
    lane: int | None = None


@dataclass
class _Lane:
    block: _Block | None = None
    place: tuple[str, str] | None = None
    size: int = 1


class Schedule:
    """The trials still to send.

    Args:
        trials: (trial number, block number, (script, condition)) in plan order.
        lanes: How many workers there are.
        at_once: Trials a worker runs side by side, which are then a task; None: one after another.
    """

    def __init__(
        self, trials: Iterable[tuple[int, int, tuple[str, str]]], lanes: int, at_once: int | None = None
    ) -> None:
        self._at_once = at_once
        self._allowed = lanes * (at_once or 1)
        self._out = 0
        blocks: dict[int, _Block] = {}
        for number, block, place in trials:
            blocks.setdefault(block, _Block(place)).trials.append(number)
        self._blocks = list(blocks.values())
        self._again: deque[int] = deque()
        self._waiting: deque[int] = deque()
        self._lanes = [_Lane(size=at_once or 1) for _ in range(lanes)]
        self._left = sum(len(block.trials) for block in self._blocks)

    def __len__(self) -> int:
        """Trials not taken yet."""
        return self._left + len(self._again) + len(self._waiting)

    @property
    def allowed(self) -> int:
        """Trials that may run side by side on all lanes together."""
        return self._allowed

    def take(self, lane: int, most: int | None = None) -> list[int]:
        """The trials that `lane` should run next, in order; empty when there are none left, or none may run now.

        Args:
            lane: The lane.
            most: How many to take at most.
        """
        room = MAX_TASK_TRIALS if self._at_once is None else self._allowed - self._out
        taken = self._next(lane, room if most is None else min(room, most))
        self._out += len(taken)
        return taken

    def _next(self, lane: int, room: int) -> list[int]:
        if room < 1:
            return []
        if self._again:
            return [self._again.popleft()]
        state = self._lanes[lane]
        if self._waiting:
            return [self._waiting.popleft() for _ in range(min(state.size, room, len(self._waiting)))]
        taken: list[int] = []
        wanted = min(state.size, room, self._fair_share())
        while len(taken) < wanted and (block := self._block_for(lane)) is not None:
            taken += [block.trials.popleft() for _ in range(min(wanted - len(taken), len(block.trials)))]
            if not block.trials:
                self._blocks.remove(block)
            if self._at_once is None:  # one after another: the next block may have other audio
                break
        self._left -= len(taken)
        return taken

    def _fair_share(self) -> int:
        """How many of those left a lane may take, so that lanes finish together; side by side, so that none waits."""
        lanes = len(self._lanes)
        return max(1, self._left // (2 * lanes)) if self._at_once is None else -(-(self._left + self._out) // lanes)

    def back(self, trials: int, limited: bool = False) -> None:
        """Trials that were taken run no more, however they ended.

        Args:
            trials: How many.
            limited: Whether the service asked for fewer at a time.
        """
        self._out -= trials
        if limited:
            self._allowed = max(1, self._allowed // 2)
        elif self._at_once is not None:
            self._allowed = min(self._allowed + 1, len(self._lanes) * self._at_once)

    def took(self, lane: int, trials: int, seconds: float) -> None:
        """A task of `trials` kept `lane` busy for `seconds`: choose the size of its next one."""
        if self._at_once is not None:
            return
        fitting = TARGET_TASK_S / max(seconds / trials, 1e-6)
        state = self._lanes[lane]
        state.size = int(max(1, min(fitting, 2 * max(trials, state.size), MAX_TASK_TRIALS)))

    def again(self, trials: Iterable[int]) -> None:
        """Trials whose worker died are to be sent once more, each alone, so that one bad trial shows itself."""
        self._again.extend(trials)

    def put_back(self, trials: Sequence[int], dropped: int = 0) -> None:
        """Trials that were taken and are not sent now.

        Args:
            trials: Those that come first next time.
            dropped: How many others will never be sent.
        """
        self._out -= len(trials) + dropped
        self._waiting.extendleft(reversed(trials))

    def _block_for(self, lane: int) -> _Block | None:
        state = self._lanes[lane]
        if state.block is not None and state.block.trials:
            return state.block
        free = [block for block in self._blocks if block.lane is None]
        block = next((block for block in free if block.place == state.place), None)
        if block is None:
            taken = {other.place for other in self._lanes if other is not state}
            block = next((block for block in free if block.place not in taken), free[0] if free else None)
        if block is None:
            return max(self._blocks, key=lambda block: len(block.trials), default=None)
        block.lane, state.block, state.place = lane, block, block.place
        return block
