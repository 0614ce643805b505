"""Limits that settings must keep, such as `cutoff_rate <= 0.05 and answered_rate >= 95 %`: a tiny parser, no eval.

The grammar: `name op value` joined by `and`; op is one of <= < >= > ==; a value is a number, a percentage, inf, true,
false, or a quoted text (which only == compares).
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from realtime_lab.analysis.choice_words import amount, is_rate, label_of, number
from realtime_lab.errors import ArgumentError, Problem

__all__ = ["USUAL", "Limit", "Where", "parse_where", "usual_limits"]

USUAL = "usual"
"""In place of limits: those of `usual_limits`."""
_USUAL_RATES = ("cutoff_rate", "truncated_rate")

_LONGEST = 1_000
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<op><=|>=|==|<|>)
    |(?P<number>[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|inf\b)(?P<percent>\s*%)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)
    |(?P<text>"[^"]*"|'[^']*')
    )\s*""",
    re.VERBOSE,
)
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
_IN_WORDS = {"<=": "at most", "<": "under", ">=": "at least", ">": "over", "==": "equal to"}
_GRAMMAR = "name <= number, with <= < >= > ==, joined by `and`"


@dataclass(frozen=True)
class Limit:
    """One comparison."""

    name: str
    """Column of a summary."""
    op: str
    """One of <= < >= > ==."""
    value: float | str | bool

    def holds(self, row: Mapping[str, object]) -> bool | None:
        """Whether a row keeps it; None when the row has no such value."""
        found = row.get(self.name)
        if found is None or (isinstance(found, float) and math.isnan(found)):
            return None
        if isinstance(self.value, str) or isinstance(found, str):
            return self.op == "==" and str(found) == str(self.value)
        return _OPERATORS[self.op](float(found), float(self.value))  # type: ignore[arg-type]

    def excess(self, row: Mapping[str, object]) -> float:
        """How far a row is outside: 0 when it keeps the limit, inf when nobody knows."""
        if self.holds(row):
            return 0.0
        found = row.get(self.name)
        known = isinstance(found, (int, float)) and isinstance(self.value, (int, float)) and not math.isnan(found)
        return abs(float(found) - float(self.value)) if known else math.inf  # type: ignore[arg-type]

    @property
    def words(self) -> str:
        """In a sentence: `cutoff rate at most 5 %`."""
        return f"{label_of(self.name)} {self.bound}"

    @property
    def bound(self) -> str:
        """What the value is held to, in words: `at most 5 %`."""
        if isinstance(self.value, bool | str):
            shown = str(self.value)
        else:
            shown = amount(self.name, self.value) if is_rate(self.name) else number(self.value)
        return f"{_IN_WORDS[self.op]} {shown}"


@dataclass(frozen=True)
class Where:
    """Limits that must all be kept."""

    limits: tuple[Limit, ...]

    def holds(self, row: Mapping[str, object]) -> bool:
        """Whether a row keeps every limit; an unknown value keeps none."""
        return all(limit.holds(row) for limit in self.limits)

    def excess(self, row: Mapping[str, object]) -> tuple[int, float]:
        """How far a row is outside: limits not kept, and the farthest of them."""
        found = [limit.excess(row) for limit in self.limits]
        return sum(excess > 0 for excess in found), max(found, default=0.0)

    @property
    def words(self) -> str:
        """In a sentence; empty without limits."""
        return " and ".join(limit.words for limit in self.limits)


def usual_limits(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Cut-offs and answers broken off by `max_output_tokens` of at most 5 % each, as far as any row knows them."""
    known = (name for name in _USUAL_RATES if any(row.get(name) is not None for row in rows))
    return [f"{name} <= 0.05" for name in known]


def parse_where(text: str | None, names: Collection[str]) -> Where:
    """Read limits.

    Args:
        text: Such as `cutoff_rate <= 0.05 and answered_rate >= 0.95`; None or empty: no limits.
        names: Columns that may be named.

    Raises:
        ConfigError: If it is not of that form, or names a column that is not there (the nearest is told).
    """
    if text is None or not text.strip():
        return Where(())
    if len(text) > _LONGEST:
        raise _mistake(text, f"at most {_LONGEST:,} characters")
    tokens = _tokens(text)
    limits: list[Limit] = []
    position = 0
    while True:
        limits.append(_limit(text, tokens[position : position + 3], names))
        position += 3
        if position == len(tokens):
            return Where(tuple(limits))
        if tokens[position] != ("name", "and"):
            raise _mistake(text, _GRAMMAR, f"`{tokens[position][1]}` is not understood after {limits[-1].name}")
        position += 1


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _mistake(text, _GRAMMAR, f"`{text[position : position + 20]}` is not understood")
        kind = match.lastgroup or ""
        kind = "number" if kind == "percent" else kind
        tokens.append((kind, match.group(kind).strip()))
        position = match.end()
    return tokens


def _limit(text: str, tokens: list[tuple[str, str]], names: Collection[str]) -> Limit:
    kinds = [kind for kind, _ in tokens]
    if kinds[:2] != ["name", "op"] or len(kinds) < 3 or kinds[2] not in ("number", "text", "name"):
        raise _mistake(text, _GRAMMAR)
    name, op = tokens[0][1], tokens[1][1]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        some = [entry for entry in names if is_rate(entry) or entry.endswith("_p50")]
        allowed = f"columns of the summary, such as {', '.join(some[:6])}"
        raise ArgumentError([Problem("where", name, allowed, f"did you mean {near[0]}?" if near else "")])
    value = _value(text, *tokens[2])
    if isinstance(value, str) and op != "==":
        raise _mistake(text, "numbers with <= < >= >", "a text can only be equal")
    return Limit(name, op, value)


def _value(text: str, kind: str, token: str) -> float | str | bool:
    if kind == "text":
        return token[1:-1]
    if kind == "name":
        if token.lower() in ("true", "false"):
            return token.lower() == "true"
        raise _mistake(text, _GRAMMAR, f"`{token}` is no number; put a text in quotes")
    if token.endswith("%"):
        return float(token[:-1]) / 100.0
    return float(token)


def _mistake(text: str, allowed: str, hint: str = "") -> ArgumentError:
    return ArgumentError([Problem("where", text, allowed, hint)])
