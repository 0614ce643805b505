"""Client secrets that the mocked service has given out: which session each opens, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from realtime_lab.server.http import Reply

__all__ = ["Access", "ClientSecrets"]

Access = Literal["unknown", "granted", "expired"]
_MOST = 10_000


@dataclass
class ClientSecrets:
    """What was given out, by the secret."""

    _given: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict, repr=False)

    def remember(self, reply: Reply) -> None:
        """Keep the secret in an answer to either REST endpoint, if one is there."""
        body = reply.body
        told, session = (body["client_secret"], body) if "client_secret" in body else (body, body.get("session"))
        if reply.status == 200 and isinstance(session, dict):
            if len(self._given) >= _MOST:
                self._given.pop(next(iter(self._given)))
            self._given[told["value"]] = (told["expires_at"], session)

    def access(self, key: str | None, now_unix_s: float) -> Access:
        """Whether `key` is a secret that was given out and still opens a session."""
        if key not in self._given:
            return "unknown"
        return "granted" if now_unix_s < self._given[key][0] else "expired"

    def session(self, key: str | None) -> dict[str, Any] | None:
        """The session that a secret opens; None for any other key."""
        return self._given[key][1] if key in self._given else None
