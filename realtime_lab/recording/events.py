"""One session as data: header, reference, appended audio, events with their times. No files, no frames.

Two clocks (see `Recording.sent_at`): audio time counts from the first sample appended; wall time counts from that
sample's capture, so in a perfectly paced session both read the same and a frame leaves when its last sample exists.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from realtime_lab.audio.pcm import Interval
from realtime_lab.config.masking import masked, shortened
from realtime_lab.protocol.events import AnyEvent, event_type
from realtime_lab.protocol.items import Count, RateHz

_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_MUTED = "color:var(--jp-ui-font-color2, GrayText)"
_LONGEST_TEXT = 160
_MOST_KINDS = 40


def recording_html(recording: Recording) -> str:
    """The HTML of a recording: what was run, how it ended, and how many events of each type there are."""
    header = recording.header
    speech = [turn for turn in recording.reference if turn.speech_ms]
    facts: list[tuple[str, object]] = [
        ("script", f"{header.script_id}{' (private)' if header.private else ''}"),
        ("condition", header.condition),
        ("target", header.target),
        ("seed", header.seed),
        ("timing", header.timing),
        ("reference", f"{header.reference_source}; turns with speech: {len(speech)}"),
        *header.engine.items(),
    ]
    if header.failure is not None:
        facts.append(("failure", header.failure))
    counts = Counter((entry.direction, event_type(entry.event)) for entry in recording.events)
    most = counts.most_common(_MOST_KINDS)
    kinds = [(f"{name} ({direction})", count) for (direction, name), count in most]
    if len(counts) > len(most):
        kinds.append(("other types", sum(counts.values()) - sum(count for _, count in most)))
    said = f"{_text(header.script_id)}, {_text(header.condition)}: {_text(header.outcome)}, "
    said += f"{recording.audio_ms / 1000:.1f} s of audio, {len(recording.events):,} events"
    return (
        f'<details class="rl-recording" open><summary>Recording of {said}</summary>{_table(facts)}'
        f'<details><summary style="{_MUTED}">events by type</summary>{_table(kinds)}</details></details>'
    )


def _table(rows: list[tuple[str, object]] | list[tuple[str, int]]) -> str:
    lines = (
        f'<tr><td style="{_CELL};{_MUTED}">{_text(name)}</td><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{''.join(lines)}</table>"


def _text(value: object) -> str:
    return html.escape(str(shortened(masked(str(value)), _LONGEST_TEXT)))


FORMAT_VERSION = 1
LONGEST_MS = 24 * 3_600_000.0
"""No session lasts longer than a day; a file that says so is not a recording of one."""


class RecordedEvent(NamedTuple):
    """One event and when it passed."""

    t_ms: float | None
    """Wall time; received times are stamped before decoding. None in an imported log without clocks."""
    direction: Literal["client", "server"]
    """Who sent it."""
    event: AnyEvent
    """The event itself; audio payloads are AudioRef."""


class ReferenceTurn(Struct, frozen=True, kw_only=True):
    """What the script says happened in one turn, in audio time."""

    index: int
    """Position of the turn in its script."""
    speech_ms: tuple[Interval, ...]
    """Speech intervals as played; the pauses between them are the holds."""
    deadline_ms: float
    """Audio time until which an endpoint is waited for."""
    complete: bool
    """False when the observation ended before the turn was decided, so that it is censored."""
    text: str | None = None
    """Reference transcript; None when unknown."""
    speaker: str | None = None
    """Who speaks; None when unknown."""


class AppendRun(Struct, frozen=True, kw_only=True):
    """Consecutive appends of one audio blob."""

    start_ms: Annotated[float, Meta(ge=0, le=LONGEST_MS)]
    """Audio time of the first sample."""
    samples: Count
    """How many samples were appended."""
    sha256: str
    """The blob they come from; in mocked sessions the rendered passage."""
    offset_samples: Count
    """First sample within the blob."""
    frame_ms: Annotated[float, Meta(ge=0.01)]
    """Audio in one append event."""
    rate_hz: RateHz = 24_000
    """Sample rate of the blob."""
    sent_ms: tuple[float, ...] | None = None
    """Wall time of each append; None when every frame was stamped exactly at its last sample."""

    @property
    def end_ms(self) -> float:
        """Audio time just after the last sample."""
        return self.start_ms + self.samples * 1000.0 / self.rate_hz


class Header(Struct, frozen=True, kw_only=True):
    """What was run, and how it ended."""

    format_version: int = FORMAT_VERSION
    target: str
    """The target's name, such as "mocked:default"."""
    script_id: str
    script_hash: str
    condition: str
    seed: int
    timing: Literal["closed", "fixed"] = "closed"
    reference_source: str = "constructed"
    """Where the reference comes from: human, two_channel, constructed or automatic."""
    requested: dict[str, Any]
    """The configuration asked for, in today's wire shape."""
    effective: dict[str, Any] | None = None
    """The configuration the server last reported."""
    engine: dict[str, str] = {}
    """Names and versions of what answered: VAD, transcription, profile."""
    segments: tuple[str, ...] = ()
    """Names of what a mocked server recognised, in order: equal names, equal samples and equal questions."""
    outcome: Literal["complete", "failed", "cancelled"] = "complete"
    failure: str | None = None
    """Why the session failed, in one line."""
    private: bool = False
    """True when the audio and texts are a user's own and stay out of reports."""
    has_send_clock: bool = True
    """False in an imported log that does not say when audio was sent."""
    fault: str | None = None
    """The name of what ended a live session early, such as half_open."""
    connect_ms: float | None = None
    """From beginning to connect to session.created; None where nobody measured it."""
    connections: int | None = None
    """How many connections a live session took."""
    limited: bool = False
    """Whether the service refused a connection of a live session for being one too many (429)."""
    error_bound_ms: float | None = None
    """No receive time of a live session is later than the arrival by more than this."""
    loop_lag_ms: float | None = None
    """The longest the event loop kept a live session waiting."""
    pacing_error_ms: float | None = None
    """How late append frames left, 99th percentile."""
    tainted: bool | None = None
    """Whether something disturbed the measurement; None where nothing can."""


class Recording(Struct, frozen=True, kw_only=True):
    """Everything one session left behind; frames are computed from this and nothing else."""

    header: Header
    reference: tuple[ReferenceTurn, ...]
    appends: tuple[AppendRun, ...]
    events: tuple[RecordedEvent, ...]
    audio_ms: float
    """Audio appended in all."""

    def sent_at(self, audio_ms: float) -> float | None:
        """When the frame holding audio time `audio_ms` was handed to the socket, in wall ms.

        A frame that ends exactly at `audio_ms` counts as holding it. None when that audio was never sent, or the
        log does not say when.
        """
        if not self.header.has_send_clock or not 0 <= audio_ms <= self.audio_ms:
            return None
        for run in self.appends:
            if run.start_ms <= audio_ms <= run.end_ms:
                return _sent_in_run(run, audio_ms)
        return None

    def server_events(self) -> list[AnyEvent]:
        """The server's events, in the order they were received."""
        return [entry.event for entry in self.events if entry.direction == "server"]

    def _repr_html_(self) -> str:
        return recording_html(self)


def _sent_in_run(run: AppendRun, audio_ms: float) -> float | None:
    if run.sent_ms is None:
        return math.ceil(round(audio_ms / run.frame_ms, 9)) * run.frame_ms
    if not run.sent_ms:
        return None
    frame = math.ceil(round((audio_ms - run.start_ms) / run.frame_ms, 9)) - 1
    return run.sent_ms[min(max(frame, 0), len(run.sent_ms) - 1)]
