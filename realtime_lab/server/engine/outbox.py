"""What the engine has decided to send and has not sent yet; and the ids and draws of one session.

Everything a session names or draws comes from its seed, so the same seed gives the same session, byte for byte.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from realtime_lab.clock import Agenda
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ErrorDetail

_MAX_EVENT_ID = 512
"""Characters of an id that are echoed; the service takes no longer ones."""


class Draws:
    """Ids and random generators of one session.

    Args:
        seed: Decides all of them.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.tag = hashlib.sha256(f"session {seed}".encode()).hexdigest()[:12]
        self._counts: dict[str, int] = {}

    def new_id(self, kind: str) -> str:
        """The next id of its kind, such as item_…_0001."""
        return f"{kind}_{self.tag}_{self._count(kind):04d}"

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for the next draw of one purpose, whatever else was drawn before."""
        label = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")
        return np.random.default_rng([self._seed, label, self._count("draw " + purpose)])

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


@dataclass(eq=False)
class Ticket:
    """Whether entries handed in together are still wanted."""

    void_from_ms: float = math.inf
    """What was decided after this is not sent; what was decided before is on its way."""

    def void(self, t_ms: float) -> None:
        """Send nothing that is decided after `t_ms`."""
        self.void_from_ms = min(self.void_from_ms, t_ms)


Alarm = Callable[[float], None]


@dataclass
class Outbox:
    """Events and alarms with their due times.

    Args:
        draws: Names the events.
        event_ms: From the decision to send to the event at the client.
    """

    draws: Draws
    event_ms: float
    _agenda: Agenda[tuple[ev.Event | Alarm, Ticket | None, float]] = field(default_factory=Agenda)

    def send(self, t_ms: float, event: ev.Event, ticket: Ticket | None = None) -> None:
        """Send `event`, decided at `t_ms`, unless `ticket` is void by then."""
        self._agenda.put(t_ms + self.event_ms, (event, ticket, t_ms))

    def alarm(self, t_ms: float, ring: Alarm, ticket: Ticket) -> None:
        """Call `ring(due_ms)` at `t_ms`, unless `ticket` is void by then."""
        self._agenda.put(t_ms, (ring, ticket, t_ms))

    def drop(self) -> None:
        """Forget everything that is not sent yet."""
        self._agenda = Agenda()

    def error(self, t_ms: float, code: str, message: str, param: str | None = None, cause: object = None) -> None:
        """Tell the client what was wrong with its event `cause`, or with the event of that id."""
        event_id = cause.event_id if isinstance(cause, ev.Event) else cause
        echoed = event_id[:_MAX_EVENT_ID] if isinstance(event_id, str) and event_id else None
        kind = "invalid_request_error"
        detail = ErrorDetail(type=kind, code=code, message=message, param=param, event_id=echoed)
        self.send(t_ms, ev.ErrorEvent(error=detail))

    def next_due_ms(self) -> float | None:
        """When the next entry is due; None when there is none."""
        while (due_ms := self._agenda.next_due_ms()) is not None:
            _, ticket, decided_ms = self._agenda.peek()
            if ticket is None or decided_ms <= ticket.void_from_ms:
                return due_ms
            self._agenda.pop_due(due_ms)
        return None

    def take_due(self, t_ms: float) -> list[tuple[float, ev.Event]]:
        """The events due at or before `t_ms`, as (due_ms, event), in order; alarms due ring."""
        taken: list[tuple[float, ev.Event]] = []
        while (row := self._agenda.pop_due(t_ms)) is not None:
            due_ms, (entry, ticket, decided_ms) = row
            if ticket is not None and decided_ms > ticket.void_from_ms:
                continue
            if isinstance(entry, ev.Event):
                entry.event_id = self.draws.new_id("event")
                taken.append((due_ms, entry))
            else:
                entry(due_ms)
        return taken
