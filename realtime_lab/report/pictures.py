"""Plots of what was recognised and of where the wait comes from, as the page holds them: SVG with a caption.

What a figure shows is gathered and drawn in `plots`; here is only how large it is and what stands below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from realtime_lab.analysis.grid import Grid
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.confidence_axes import draw_reliability
from realtime_lab.plots.confidence_data import reliability_info
from realtime_lab.plots.decomposition_axes import draw_decomposition
from realtime_lab.plots.decomposition_data import decomposition_info
from realtime_lab.plots.levels_axes import draw_levels, levels_info
from realtime_lab.plots.recognition_axes import draw_onset, draw_wer
from realtime_lab.plots.recognition_data import onset_info, wer_info
from realtime_lab.plots.style import new_axes, new_row, root_figure
from realtime_lab.report.svg import inline_svg

__all__ = ["Picture", "heard_pictures", "levels_picture", "picture", "reliability_picture", "wait_picture"]

_HEARD = ("wer", "mean_logprob")


class Picture(NamedTuple):
    """One plot."""

    svg: Markup
    caption: str
    name: str = ""


def picture(axes: Axes, name: str, description: str, caption: str = "", title: str = "") -> Picture:
    """What was drawn, for the page.

    Args:
        axes: The plot, or one of those of its figure.
        name: Letters; sets its ids apart from those of others.
        description: What it shows, for readers who cannot see it.
        caption: What stands below it.
        title: What stands above it.
    """
    return Picture(Markup(inline_svg(root_figure(axes), name, description)), caption, title)


def levels_picture(grids: Sequence[Grid]) -> Picture | None:
    """Word error rate and mean log-probability at each value of each setting; None where there is neither."""
    infos = [info for info in (levels_info(grids, metric=name) for name in _HEARD) if not info.problem]
    if not infos:
        return None
    row = new_row(len(infos), 5.0 * len(infos), 1.7 + 0.3 * max(len(info.rows) for info in infos))
    for number, (info, axes) in enumerate(zip(infos, row, strict=True)):
        draw_levels(info, axes, named=number == 0 or info.rows != infos[0].rows)
    caption = "Each dot: the mean over the settings that have this value."
    return picture(row[0], "levels", "Word error rate and mean log-probability by setting and condition", caption)


def reliability_picture(words: pd.DataFrame) -> Picture | None:
    """Whether a word's confidence is the share of right words; None without log-probabilities."""
    info = reliability_info(words)
    if info.problem:
        return None
    caption = "Confidence: the product of the probabilities of a word's tokens. On the dashed line it is what it says."
    axes = draw_reliability(info, new_axes(6.6, 5.2))
    return picture(axes, "reliable", "Share of right words against their confidence, by condition", caption)


def heard_pictures(turns: pd.DataFrame, near: pd.DataFrame) -> Iterator[Picture]:
    """Word errors setting by setting, and what a clipped onset does to the first token.

    Args:
        turns: All turns.
        near: Those of the settings to be told one by one.
    """
    by_setting = wer_info(near)
    if not by_setting.problem:
        axes = draw_wer(by_setting, new_axes(8.2, 1.8 + 0.34 * max(3, len(by_setting.settings))))
        yield picture(axes, "wer", "Word error rate of single settings, by condition")
    clipped = onset_info(turns)
    if not clipped.problem and len(clipped.bins) > 1:
        axes = draw_onset(clipped, new_axes(7.2, 4.0))
        yield picture(axes, "onset", "Log-probability of the first token against speech lost at the onset")


def wait_picture(near: pd.DataFrame, condition: str) -> Picture | None:
    """What the wait is made of, setting by setting; None where no turn can be taken apart.

    Args:
        near: Turns of the settings to be told one by one.
        condition: The acoustic condition.
    """
    try:
        info = decomposition_info(near, condition=condition)
    except RealtimeLabError:
        return None
    if not info.bars:
        return None
    axes = draw_decomposition(info, new_axes(9.2, max(2.4, 1.7 + 0.32 * len(info.bars))))
    return picture(axes, "parts", "Mean parts of the response latency, one bar per setting")
