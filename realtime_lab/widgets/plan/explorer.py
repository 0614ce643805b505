"""`explore`: three sliders over one turn, to see and count what they cut. The skin of `hearing`, without logic."""

from __future__ import annotations

from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.audio import Clip, Condition, Script, clean
from realtime_lab.config import ServerVad, SessionConfig, field_info
from realtime_lab.session import Stage
from realtime_lab.widgets.markup import code_block
from realtime_lab.widgets.pace import Pace
from realtime_lab.widgets.panel import Panel, button, html_part, row
from realtime_lab.widgets.plan.hearing import Detection, Heard, Hearing, as_script
from realtime_lab.widgets.plan.hearing_view import HearingPicture, figures, spoken

_STEPS = {"threshold": 0.01, "silence_duration_ms": 10, "prefix_padding_ms": 10}


def explore(
    clip_or_script: Clip | Script,
    *,
    turn: int = 0,
    condition: Condition | None = None,
    base: SessionConfig | None = None,
) -> Explorer:
    """Move threshold, silence_duration_ms and prefix_padding_ms, and see where the server takes the turn.

    The figures are those of a mocked session on the same audio: the same detector, the same endpointing, the same
    definitions.

    Args:
        clip_or_script: What is said.
        turn: Which turn of a script, from 0.
        condition: What the line sounds like; default: clean.
        base: The session to start from; its other fields are kept in `.config`.

    Returns:
        A panel; `.config` is the session its sliders say.

    Raises:
        ConfigError: If there is no such turn, or the first argument is neither a clip nor a script.
        AudioError: If a clip cannot be read.
    """
    return Explorer(as_script(clip_or_script), turn, condition or clean(), base)


class Explorer(Panel):
    """The panel that `explore` returns.

    Args:
        script: What is said.
        turn: Which of its turns, from 0.
        condition: What the line sounds like.
        base: The session to start from.
        stage: Rendered audio to share; default: a new one.
    """

    def __init__(
        self,
        script: Script,
        turn: int,
        condition: Condition,
        base: SessionConfig | None = None,
        stage: Stage | None = None,
    ) -> None:
        super().__init__("rl-explore")
        self._base = base or SessionConfig(turn_detection=ServerVad())
        self._script, self._condition, self._stage = script, condition, stage or Stage()
        self.pace = Pace(self.guarded(self._redraw, "redraw"))
        self.sliders = {name: _slider(name, value) for name, value in vars(Detection.of(self._base)).items()}
        for slider in self.sliders.values():
            slider.observe(lambda _: self.pace.ask(), "value")
        turns = [(f"turn {number}", number) for number in range(len(script.turns))]
        self.turns = W.Dropdown(options=turns, value=turn, layout=W.Layout(width="110px"))
        self.turns.add_class("rl-turns")
        self.turns.observe(self.guarded(lambda _: self._take_turn()), "value")
        self.use = button(
            "Use this", "rl-use", self.guarded(self._show_code), "Show the cell that builds it", "primary"
        )
        self.heading, self.figures = html_part("rl-heading"), html_part("rl-explore-figures")
        self.picture, self.code = html_part("rl-picture"), html_part("rl-code-view")
        self._code_shown = False
        chosen = [self.turns] if len(turns) > 1 else []
        self.show([row([*chosen, self.heading]), self.figures, self.picture, self._controls(), self.code])
        self._take_turn()

    @property
    def detection(self) -> Detection:
        """What the sliders say."""
        return Detection(**{name: slider.value for name, slider in self.sliders.items()})

    @property
    def config(self) -> SessionConfig:
        """The session the sliders say."""
        return self.detection.applied_to(self._base)

    @property
    def heard(self) -> Heard:
        """What a mocked server makes of the turn under the sliders' settings."""
        return self._hearing.heard(self.detection)

    def _controls(self) -> Any:
        sliders = W.VBox(list(self.sliders.values()), layout=W.Layout(flex="1 1 420px", min_width="0"))
        return row([sliders, self.use], "rl-controls")

    def _take_turn(self) -> None:
        self._hearing = Hearing(self._script, self.turns.value, self._condition, self._base, self._stage)
        self._picture = HearingPicture(self._hearing)
        self.heading.value = spoken(self._hearing)
        self.pace.flush()

    def _redraw(self) -> None:
        heard = self.heard
        self.figures.value = figures(heard)
        self.picture.value = self._picture.svg(heard)
        if self._code_shown:
            self._write_code()

    def _show_code(self) -> None:
        self._code_shown = True
        self._write_code()

    def _write_code(self) -> None:
        self.code.value = code_block(self.config.to_code("base"))


def _slider(name: str, value: float) -> Any:
    """A slider over the field's usual range, widened where the value lies outside."""
    field = field_info(name)
    low, high = field.usual or (0.0, 1.0)
    kind = W.FloatSlider if field.type == "number" else W.IntSlider
    number = float if field.type == "number" else int
    extra = {"readout_format": ".2f"} if field.type == "number" else {}
    made = kind(
        value=number(value),
        min=number(min(low, value)),
        max=number(max(high, value)),
        step=_STEPS[name],
        description=name,
        tooltip=field.doc,
        style={"description_width": "150px"},
        layout=W.Layout(width="auto"),
        **extra,
    )
    made.add_class(f"rl-{name}")
    return made
