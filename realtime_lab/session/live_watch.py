"""What a live session waits for, and for how long: says by name when the other side has fallen silent. No clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime_lab.protocol import events as ev
from realtime_lab.session.live_faults import LiveFault

__all__ = ["SilenceWatch"]

_ALREADY_ACTIVE = "conversation_already_has_active_response"


@dataclass
class SilenceWatch:
    """Follows responses.

    Args:
        stall_ms: How long a response may say nothing.
        answers: Whether the server begins a response after each commit.
    """

    stall_ms: float
    answers: bool
    _active: str | None = None
    _announces: bool = False
    _over: set[str] = field(default_factory=set)
    _heard_ms: float = 0.0
    _asked_ms: float | None = None

    def on_sent(self, event: ev.AnyEvent, t_ms: float) -> None:
        """The client sent something."""
        if isinstance(event, ev.ResponseCreate):
            self._asked_ms = t_ms

    def on_event(self, event: ev.AnyEvent, t_ms: float) -> None:
        """The server sent something."""
        match event:
            case ev.ResponseCreated():
                self._announces = True
                self._begun(event.response.id)
            case ev.ResponseDone():
                self._over.add(event.response.id)
                self._asked_ms = None
                if event.response.id == self._active:
                    self._active = None
            case ev.InputAudioCommitted() if self.answers and self._active is None:
                self._asked_ms = t_ms
            case ev.SpeechStarted():
                self._asked_ms = None
            case ev.ErrorEvent() if event.error.code == _ALREADY_ACTIVE:
                self._asked_ms = None
        response_id = getattr(event, "response_id", None)
        if isinstance(response_id, str) and self._active is None and not self._announces:
            self._begun(response_id)
        if isinstance(event, ev.ResponseCreated) or response_id == self._active:
            self._heard_ms = t_ms

    def _begun(self, response_id: str) -> None:
        """A response is there, whether it was announced or not."""
        if response_id not in self._over:
            self._active, self._asked_ms = response_id, None

    def fault(self, t_ms: float) -> LiveFault | None:
        """What is missing at `t_ms`; None when all is well."""
        waited = f"for {self.stall_ms / 1000:g} s"
        if self._active is not None and t_ms - self._heard_ms > self.stall_ms:
            return LiveFault("stalled", f"response {self._active[:80]} said nothing {waited}")
        if self._asked_ms is not None and t_ms - self._asked_ms > self.stall_ms:
            return LiveFault("no_response", f"no response began {waited}")
        return None
