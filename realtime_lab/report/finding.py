"""What one finding is: a sentence, the table it can be checked in, and figures."""

from __future__ import annotations

from typing import NamedTuple

from realtime_lab.report.pictures import Picture

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One sentence and its table."""

    title: str
    sentence: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """How to read the table."""
    shown: bool = False
    """The table is open at once."""
    figures: tuple[Picture, ...] = ()
    """Shown above the table."""
    folded: tuple[Picture, ...] = ()
    """Behind one more click."""
    folded_note: str = ""
    """What they are."""
