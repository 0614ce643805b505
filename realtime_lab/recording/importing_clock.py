"""Which of a foreign log's times are its clock, and in which unit. A clock that cannot be told is none.

The key that most events carry is the clock. A unit that the key does not say is told from the size of the numbers
when they count from 1970, and else from how fast they run beside the audio. Guessing wrong by a thousand would be
worse than a missing latency, so there is no further guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from realtime_lab.recording.importing_frames import Frame, Stamp, TimeKey

__all__ = ["UNITS_MS", "clock_of", "times_ms"]

UNITS_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Units of time by name, in ms."""

_SINCE_1970 = ((1e17, 1e-6), (1e14, 1e-3), (1e11, 1.0), (1e9, 1000.0))
"""Numbers from the first on, whatever a session's relative time may be, are of the second unit, ms."""
_EPOCH_MS = 1e11
_LEAST_AUDIO_MS = 200.0
_SAME_PACE = (0.2, 5.0)

Clock = dict[TimeKey, float]
"""The keys that count, and the unit of each, ms."""


def clock_of(frames: Sequence[Frame], unit: str | None) -> tuple[Clock, str]:
    """Find a log's clock.

    Args:
        frames: The log's events.
        unit: What the user says the unit is: a name in `UNITS_MS`, or None.

    Returns:
        The clock, empty when there is none, and then why, in words.
    """
    counts = Counter(stamp.key for frame in frames for stamp in _once(frame.stamps))
    if not counts:
        return {}, "no event has a time"
    ranked = sorted(counts, key=lambda key: (-counts[key], key.unit_ms is None, key.absolute, key.name))
    main = ranked[0]
    scale = _unit_ms(main, frames, unit)
    if scale is None:
        return {}, f"the unit of {main.name!r:.40} is not clear: give time_unit='s' or 'ms'"
    clock = {main: scale}
    # Another key serves events without the main one when both count from 1970.
    if _since_1970(main, scale, frames):
        for key in ranked[1:]:
            other = _unit_ms(key, frames, unit)
            if other is not None and _since_1970(key, other, frames):
                clock[key] = other
    return clock, ""


def times_ms(frame: Frame, clock: Clock) -> float | None:
    """An event's time on the clock, ms."""
    for key, unit_ms in clock.items():
        for stamp in frame.stamps:
            if stamp.key == key:
                return stamp.value * unit_ms
    return None


def _once(stamps: Sequence[Stamp]) -> list[Stamp]:
    return list({stamp.key: stamp for stamp in stamps}.values())


def _values(key: TimeKey, frames: Sequence[Frame]) -> list[tuple[Frame, float]]:
    return [(frame, stamp.value) for frame in frames for stamp in frame.stamps if stamp.key == key]


def _since_1970(key: TimeKey, unit_ms: float, frames: Sequence[Frame]) -> bool:
    return key.absolute or _values(key, frames)[0][1] * unit_ms >= _EPOCH_MS


def _unit_ms(key: TimeKey, frames: Sequence[Frame], unit: str | None) -> float | None:
    if key.unit_ms is not None:
        return key.unit_ms
    if unit is not None:
        return UNITS_MS[unit]
    values = _values(key, frames)
    for least, unit_ms in _SINCE_1970:
        if values[0][1] >= least:
            return unit_ms
    return _unit_by_pace(values)


def _unit_by_pace(values: Sequence[tuple[Frame, float]]) -> float | None:
    """The unit in which the log runs about as fast as the audio it speaks of."""
    heard = [(value, at) for frame, value in values if (at := _audio_ms(frame)) is not None]
    if len(heard) < 2:
        return None
    (first, first_ms), (last, last_ms) = heard[0], heard[-1]
    if last_ms - first_ms < _LEAST_AUDIO_MS or last <= first:
        return None
    pace = (last_ms - first_ms) / (last - first)
    return next((u for u in UNITS_MS.values() if _SAME_PACE[0] < pace / u < _SAME_PACE[1]), None)


def _audio_ms(frame: Frame) -> float | None:
    for name in ("audio_start_ms", "audio_end_ms"):
        value = frame.fields.get(name)
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if known and str(frame.fields.get("type")).startswith("input_audio_buffer.speech"):
            return float(value)  # type: ignore[arg-type]
    return None
