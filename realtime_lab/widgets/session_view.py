"""SessionView: one session to be seen, heard and read. The skin of `opened` and `event_log`; no logic of its own."""

from __future__ import annotations

import ipywidgets as W  # noqa: N812

from realtime_lab.audio import Condition, Script
from realtime_lab.recording import Recording
from realtime_lab.session import Stage
from realtime_lab.sweep import Study, Trial
from realtime_lab.widgets import opened_view as view
from realtime_lab.widgets.event_log import LogFilter, log_html
from realtime_lab.widgets.opened import OpenedSession, open_session
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, html_part, row

__all__ = ["SessionView"]

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
