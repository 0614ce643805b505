"""How a recording looks in a notebook: one folded HTML table, everything escaped, nothing fetched."""

from __future__ import annotations

import html
from collections import Counter
from typing import TYPE_CHECKING

from realtime_lab.config.masking import masked, shortened
from realtime_lab.protocol.events import event_type

if TYPE_CHECKING:
    from realtime_lab.recording.events import Recording

__all__ = ["recording_html"]

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
