"""What every plot shares: colours, a figure without pyplot, literal text, labels beside points. No global style."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import pairwise, product
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from realtime_lab.errors import ConfigError, RealtimeLabError

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


_FONT_PT = 8.0
_CHARACTER_PT = 0.62 * _FONT_PT
_MARKER_PT = 4.0
_LINE_PT = 1.5
_STEP_PT = 4.0
_GAPS_PT = (6.0, 13.0, 22.0, 34.0)


_SHARE_LEFT = {1: 0.0, 0: 0.5, -1: 1.0}
_ALIGNED: dict[int, Literal["left", "center", "right"]] = {1: "left", 0: "center", -1: "right"}


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


class PointLabel(NamedTuple):
    """What stands beside one point, in data coordinates."""

    text: str
    x: float
    y: float
    colour: str


class _Box(NamedTuple):
    """A rectangle on the canvas, points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: _Box) -> float:
        """Area in common."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)


def place_labels(
    labels: Sequence[PointLabel],
    points: Sequence[tuple[float, float]],
    ax: Axes,
    lines: Sequence[Sequence[tuple[float, float]]] = (),
) -> None:
    """Write each label beside its point, away from the other labels first, from the points and lines next.

    Args:
        labels: What to write.
        points: Every point drawn, data coordinates.
        ax: Where; its limits are final.
        lines: The corners of every line drawn, data coordinates.
    """
    markers = [_around(*_position(x, y, ax), _MARKER_PT) for x, y in points]
    for line in lines:
        markers += [_around(*place, _LINE_PT) for place in _along([_position(x, y, ax) for x, y in line])]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    inside = _Box(*_position(left, bottom, ax), *_position(right, top, ax))
    written: list[_Box] = []
    for label in labels:
        offsets = [(side * gap, up * gap) for gap, up, side in product(_GAPS_PT, (1, -1), (1, -1, 0))]
        boxes = [_box_of(label, offset, ax) for offset in offsets]
        costs = [_cost(box, written, markers, inside) + 0.01 * rank for rank, box in enumerate(boxes)]
        best = costs.index(min(costs))
        written.append(boxes[best])
        _write(label, offsets[best], ax)


def _cost(box: _Box, written: Sequence[_Box], markers: Sequence[_Box], inside: _Box) -> float:
    outside = box.overlap(box) - box.overlap(inside)
    return 20.0 * (sum(map(box.overlap, written)) + outside) + sum(map(box.overlap, markers))


def _position(x: float, y: float, ax: Axes) -> tuple[float, float]:
    """Where data lies on the canvas, points."""
    scale = 72.0 / root_figure(ax).dpi
    across, up = ax.transData.transform((x, y))
    return float(across) * scale, float(up) * scale


def _along(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Places along a line, close enough to feel it by."""
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / _STEP_PT))
        yield from ((x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps) for step in range(steps))


def _around(across: float, up: float, half: float) -> _Box:
    return _Box(across - half, up - half, across + half, up + half)


def _box_of(label: PointLabel, offset: tuple[float, float], ax: Axes) -> _Box:
    across, up = _position(label.x, label.y, ax)
    width, height = _CHARACTER_PT * len(label.text), _FONT_PT * 1.2
    left = across + offset[0] * 0.8 - width * _SHARE_LEFT[_sign(offset[0])]
    bottom = up + offset[1] * 0.8 - (height if offset[1] < 0 else 0.0)
    return _Box(left, bottom, left + width, bottom + height)


def _write(label: PointLabel, offset: tuple[float, float], ax: Axes) -> None:
    text = ax.annotate(
        label.text,
        (label.x, label.y),
        xytext=(offset[0] * 0.8, offset[1] * 0.8),
        textcoords="offset points",
        ha=_ALIGNED[_sign(offset[0])],
        va="bottom" if offset[1] > 0 else "top",
        fontsize=_FONT_PT,
        color=label.colour,
        zorder=5,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
    show_literally(text)
