"""Every public plot on every kind of study that holds too little: a figure, or a clear sentence in its place.

Plots are found by name in the package, so that a new one is held to this too.
"""

from __future__ import annotations

import inspect
import re

import matplotlib as mpl
import pytest
from bad_sources import KINDS, source_of

from realtime_lab import plots
from realtime_lab.plots.style import root_figure

FUNCTIONS = [name for name in plots.__all__ if inspect.isfunction(getattr(plots, name))]
DRAWN = [name for name in FUNCTIONS if not name.endswith("_info")]
NAMED = ("decomposition", "ecdf", "effects", "heatmap", "levels", "wer")
"""Plots whose labels are settings or conditions."""
OPTIONS = {"levels": [{"metric": "wer"}, {"metric": "response_latency_ms_p50"}]}


def call(name, kind):
    """Call a plot as a user would, with a study or with its first recording."""
    function, source = getattr(plots, name), source_of(kind)
    first = next(iter(inspect.signature(function).parameters))
    given = source.recording() if first == "recording" or name == "transcript" else {"source": source}[first]
    return [function(given, **options) for options in OPTIONS.get(name.removesuffix("_info"), [{}])]


def sentence_in_place(axes):
    """The sentence that stands where the figure would be; None where there is a figure."""
    return None if axes.axison else " ".join(" ".join(text.get_text() for text in axes.texts).split())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_shows_something_or_says_why_not(name, kind):
    for shown in call(name, kind):
        if name == "transcript":
            assert re.search(r"[A-Za-z]{3}", re.sub("<[^>]*>", "", shown._repr_html_()))
            continue
        said = sentence_in_place(shown)
        if said is None:
            assert shown.lines or shown.collections or shown.patches or shown.images or shown.texts
        else:
            assert re.fullmatch(r"[A-Z].{15,299}[.…]", said), said
            assert "None" not in said and "nan" not in said


@pytest.mark.parametrize("kind", ["empty study", "all failed", "NaN"])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.endswith("_info")])
def test_what_a_plot_shows_is_gathered_whatever_the_study_holds(name, kind):
    """Of the other kinds the test above says so: each plot gathers first."""
    for info in call(name, kind):
        assert isinstance(info, tuple) and info._fields


def test_the_sentences_name_what_is_missing():
    """One per plot of a study without any session: nothing but the sentence is drawn."""
    of_studies = [name for name in DRAWN if name not in ("timeline", "transcript")]
    for name in of_studies:
        for axes in call(name, "empty study"):
            said = sentence_in_place(axes)
            assert said is not None and re.search("[Nn]o (turn|session|transcript|log-prob|setting)", said), (
                name,
                said,
            )
            assert not axes.lines and not axes.collections


@pytest.mark.parametrize("name", DRAWN)
def test_hostile_texts_are_drawn_as_characters(name):
    """Rendered whole: TeX would raise, and a picture shows `$` as `$`."""
    for shown in call(name, "hostile texts"):
        if name == "transcript":
            page = shown._repr_html_()
            assert "<script" not in page and ">script<" in page and ">frac<" in page
            continue
        figure = root_figure(shown)
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and "$" in text.get_text()]
        assert not [text for text in texts if text.get_parse_math() or text.get_usetex()]
        assert texts or name not in NAMED
