"""How long the service took beside how long the mocked one takes, in logs whose events have times.

A delay of the mocked server is a distribution; a recorded one agrees with it when it lies within its middle 95 %. Where
the profile states no spread there is nothing to hold a single figure against, and both are only shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from realtime_lab.server.engine.profile import LogNormal, Profile
from realtime_lab.session.agreeing.log import TRANSCRIPTION, Step
from realtime_lab.session.agreeing.rows import Row, Verdict

_MIDDLE_Z = 1.96
"""95 % of a normal distribution lie within so many standard deviations."""
_OUTPUT = ("response.output_audio.delta", "response.output_audio_transcript.delta", "response.output_text.delta")


class _Interval(NamedTuple):
    """From one event to the first of some others after it, before the next of its own kind."""

    what: str
    begins: str
    ends: tuple[str, ...]
    figure: str | None = None
    """The profile's figure for it; None where it has none with a spread."""


_INTERVALS = (
    _Interval("session.update to session.updated", "session.update", ("session.updated",)),
    _Interval("committed to response.created", "input_audio_buffer.committed", ("response.created",), "create"),
    _Interval("response.create to response.created", "response.create", ("response.created",), "create"),
    _Interval("response.created to output_item.added", "response.created", ("response.output_item.added",)),
    _Interval("response.created to first delta", "response.created", _OUTPUT, "first_byte"),
    _Interval("response.created to first audio delta", "response.created", _OUTPUT[:1]),
    _Interval("response.done to timeout_triggered", "response.done", ("input_audio_buffer.timeout_triggered",)),
    _Interval("response.done to rate_limits.updated", "response.done", ("rate_limits.updated",)),
    _Interval(
        "committed to transcription.completed",
        "input_audio_buffer.committed",
        (f"{TRANSCRIPTION}completed",),
        "transcription",
    ),
)


def time_rows(recorded: Sequence[Step], mocked: Sequence[Step], profile: Profile) -> Iterator[Row]:
    """The delays that the log's times tell of."""
    if all(step.t_ms is None for step in recorded):
        yield Row("time", "of the log's events", None, None, "not compared", "no event has a time")
        return
    for interval in _INTERVALS:
        here, there = _took(recorded, interval), _took(mocked, interval)
        if not here:
            continue
        took = round(median(here), 3)
        ours = round(median(there), 3) if there else None
        figure = None if interval.figure is None else getattr(profile, interval.figure)
        n = f"n {len(here)}"
        if not isinstance(figure, LogNormal):
            yield Row("time", interval.what, took, ours, "not compared", f"{n}; no spread is stated here")
            continue
        # From a client's event it is the round trip too; from a server's event both ends were as long on their way.
        way_ms = profile.event_ms if interval.begins == "response.create" else 0.0
        low, high = (way_ms + figure.at(side) for side in (-_MIDDLE_Z, _MIDDLE_Z))
        verdict: Verdict = "agrees" if low <= took <= high else "differs"
        yield Row(
            "time", interval.what, took, round(way_ms + figure.median, 3), verdict, f"{n}; {low:.0f} to {high:.0f} ms"
        )


def _took(steps: Sequence[Step], interval: _Interval) -> list[float]:
    took: list[float] = []
    begun = math.nan
    for step in steps:
        if step.t_ms is None:
            continue
        if step.kind == interval.begins:
            begun = step.t_ms
        elif step.kind in interval.ends and not math.isnan(begun):
            took.append(step.t_ms - begun)
            begun = math.nan
    return took
