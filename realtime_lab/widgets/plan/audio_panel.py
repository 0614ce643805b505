"""AudioPanel: what is said, seen and heard turn by turn; own recordings uploaded. The skin of `audio_choice`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.audio import Condition, Script
from realtime_lab.audio.conditions import CONDITION_KINDS, NOISES
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.session import Stage
from realtime_lab.widgets.markup import played_picture, text
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, html_part, row
from realtime_lab.widgets.plan.audio_choice import AudioChoice, turn_sound
from realtime_lab.widgets.plan.hearing_view import FRAME, HearingPicture, figures, spoken
from realtime_lab.widgets.plan.sweep_form import Configured


class AudioPanel(Panel):
    """Choose what is said, see where speech and pauses are, hear it; `.scripts` is what is chosen.

    Args:
        scripts: The shipped set to start from, a folder or scripts.
        uploads: Folder in which uploaded recordings are kept; they go nowhere else.
        base: Whose turn detection is drawn, or a ConfigPanel that says it; default: server_vad as documented.

    Raises:
        ScriptError: If scripts are named and cannot be read.
    """

    def __init__(
        self,
        scripts: str | Path | Script | Sequence[Script] = "orders",
        uploads: str | Path = "uploads",
        *,
        base: SessionConfig | Configured | None = None,
        stage: Stage | None = None,
    ) -> None:
        super().__init__("rl-audio-panel")
        self._base, self._busy = base, False
        self._listeners: list[Any] = []
        self.choice = AudioChoice(scripts, uploads, base if isinstance(base, SessionConfig) else None, stage)
        self.sets = self._part(W.Dropdown(), "rl-script-set", "230px", self._take_set)
        self.script_list = self._part(W.Dropdown(), "rl-script", "230px", self._take_script)
        self.turns = self._part(W.Dropdown(), "rl-turns", "120px", self._take_turn)
        kinds = W.Dropdown(options=CONDITION_KINDS, value="clean")
        self.kind = self._part(kinds, "rl-condition-kind", "120px", self._take_condition)
        level = W.BoundedFloatText(value=3.0, min=-20.0, max=60.0, step=1.0)
        self.level = self._part(level, "rl-condition-level", "80px", self._take_condition)
        self.level_name = html_part("rl-filter-name", '<div class="rl-side">dB over the noise</div>')
        self.upload = W.FileUpload(accept="audio/*", multiple=True, description="Upload recordings")
        self.upload.add_class("rl-upload")
        self.upload.layout.width = "190px"
        self.caller, self.agent = _channel("rl-caller", "one channel"), _channel("rl-agent", "no agent")
        self.upload.observe(self.guarded(self._take_upload, "upload"), "value")
        self.heading, self.figures = html_part("rl-heading"), html_part("rl-explore-figures")
        self.picture = html_part("rl-audio-picture")
        self.pace = Pace(self.guarded(self._redraw, "redraw"))
        chosen = row(
            [self.sets, self.script_list, self.turns, self.kind, self.level, self.level_name], "rl-audio-choice"
        )
        own = row([self.upload, _label("caller on"), self.caller, _label("agent on"), self.agent], "rl-audio-own")
        self.show([own, chosen, self.heading, self.figures, self.picture])
        self._show_choices()
        listen = getattr(base, "on_change", None)
        if callable(listen):
            listen(self.pace.ask)

    @property
    def scripts(self) -> tuple[Script, ...]:
        """Every script of the chosen set."""
        return self.choice.scripts

    @property
    def script(self) -> Script:
        """The script that is looked at."""
        return self.choice.script

    @property
    def condition(self) -> Condition:
        """What the line sounds like."""
        return self.choice.condition

    def on_change(self, call: Any) -> None:
        """Call `call()` when another set is chosen, as a panel that builds on this one does."""
        self._listeners.append(call)

    def _part(self, part: Any, name: str, width: str, take: Any) -> Any:
        def taken(_: Any) -> None:
            if not self._busy:
                take()

        part.add_class(name)
        part.layout.width = width
        part.observe(self.guarded(taken), "value")
        return part

    def _take_set(self) -> None:
        self.choice.choose_set(self.sets.value)
        self._show_choices()
        self._tell()

    def _take_script(self) -> None:
        self.choice.choose_script(self.script_list.value)
        self._show_choices()

    def _take_turn(self) -> None:
        self.choice.turn = self.turns.value
        self.pace.flush()

    def _take_condition(self) -> None:
        kind = self.kind.value
        self.choice.condition = Condition(kind, float(self.level.value) if kind in NOISES else None)
        self._show_choices()

    def _take_upload(self, change: Any) -> None:
        if not change.new:
            return
        files = [{"name": file["name"], "content": bytes(file["content"])} for file in change.new]
        self.upload.value = ()  # a private recording does not rest in the widget's state
        self.choice.upload(files, self.caller.value, self.agent.value)
        self._show_choices()
        self._tell()

    def _show_choices(self) -> None:
        choice = self.choice
        scripts = [(script.id[:60], place) for place, script in enumerate(choice.scripts)]
        turns = [(f"turn {number}", number) for number in range(len(choice.script.turns))]
        self._busy = True
        try:
            for part, options, value in (
                (self.sets, choice.sets, choice.set_name),
                (self.script_list, scripts, choice.place),
                (self.turns, turns, choice.turn),
            ):
                part.options = options
                part.value = value
        finally:
            self._busy = False
        for part in (self.level, self.level_name):
            part.layout.display = "" if self.kind.value in NOISES else "none"
        self.pace.flush()

    def _tell(self) -> None:
        for call in self._listeners:
            call()

    def _redraw(self) -> None:
        choice = self.choice
        if self._base is not None and not isinstance(self._base, SessionConfig):
            try:
                choice.base = self._base.config
            except ConfigError:
                return  # its own panel says what is wrong
        hearing = choice.hearing()
        heard = choice.heard(hearing)
        picture = HearingPicture(hearing)
        self.heading.value, self.figures.value = spoken(hearing), figures(heard)
        self.picture.value = played_picture(picture.svg(heard), FRAME, turn_sound(hearing, picture.window(heard)))


def _channel(name: str, none: str) -> Any:
    options = [(none, None), ("channel 0", 0), ("channel 1", 1)]
    part = W.Dropdown(options=options, index=0, layout=W.Layout(width="120px"))  # a value of None would show nothing
    part.add_class(name)
    return part


def _label(words: str) -> Any:
    return html_part("rl-filter-name", f'<div class="rl-side">{text(words)}</div>', margin="0 4px 0 14px")
