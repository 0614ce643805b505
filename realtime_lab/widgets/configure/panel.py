"""ConfigPanel: every field of a session as a control, and a few sessions to begin with. The skin of `form`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import ipywidgets as W  # noqa: N812

from realtime_lab.config import NoiseReduction, SemanticVad, ServerVad, Session, SessionConfig, Transcription
from realtime_lab.config.wire import SHAPES
from realtime_lab.errors import ConfigError
from realtime_lab.recording import Recording
from realtime_lab.widgets.configure.effective import Servers, comparison_html, sides
from realtime_lab.widgets.configure.form import ConfigForm
from realtime_lab.widgets.configure.rows import ROWS, SECTIONS, UNSET, Row
from realtime_lab.widgets.markup import badge, code_block, hint, notice, text
from realtime_lab.widgets.panel import Panel, html_part, row

_HEARD = Transcription(model="gpt-4o-transcribe")

PRESETS: Mapping[str, SessionConfig] = MappingProxyType(
    {
        "nothing set: the server's own defaults": SessionConfig(),
        "server_vad, documented defaults": SessionConfig(
            turn_detection=ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
        ),
        "server_vad with transcript and log-probabilities": SessionConfig(
            turn_detection=ServerVad(), transcription=_HEARD, logprobs=True
        ),
        "answer soon: 250 ms of silence": SessionConfig(turn_detection=ServerVad(silence_duration_ms=250)),
        "let people think: 900 ms of silence": SessionConfig(turn_detection=ServerVad(silence_duration_ms=900)),
        "noisy room: higher threshold, far-field noise reduction": SessionConfig(
            turn_detection=ServerVad(threshold=0.7, silence_duration_ms=600),
            noise_reduction=NoiseReduction(type="far_field"),
        ),
        "telephone line: mu-law both ways": SessionConfig(
            turn_detection=ServerVad(), input_format="audio/pcmu", output_format="audio/pcmu"
        ),
        "semantic_vad, patient": SessionConfig(turn_detection=SemanticVad(eagerness="low")),
        "push to talk: no turn detection": SessionConfig(turn_detection=None),
    }
)
"""Sessions by what they are for."""


_LABEL_WIDTH, _STATE_WIDTH, _CONTROL_WIDTH = 176, 92, 180
_BOTH_WIDTH = _STATE_WIDTH + _CONTROL_WIDTH + 4
"""A list of modes alone is as wide as a state and its control, so that columns line up; a widget has margins of 2."""


class ConfigPanel(Panel):
    """Build a session configuration with controls; `.config` is what they say.

    Every field of the schema has its row, with its meaning, range and default on hovering. `unset` fields are not
    sent. Mistakes are shown at their fields, all at once.

    Args:
        config: Where to start; default: server_vad, everything else unset.

    Example:
        >>> panel = ConfigPanel()  # in a notebook: show it, move things, then
        >>> panel.config
    """

    def __init__(self, config: SessionConfig | None = None) -> None:
        super().__init__("rl-config-panel")
        start = config or SessionConfig.model_validate({"turn_detection": {"type": "server_vad"}})
        self.form = ConfigForm(start)
        self._busy = False
        self._changed: list[Any] = []
        self.rows = {entry.path: _RowView(entry, self) for entry in ROWS}
        self.presets = W.Dropdown(options=[("start from …", ""), *((name, name) for name in PRESETS)])
        self.presets.add_class("rl-presets")
        self.presets.observe(self.guarded(self._take_preset), "value")
        self.shape = W.Dropdown(options=SHAPES, value=SHAPES[0], layout=W.Layout(width="72px"))
        self.shape.add_class("rl-shape")
        self.shape.observe(self.guarded(lambda _: self._refresh()), "value")
        self.servers = Servers()
        self.server = W.Dropdown(options=self.servers.names, layout=W.Layout(width="190px"))
        self.server.add_class("rl-server-choice")
        self.server.observe(self.guarded(lambda _: self._compare(), "server"), "value")
        self.effective = html_part("rl-effective")
        self.note, self.wire, self.code = html_part("rl-config-note"), html_part("rl-wire"), html_part("rl-config-code")
        self.show([self.presets, self.note, self._body()])
        self._refresh()

    @property
    def config(self) -> SessionConfig:
        """The session the controls say.

        Raises:
            ConfigError: With every mistake there is.
        """
        return self.form.config

    def hold_against(self, said: Recording | Session | SessionConfig | Mapping[str, Any]) -> None:
        """Show what the controls say beside what a server said its configuration is.

        Args:
            said: A recording, a session as a server describes it, or the object it sent.

        Raises:
            ConfigError: If it is no session, or the recording's server never said.
        """
        name = self.servers.add(said)
        self.server.options = self.servers.names
        self.server.value = name

    def on_change(self, call: Any) -> None:
        """Call `call()` after every change, as a panel that builds on this one does."""
        self._changed.append(call)

    def _body(self) -> Any:
        pages = [W.VBox([view.box for view in self.rows.values() if view.row.section == name]) for name in SECTIONS]
        self.sections = W.Tab(pages, titles=SECTIONS, layout=W.Layout(flex="3 1 560px", min_width="0"))
        self.sections.add_class("rl-sections")
        titles = html_part("rl-wire-title", "<h4>On the wire</h4>")
        beside = [row([titles, self.shape], justify_content="space-between"), self.wire]
        beside += [html_part("rl-code-title", "<h4>As a cell</h4>"), self.code]
        says = html_part("rl-effective-title", "<h4>As the server takes it</h4>")
        beside += [row([says, self.server], justify_content="space-between"), self.effective]
        views = W.VBox(beside, layout=W.Layout(flex="2 1 320px", min_width="0", padding="0 0 0 14px"))
        views.add_class("rl-views")
        body = row([self.sections, views], "rl-config-body")
        body.layout.align_items = "flex-start"
        return body

    def _take_preset(self, change: Any) -> None:
        if change.new:
            self.form.load(PRESETS[change.new])
            self._refresh()

    def changed(self, change: Any, path: str, part: str) -> None:
        """A control was moved, by a person or by `_refresh`."""
        if self._busy:
            return
        if part == "mode":
            self.form.choose(path, change.new)
        else:
            self.form.write(path, change.new)
        self._refresh()

    def _refresh(self) -> None:
        self._busy = True
        try:
            for view in self.rows.values():
                view.refresh(self.form)
            self.sections.titles = [self.form.title(name) for name in SECTIONS]
            self.note.value = notice(self.form.elsewhere()) + notice(self.form.note, "note")
            self.wire.value, self.code.value = (
                code_block(self.form.wire(self.shape.value)),
                code_block(self.form.code()),
            )
        finally:
            self._busy = False
        self.guarded(self._compare, "server")()
        for call in self._changed:
            call()

    def _compare(self) -> None:
        """Hold what is asked against what the chosen server says."""
        if self.form.problems:
            self.effective.value = hint("mend the mistakes first")
            return
        asked = self.form.config
        try:
            rows = sides(asked, self.servers.session(self.server.value, asked))
        except ConfigError as error:
            self.effective.value = notice(f"refused: {error}", "note")
        else:
            self.effective.value = comparison_html(rows)


class _RowView:
    """The widgets of one row."""

    def __init__(self, entry: Row, panel: ConfigPanel) -> None:
        self.row = entry
        self.label = html_part("rl-field", flex=f"0 0 {_LABEL_WIDTH}px")
        self.label.value = _label(entry)
        alone = entry.control in ("group", "choice")
        flex = f"2 1 {_BOTH_WIDTH}px" if alone else f"0 0 {_STATE_WIDTH}px"
        self.mode = W.Dropdown(options=entry.options, tooltip=entry.tip, layout=W.Layout(width="auto", flex=flex))
        self.side = html_part("rl-field-side", flex="1 1 100px", min_width="0")
        self.control = _control(entry, panel.form)
        parts = [self.label, self.mode, *([self.control] if self.control is not None else []), self.side]
        self.box = W.HBox(parts, layout=W.Layout(align_items="flex-start", flex_flow="row wrap"))
        self.box.add_class("rl-field-row")
        self.box.add_class("rl-" + entry.path.replace(".", "-"))
        self.mode.observe(panel.guarded(partial(panel.changed, path=entry.path, part="mode")), "value")
        if self.control is not None:
            self.control.observe(panel.guarded(partial(panel.changed, path=entry.path, part="raw")), "value")

    def refresh(self, form: ConfigForm) -> None:
        """Show what the form says."""
        shown, draft = form.shown(self.row), form.draft(self.row.path)
        self.box.layout.display = "flex" if shown else "none"
        if not shown:
            return
        self.mode.value = draft.mode
        if self.control is not None:
            if self.row.control == "slider":
                low, high = form.slider_range(self.row)
                with self.control.hold_trait_notifications():
                    self.control.min, self.control.max, self.control.value = low, high, draft.raw
            else:
                self.control.value = draft.raw
            unset = draft.mode != "set"
            (self.control.add_class if unset else self.control.remove_class)("rl-unset")
        self.side.value = "".join(_side(self.row, draft.mode, form.wrong(self.row.path)))


def _control(entry: Row, form: ConfigForm) -> Any:
    """The slider or text of a row; None where its list of modes says everything."""
    raw, layout = form.draft(entry.path).raw, {"flex": f"2 1 {_CONTROL_WIDTH}px", "min_width": "0", "width": "auto"}
    if entry.control == "slider":
        low, high = form.slider_range(entry)
        whole = entry.field.type == "integer"
        kind = W.IntSlider if whole else W.FloatSlider
        step = max(1, round((high - low) / 190)) if whole else 0.01
        return kind(value=raw, min=low, max=high, step=step, tooltip=entry.tip, layout=W.Layout(**layout))
    offered = [*entry.field.choices, *entry.field.suggestions]
    if entry.control == "line" and offered:
        return W.Combobox(value=raw, options=offered, tooltip=entry.tip, layout=W.Layout(**layout))
    if entry.control == "line":
        return W.Text(value=raw, tooltip=entry.tip, layout=W.Layout(**layout))
    if entry.control == "block":
        rows = 9 if entry.path == "tools" else 3
        hint = '[{"type": "function", "name": "…"}]' if entry.path == "tools" else ""
        # Read when it is left, not at every key: half a JSON text is no mistake.
        more = {"placeholder": hint, "tooltip": entry.tip, "continuous_update": False}
        return W.Textarea(value=raw, rows=rows, layout=W.Layout(**layout), **more)
    return None


def _label(entry: Row) -> str:
    return (
        f'<div class="rl-label" style="padding-left:{16 * entry.depth}px" title="{text(entry.tip)}">'
        f"{text(entry.label)}</div>"
    )


def _side(entry: Row, mode: str, wrong: str) -> Iterator[str]:
    """How the mocked server treats the field, and either what is wrong or what the server does by itself."""
    yield f'<div class="rl-side">{badge(entry.field.treatment, entry.field.reason)} '
    if wrong:
        yield f'<span class="rl-wrong">{text(wrong)}</span>'
    elif mode == UNSET:
        yield text(entry.fallback)
    yield "</div>"
