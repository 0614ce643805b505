"""How long a script takes to say, before anything is rendered."""

from __future__ import annotations

from realtime_lab.audio import GRID_MS, LEAD_IN_FRAMES, TAIL_FRAMES, Script

__all__ = ["script_ms"]

_LEAD_IN_AND_TAIL_MS = float((LEAD_IN_FRAMES + TAIL_FRAMES) * GRID_MS)


def script_ms(script: Script) -> float:
    """How long a script speaks, its pauses and the gaps before its turns included, ms."""
    total = 0.0
    for turn in script.turns:
        spans = (segment.span_ms for segment in turn.segments)
        total += sum(span.end_ms - span.start_ms for span in spans)
        total += sum(turn.hold_ms) + turn.gap_ms + _LEAD_IN_AND_TAIL_MS
    return total
