"""Latency curves: which turns are in them, what is said beside them, and hostile text."""

from __future__ import annotations

import math

import matplotlib as mpl
import pytest
from choice_frames import turns_frame
from matplotlib.figure import Figure

from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots import ecdf, ecdf_info
from realtime_lab.plots.ecdf import MAX_CURVES

HOSTILE = [r"$\frac{", "$$", "_hidden", "<script>alert(1)</script>", "line\nbreak", "x" * 500, "☃\u202e\x00", "{0}%s"]


def texts(axes):
    axes.figure.draw_without_rendering()
    return [text.get_text() for text in axes.figure.findobj(mpl.text.Text) if text.get_text()]


def test_a_curve_is_every_uncut_turn_and_its_median_is_that_of_stats():
    turns = turns_frame((500,), cut=lambda silence_ms, rng: 0)
    (curve,) = ecdf_info(turns).curves
    values = sorted(turns["response_latency_ms"])
    assert curve.latency_ms == tuple(values)
    assert curve.median == quantile(values, 0.5)
    assert (curve.label, curve.n, curve.n_missed, curve.n_cut) == ("all turns", 24, 0, 0)


def test_cut_turns_are_left_out_and_counted_and_missed_turns_never_arrive():
    turns = turns_frame(
        (500,), cut=lambda silence_ms, rng: int(rng.random() < 0.4), missed=lambda s, rng: rng.random() < 0.3
    )
    (curve,) = ecdf_info(turns).curves
    n_missed = int((turns["outcome"] == "missed").sum())
    n_cut = int(turns["cut"].sum())
    assert (curve.n_missed, curve.n_cut, curve.n) == (n_missed, n_cut, 24 - n_cut)
    assert len(curve.latency_ms) == curve.n - n_missed
    assert curve.legend == f"all turns (n = {curve.n}, {n_missed} not answered, {n_cut} cut, left out)"


def test_each_setting_and_condition_is_a_curve_named_by_its_values():
    info = ecdf_info(turns_frame((300, 700), conditions=("clean", "babble_3dB")))
    assert [curve.label for curve in info.curves] == ["300, clean", "300, babble_3dB", "700, clean", "700, babble_3dB"]
    assert info.key == "silence_duration_ms"
    assert [curve.label for curve in ecdf_info(turns_frame((300, 700)), condition="clean").curves] == ["300", "700"]


def test_chosen_settings_have_the_names_they_are_given():
    turns = turns_frame((300, 500, 700))
    info = ecdf_info(turns, settings={"old": {"silence_duration_ms": 500}, "new": {"silence_duration_ms": 700}})
    assert [curve.label for curve in info.curves] == ["old", "new"] and info.key == ""


def test_too_many_settings_are_spread_and_said():
    info = ecdf_info(turns_frame(range(200, 600, 20)))
    assert len(info.curves) == MAX_CURVES
    assert (info.curves[0].label, info.curves[-1].label) == ("200", "580")
    assert info.not_drawn == "8 of 20 settings are drawn."


def test_without_turns_there_is_a_sentence_in_place_of_curves():
    info = ecdf_info(turns_frame((500,)).iloc[:0])
    assert info.curves == ()
    assert info.problem in texts(ecdf(turns_frame((500,)).iloc[:0]))
    cut = turns_frame((500,), cut=lambda *_: 1)
    assert ecdf_info(cut).problem == "No setting has turns that were answered or missed, and not cut."


def test_few_turns_have_a_curve_and_no_median():
    (curve,) = ecdf_info(turns_frame((500,), scripts=1, n_turns=3, cut=lambda silence_ms, rng: 0)).curves
    assert curve.n == 3 and curve.median.value is None


def test_a_study_is_asked_for_its_turns():
    class Study:
        def turns_df(self):
            return turns_frame((500,))

    assert ecdf_info(Study()).curves[0].n > 0


def test_an_unknown_latency_is_refused_with_the_known_ones():
    with pytest.raises(RealtimeLabError, match="response_latency_ms"):
        ecdf_info(turns_frame((500,)), latency="speed")


def test_it_is_drawn_on_the_callers_axes():
    ax = Figure().add_subplot()
    assert ecdf(turns_frame((300, 700)), ax) is ax
    assert ax.get_xlabel() == "response latency (ms)"
    assert len(ax.get_lines()) >= 2


def test_negative_latencies_are_shown_where_they_belong():
    turns = turns_frame((500,), latency=lambda silence_ms, rng: float(rng.normal(0, 200)))
    ax = ecdf(turns)
    assert ax.get_xlim()[0] < min(turns["response_latency_ms"].dropna()) < 0


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_they_stand(name):
    ax = ecdf(turns_frame((500,)), settings={name: {"silence_duration_ms": 500}})
    shown = texts(ax)
    assert not any("\n" in text or "\x00" in text or len(text) > 90 for text in shown)
    legend = ax.get_legend()
    assert legend is not None and all(not text.get_parse_math() for text in legend.get_texts())


def test_a_median_past_the_deadline_is_not_drawn():
    turns = turns_frame((500,), missed=lambda silence_ms, rng: rng.random() < 0.7)
    (curve,) = ecdf_info(turns).curves
    assert curve.median.value == math.inf
    ecdf(turns).figure.draw_without_rendering()
