"""What a study must keep, as text: `cutoff_rate<=0.05`, `response_latency_ms_p95 <= baseline + 50`. No eval.

The grammar: `name op bound`; op is one of <= < >= >; a bound is a number, a percentage, or `baseline`, to which a
number may be added or by which it may be multiplied. Who judges is `check`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from realtime_lab.analysis.choice_words import amount, is_rate, label_of, number
from realtime_lab.errors import Problem, RequirementError

__all__ = ["Requirement", "parse_requirement", "parse_requirements"]

_LONGEST = 300
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_FORM = re.compile(r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*(?P<op><=|>=|<|>)\s*(?P<bound>.*?)\s*")
_BOUND = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<percent>%)?")
_BASELINE = re.compile(rf"baseline\s*(?:(?P<sign>[-+*])\s*(?P<number>{_NUMBER})\s*(?P<percent>%)?)?")
_QUANTILE = re.compile(r"(.+_ms)_p(\d{1,2}(?:\.\d+)?)")
_GRAMMAR = "name <= number, name <= baseline, name <= baseline + number or * number, with <= < >= >"
_IN_WORDS = {"<=": "at most", "<": "under", ">=": "at least", ">": "over"}

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
        raise RequirementError([Problem("require", None, _GRAMMAR, "such as cutoff_rate<=0.05")])
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
    if len(text) > _LONGEST:
        raise _mistake(text, f"a text of at most {_LONGEST} characters")
    form = _FORM.fullmatch(text)
    if form is None:
        raise _mistake(text, _GRAMMAR)
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
        value = _value(found["number"], found["percent"])
        if rate and not 0.0 <= value <= 1.0:
            raise _mistake(text, "a rate between 0 and 1, or a percentage", f"{bound.strip()} % would be written so")
        return value, "number"
    found = _BASELINE.fullmatch(bound)
    if found is None:
        raise _mistake(text, _GRAMMAR, f"`{bound}` is not understood")
    if found["sign"] is None:
        return 0.0, "difference"
    value = _value(found["number"], found["percent"])
    if found["sign"] == "*":
        if rate or value <= 0:
            raise _mistake(text, "baseline * a number over 0, for latencies; baseline + number for rates")
        return value, "ratio"
    return (-value if found["sign"] == "-" else value), "difference"


def _value(digits: str, percent: str | None) -> float:
    return float(digits) / 100.0 if percent else float(digits)


def _mistake(text: object, allowed: str, hint: str = "") -> RequirementError:
    return RequirementError([Problem("require", text, allowed, hint)])
