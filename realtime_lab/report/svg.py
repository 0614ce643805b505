"""A matplotlib figure as inline SVG that takes the page's colours, light and dark: the same figure, the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure

from realtime_lab.plots.style import CONDITION_COLOURS, GREY, INK, LIGHT

__all__ = ["colour_variables", "inline_svg"]

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
