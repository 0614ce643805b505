"""The event log of a session as a panel shows it: what matches a filter, folded where the same comes again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
import pandas as pd

from realtime_lab.analysis.rows.frames import events_df
from realtime_lab.audio import Interval
from realtime_lab.recording import Recording
from realtime_lab.widgets.markup import text

MOST_LINES = 200
_LONGEST = 1_500


class LogLine(NamedTuple):
    """One event, or several of one kind that follow one another."""

    t_ms: float | None
    """Wall time of the first; None in a log without clocks."""
    direction: Literal["client", "server"]
    type: str
    about: str
    """The item or response it is about; empty when it names none."""
    json: str
    """The first of them, secrets masked."""
    times: int = 1


@dataclass(frozen=True)
class LogFilter:
    """Which events to show."""

    words: str = ""
    """All of these must stand in an event's type or content."""
    direction: Literal["all", "client", "server"] = "all"
    window: Interval | None = None
    """Only what passed in this stretch of wall time, ms; None: everything."""
    fold: bool = True
    """Whether events of one kind that follow one another are one line."""


class EventLog:
    """Every event of a session, audio that was appended included.

    Args:
        recording: The session.
    """

    def __init__(self, recording: Recording) -> None:
        spoken = events_df(msgspec.structs.replace(recording, appends=())).to_dict("records")
        timed = all(entry.t_ms is not None for entry in recording.events)
        lines = [*_appended(recording, timed), *(_line(row) for row in spoken)]
        self._lines = sorted(lines, key=lambda line: line.t_ms or 0.0) if timed else lines

    def __len__(self) -> int:
        return len(self._lines)

    def matching(self, wanted: LogFilter) -> list[LogLine]:
        """The events a filter lets through, in the order of time."""
        words = wanted.words.casefold().split()
        found = [(place, line) for place, line in enumerate(self._lines) if _is_wanted(line, wanted, words)]
        return list(_folded(found)) if wanted.fold else [line for _, line in found]


def _appended(recording: Recording, timed: bool) -> Iterator[LogLine]:
    """One line per run of appended audio."""
    for run in recording.appends:
        sent_ms = run.start_ms if run.sent_ms is None else run.sent_ms[0]
        said = f'{{"audio_ms": [{run.start_ms:.0f}, {run.end_ms:.0f}], "frame_ms": {run.frame_ms:g}}}'
        yield LogLine(sent_ms if timed else None, "client", "input_audio_buffer.append", "", said)


def _line(row: Mapping[Any, Any]) -> LogLine:
    about = next((str(row[name]) for name in ("item_id", "response_id") if not pd.isna(row[name])), "")
    t_ms = None if pd.isna(row["t_ms"]) else float(str(row["t_ms"]))
    direction: Literal["client", "server"] = "client" if row["direction"] == "client" else "server"
    return LogLine(t_ms, direction, str(row["type"]), about, str(row["event"]))


def _is_wanted(line: LogLine, wanted: LogFilter, words: Iterable[str]) -> bool:
    if wanted.direction not in ("all", line.direction):
        return False
    window = wanted.window
    if window is not None and (line.t_ms is None or not window.start_ms <= line.t_ms <= window.end_ms):
        return False
    where = f"{line.type} {line.json}".casefold()
    return all(word in where for word in words)


def _folded(lines: Iterable[tuple[int, LogLine]]) -> Iterator[LogLine]:
    """Lines with their places in the log; those that are neighbours there and of one kind become one."""
    kept: LogLine | None = None
    after = -1
    for place, line in lines:
        if kept is not None and place == after and (kept.direction, kept.type) == (line.direction, line.type):
            kept = kept._replace(times=kept.times + 1)
        else:
            if kept is not None:
                yield kept
            kept = line
        after = place + 1
    if kept is not None:
        yield kept


def log_html(lines: list[LogLine], origin_ms: float, total: int) -> str:
    """The lines as HTML, each opening on its JSON; everything is escaped.

    Args:
        lines: What to show; beyond `MOST_LINES` they are cut, and it says so.
        origin_ms: From when time is counted.
        total: How many events there are in all.
    """
    shown = sum(line.times for line in lines)
    told = f"{shown:,} of {total:,} events" if lines else f"none of {total:,} events"
    if len(lines) > MOST_LINES:
        told += f"; the first {MOST_LINES} lines of {len(lines):,} are shown: narrow the filter for the others"
    body = "".join(_log_line(line, origin_ms) for line in lines[:MOST_LINES])
    return f'<div class="rl-side">{told}</div><div class="rl-log">{body}</div>'


def _log_line(line: LogLine, origin_ms: float) -> str:
    at = "" if line.t_ms is None else f"{(line.t_ms - origin_ms) / 1000:+.3f}"
    sent = line.direction == "client"
    arrow = f'<span class="rl-{line.direction}" title="{"sent" if sent else "received"}">{"↑" if sent else "↓"}</span>'
    many = f' <span class="rl-muted">× {line.times:,}</span>' if line.times > 1 else ""
    return (
        f'<details class="rl-event"><summary><span class="rl-at">{at}</span>{arrow} {text(line.type, 80)}{many}'
        f' <span class="rl-muted">{text(line.about, 40)}</span></summary>'
        f'<pre class="rl-code">{text(line.json, _LONGEST)}</pre></details>'
    )
