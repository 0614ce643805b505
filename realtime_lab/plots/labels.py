"""Short labels beside points, each where it covers least."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from realtime_lab.plots.style import root_figure, show_literally

__all__ = ["PointLabel", "place_labels"]

_FONT_PT = 8.0
_CHARACTER_PT = 0.62 * _FONT_PT
_MARKER_PT = 4.0
_GAPS_PT = (6.0, 13.0)


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


def place_labels(labels: Sequence[PointLabel], points: Sequence[tuple[float, float]], ax: Axes) -> None:
    """Write each label beside its point, away from the other labels first and from the points next.

    Args:
        labels: What to write.
        points: Every point drawn, data coordinates.
        ax: Where; its limits are final.
    """
    markers = [_around(*_position(x, y, ax), _MARKER_PT) for x, y in points]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    inside = _Box(*_position(left, bottom, ax), *_position(right, top, ax))
    written: list[_Box] = []
    for label in labels:
        offsets = [(side * gap, up * gap) for gap, side, up in product(_GAPS_PT, (1, -1), (1, -1))]
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


def _around(across: float, up: float, half: float) -> _Box:
    return _Box(across - half, up - half, across + half, up + half)


def _box_of(label: PointLabel, offset: tuple[float, float], ax: Axes) -> _Box:
    across, up = _position(label.x, label.y, ax)
    width, height = _CHARACTER_PT * len(label.text), _FONT_PT * 1.2
    left = across + offset[0] * 0.8 - (width if offset[0] < 0 else 0.0)
    bottom = up + offset[1] * 0.8 - (height if offset[1] < 0 else 0.0)
    return _Box(left, bottom, left + width, bottom + height)


def _write(label: PointLabel, offset: tuple[float, float], ax: Axes) -> None:
    text = ax.annotate(
        label.text,
        (label.x, label.y),
        xytext=(offset[0] * 0.8, offset[1] * 0.8),
        textcoords="offset points",
        ha="left" if offset[0] > 0 else "right",
        va="bottom" if offset[1] > 0 else "top",
        fontsize=_FONT_PT,
        color=label.colour,
        zorder=5,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
    show_literally(text)
