"""Figures as inline SVG: harmless, in the page's colours, with ids of their own, and the same bytes each time."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from choice_frames import turns_frame
from report_payloads import PAYLOADS

from realtime_lab.plots import ecdf
from realtime_lab.plots.style import new_axes, plain, root_figure, show_literally
from realtime_lab.report.pictures import inline_svg


def made(name="one"):
    return inline_svg(root_figure(ecdf(turns_frame((300, 700)))), name, 'what "it" shows & more')


def test_the_same_figure_gives_the_same_bytes():
    assert made() == made()


def test_ids_are_the_figures_own_and_every_reference_is_kept():
    root = ET.fromstring(made("one"))
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert ids and all(name.startswith("one-") for name in ids)
    refs = {value[1:] for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")}
    clips = {v[5:-1] for e in root.iter() for v in e.attrib.values() if v.startswith("url(#")}
    assert refs <= ids and clips <= ids
    other = {element.attrib["id"] for element in ET.fromstring(made("two")).iter() if "id" in element.attrib}
    assert not ids & other


def test_colours_are_the_pages_and_sizes_are_its_own():
    text = made()
    root = ET.fromstring(text)
    assert "width" not in root.attrib and "height" not in root.attrib and "viewBox" in root.attrib
    assert "var(--ink,#22282e)" in text and "var(--c0,#1f5fa8)" in text
    assert "<style" not in text and "metadata" not in text
    assert root.attrib["aria-label"] == 'what "it" shows & more'
    assert root.attrib["role"] == "img"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_text(payload):
    axes = new_axes(2.0, 1.0)
    show_literally(axes.set_title(plain(payload, 200)), axes.set_xlabel(plain(payload)))
    root = ET.fromstring(inline_svg(root_figure(axes), "x", payload.replace("\x00", "")))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect", "tspan"}
    shown = ["".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text")]
    assert plain(payload, 200) in shown
