"""What a fit found out about one figure of a server: a value with its interval, or that it cannot be told, and why."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TOLERANCE = 0.10
"""A figure is told when its 95 % interval reaches no farther than this share of it."""
Verdict = Literal["told", "rough", "unknown"]
_SAID: Mapping[str, str] = {"told": "told", "rough": "cannot be told to 10 %", "unknown": "cannot be told"}


@dataclass(frozen=True)
class Finding:
    """One figure."""

    name: str
    """Which one, as the profile names it, such as `create.median`."""
    verdict: Verdict
    """told; rough: there is a value, but its interval is wider than 10 %; unknown: the profile keeps what it had."""
    n: int
    """Observations it rests on."""
    value: float | None = None
    low: float | None = None
    """Ends of the 95 % interval; None where there is none."""
    high: float | None = None
    reason: str = ""
    """Why it cannot be told."""
    note: str = ""
    """Goodness of fit, or what else is to be known."""

    @property
    def said(self) -> str:
        """The verdict and its reason, in words."""
        return f"{_SAID[self.verdict]}: {self.reason}" if self.reason else _SAID[self.verdict]

    @property
    def field(self) -> str:
        """The field of the profile it belongs to."""
        return self.name.partition(".")[0]


def judged(
    name: str,
    n: int,
    value: float,
    low: float,
    high: float,
    *,
    allowed: float | None = None,
    resolution: float = 0.0,
    note: str = "",
) -> Finding:
    """A finding, told where its interval is narrow enough.

    Args:
        name: Which figure.
        n: Observations.
        value: Its estimate.
        low: Lower end of its interval; NaN where there is none.
        high: Upper end.
        allowed: How far the interval may reach to either side; default: a tenth of the value.
        resolution: What the instruments can tell apart, in the figure's unit.
        note: Goodness of fit, or what else is to be known.
    """
    limit = TOLERANCE * abs(value) if allowed is None else allowed
    reach = max(high - value, value - low)
    if math.isnan(reach):
        return Finding(name, "rough", n, value, None, None, f"n too small for an interval: {n}", note)
    if reach > limit:
        more = _more(n, reach, limit)
        return Finding(name, "rough", n, value, low, high, f"{low:.4g} to {high:.4g}{more}", note)
    if resolution > limit:
        why = f"the clocks tell apart {resolution:.1f} ms"
        return Finding(name, "rough", n, value, low, high, why, note)
    return Finding(name, "told", n, value, low, high, "", note)


def _more(n: int, reach: float, limit: float) -> str:
    """How many observations would do, intervals narrowing with their root."""
    if limit <= 0:
        return ""
    return f"; about {math.ceil(n * (reach / limit) ** 2):,} observations would do, there are {n}"


def findings_table(findings: Iterable[Finding]) -> str:
    """One line per finding."""
    lines = [("", "value", "95 % interval", "n", "", "")]
    lines += [(*_cells(finding), finding.said, finding.note) for finding in findings]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    rows = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        rows.append("  ".join([*cells, line[5]]).rstrip())
    return "\n".join(rows)


def _cells(finding: Finding) -> tuple[str, str, str, str]:
    value = "-" if finding.value is None else f"{finding.value:.4g}"
    between = "-" if finding.low is None or finding.high is None else f"{finding.low:.4g} to {finding.high:.4g}"
    return finding.name, value, between, str(finding.n)


def findings_html(findings: Sequence[Finding], title: str) -> str:
    """The same as an HTML table; every text in it is escaped."""
    head = "".join(f"<th>{name}</th>" for name in ("figure", "value", "95 % interval", "n", "verdict", "note"))
    rows = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        for cells in ((*_cells(finding), finding.said, finding.note) for finding in findings)
    )
    summary = f"<summary>{html.escape(title)}</summary>"
    return f"<details open class='rl-fit'>{summary}<table><tr>{head}</tr>{rows}</table></details>"


def rows_of(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """One row per finding, for a frame."""
    return [
        {
            "figure": finding.name,
            "value": finding.value,
            "low": finding.low,
            "high": finding.high,
            "n": finding.n,
            "verdict": finding.verdict,
            "reason": finding.reason,
            "note": finding.note,
        }
        for finding in findings
    ]
