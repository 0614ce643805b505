"""Session: what a server says a session is, as against what was asked; nothing is sent or received here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime_lab.config.difference import Difference
from realtime_lab.config.masking import masked
from realtime_lab.config.part import plain
from realtime_lab.config.session_config import SessionConfig
from realtime_lab.errors import ConfigError, Problem

_LATEST_S = 2**53


@dataclass(frozen=True)
class Session:
    """A session as a server describes it.

    Names and values that are not known are kept in `extra` and appear again in `to_wire`. A client secret is not kept:
    whoever asked for it reads it before.
    """

    id: str | None
    """The server's id of the session."""
    object: str | None
    """Kind of object, `realtime.session`."""
    expires_at: int | None
    """End of the session in seconds since 1970."""
    config: SessionConfig
    """The effective configuration."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """What the server said beyond the known fields."""
        return self.config.extra

    @classmethod
    def from_wire(cls, obj: Any) -> Session:
        """Read what a server says, in any of the three shapes.

        Raises:
            ConfigError: It is not a JSON object, or states one field differently in two places.
        """
        tree = plain(obj)
        if not isinstance(tree, dict):
            raise ConfigError([Problem("session", masked(obj), "a JSON object", code="invalid_type")])
        expires_at = tree.get("expires_at")
        return cls(
            id=_text(tree.get("id")),
            object=_text(tree.get("object")),
            expires_at=expires_at if type(expires_at) is int and 0 <= expires_at < _LATEST_S else None,
            config=SessionConfig.from_wire(tree, strict=False),
        )

    def to_wire(self, shape: str = "ga") -> dict[str, Any]:
        """The session as a server describes it, in a wire shape; see `SessionConfig.to_wire`.

        Raises:
            ConfigError: The configuration holds a field that the shape cannot carry.
        """
        said = {"id": self.id, "object": self.object, "expires_at": self.expires_at}
        return {**{name: value for name, value in said.items() if value is not None}, **self.config.to_wire(shape)}

    def differences(self, asked: SessionConfig) -> tuple[Difference, ...]:
        """Where this session is not what was asked for."""
        return asked.diff(self.config)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
