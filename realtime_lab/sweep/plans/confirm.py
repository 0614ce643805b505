"""The second stage of a coarse-to-live plan, as a value: who confirms, how much of the front, within what budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

from realtime_lab.errors import PlanError, Problem
from realtime_lab.session import TARGETS, Live, Target


@dataclass(frozen=True)
class Confirm:
    """How the front of a screen is confirmed with full sessions.

    Raises:
        PlanError: If the target is none, or a number is not one of its kind; all mistakes are in `.errors`.
    """

    target: Target
    """What confirms: a live service, or the mocked server holding full sessions."""
    max_usd: float | None = None
    """What may be spent, USD; a paid target needs it. No more settings are confirmed than it covers."""
    max_seconds: float | None = None
    """How long trials are sent out, s; None: no limit."""
    settings: int = 6
    """Settings to confirm at most, the control among them."""
    repeats: int = 1
    """How often everything is done."""

    def __post_init__(self) -> None:
        problems = []
        if not isinstance(self.target, TARGETS):
            problems.append(Problem("confirm.target", self.target, "a target, such as openai()", code="invalid_type"))
        for name in ("settings", "repeats"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                problems.append(Problem(f"confirm.{name}", value, "a whole number, 1 or more"))
        for name in ("max_usd", "max_seconds"):
            value = getattr(self, name)
            if value is not None and (type(value) not in (int, float) or not 0 < value < math.inf):
                problems.append(Problem(f"confirm.{name}", value, "more than 0, or None for no limit"))
        if isinstance(self.target, Live) and self.target.paid and self.max_usd is None:
            hint = f"{self.target.name} costs money"
            problems.append(Problem("confirm.max_usd", None, "an amount in USD", hint))
        if problems:
            raise PlanError(problems)
