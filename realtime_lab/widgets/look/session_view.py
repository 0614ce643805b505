"""SessionView: one session to be seen, heard and read. The skin of `opened` and `event_log`; no logic of its own."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as W  # noqa: N812
import pandas as pd
from matplotlib.figure import Figure

from realtime_lab.audio import Condition, Script
from realtime_lab.plots import TimelineInfo, TranscriptView
from realtime_lab.plots.timeline import draw_timeline
from realtime_lab.recording import Recording
from realtime_lab.report.pictures import inline_svg
from realtime_lab.session import Stage
from realtime_lab.sweep import Study, Trial
from realtime_lab.widgets.configure.effective import comparison_html
from realtime_lab.widgets.look import session_view as view
from realtime_lab.widgets.look.event_log import LogFilter, log_html
from realtime_lab.widgets.look.opened import OpenedSession, Wait, open_session
from realtime_lab.widgets.markup import Frame, figure, hint, notice, played_picture, text
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, html_part, row

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


_TABS = ("Wait", "Transcript", "Configuration", "Events")


class SessionView(Panel):
    """Look at a session and hear it: timeline, wait, transcript, configuration, events.

    Args:
        source: A study, or one recording.
        trial: Of a study: a trial's key or the beginning of it, its number in the plan, or a Trial.
        turn: Which turn to open on, from 0; None: the worst.
        script: Of a recording: what was said, to hear it; None: the shipped script it was made with, if it was.
        condition: Of a recording: what the line sounded like; None: the one the recording names.

    Raises:
        StudyError: If there is no such trial, or it has no recording.
        RealtimeLabError: If a study is given without a trial, or there is no such turn.

    Example:
        >>> rl.SessionView(study, study.worst(1)["trial"][0])  # in a notebook
    """

    def __init__(
        self,
        source: Study | Recording | OpenedSession | None = None,
        trial: str | int | Trial | None = None,
        *,
        turn: int | None = None,
        script: Script | None = None,
        condition: Condition | None = None,
        stage: Stage | None = None,
    ) -> None:
        super().__init__("rl-session-view")
        self._opened: OpenedSession | None = None
        self._busy = False
        self.turns = W.Dropdown(layout=W.Layout(width="340px"))
        self.turns.add_class("rl-turns")
        self.turns.observe(self.guarded(lambda _: self._moved()), "value")
        self.heading, self.figures = html_part("rl-heading"), html_part("rl-turn-figures")
        self.player = html_part("rl-player-part")
        self.parts = {name: html_part(f"rl-{name.lower()}-part") for name in _TABS}
        self._pace = Pace(self.guarded(self._write_log, "log"))
        self.words = W.Text(placeholder="words that stand in them", layout=W.Layout(width="260px"))
        self.direction = W.Dropdown(options=("all", "client", "server"), layout=W.Layout(width="90px"))
        self.here = W.Checkbox(value=True, description="this turn only", indent=False, layout=W.Layout(width="130px"))
        self.fold = W.Checkbox(value=True, description="fold repeats", indent=False, layout=W.Layout(width="130px"))
        filters = {"words": self.words, "direction": self.direction, "here": self.here, "fold": self.fold}
        for name, part in filters.items():
            part.add_class(f"rl-log-{name}")
            part.observe(lambda _: self._pace.ask(), "value")
        events = W.VBox([row(list(filters.values()), "rl-log-filter"), self.parts["Events"]])
        pages = [events if name == "Events" else self.parts[name] for name in _TABS]
        self.tabs = W.Tab(pages, titles=_TABS)
        self.tabs.add_class("rl-session-tabs")
        self.show([row([self.turns, self.heading]), self.figures, self.player, self.tabs])
        if isinstance(source, OpenedSession):
            self.open(source, turn)
        elif source is not None:
            self.open(open_session(source, trial, script=script, condition=condition, stage=stage), turn)

    @property
    def opened(self) -> OpenedSession | None:
        """The session that is shown; None when there is none."""
        return self._opened

    def open(self, opened: OpenedSession, turn: int | None = None) -> None:
        """Show a session.

        Args:
            opened: The session.
            turn: Which turn to open on; None: the worst.

        Raises:
            RealtimeLabError: If there is no such turn.
        """
        if turn is not None:
            opened.row(turn)
        self._opened, self._busy = opened, True
        try:
            self.turns.options = opened.choices
            wanted = opened.worst if turn is None else turn
            self.turns.index = [which for _, which in opened.choices].index(wanted)  # None is a choice too
        finally:
            self._busy = False
        self.heading.value = view.heading_html(opened)
        self.parts["Configuration"].value = view.configuration_html(opened)
        self._moved()

    def _moved(self) -> None:
        """Another turn is looked at."""
        opened, turn = self._opened, self.turns.value
        if opened is None or self._busy:
            return
        self.figures.value = view.turn_figures(None if turn is None else opened.row(turn))
        self.parts["Wait"].value = view.wait_html(None if turn is None else opened.wait(turn))
        self.parts["Transcript"].value = view.transcript_html(opened, turn)
        self._pace.flush()
        self.guarded(self._write_player, "player")()

    def _write_player(self) -> None:
        if self._opened is not None:
            self.player.value = ""
            self.player.value = view.player_html(self._opened, self.turns.value)

    def _write_log(self) -> None:
        opened = self._opened
        if opened is None:
            return
        turn = self.turns.value
        window = opened.window(turn) if self.here.value else None
        wanted = LogFilter(self.words.value, self.direction.value, window, self.fold.value)
        lines = opened.log.matching(wanted)
        self.parts["Events"].value = log_html(lines, opened.origin_ms(turn), len(opened.log))
