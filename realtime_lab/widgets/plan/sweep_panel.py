"""SweepPanel: what to vary, over what, and what it will take. The skin of `sweep_form`; no logic of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.audio import Condition
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.server.engine.profile import PROFILES
from realtime_lab.session import Target
from realtime_lab.sweep import SweepPlan
from realtime_lab.widgets.markup import badge, figure, hint, notice, text
from realtime_lab.widgets.panel import Panel, button, html_part, row
from realtime_lab.widgets.plan.sweep_form import AXIS_NAMES, Axis, Chosen, Configured, Scripts, SweepForm

_NAME_WIDTH = "150px"
_AGAINST = {
    "profile": "profile",
    "url": "address",
    "deployment": "deployment",
    "api_key_env": "key variable",
    "max_usd": "at most, USD",
    "max_seconds": "at most, s of audio",
}
"""Fields of a target, with their labels."""
_HINTS = {"url": "https://host/v1", "max_usd": "such as 3", "max_seconds": "where the price is not known"}


class SweepPanel(Panel):
    """Plan a sweep with controls; `.plan` is what they say.

    Args:
        base: The session to vary, or a ConfigPanel that says it; default: server_vad.
        scripts: What is said: a shipped set's name, a folder or scripts, or an AudioPanel in which they are chosen.
        space: Values of each axis to start from.
        conditions: What the line sounds like; default: clean.
        repeats: How often everything is done.
        seed: Decides the order and every draw.
        target: What answers, and what it costs; default: the mocked server.
        max_usd: Most that may be spent on a paid target.
        max_seconds: Most seconds of audio, where a price is not known.
        oracle: Whether the bound that no detector can beat is run too.

    Raises:
        ScriptError: If scripts are named and cannot be read.
    """

    def __init__(
        self,
        base: SessionConfig | Configured | None = None,
        scripts: Scripts | Chosen = "orders",
        *,
        space: Mapping[str, Sequence[Any]] | None = None,
        conditions: Sequence[Condition] | None = None,
        repeats: int = 1,
        seed: int = 0,
        target: Target | None = None,
        max_usd: float | None = None,
        max_seconds: float | None = None,
        oracle: bool = False,
    ) -> None:
        super().__init__("rl-sweep-panel")
        base = base if base is not None else SessionConfig(turn_detection=ServerVad())
        self.form = SweepForm(base, scripts, space, conditions, repeats, seed, target, max_usd, max_seconds, oracle)
        self.axes = W.VBox([], layout=W.Layout(width="100%"))
        self.axes.add_class("rl-axes")
        self.add = button("Add an axis", "rl-add-axis", self.guarded(self._add_axis))
        self.add.layout.align_self = "flex-start"
        bound = "also the oracle: what no detector can beat"
        self.oracle = self._field("oracle", W.Checkbox(value=oracle, description=bound, indent=False))
        self.scripts = self._field("script_set", W.Dropdown(options=self.form.sets, value=self.form.script_set))
        line = W.Text(value=self.form.conditions, continuous_update=False)
        self.conditions = self._field("conditions", line)
        self.repeats = self._field("repeats", W.IntText(value=repeats))
        self.seed = self._field("seed", W.IntText(value=seed))
        self.notes = {name: html_part("rl-field-side") for name in ("scripts", "conditions", "repeats", "seed")}
        self.against = {name: self._answering(name) for name in ("kind", *_AGAINST)}
        self.against_notes = {name: html_part("rl-field-side") for name in _AGAINST}
        self.price = button("Estimate the cost", "rl-price", self.guarded(self._price), "Takes a few seconds")
        self.space_note, self.numbers = html_part("rl-space-note"), html_part("rl-estimate")
        self._axis_notes: list[Any] = []
        self._listeners: list[Any] = []
        self.show([self.numbers, html_part("rl-axes-title", "<h4>Axes</h4>"), *self._parts()])
        self._show_axes()
        for source in (base, scripts):
            listen = getattr(source, "on_change", None)
            if callable(listen):
                listen(self.guarded(self._changed))

    @property
    def plan(self) -> SweepPlan:
        """The plan the controls say.

        Raises:
            PlanError: With every mistake there is.
        """
        return self.form.plan

    @property
    def max_usd(self) -> float | None:
        """Most that may be spent on a paid target; None: no cap."""
        return self.form.answering.limit("max_usd")

    @property
    def max_seconds(self) -> float | None:
        """Most seconds of audio, where a price is not known; None: no cap."""
        return self.form.answering.limit("max_seconds")

    def on_change(self, call: Any) -> None:
        """Call `call()` after every change, as a panel that builds on this one does."""
        self._listeners.append(call)

    def _parts(self) -> list[Any]:
        titles = {"scripts": self.scripts, "conditions": self.conditions, "repeats": self.repeats, "seed": self.seed}
        rows = [row([_name(name), part, self.notes[name]], f"rl-{name}-row") for name, part in titles.items()]
        self._against_rows = {
            name: row([_name(words), self.against[name], self.against_notes[name]], f"rl-{name}-row")
            for name, words in _AGAINST.items()
        }
        target = row([_name("target"), self.against["kind"], self.price], "rl-target-row")
        over, to = html_part("rl-over-title", "<h4>Over</h4>"), html_part("rl-against-title", "<h4>Against</h4>")
        space = [self.axes, row([self.add, self.oracle]), self.space_note]
        return [*space, over, *rows, to, target, *self._against_rows.values()]

    def _answering(self, name: str) -> Any:
        """A control of the target."""
        form, width = self.form.answering, W.Layout(width="300px")
        value = getattr(form, name)
        if name in ("kind", "profile"):
            part = W.Dropdown(options=form.kinds if name == "kind" else tuple(PROFILES), value=value, layout=width)
        elif name == "api_key_env":
            more = {"options": form.key_names, "placeholder": "name of a variable, never a key"}
            part = W.Combobox(value=value, continuous_update=False, ensure_option=False, layout=width, **more)
        else:
            part = W.Text(value=value, continuous_update=False, placeholder=_HINTS.get(name, ""), layout=width)
        part.add_class(f"rl-target-{name.replace('_', '-')}")
        part.observe(self.guarded(partial(self._take_answering, name)), "value")
        return part

    def _take_answering(self, name: str, change: Any) -> None:
        form = self.form.answering
        if change.new == getattr(form, name):  # the panel's own writing
            return
        form.write(name, change.new)
        self.against[name].value = getattr(form, name)  # what is no name may be a key: it rests nowhere
        self._changed()

    def _price(self) -> None:
        self.form.price()
        self._changed()

    def _field(self, name: str, part: Any) -> Any:
        """A control that says one attribute of the form."""

        def take(change: Any) -> None:
            setattr(self.form, name, change.new)
            self._changed()

        part.add_class(f"rl-{name.replace('_', '-')}")
        part.layout.width = "300px"
        part.observe(self.guarded(take), "value")
        return part

    def _add_axis(self) -> None:
        self.form.axes.append(Axis())
        self._show_axes()

    def _drop_axis(self, number: int) -> None:
        del self.form.axes[number]
        self._show_axes()

    def _take_axis(self, number: int, name: Any, values: Any) -> None:
        self.form.axes[number] = Axis(name.value, values.value)
        self._changed()

    def _show_axes(self) -> None:
        """Make the rows of axes anew, after one was added or dropped."""
        self._axis_notes = [html_part("rl-field-side", flex="1 1 240px", min_width="0") for _ in self.form.axes]
        self.axes.children = [self._axis_row(number, axis) for number, axis in enumerate(self.form.axes)]
        self._changed()

    def _axis_row(self, number: int, axis: Axis) -> Any:
        name = W.Combobox(value=axis.name, options=AXIS_NAMES, placeholder="field", continuous_update=False)
        values = W.Text(value=axis.values, placeholder="values, between commas", continuous_update=False)
        name.layout.width, values.layout.width = "220px", "260px"
        name.add_class("rl-axis-name")
        values.add_class("rl-axis-values")
        take: Callable[[Any], None] = self.guarded(lambda _: self._take_axis(number, name, values))
        for part in (name, values):
            part.observe(take, "value")
        drop = button("Remove", "rl-drop-axis", self.guarded(partial(self._drop_axis, number)))
        line = row([name, values, drop, self._axis_notes[number]], "rl-axis")
        line.layout.align_items = "flex-start"
        return line

    def _changed(self) -> None:
        form = self.form
        form.check()
        for axis, note in zip(form.axes, self._axis_notes, strict=True):
            note.value = _axis_words(axis, form.wrong(axis.name.strip()))
        for name, note in self.notes.items():
            note.value = _wrong(form.wrong(name))
        self.space_note.value = notice(form.elsewhere())
        answering = form.answering
        for name, line in self._against_rows.items():
            line.layout.display = "" if name in answering.shown else "none"
            told = form.wrong(name)
            quiet = answering.key_words if name == "api_key_env" else ""
            self.against_notes[name].value = _wrong(told) if told else hint(quiet)
        self.price.layout.display = "" if form.paid else "none"
        self.numbers.value = _figures(form.numbers)
        for call in self._listeners:
            call()


def _name(words: str) -> Any:
    return html_part("rl-field", f'<div class="rl-label">{text(words)}</div>', width=_NAME_WIDTH)


def _axis_words(axis: Axis, wrong: str) -> str:
    known = text(axis.meaning) if axis.field is None else badge(axis.field.treatment, axis.field.reason)
    return f'<div class="rl-side">{known} {_wrong(wrong)}</div>'


def _wrong(words: str) -> str:
    return f'<span class="rl-wrong rl-side">{text(words)}</span>' if words else ""


def _figures(numbers: Sequence[tuple[str, str]]) -> str:
    if not numbers:
        return hint("the plan has mistakes; they stand below")
    shown = [figure(name, value, note=None, main=not number) for number, (name, value) in enumerate(numbers)]
    return f'<div class="rl-figures">{"".join(shown)}</div>'
