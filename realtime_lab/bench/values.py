"""What a bench gives back: figures with their targets, and all of them with what they were measured on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

FORMAT_VERSION = 1


class Figure(Struct, frozen=True, kw_only=True):
    """One measured number."""

    name: str
    """What was measured, once in all benches."""
    value: float
    unit: str
    """Unit of `value`, such as "sessions/s and core"."""
    better: Literal["higher", "lower"]
    target: float | None = None
    """What it should reach or stay under; None where nothing is promised."""
    note: str = ""
    """What it was measured on."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.better == "higher" else self.value <= self.target

    def __str__(self) -> str:
        sign = ">=" if self.better == "higher" else "<="
        said = {True: "met", False: "NOT MET", None: ""}[self.met]
        target = "" if self.target is None else f"{sign} {self.target:,.6g}"
        return f"{self.name:34s} {self.value:14,.6g} {self.unit:22s} {target:14s} {said}".rstrip()


class Results(Struct, frozen=True, kw_only=True):
    """Every figure of one run."""

    format_version: int = FORMAT_VERSION
    package: str
    """Version of this package."""
    python: str
    machine: str
    """Kind of processor and system; no names of hosts or users."""
    cores: int
    """Cores this process could use."""
    quick: bool
    """Measured on less than the targets name."""
    figures: list[Figure]
