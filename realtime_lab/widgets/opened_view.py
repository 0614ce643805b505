"""What a session view shows, as HTML: figures, the timeline with its player, the wait in parts. Strings only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from realtime_lab.plots import TimelineInfo, TranscriptView
from realtime_lab.plots.timeline_axes import draw_timeline
from realtime_lab.report.svg import inline_svg
from realtime_lab.widgets.effective import comparison_html
from realtime_lab.widgets.markup import figure, hint, notice, text
from realtime_lab.widgets.opened import OpenedSession, Wait
from realtime_lab.widgets.playback import Frame, played_picture

__all__ = ["configuration_html", "heading_html", "player_html", "transcript_html", "turn_figures", "wait_html"]

_SIZE_IN = (10.4, 4.3)
_FRAME = Frame(left=0.125, right=0.99, top=0.07, bottom=0.81)


def heading_html(opened: OpenedSession) -> str:
    """One line on the session, and a strip where it failed."""
    header = opened.recording.header
    who = f"<b>{text(header.script_id, 80)}</b> &nbsp;·&nbsp; {text(header.condition, 40)}"
    engine = ", ".join(f"{name}: {value}" for name, value in header.engine.items())
    line = f'<span class="rl-muted" title="{text(engine, 400)}">{text(header.target, 120)}</span>'
    failed = notice(f"this session {header.outcome}: {header.failure}") if header.failure else ""
    return f"{who} &nbsp;·&nbsp; {line}{failed}"


def player_html(opened: OpenedSession, turn: int | None) -> str:
    """The timeline of a turn or of the session, with its sound."""
    info = opened.timeline(turn)
    return played_picture(timeline_svg(info), _FRAME, opened.sound(turn), opened.why_silent(turn))


def timeline_svg(info: TimelineInfo) -> str:
    """The timeline as SVG in the page's colours, its time across `_FRAME`."""
    sheet = Figure(figsize=_SIZE_IN)
    left, right, top, bottom = _FRAME
    draw_timeline(info, sheet.add_axes((left, 1 - bottom, right - left, bottom - top)))
    name = "rl" + hashlib.sha256(repr((info.title, info.window)).encode()).hexdigest()[:8]
    return inline_svg(sheet, name, f"Timeline of {info.title}")


def turn_figures(row: Mapping[str, Any] | None) -> str:
    """The numbers of one turn, the wait largest; nothing for a whole session."""
    if row is None:
        return ""
    return f'<div class="rl-figures">{"".join(_figures(row))}</div>'


def _figures(row: Mapping[str, Any]) -> Iterator[str]:
    wait_ms, cut = row["response_latency_ms"], bool(row["cut"])
    if cut:
        yield figure("Response latency", "cut off", note="no wait is taken from a cut turn", main=True, bad=True)
    elif row["outcome"] == "answered" and _is_number(wait_ms):
        yield figure(
            "Response latency", f"{wait_ms:,.0f}", "ms", "from the end of speech to the answer's sound", main=True
        )
    else:
        reason = "" if pd.isna(row["outcome_reason"]) else str(row["outcome_reason"])
        yield figure("Response latency", str(row["outcome"]), note=reason[:120], main=True, bad=True)
    holds = int(row["n_holds"])
    yield figure("Pauses cut", f"{row['n_cut_holds']} of {holds}" if holds else "none to cut", bad=cut)
    if _is_number(row["endpoint_delay_ms"]):
        yield figure("Endpoint delay", f"{row['endpoint_delay_ms']:,.0f}", "ms")
    if _is_number(row["onset_clip_ms"]) and row["onset_clip_ms"] > 0:
        yield figure("Onset clipped", f"{row['onset_clip_ms']:,.0f}", "ms", bad=True)
    if _is_number(row["wer"]):
        yield figure("Word error rate", f"{row['wer']:.0%}", note=f"of {row['n_ref_words']} words")


def wait_html(wait: Wait | None) -> str:
    """The parts of the wait as bars one after another, with their numbers."""
    if wait is None:
        return hint("Choose a turn to see what its wait was made of.")
    if wait.why_not:
        return hint(wait.why_not)
    low = min(0.0, *(sum(ms for _, ms in wait.parts[: n + 1]) for n in range(len(wait.parts))))
    span = max(wait.total_ms - low, 1.0)
    rows, at_ms = [], 0.0
    for number, (name, ms) in enumerate(wait.parts):
        left, width = 100 * (min(at_ms, at_ms + ms) - low) / span, 100 * abs(ms) / span
        bar = f'<div style="margin-left:{left:.2f}%;width:{width:.2f}%;background:var(--c{number})"></div>'
        rows.append(
            f'<tr><td>{text(name)}</td><td class="rl-number">{ms:,.0f} ms</td><td class="rl-bars">{bar}</td></tr>'
        )
        at_ms += ms
    total = f'<tr class="rl-total"><td>in all</td><td class="rl-number">{wait.total_ms:,.0f} ms</td><td></td></tr>'
    return f'<table class="rl-table rl-wait">{"".join(rows)}{total}</table>'


def transcript_html(opened: OpenedSession, turn: int | None) -> str:
    """The transcript of a turn above its reference; of a session, turn after turn."""
    turns = [which for _, which in opened.choices if which is not None] if turn is None else [turn]
    views = [(which, TranscriptView(opened.transcript(which))._repr_html_()) for which in turns]
    legend = hint("Deep colour: little confidence. Wavy line: nobody said it. Struck: said, and not recognised.")
    if turn is not None:
        return views[0][1] + legend
    return "".join(f'<div class="rl-side">turn {which}</div>{view}' for which, view in views) + legend


def configuration_html(opened: OpenedSession) -> str:
    """What was asked beside what the server says."""
    rows = opened.configuration
    return hint("The server never said what its configuration was.") if rows is None else comparison_html(rows)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
