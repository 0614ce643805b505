"""What was asked of a server beside what it says, field by field: as values and as a table. No widgets here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from realtime_lab.config import Session, SessionConfig, short_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.config.masking import masked, shortened
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.recording import Recording
from realtime_lab.server.engine.profile import PROFILES
from realtime_lab.server.engine.settings import Settings
from realtime_lab.widgets.markup import text

_LONGEST = 120


class FieldSides(NamedTuple):
    """One field on both sides, as text without secrets."""

    name: str
    """Shortest unambiguous ending of its path."""
    asked: str | None
    """None: not asked for."""
    says: str | None
    """None: the server does not say."""
    differs: bool
    """It was asked for and is not so."""


def sides(asked: SessionConfig, says: SessionConfig) -> tuple[FieldSides, ...]:
    """Both sides of every field that one of them states, in the order of the server's session."""
    mine, theirs = asked.leaves(), says.leaves()
    unlike = {difference.path for difference in asked.diff(says)}
    paths = [*theirs, *(path for path in mine if path not in theirs)]
    return tuple(
        FieldSides(short_path(path), _shown(mine, path), _shown(theirs, path), path in unlike) for path in paths
    )


def sides_of_wire(requested: Mapping[str, Any], effective: Mapping[str, Any]) -> tuple[FieldSides, ...]:
    """The same from two sessions as they are sent.

    Raises:
        ConfigError: One of them is no session.
    """
    return sides(SessionConfig.from_wire(requested, strict=False), Session.from_wire(effective).config)


def mocked_session(config: SessionConfig, profile: str) -> SessionConfig:
    """The session that the mocked server makes of a configuration.

    Args:
        config: What is asked.
        profile: Name of a shipped profile.

    Raises:
        ConfigError: It refuses the configuration.
    """
    wire = config.to_wire("ga")
    settings = Settings(PROFILES[profile], wire.get("model"), config.session_type, estimates=True)
    problem = settings.update(wire)
    if problem is not None:
        raise ConfigError([problem])
    return Session.from_wire(settings.effective).config


class Servers:
    """Whose effective configurations a draft can be held against: the mocked server's profiles, and sessions held."""

    def __init__(self) -> None:
        self._held: dict[str, SessionConfig] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What can be chosen; sessions that were held come first."""
        return (*reversed(self._held), *(f"mocked: {name}" for name in PROFILES))

    def add(self, said: Recording | Session | SessionConfig | Mapping[str, Any]) -> str:
        """Take what a server said its configuration is.

        Args:
            said: A recording, a session as a server describes it, or the object it sent.

        Returns:
            The name it can be chosen by.

        Raises:
            ConfigError: If it is no session, or the recording's server never said.
        """
        name = "a server"
        if isinstance(said, Recording):
            name, effective = said.header.target, said.header.effective
            if effective is None:
                raise ConfigError(
                    [Problem("effective", None, "a recording in which the server said its configuration")]
                )
            said = effective
        if isinstance(said, Mapping):
            said = Session.from_wire(said)
        config = said.config if isinstance(said, Session) else said
        name = f"{name[:80]} ({len(self._held) + 1})"
        self._held[name] = config
        return name

    def session(self, name: str, asked: SessionConfig) -> SessionConfig:
        """The effective configuration.

        Args:
            name: One of `names`.
            asked: What would be asked; what a mocked server says depends on it.

        Raises:
            ConfigError: The mocked server refuses it.
        """
        held = self._held.get(name)
        return mocked_session(asked, name.removeprefix("mocked: ")) if held is None else held


def comparison_html(rows: Sequence[FieldSides]) -> str:
    """A table of both sides; fields that are not as asked are marked and stand first."""
    return "".join(_lines(rows))


def _lines(rows: Sequence[FieldSides]) -> Iterator[str]:
    unlike = sum(row.differs for row in rows)
    count = f"{unlike} not as asked" if unlike else "everything is as asked"
    yield f'<div class="rl-side rl-compared">{count}</div>'
    yield '<table class="rl-table rl-sides"><thead><tr><th>field</th><th>asked</th><th>server</th></tr></thead><tbody>'
    for row in sorted(rows, key=lambda row: not row.differs):
        kind = ' class="rl-differs"' if row.differs else ""
        asked = '<span class="rl-muted">not sent</span>' if row.asked is None else text(row.asked)
        says = '<span class="rl-muted">not said</span>' if row.says is None else text(row.says)
        yield f"<tr{kind}><td>{text(row.name)}</td><td>{asked}</td><td>{says}</td></tr>"
    yield "</tbody></table>"


def _shown(values: Mapping[str, object], path: str) -> str | None:
    if path not in values:
        return None
    value = shortened(masked(values[path], path.rpartition(".")[2]), _LONGEST)
    return value if isinstance(value, str) and value else canonical_text(value)
