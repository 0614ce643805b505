"""Which pauses of a recorded caller were holds, and which ended a turn: by their length, or by what the agent did.

Values in, values out. The rules for a call with the agent on a channel of its own:

- The agent's speech, pauses of less than 600 ms bridged, is a *floor-taking stretch* when it lasts 500 ms or more;
  anything shorter ("mm-hm") is a backchannel and changes nothing.
- A pause of the caller ends the turn when the agent takes the floor in it: it speaks in the pause for 500 ms or more
  and is done before the caller goes on, or for 1 s or more and is still speaking then. Other pauses are holds, unless
  nobody speaks for longer than the longest hold.
- When the caller goes on within 1 s of the agent's start, nobody has yet heard what the agent says: the caller had
  not finished, the pause is a hold, and the agent cut in. So it did when it began while the caller spoke and the
  caller went on. A turn is flagged when the caller still spoke for 500 ms or more after such a start.
- Speech of the caller of less than 500 ms inside a stretch of the agent's is a backchannel too, and no turn.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from realtime_lab.audio.pcm import Interval

BACKCHANNEL_MS = 500.0
"""Speech shorter than this takes no floor, ms."""
CUT_IN_MS = 1_000.0
"""A caller who goes on this soon after the agent began to speak was not answering it, ms."""
_BRIDGED_MS = 600.0


class SpokenTurn(NamedTuple):
    """A turn of the caller, in ms of the recording."""

    speech_ms: tuple[Interval, ...]
    """Its speech; the pauses between are holds."""
    cut_by_agent: bool = False
    """The agent began to speak in it, and the caller went on."""

    @property
    def span_ms(self) -> Interval:
        """From its first speech to its last."""
        return Interval(self.speech_ms[0].start_ms, self.speech_ms[-1].end_ms)


def turns_by_pauses(speech_ms: Sequence[Interval], max_hold_ms: float) -> tuple[SpokenTurn, ...]:
    """Turns of a caller who is alone on the recording: a pause over `max_hold_ms` ends one.

    Args:
        speech_ms: Where the caller speaks, in order.
        max_hold_ms: The longest pause inside a turn, ms.
    """
    ends = [pause.end_ms - pause.start_ms > max_hold_ms for pause in _pauses(speech_ms)]
    return tuple(SpokenTurn(tuple(part)) for part in _divided(speech_ms, ends))


def turns_by_agent(
    caller_ms: Sequence[Interval], agent_ms: Sequence[Interval], max_hold_ms: float
) -> tuple[SpokenTurn, ...]:
    """Turns of a caller in a conversation, by the rules of this module.

    Args:
        caller_ms: Where the caller speaks, in order.
        agent_ms: Where the agent speaks, in order.
        max_hold_ms: A pause in which nobody speaks and which is longer than this ends a turn, ms.
    """
    floor = _Floor(agent_ms)
    speech = [part for part in caller_ms if not floor.covers(part)]
    ends = [pause.length_ms > max_hold_ms or floor.taken_in(pause) for pause in _pauses(speech)]
    return flagged((SpokenTurn(tuple(part)) for part in _divided(speech, ends)), agent_ms)


def flagged(turns: Iterable[SpokenTurn], agent_ms: Sequence[Interval]) -> tuple[SpokenTurn, ...]:
    """The turns, each told whether the agent cut in."""
    floor = _Floor(agent_ms)
    return tuple(turn._replace(cut_by_agent=floor.cuts(turn)) for turn in turns)


class _Floor:
    """The agent's floor-taking stretches."""

    def __init__(self, agent_ms: Sequence[Interval]) -> None:
        bridged: list[Interval] = []
        for part in agent_ms:
            if bridged and part.start_ms - bridged[-1].end_ms < _BRIDGED_MS:
                bridged[-1] = Interval(bridged[-1].start_ms, part.end_ms)
            else:
                bridged.append(part)
        self._stretches = [part for part in bridged if part.length_ms >= BACKCHANNEL_MS]
        self._starts = [part.start_ms for part in self._stretches]
        self._ends = [part.end_ms for part in self._stretches]

    def _around(self, span: Interval) -> Sequence[Interval]:
        """Stretches that overlap `span`."""
        return self._stretches[bisect_right(self._ends, span.start_ms) : bisect_left(self._starts, span.end_ms)]

    def covers(self, part: Interval) -> bool:
        """The caller's `part` is a backchannel inside one stretch."""
        around = self._around(part)
        inside = bool(around) and around[0].start_ms < part.start_ms and part.end_ms < around[0].end_ms
        return inside and part.length_ms < BACKCHANNEL_MS

    def taken_in(self, pause: Interval) -> bool:
        """The agent takes the floor in a caller's pause."""
        for stretch in self._around(pause):
            spoken_ms = min(stretch.end_ms, pause.end_ms) - max(stretch.start_ms, pause.start_ms)
            if spoken_ms >= (CUT_IN_MS if stretch.end_ms >= pause.end_ms else BACKCHANNEL_MS):
                return True
        return False

    def cuts(self, turn: SpokenTurn) -> bool:
        """The agent began inside the turn, and the caller went on."""
        for stretch in self._around(turn.span_ms):
            left_ms = sum(max(0.0, part.end_ms - max(part.start_ms, stretch.start_ms)) for part in turn.speech_ms)
            if stretch.start_ms > turn.span_ms.start_ms and left_ms >= BACKCHANNEL_MS:
                return True
        return False


def _pauses(speech_ms: Sequence[Interval]) -> list[Interval]:
    return [Interval(before.end_ms, after.start_ms) for before, after in pairwise(speech_ms)]


def _divided(speech_ms: Sequence[Interval], ends: Sequence[bool]) -> list[list[Interval]]:
    """Speech as turns; `ends` says of each pause whether it ends one."""
    turns: list[list[Interval]] = []
    for part, begins in zip(speech_ms, [True, *ends], strict=False):
        if begins:
            turns.append([])
        turns[-1].append(part)
    return turns
