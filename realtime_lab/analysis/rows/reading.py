"""One recording with everything its rows are made of: what was asked, the facts, turn taking, and both clocks."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

from realtime_lab.analysis.rows.asked import what_was_asked
from realtime_lab.analysis.rows.facts import InputItem, Received, ResponseFacts, gather_facts
from realtime_lab.analysis.rows.taking import TurnTaking, take_turns
from realtime_lab.recording.events import Recording

Row = dict[str, Any]


class Cause(NamedTuple):
    """What an endpoint was to which turn."""

    kind: str
    """One of `columns.RESPONSE_CAUSES`."""
    taking: TurnTaking | None
    """The turn; None when it belongs to none."""


class SessionView:
    """A recording, read once."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.asked = what_was_asked(recording)
        facts = gather_facts(recording)
        self.items = facts.items
        self.responses = sorted(facts.responses.values(), key=_by_creation)
        spoken = [turn for turn in recording.reference if turn.speech_ms]
        self._ending = self._can_end_turns()
        self.takings = take_turns(spoken, self._ending, self.asked, recording.audio_ms)
        self.has_clocks = recording.header.has_send_clock and all(entry.t_ms is not None for entry in recording.events)
        self._causes = _causes(self.takings)
        self._begun: dict[str, list[ResponseFacts]] = {}
        for response in self.responses:
            if response.cause is not None:
                self._begun.setdefault(response.cause, []).append(response)

    def _can_end_turns(self) -> list[InputItem]:
        """Where the client commits, what a server detects all the same ends no turn."""
        by_client = [item for item in self.items.values() if item.client_commit]
        return by_client if by_client and not self.asked.finds_endpoints else list(self.items.values())

    def sent_at(self, audio_ms: float) -> float | None:
        """Wall time at which audio time `audio_ms` was sent; None without clocks."""
        return self.recording.sent_at(audio_ms) if self.has_clocks else None

    def begun_by(self, item: InputItem | None) -> list[ResponseFacts]:
        """Responses that this item began, in order of creation."""
        return [] if item is None else self._begun.get(item.item_id, [])

    def cause(self, item: InputItem | None) -> Cause:
        """What the endpoint of an input item was, and to which turn."""
        if item is None:
            return Cause("other", None)
        if item.timed_out:
            return Cause("timeout", None)
        # An endpoint that belongs to no turn ended sound that was no reference speech.
        heard = item.audio_end_ms is not None and any(item is one for one in self._ending)
        fallback = Cause("false_start" if heard else "other", None)
        return self._causes.get(item.item_id, fallback)

    @cached_property
    def silent_items(self) -> dict[int, list[InputItem]]:
        """By the index of the turn they follow: items in which, by the reference, nobody speaks.

        False starts that never came to hold speech, and items of the idle timeout. Without any turn of speech every
        item is one, and belongs to the first turn.
        """
        if not self.takings:
            return {turn.index: list(self.items.values()) for turn in self.recording.reference[:1]}
        found = {taking.turn.index: list(taking.strays) for taking in self.takings}
        for item in self.items.values():
            if item.timed_out:
                at_ms = item.audio_start_ms or 0.0
                begun = [taking.turn for taking in self.takings if taking.turn.speech_ms[0].start_ms <= at_ms]
                found[(begun or [self.takings[0].turn])[-1].index].append(item)
        return {index: [item for item in items if self.cause(item).taking is None] for index, items in found.items()}


def _causes(takings: list[TurnTaking]) -> dict[str, Cause]:
    causes: dict[str, Cause] = {}
    for taking in takings:
        causes |= {item.item_id: Cause("cut", taking) for item in taking.cuts}
        causes |= {item.item_id: Cause("late", taking) for item in taking.late}
        if taking.closing is not None:
            causes[taking.closing.item_id] = Cause("closing", taking)
    return causes


def _by_creation(response: ResponseFacts) -> tuple[float, str]:
    return (math.inf if response.created is None else response.created.rank), response.response_id


def received_ms(received: Received | None) -> float | None:
    """The wall time of a receipt, if there was one and it has a time."""
    return None if received is None else received.at_ms


def difference(later: float | None, earlier: float | None) -> float | None:
    """Later minus earlier, of whatever sign; None when either is missing."""
    return None if later is None or earlier is None else later - earlier
