"""What a session can be held with. A target is a value that says where and how; it opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.profile import PROFILES, Profile

__all__ = ["Mocked", "mocked"]


@dataclass(frozen=True)
class Mocked:
    """The server that listens, on the virtual clock: free, offline, deterministic."""

    profile: Profile
    """Its defaults and delays."""
    kind: ClassVar[str] = "mocked"

    @property
    def name(self) -> str:
        """Stands in every row."""
        return f"mocked:{self.profile.name}"


def mocked(profile: str | Profile = "documented") -> Mocked:
    """The mocked target.

    Args:
        profile: A shipped profile's name ("documented", "observed") or a profile of your own.

    Raises:
        ConfigError: If no profile has that name.
    """
    if isinstance(profile, Profile):
        return Mocked(profile)
    if profile not in PROFILES:
        allowed = " or ".join(repr(name) for name in sorted(PROFILES))
        raise ConfigError([Problem("profile", profile, allowed, "or give a Profile")])
    return Mocked(PROFILES[profile])
