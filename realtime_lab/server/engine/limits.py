"""What an account may use: requests and tokens per minute, a quota, and how long a session lives. No events.

Usage drains as a leaky bucket: what was used a minute ago is free again, evenly in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from realtime_lab.errors import Problem
from realtime_lab.protocol.items import RateLimit

_MINUTE_MS = 60_000.0
_LONGEST_LIFE_S = 86_400.0


@dataclass(frozen=True)
class Limits:
    """The limits of a service. The figures are priors, wide enough that no ordinary session meets them."""

    requests_per_minute: int = 1_000
    """Responses an account may ask for in a minute."""
    tokens_per_minute: int = 2_000_000
    """Tokens, in and out, that an account may use in a minute."""
    quota_tokens: int | None = None
    """Tokens that are paid for; None: no end of them."""
    session_life_s: float = 3_600.0
    """How long a session may last, seconds."""
    models: tuple[str, ...] = ()
    """The models there are; empty: any name will do."""

    def problems(self) -> Iterator[Problem]:
        """What is wrong with them."""
        for name, least in (("requests_per_minute", 1), ("tokens_per_minute", 1), ("quota_tokens", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                yield Problem(f"limits.{name}", value, f"{least} or more")
        if not 0 < self.session_life_s <= _LONGEST_LIFE_S:
            yield Problem("limits.session_life_s", self.session_life_s, f"more than 0, at most {_LONGEST_LIFE_S:g}")


@dataclass
class Meter:
    """What one session has used.

    Args:
        limits: What it may use.
    """

    limits: Limits
    _requests: float = 0.0
    _tokens: float = 0.0
    _since_ms: float = 0.0
    _total_tokens: int = field(default=0)

    def fault(self, t_ms: float) -> str | None:
        """The service's code for why no response may begin at `t_ms`; None when one may."""
        self._drain(t_ms)
        if self.limits.quota_tokens is not None and self._total_tokens >= self.limits.quota_tokens:
            return "insufficient_quota"
        over = self._requests + 1 > self.limits.requests_per_minute or self._tokens >= self.limits.tokens_per_minute
        return "rate_limit_exceeded" if over else None

    def spend(self, t_ms: float, tokens: int) -> None:
        """Count one response of `tokens` tokens, in and out, begun at `t_ms`."""
        self._drain(t_ms)
        self._requests += 1
        self._tokens += tokens
        self._total_tokens += tokens

    def report(self, t_ms: float) -> list[RateLimit]:
        """The limits as rate_limits.updated carries them."""
        self._drain(t_ms)
        rows = (
            ("requests", self.limits.requests_per_minute, self._requests),
            ("tokens", self.limits.tokens_per_minute, self._tokens),
        )
        return [
            RateLimit(
                name=name,
                limit=limit,
                remaining=max(0, int(limit - used)),
                reset_seconds=round(60.0 * used / max(limit, 1), 3),
            )
            for name, limit, used in rows
        ]

    def _drain(self, t_ms: float) -> None:
        share = max(0.0, t_ms - self._since_ms) / _MINUTE_MS
        self._requests = max(0.0, self._requests - share * self.limits.requests_per_minute)
        self._tokens = max(0.0, self._tokens - share * self.limits.tokens_per_minute)
        self._since_ms = max(self._since_ms, t_ms)
