"""Short labels beside points, each where it covers least."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Literal, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from realtime_lab.plots.style import root_figure, show_literally

__all__ = ["PointLabel", "place_labels"]

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
