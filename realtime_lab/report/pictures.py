"""Figures in a report: inline SVG in the page's colours, light and dark, with a caption; and what one finding is.

What a figure shows is gathered and drawn in `plots`; here is only how large it is and what stands below it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realtime_lab.analysis.summary.grid import Grid
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.confidence import draw_reliability, reliability_info
from realtime_lab.plots.decomposition import decomposition_info, draw_decomposition
from realtime_lab.plots.levels import draw_levels, levels_info
from realtime_lab.plots.recognition import draw_onset, draw_wer, onset_info, wer_info
from realtime_lab.plots.style import CONDITION_COLOURS, GREY, INK, LIGHT, new_axes, new_row, root_figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_NAMES = {INK: "ink", GREY: "muted", LIGHT: "line", "#ffffff": "paper"}
_NAMES |= {colour: f"c{number}" for number, colour in enumerate(CONDITION_COLOURS)}
DARK = ("#6ba6e8", "#f08a5c", "#5cbb88", "#bb93dc", "#dcb951", "#9aabbd", "#e97fab", "#57c4cf")
"""The plots' colours on a dark page, in the order of `CONDITION_COLOURS`."""
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element.

    Args:
        figure: The figure; it is not changed.
        name: Letters; sets this figure's ids apart from those of others on the page.
        description: What it shows, for readers who cannot see it.
    """
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "path.simplify": True}):
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _settle(element, name)
    for absolute in ("width", "height"):
        root.attrib.pop(absolute, None)
    root.set("role", "img")
    root.set("aria-label", description)
    root.set("style", "stroke-linejoin:round;stroke-linecap:butt")
    return ET.tostring(root, encoding="unicode")


def _settle(element: ET.Element, name: str) -> None:
    """Give ids a prefix and colours the page's names."""
    referred = f"{{{_XLINK}}}href"
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.attrib['id']}")
    if element.attrib.get(referred, "").startswith("#"):
        element.set(referred, f"#{name}-{element.attrib[referred][1:]}")
    for key, value in list(element.attrib.items()):
        if key in ("style", "fill", "stroke"):
            element.set(key, _COLOUR.sub(lambda found: _named(found[0]), value))
        if "url(#" in value:
            element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", element.attrib[key]))


def _named(colour: str) -> str:
    return f"var(--{_NAMES[colour]},{colour})" if colour in _NAMES else colour


def colour_variables() -> Iterator[tuple[str, str, str]]:
    """(name, on a light page, on a dark page) of the plots' colours."""
    for number, (light, dark) in enumerate(zip(CONDITION_COLOURS, DARK, strict=True)):
        yield f"c{number}", light, dark


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


class Finding(NamedTuple):
    """One sentence and its table."""

    title: str
    sentence: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """How to read the table."""
    shown: bool = False
    """The table is open at once."""
    figures: tuple[Picture, ...] = ()
    """Shown above the table."""
    folded: tuple[Picture, ...] = ()
    """Behind one more click."""
    folded_note: str = ""
    """What they are."""
