"""Figures, settings and limits in words, for sentences and tables: one way to write each, everywhere.

Texts only; whoever puts them on a page escapes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from realtime_lab.analysis.columns import TRIALS, TURNS, Column
from realtime_lab.analysis.summary.columns import SUMMARY

LATE = "past the deadline"
"""How a latency reads that is later than every observation."""
_COLUMNS: dict[str, Column] = {entry.name: entry for entry in (*TURNS, *TRIALS, *SUMMARY)}
_LONGEST_VALUE = 60
_NOTHING = 1e-9
"""What arithmetic leaves of a difference that is none."""


def column_of(name: str) -> Column | None:
    """The declaration of a summary's column; None for a swept setting."""
    return _COLUMNS.get(name)


def label_of(name: str) -> str:
    """How a column is called in a sentence, such as `median response latency`."""
    stem, _, quantile = name.rpartition("_p")
    if stem and quantile.replace(".", "", 1).isdigit():
        what = "median" if quantile == "50" else f"p{quantile}"
        return f"{what} {label_of(stem)}"
    found = _COLUMNS.get(name)
    return (found.label if found is not None and found.label else name).replace("_", " ")


def is_rate(name: str) -> bool:
    """Whether a column is a share between 0 and 1."""
    return name.endswith("_rate") or name in ("wer", "cer")


def number(value: float) -> str:
    """A number as short as it can be said: `200`, `0.5`, `inf`."""
    return f"{value:.6g}"


def amount(name: str, value: float | None, *, signed: bool = False) -> str:
    """A value of a column in words: `6 %`, `1.32 s`, `840 ms`, `past the deadline`, `−0.21`, or `unknown`.

    Args:
        name: The column; its unit decides.
        value: The value; None where there is none.
        signed: It is a difference: always with its sign, and a share in points.
    """
    if value is None or math.isnan(value):
        return "unknown"
    if name.endswith("logprob"):
        value = round(value, 2)
    size = 0.0 if abs(value) < _NOTHING else abs(value)
    sign = "" if not size else "+" if signed and value > 0 else "−" if value < 0 else ""
    if is_rate(name):
        shown = _percent(size)
        return f"{sign}{shown} {'points' if signed else '%'}"
    found = _COLUMNS.get(name)
    if found is not None and found.unit == "ms":
        if math.isinf(size):
            return LATE
        return f"{sign}{size / 1000:.2f} s" if size >= 999.5 else f"{sign}{size:.0f} ms"
    if name.endswith("logprob"):
        return f"{sign}{size:.2f}"
    if found is not None and found.unit == "USD":
        return f"{sign}{size:.2g} USD"
    return f"{sign}{size:,.0f}" if size >= 100 and not math.isinf(size) else f"{sign}{size:.3g}"


def interval(name: str, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Both ends of an interval, `1 to 16 %`; empty when there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    first, last = amount(name, low, signed=signed), amount(name, high, signed=signed)
    unit = last.rpartition(" ")[2]
    return f"{first.removesuffix(f' {unit}')} to {last}"


def compact(name: str, value: float | None) -> str:
    """A value for a table or a plot, all of one column in one unit: `6 %`, `0.91 s`, `late`, `–`."""
    if value is None or math.isnan(value):
        return "–"
    found = _COLUMNS.get(name)
    if found is None or found.unit != "ms":
        return amount(name, value)
    return "late" if math.isinf(value) else f"{value / 1000:.2f} s".replace("-", "−")


def compact_interval(name: str, low: float | None, high: float | None) -> str:
    """An interval for a table or a plot: `2–20 %`, `0.64–1.15 s`, `−0.3 to −0.1`; empty when there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    first, last = compact(name, low), compact(name, high)
    unit = last.rpartition(" ")[2]
    between = " to " if "−" in first + last else "–"
    return first if first == last else f"{first.removesuffix(f' {unit}')}{between}{last}"


def _percent(share: float) -> str:
    percent = 100.0 * share
    # Below one percent the first digit counts.
    return f"{percent:.0f}" if percent >= 0.95 or percent == 0.0 else f"{percent:.1g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 turn`, `2 turns`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def setting_words(setting: Mapping[str, object]) -> str:
    """A setting in words: `silence_duration_ms 500, threshold 0.5`."""
    return ", ".join(f"{name} {_value(value)}" for name, value in setting.items()) or "the only setting"


def _value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return number(value)
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
