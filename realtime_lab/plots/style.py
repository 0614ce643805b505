"""What every plot shares: colours, a figure without pyplot, and text that is shown as it stands. No global style."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from realtime_lab.errors import ConfigError, RealtimeLabError

__all__ = [
    "CONDITION_COLOURS",
    "GREY",
    "INK",
    "LIGHT",
    "FigureAxes",
    "colour_of",
    "legend_name",
    "name_axes",
    "new_axes",
    "new_row",
    "plain",
    "quiet",
    "root_figure",
    "said_of",
    "say_instead",
    "show_literally",
]

CONDITION_COLOURS = ("#1f5fa8", "#d9602b", "#2f8f5b", "#8a5bab", "#b08a1e", "#5a6b7b", "#c2497f", "#1b8a94")
"""Told apart also by people who see few colours, and on paper."""
INK = "#22282e"
GREY = "#7d868f"
LIGHT = "#e6e9ec"
_LONGEST = 60
_MARGIN_IN = 0.12


class FigureAxes(Axes):
    """Axes of a figure of its own: a notebook shows it as a picture."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        root_figure(self).savefig(buffer, format="png", dpi=144)
        return buffer.getvalue()


def root_figure(ax: Axes) -> Figure:
    """The figure that axes are drawn in, whatever subfigures lie between.

    Raises:
        RealtimeLabError: If the axes were removed from their figure.
    """
    figure = ax.get_figure(root=True)
    if figure is None:
        raise RealtimeLabError("these axes belong to no figure any more: give ax=None, or axes of a figure")
    return figure


def new_axes(width_in: float, height_in: float) -> Axes:
    """Axes on a new figure that belongs to nobody else.

    Args:
        width_in: Width of the figure, inches.
        height_in: Height, inches.
    """
    return new_row(1, width_in, height_in)[0]


def new_row(count: int, width_in: float, height_in: float) -> list[Axes]:
    """Axes side by side on a new figure that belongs to nobody else.

    Args:
        count: How many.
        width_in: Width of the figure, inches.
        height_in: Height, inches.
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=_MARGIN_IN, h_pad=_MARGIN_IN)  # type: ignore[call-arg]
    return [figure.add_subplot(1, count, number + 1, axes_class=FigureAxes) for number in range(count)]


def quiet(ax: Axes) -> None:
    """Light grid, no box, small grey ticks: the data is what stands out."""
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    ax.grid(True, color=LIGHT, linewidth=0.8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(colors=GREY, labelcolor=INK, labelsize=9, length=3, width=0.8)


def colour_of(number: int) -> str:
    """The colour of the first condition, the second, and so on; they begin again where there are many."""
    return CONDITION_COLOURS[number % len(CONDITION_COLOURS)]


def name_axes(ax: Axes, x: str = "", y: str = "") -> None:
    """Name what the axes measure; texts from anywhere go through `plain` first."""
    show_literally(ax.set_xlabel(x, color=INK, fontsize=9.5), ax.set_ylabel(y, color=INK, fontsize=9.5))


def legend_name(text: str) -> str:
    """A legend's entry: matplotlib leaves out labels that begin with an underscore."""
    return f" {text}" if text.startswith("_") else text


def plain(text: object, limit: int = _LONGEST) -> str:
    """Text from anywhere as one printable line of at most `limit` characters, all of them in the default font."""
    line = " ".join(str(text).split())
    shown = "".join(char if char.isprintable() and _has_glyph(char) else "?" for char in line)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


@lru_cache(maxsize=4096)
def _has_glyph(char: str) -> bool:
    return bool(get_font(findfont("DejaVu Sans")).get_char_index(ord(char)))


def show_literally(*texts: Text) -> None:
    """Let `$` and TeX in these texts be what they are: characters."""
    for text in texts:
        text.set_parse_math(False)
        text.set_usetex(False)


def said_of(error: RealtimeLabError) -> str:
    """What a study lacks, as the sentence in place of a figure.

    Raises:
        ConfigError: If it is no lack but a mistake in what was asked for.
    """
    if isinstance(error, ConfigError):
        raise error
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def say_instead(ax: Axes, sentence: str) -> Axes:
    """Write a sentence where a figure would be."""
    ax.set_axis_off()
    said = textwrap.fill(plain(sentence, 300), _LONGEST)
    show_literally(ax.text(0.5, 0.5, said, transform=ax.transAxes, ha="center", va="center", color=INK, fontsize=11))
    return ax
