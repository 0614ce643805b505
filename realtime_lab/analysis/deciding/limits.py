"""Limits on columns of a summary, as text: those that settings must keep, and those that a study must. No eval.

For settings: `cutoff_rate <= 0.05 and answered_rate >= 95 %`, comparisons joined by `and`. For a study: one comparison,
`response_latency_ms_p95 <= baseline + 50`, with <= < >= >, whose bound is a number, a percentage, or `baseline`, to
which a number may be added or by which it may be multiplied. Who chooses is `choose`, who judges is `check`.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from realtime_lab.analysis.summary.wording import amount, is_rate, label_of, number
from realtime_lab.errors import ArgumentError, Problem, RequirementError

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


_LONGEST_REQUIREMENT = 300
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_FORM = re.compile(r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*(?P<op><=|>=|<|>)\s*(?P<bound>.*?)\s*")
_BOUND = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<percent>%)?")
_BASELINE = re.compile(rf"baseline\s*(?:(?P<sign>[-+*])\s*(?P<number>{_NUMBER})\s*(?P<percent>%)?)?")
_QUANTILE = re.compile(r"(.+_ms)_p(\d{1,2}(?:\.\d+)?)")
_REQUIREMENT_GRAMMAR = "name <= number, name <= baseline, name <= baseline + number or * number, with <= < >= >"

Against = Literal["number", "difference", "ratio"]


@dataclass(frozen=True)
class Requirement:
    """One bound on one column of a summary."""

    text: str
    """As it was asked for."""
    name: str
    """Column of the summary."""
    op: str
    """One of <= < >= >."""
    bound: float
    """What the value, the difference or the ratio is held to."""
    against: Against = "number"
    """number: the value itself. difference: the value minus the baseline's. ratio: the value over the baseline's."""

    @property
    def low_is_good(self) -> bool:
        """Whether the value must stay below the bound."""
        return self.op in ("<=", "<")

    @property
    def quantile(self) -> float | None:
        """Which quantile the column is; None for a rate or a count."""
        found = _QUANTILE.fullmatch(self.name)
        return None if found is None else float(found[2]) / 100.0

    def keeps(self, value: float) -> bool:
        """Whether a value is within the bound."""
        if self.low_is_good:
            return value < self.bound or (value == self.bound and self.op == "<=")
        return value > self.bound or (value == self.bound and self.op == ">=")

    @property
    def words(self) -> str:
        """In a sentence: `cutoff rate at most 5 %`."""
        if self.against == "number":
            shown = amount(self.name, self.bound) if is_rate(self.name) else number(self.bound)
            return f"{label_of(self.name)} {_IN_WORDS[self.op]} {shown}"
        if self.against == "ratio":
            return f"{label_of(self.name)} {_IN_WORDS[self.op]} {number(self.bound)} times the baseline's"
        margin = f" {amount(self.name, self.bound, signed=True)}" if self.bound else ""
        return f"{label_of(self.name)} {_IN_WORDS[self.op]} the baseline's{margin}"


def parse_requirements(texts: str | Iterable[str], names: Collection[str]) -> tuple[Requirement, ...]:
    """Read several requirements, all mistakes in one error.

    Args:
        texts: One, or several.
        names: Columns of the summary that may be named.

    Raises:
        RequirementError: If there is none, or one of them is not of the grammar's form or names no column.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    if not given:
        raise RequirementError([Problem("require", None, _REQUIREMENT_GRAMMAR, "such as cutoff_rate<=0.05")])
    found: list[Requirement] = []
    problems: list[Problem] = []
    for text in given:
        try:
            found.append(parse_requirement(text, names))
        except RequirementError as error:
            problems += error.errors
    if problems:
        raise RequirementError(problems)
    return tuple(found)


def parse_requirement(text: str, names: Collection[str]) -> Requirement:
    """Read one requirement.

    Args:
        text: Such as `cutoff_rate <= 5 %`.
        names: Columns of the summary that may be named; any quantile of a latency may be, too.

    Raises:
        RequirementError: If it is not of the grammar's form, or names no column (the nearest is told).
    """
    if len(text) > _LONGEST_REQUIREMENT:
        raise _refused(text, f"a text of at most {_LONGEST_REQUIREMENT} characters")
    form = _FORM.fullmatch(text)
    if form is None:
        raise _refused(text, _REQUIREMENT_GRAMMAR)
    name, op = form["name"], form["op"]
    latency = _QUANTILE.fullmatch(name)
    known = name in names or (latency is not None and f"{latency[1]}_p50" in names and 0 < float(latency[2]) < 100)
    if not known:
        near = get_close_matches(name, names, 1)
        some = ", ".join([entry for entry in names if is_rate(entry) or entry.endswith("_p95")][:6])
        hint = f"did you mean {near[0]}?" if near else ""
        raise RequirementError([Problem("require", name, f"a column of the summary, such as {some}", hint)])
    return Requirement(text.strip(), name, op, *_bound(text, form["bound"], is_rate(name)))


def _bound(text: str, bound: str, rate: bool) -> tuple[float, Against]:
    if found := _BOUND.fullmatch(bound):
        value = _plain_number(found["number"], found["percent"])
        if rate and not 0.0 <= value <= 1.0:
            raise _refused(text, "a rate between 0 and 1, or a percentage", f"{bound.strip()} % would be written so")
        return value, "number"
    found = _BASELINE.fullmatch(bound)
    if found is None:
        raise _refused(text, _REQUIREMENT_GRAMMAR, f"`{bound}` is not understood")
    if found["sign"] is None:
        return 0.0, "difference"
    value = _plain_number(found["number"], found["percent"])
    if found["sign"] == "*":
        if rate or value <= 0:
            raise _refused(text, "baseline * a number over 0, for latencies; baseline + number for rates")
        return value, "ratio"
    return (-value if found["sign"] == "-" else value), "difference"


def _plain_number(digits: str, percent: str | None) -> float:
    return float(digits) / 100.0 if percent else float(digits)


def _refused(text: object, allowed: str, hint: str = "") -> RequirementError:
    return RequirementError([Problem("require", text, allowed, hint)])
