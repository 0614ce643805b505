"""What all panels share: they show themselves in a notebook, and what goes wrong inside them is seen.

An exception in a callback or on a thread is invisible in JupyterLab, so every callback of a panel is guarded and
every panel carries an error strip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import ipywidgets as W  # noqa: N812

from realtime_lab.widgets.markup import STYLE, error_text, notice

P = ParamSpec("P")


class Panel:
    """A column of widgets with an error strip.

    Args:
        name: Stable class name of the whole, such as `rl-explore`.
    """

    def __init__(self, name: str) -> None:
        self.error_strip = html_part("rl-error-strip")
        self._raised: dict[str, str] = {}
        self.widget = W.VBox([])
        """The ipywidgets box, to put into a layout of your own."""
        for label in ("rl-panel", name):
            self.widget.add_class(label)

    def show(self, parts: Sequence[Any]) -> None:
        """Take `parts` as the panel's content, with the error strip above."""
        self.widget.children = [W.HTML(STYLE, layout=W.Layout(display="none")), self.error_strip, *parts]

    def guarded(self, call: Callable[P, None], slot: str = "action") -> Callable[P, None]:
        """`call`, with what it raises in the error strip until one of the same slot works.

        Args:
            call: A callback.
            slot: What it belongs to: what a person does is one slot, each kind of background work another.
        """

        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                call(*args, **kwargs)
            except Exception as error:
                self.say(error_text(error), slot)
            else:
                self.say("", slot)

        return run

    def say(self, words: str, slot: str) -> None:
        """Put words into the error strip; empty words take away those of the slot."""
        self._raised[slot] = words
        self.error_strip.value = "".join(map(notice, dict.fromkeys(self._raised.values())))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, shown where widgets are>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The text is for where widgets cannot be shown.
        return {**self.widget._repr_mimebundle_(**kwargs), "text/plain": repr(self)}


def html_part(name: str, value: str = "", **layout: str) -> Any:
    """An HTML widget with a stable class name."""
    part = W.HTML(value, layout=W.Layout(**layout))
    part.add_class(name)
    return part


def button(label: str, name: str, on_click: Callable[[], None], tip: str = "", style: str = "") -> Any:
    """A button with a stable class name.

    Args:
        label: What stands on it.
        name: Its class name.
        on_click: What it does, already guarded.
        tip: What shows on hovering.
        style: "primary", "danger" or nothing.
    """
    made = W.Button(
        description=label, tooltip=tip, button_style=style, layout=W.Layout(width="auto", align_self="flex-start")
    )
    made.add_class(name)
    made.on_click(lambda _: on_click())
    return made


def row(children: Sequence[Any], name: str = "rl-row", **layout: str) -> Any:
    """Widgets side by side, wrapping where there is no room."""
    box = W.HBox(list(children), layout=W.Layout(flex_flow="row wrap", align_items="center", **layout))
    box.add_class(name)
    return box
