"""Where the server took turns, against where the speaker ended them: closing endpoints, cuts, cut holds, false starts.

The theory, in audio time. Turn i has speech intervals [s_ij, e_ij]; the pause between two of them is a hold. The
server makes input items; an item's *endpoint* is its audio_end_ms, which lies silence_duration_ms, in whole frames of
32 ms, after the speech it heard last, and its *onset* is audio_start_ms + prefix_padding_ms.

- An item is *of turn i* when it holds speech of it: its onset is not more than 250 ms after e_i (beyond that it is a
  false start) and it ends after s_i1.
- The *closing endpoint* of turn i is the last endpoint of its items with s_in < audio_end_ms < s_(i+1)1, if it comes
  by the turn's deadline. Earlier endpoints of its items are *cuts*; later ones are *late* and close nothing.
- *Hold j is cut* when the item that carries the speech before it (the last item with an onset before e_ij, heard in
  segment j) ends before the speaker's detected resumption: the speech that item heard last lies before s_i(j+1), so
  it holds nothing of the next segment. Where the silence inside audio_end_ms is unknown (semantic VAD), the item
  must end within 250 ms of s_i(j+1), the tolerance for an onset. Each hold is judged by its own item, so that one
  early endpoint does not cut every later hold; an endpoint amid a segment, after which the server starts anew in the
  same segment, is a cut but not a cut hold.
- Two turns are *merged* when one item holds speech of both.
- A *false start* is a speech_started whose onset is more than 250 ms from every reference interval of the session.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from realtime_lab.analysis.rows.asked import Asked
from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.recording.events import ReferenceTurn

ONSET_TOLERANCE_MS = 250.0
"""How far from reference speech a detected onset may lie and still belong to it."""


class HoldShare(NamedTuple):
    """Holds that were cut, and all of them."""

    numerator: int
    denominator: int

    @property
    def rate(self) -> float | None:
        """Their share; None without holds."""
        return self.numerator / self.denominator if self.denominator else None


def holds_cut_by_silence(holds_ms: Iterable[float], silence_duration_ms: float, bias_ms: float = 0.0) -> HoldShare:
    """What waiting for silence alone does to pauses of known length.

    Args:
        holds_ms: Lengths of the pauses.
        silence_duration_ms: Silence after which a turn is taken.
        bias_ms: How much longer a pause looks to the detector than it is: the median lateness of its onsets minus
            that of its offsets.

    Returns:
        The holds that are longer than the silence, and all holds.
    """
    lengths = list(holds_ms)
    return HoldShare(sum(length + bias_ms > silence_duration_ms for length in lengths), len(lengths))


@dataclass(frozen=True)
class HeardItem:
    """An input item as far as turn taking goes, audio time in ms."""

    item: InputItem
    onset_ms: float
    """Detected onset; the end of the item before it where the server gave none."""
    end_ms: float
    """Its endpoint; inf while it is open."""
    heard_ms: float | None
    """End of the speech it heard last; None when unknown."""

    def reaches(self, start_ms: float) -> bool:
        """It holds speech from `start_ms` or later."""
        if self.heard_ms is not None:
            return self.heard_ms > start_ms
        return self.end_ms >= start_ms + ONSET_TOLERANCE_MS


@dataclass
class TurnTaking:
    """What the server made of one reference turn."""

    turn: ReferenceTurn
    items: list[HeardItem] = field(default_factory=list)
    """Items of the turn, by onset."""
    closing: InputItem | None = None
    cuts: list[InputItem] = field(default_factory=list)
    late: list[InputItem] = field(default_factory=list)
    n_holds: int = 0
    """Holds whose end was played."""
    n_cut_holds: int = 0
    merged: bool = False
    strays: list[InputItem] = field(default_factory=list)
    """Items that a false start began, from this turn's start to the next one's; the first turn has those before it."""

    @property
    def false_starts(self) -> int:
        """Speech detected away from all reference speech."""
        return len(self.strays)

    @property
    def cut(self) -> bool:
        """The server took the turn before its end at least once."""
        return bool(self.cuts) or self.n_cut_holds > 0


def take_turns(
    turns: Sequence[ReferenceTurn], items: Collection[InputItem], asked: Asked, audio_ms: float
) -> list[TurnTaking]:
    """Relate input items to reference turns by the rules above.

    Args:
        turns: Turns with speech, in order.
        items: The session's input items, any order.
        asked: What the session was asked to do: the padding and silence inside the offsets.
        audio_ms: Audio appended in all; a hold that reaches beyond it was not played out.

    Returns:
        One TurnTaking per turn, in order.
    """
    heard = _Timeline(_heard_items(items, asked))
    taken = [TurnTaking(turn) for turn in turns]
    for position, taking in enumerate(taken):
        following = turns[position + 1].speech_ms[0].start_ms if position + 1 < len(turns) else math.inf
        _take_turn(taking, heard, following, audio_ms)
    for first, second in pairwise(taken):
        if any(_spans(item, first.turn, second.turn, audio_ms) for item in first.items):
            first.merged = second.merged = True
    _find_strays(taken, items, asked)
    return taken


def _heard_items(items: Iterable[InputItem], asked: Asked) -> list[HeardItem]:
    heard: list[HeardItem] = []
    reached = 0.0
    voiced = (item for item in items if not item.timed_out)
    for item in sorted(voiced, key=lambda item: (_end_ms(item), item.audio_start_ms or 0.0, item.item_id)):
        start_ms, end_ms = item.audio_start_ms, _end_ms(item)
        if start_ms is None and end_ms == math.inf:
            continue
        silence_ms = asked.silence_ms if item.detected else (0.0 if item.client_commit else None)
        heard.append(
            HeardItem(
                item,
                onset_ms=reached if start_ms is None else start_ms + asked.prefix_ms,
                end_ms=end_ms,
                heard_ms=None if silence_ms is None else end_ms - silence_ms,
            )
        )
        reached = end_ms
    return sorted(heard, key=lambda entry: (entry.onset_ms, entry.end_ms))


class _Timeline:
    """Items by onset, for a quick look at those around a turn."""

    def __init__(self, items: Sequence[HeardItem]) -> None:
        self._items = items
        self._onsets = [item.onset_ms for item in items]
        self._latest_ends = list(accumulate((item.end_ms for item in items), max))

    def around(self, start_ms: float, end_ms: float) -> Sequence[HeardItem]:
        """At least the items that end after `start_ms` and begin by `end_ms`."""
        return self._items[bisect_right(self._latest_ends, start_ms) : bisect_right(self._onsets, end_ms)]


def _end_ms(item: InputItem) -> float:
    return math.inf if item.audio_end_ms is None else item.audio_end_ms


def _take_turn(taking: TurnTaking, heard: _Timeline, following_ms: float, audio_ms: float) -> None:
    speech = taking.turn.speech_ms
    start_ms, last_ms, end_ms = speech[0].start_ms, speech[-1].start_ms, speech[-1].end_ms
    around = heard.around(start_ms, end_ms + ONSET_TOLERANCE_MS)
    taking.items = [item for item in around if _holds_speech(item, start_ms)]
    ends = sorted(
        (item for item in taking.items if start_ms < item.end_ms < following_ms), key=lambda item: item.end_ms
    )
    in_time = [item for item in ends if last_ms < item.end_ms <= taking.turn.deadline_ms]
    closing = in_time[-1] if in_time else None
    for item in ends:
        if item is closing:
            taking.closing = item.item
        elif item.end_ms > taking.turn.deadline_ms:
            taking.late.append(item.item)
        else:
            taking.cuts.append(item.item)
    _count_holds(taking, audio_ms)


def _holds_speech(item: HeardItem, start_ms: float) -> bool:
    """Speech of the turn that starts at `start_ms`, and not only noise from before it."""
    if item.heard_ms is None and item.onset_ms >= start_ms - ONSET_TOLERANCE_MS:
        return item.end_ms > start_ms
    return item.reaches(start_ms)


def _count_holds(taking: TurnTaking, audio_ms: float) -> None:
    speech = taking.turn.speech_ms
    for before, after in pairwise(speech):
        if after.start_ms > audio_ms:
            return
        taking.n_holds += 1
        carrying = [item for item in taking.items if item.onset_ms < before.end_ms and item.reaches(before.start_ms)]
        if carrying and not carrying[-1].reaches(after.start_ms):
            taking.n_cut_holds += 1


def _spans(item: HeardItem, first: ReferenceTurn, second: ReferenceTurn, audio_ms: float) -> bool:
    start_ms = second.speech_ms[0].start_ms
    return item.onset_ms < first.speech_ms[-1].end_ms and start_ms < audio_ms and item.reaches(start_ms)


def _find_strays(taken: Sequence[TurnTaking], items: Iterable[InputItem], asked: Asked) -> None:
    speech = sorted(part for taking in taken for part in taking.turn.speech_ms)
    starts = [part.start_ms for part in speech]
    turn_starts = [taking.turn.speech_ms[0].start_ms for taking in taken]
    for item in items:
        if not taken or item.audio_start_ms is None or item.timed_out:
            continue
        onset_ms = item.audio_start_ms + asked.prefix_ms
        begun = bisect_right(starts, onset_ms + ONSET_TOLERANCE_MS)
        if begun == 0 or speech[begun - 1].end_ms < onset_ms - ONSET_TOLERANCE_MS:
            taken[max(bisect_right(turn_starts, onset_ms) - 1, 0)].strays.append(item)
