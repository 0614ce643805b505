"""What an entry of a foreign log says: the event in it, who sent it, and the times that stand beside it.

Loggers wrap events in many ways; the event may stand under a key, as an object or as text, or be the entry itself.
Which of the times count is decided for the whole log, in `importing_clock`.

Which of the times are the clock, and in which unit, is told for the whole log; one that cannot be told is none.

The key that most events carry is the clock. A unit that the key does not say is told from the size of the numbers
when they count from 1970, and else from how fast they run beside the audio. Guessing wrong by a thousand would be
worse than a missing latency, so there is no further guess.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from realtime_lab.protocol.codec import FLAT_NAMES, MAX_FRAME_BYTES
from realtime_lab.protocol.events import ClientEvent, ServerEvent

Direction = Literal["client", "server"]

_PAYLOADS = ("event", "data", "message", "payload", "msg", "body", "frame", "raw", "json", "content")
_DIRECTIONS = ("direction", "from", "dir", "sender", "source", "side", "origin", "type", "kind")
_CLIENT_WORDS = frozenset("client send sent out outgoing outbound up upstream tx c2s user app > -> >>".split())
_SERVER_WORDS = frozenset(
    "server receive received recv in incoming inbound down downstream rx s2c openai model < <- <<".split()
)
_TIME_NAME = re.compile(
    r"@?(t|ts|time|timestamp|elapsed|offset|relative|received|received_at|recv|sent|sent_at|wall|mono|monotonic|at"
    r"|logged_at|created_at|datetime|date|clock|now)(?:_(ns|us|ms|millis|s|sec|secs|seconds))?"
)
_UNITS_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "millis": 1.0, "s": 1e3, "sec": 1e3, "secs": 1e3, "seconds": 1e3}
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,12})?", re.ASCII)
_DEEPEST_WRAP = 3


def _tags(union: object) -> frozenset[str]:
    return frozenset(str(member.__struct_config__.tag) for member in get_args(union))


_CLIENT_TYPES = _tags(ClientEvent)
_SERVER_TYPES = _tags(ServerEvent) | frozenset(FLAT_NAMES)


class TimeKey(NamedTuple):
    """A kind of time that a log writes."""

    name: str
    """The key it stands under."""
    unit_ms: float | None
    """Length of its unit, ms; None when the key does not say."""
    absolute: bool
    """Written as a date."""


class Stamp(NamedTuple):
    """One time beside an event."""

    key: TimeKey
    value: float
    """In units of the key; a date in ms since 1970."""


class Frame(NamedTuple):
    """An event as it stands in the log."""

    place: str
    fields: Mapping[str, Any]
    """The event's own fields, `type` among them."""
    direction: Direction
    stamps: Sequence[Stamp]
    """Every time beside it, outermost first."""


def frame_of(place: str, entry: Mapping[str, Any]) -> Frame | None:
    """The event in an entry; None when there is none."""
    wraps: list[Mapping[str, Any]] = []
    event = _event(entry, wraps)
    if event is None:
        return None
    around = [*wraps, event]
    stamps = [stamp for level in around for stamp in _stamps(level)]
    return Frame(place, event, _direction(str(event["type"]), wraps), stamps)


def _event(entry: Mapping[str, Any], wraps: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    kind = entry.get("type")
    if isinstance(kind, str) and (kind in _CLIENT_TYPES or kind in _SERVER_TYPES):
        return entry
    if len(wraps) < _DEEPEST_WRAP:
        wraps.append(entry)
        for key in _PAYLOADS:
            inner = _object(entry.get(key))
            found = None if inner is None else _event(inner, wraps)
            if found is not None:
                return found
        wraps.remove(entry)
    # A type this version does not know, but of the protocol's form.
    return entry if isinstance(kind, str) and "." in kind and not kind.startswith(".") else None


def _object(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str) and len(value) <= MAX_FRAME_BYTES and value.lstrip().startswith("{"):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            return None
    return value if isinstance(value, Mapping) else None


def _direction(kind: str, wraps: Sequence[Mapping[str, Any]]) -> Direction:
    # The type is surer than a logger's own words, which may be meant from either side.
    if kind in _CLIENT_TYPES or kind in _SERVER_TYPES:
        return "client" if kind in _CLIENT_TYPES else "server"
    for level in wraps:
        for key in _DIRECTIONS:
            word = level.get(key)
            if isinstance(word, str) and word.strip().lower() in _CLIENT_WORDS | _SERVER_WORDS:
                return "client" if word.strip().lower() in _CLIENT_WORDS else "server"
    return "server"


def _stamps(level: Mapping[str, Any]) -> list[Stamp]:
    found: list[Stamp] = []
    for key, value in level.items():
        if len(key) <= 40 and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            match = _TIME_NAME.fullmatch(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower())
            stamp = _stamp(key, _UNITS_MS.get(match[2] or ""), value) if match else None
            found += [] if stamp is None else [stamp]
    return found


def _stamp(name: str, unit_ms: float | None, value: str | int | float) -> Stamp | None:
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            at_ms = _date_ms(text)
            return None if at_ms is None else Stamp(TimeKey(name, 1.0, absolute=True), at_ms)
        value = float(text)
    try:
        number = float(value)
    except OverflowError:
        return None
    return Stamp(TimeKey(name, unit_ms, absolute=False), number) if math.isfinite(number) else None


def _date_ms(text: str) -> float | None:
    """Milliseconds since 1970 of a date; one without a zone is read as UTC."""
    try:
        at = datetime.fromisoformat(text[:40].replace(",", "."))
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return since.days * 86_400_000.0 + since.seconds * 1000.0 + since.microseconds / 1000.0


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
