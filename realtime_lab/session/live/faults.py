"""What can end a live session early: each fault by its name, whether another connection may be tried, and the money.

| name | when | tried again |
|---|---|---|
| dns, refused, tls, connect_timeout, handshake_timeout | before there is a connection | yes |
| handshake_401, _403, _404 | the service says no | no: fatal for every trial |
| rate_limited | 429: wait as Retry-After says; or an error that names a limit in place of a session | yes |
| handshake_5xx and other refusals | | yes for 5xx |
| invalid_key (close 3000) | after a good handshake | no: fatal |
| insufficient_quota and other billing codes | any time | no: fatal |
| config_refused | the server refuses the configuration | no |
| no_session, unconfirmed | no session.created, no session.updated | yes unless it says why, no |
| closed, reset | the other side ends the session | only before the first audio |
| session_expired, half_open, stalled, no_response, deadline, protocol, too_much_data | while it runs | no |

`Watch` says by name when the other side has fallen silent. No clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ErrorDetail, Response

FATAL_CODES = frozenset(
    "invalid_api_key insufficient_quota billing_hard_limit_reached billing_not_active account_deactivated "
    "access_terminated organization_deactivated beta_api_shape_disabled".split()
)
"""Codes after which no other trial can do better."""
FATAL_FAULTS = FATAL_CODES | {"handshake_401", "handshake_403", "handshake_404", "invalid_key", "refused_for_good"}
"""Names of the faults that are the same for every trial."""
RATE_LIMITED = "rate_limited"
"""The fault after which fewer sessions should be held at a time."""
_EXPIRED = "session_expired"
_LIMITED = "rate_limit_exceeded"
_GOING_AWAY, _BAD_KEY, _BETA = 1001, 3000, 4000
_MAX_RETRY_AFTER_S = 60.0


class LiveFault(Exception):
    """A live session ended early.

    Attributes:
        name: Its name in the table above.
        detail: What the other side said, or what was waited for.
        fatal: No other trial can do better.
        again: Another connection may be tried, if no audio has been sent.
        wait_s: How long to wait before that.
    """

    def __init__(
        self, name: str, detail: str, *, fatal: bool = False, again: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(f"{name}: {detail}")
        self.name, self.detail, self.fatal, self.again, self.wait_s = name, detail, fatal, again, wait_s


def handshake_fault(status: int, body: bytes, retry_after: str | None) -> LiveFault:
    """The service answered the upgrade with an HTTP error."""
    said = body.decode("utf-8", "replace").strip()  # whole: the key in it is looked for before anything is cut
    detail = f"the service answered {status}" + (f": {said}" if said else "")
    if status == 429:
        return LiveFault(RATE_LIMITED, detail, again=True, wait_s=_seconds(retry_after))
    if status in (401, 403, 404):
        return LiveFault(f"handshake_{status}", detail, fatal=True)
    return LiveFault(f"handshake_{status}", detail, again=status >= 500, wait_s=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; dates and nonsense are None."""
    try:
        seconds = float(retry_after) if retry_after is not None else None
    except ValueError:
        return None
    return min(seconds, _MAX_RETRY_AFTER_S) if seconds is not None and seconds >= 0 else None


def close_fault(code: int | None, reason: str) -> LiveFault:
    """The connection is gone: with a close frame's code and reason, or without one."""
    if code is None:
        return LiveFault("reset", "the connection was lost without a close", again=True)
    said = f"the server closed the session with {code}" + (f" ({reason})" if reason else "")
    if code == _BAD_KEY or "invalid_api_key" in reason:
        return LiveFault("invalid_key", said, fatal=True)
    if code == _BETA or any(fatal in reason for fatal in FATAL_CODES):
        return LiveFault("refused_for_good", said, fatal=True)
    if code == _GOING_AWAY or _EXPIRED in reason:
        return LiveFault("session_expired", said)
    return LiveFault("closed", said, again=True)


def error_fault(error: ErrorDetail) -> LiveFault | None:
    """What an error event means for the session; None when it goes on."""
    return _coded(error.code or error.type, error.message)


def greeting_fault(error: ErrorDetail, created: bool) -> LiveFault:
    """What an error event means before a session is as it was asked for.

    Args:
        error: What the server said.
        created: Whether it had begun a session: then it refuses the configuration; before, it refuses to begin one.
    """
    code = error.code or error.type
    said = f"{code}: {error.message}"
    known = error_fault(error)
    if known is not None or created:
        return known or LiveFault("config_refused", said)
    # No two servers name it alike: session_limit_reached, concurrency_limit_exceeded ...
    return LiveFault(RATE_LIMITED, said, again=True) if "limit" in code else LiveFault("no_session", said)


def response_fault(response: Response) -> LiveFault | None:
    """What a failed response means for the session; None when it goes on."""
    details = response.status_details
    error: Any = details.error if response.status == "failed" and details is not None else None
    if not isinstance(error, dict):
        return None
    return _coded(str(error.get("code") or error.get("type") or ""), str(error.get("message") or ""))


def _coded(code: str, message: str) -> LiveFault | None:
    if code in FATAL_CODES:
        return LiveFault(code, message, fatal=True)
    if code == _EXPIRED:
        return LiveFault(_EXPIRED, message)
    if code == _LIMITED:
        return LiveFault(RATE_LIMITED, message, again=True)
    return None


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
