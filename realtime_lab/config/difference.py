"""What was asked of a server against what it says it does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.paths import short_path
from realtime_lab.config.places import MISSING

_CLOSE = 1e-6
"""Relative difference below which two numbers are one: servers keep thresholds in single precision."""


@dataclass(frozen=True)
class Difference:
    """One field on which the two sides differ; printed, it is a sentence."""

    path: str
    """Full dotted path of the field."""
    asked: object
    """Value that was asked for, as plain JSON."""
    got: object
    """Value the server states; None when it states null or nothing."""
    stated: bool = True
    """Whether the server states the field at all."""

    def __str__(self) -> str:
        says = f"server says {_shown(self.got)}" if self.stated else "server does not say"
        return f"{short_path(self.path)} asked {_shown(self.asked)}, {says}"


def differences(asked: Mapping[str, object], got: Mapping[str, object]) -> Iterator[Difference]:
    """Compare two sessions field by field.

    Args:
        asked: Plain values by full path, only of fields that are set.
        got: The same of the other side, objects beside their fields included.
    """
    for path, value in asked.items():
        there = got.get(path, MISSING)
        if there is MISSING:
            if _inside_null(path, got):
                yield Difference(path, value, None)
            elif value is not None:  # null asked for and nothing stated is the same thing
                yield Difference(path, value, None, stated=False)
        elif not _same(value, there):
            yield Difference(path, value, there)


def _inside_null(path: str, got: Mapping[str, object]) -> bool:
    """Whether the other side states null for an object around a field."""
    steps = path.split(".")
    return any(got.get(".".join(steps[:end]), MISSING) is None for end in range(1, len(steps)))


def _same(asked: object, got: object) -> bool:
    numbers = (int, float)
    if isinstance(asked, numbers) and isinstance(got, numbers) and bool not in (type(asked), type(got)):
        return math.isclose(asked, got, rel_tol=_CLOSE)
    if isinstance(asked, Mapping) and isinstance(got, Mapping):
        # A server may add to an object; what was asked for must be there.
        return all(key in got and _same(value, got[key]) for key, value in asked.items())
    if isinstance(asked, list) and isinstance(got, list):
        return len(asked) == len(got) and all(_same(one, other) for one, other in zip(asked, got, strict=True))
    return type(asked) is type(got) and asked == got


def _shown(value: object) -> str:
    return canonical_text(shortened(masked(value))) if not isinstance(value, str) else str(shortened(masked(value)))
