"""The trade-off plot: what it says (info), and that drawing is literal, harmless and the caller's own."""

from __future__ import annotations

import math
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from realtime_lab import plots
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots import tradeoff, tradeoff_info
from realtime_lab.plots.style import PointLabel, place_labels
from realtime_lab.plots.tradeoff import NOT_VERIFIED, published_curves

HOSTILE = [
    r"$\frac{",
    "$$",
    "a$b$c",
    "_hidden",
    "<script>alert(1)</script>",
    "\\",
    "line\nbreak",
    "x" * 500,
    "☃\u202e\x00",
    "{0}%s",
]


def turns(silences=(200, 500), conditions=("clean",), target="mocked:documented", n=40, **columns):
    """A turns frame with one latency step per silence setting and a cut hold in every fourth turn."""
    rows = []
    for silence_ms in silences:
        for condition in conditions:
            for number in range(n):
                cut = number % 4 == 0
                latency = None if cut else 700.0 + silence_ms + number
                rows.append((silence_ms, condition, target, "answered", cut, 2, int(cut), latency, latency))
    names = ["silence_duration_ms", "condition", "target", "outcome", "cut", "n_holds", "n_cut_holds"]
    frame = pd.DataFrame(rows, columns=[*names, "response_latency_ms", "endpoint_delay_ms"])
    for name in ("response_latency_ms", "endpoint_delay_ms"):
        frame[name] = frame[name].astype("Float64")
    return frame.assign(**columns)


def texts(axes):
    """Every text that is drawn with the axes."""
    axes.figure.draw_without_rendering()
    return [text for text in axes.figure.findobj(mpl.text.Text) if text.get_text()]


def test_each_setting_is_a_point_with_both_intervals():
    frame = turns(conditions=("clean", "babble_3dB"))
    info, table = tradeoff_info(frame), summary(frame)
    assert len(info.points) == 4 and info.settings == ("silence_duration_ms",)
    assert info.conditions == ("clean", "babble_3dB")
    for point, (_, row) in zip(info.points, table.iterrows(), strict=True):
        assert point.latency_ms == row["response_latency_ms_p50"]
        assert (point.latency_low_ms, point.latency_high_ms) == (
            row["response_latency_ms_p50_low"],
            row["response_latency_ms_p50_high"],
        )
        assert (point.cutoff_rate, point.cutoff_low) == (row["cutoff_rate"], row["cutoff_rate_low"])
        assert (point.n_cut_holds, point.n_holds, point.n_turns) == (10, 80, 30)


def test_a_study_a_summary_and_turns_give_the_same_info():
    frame = turns()

    class Study:
        def summary(self):
            return summary(frame)

    assert tradeoff_info(Study()) == tradeoff_info(summary(frame)) == tradeoff_info(frame)


def test_few_points_are_all_named_and_the_caption_says_by_what():
    info = tradeoff_info(turns().assign(threshold=0.5).pipe(lambda f: pd.concat([f, f.assign(threshold=0.7)])))
    assert sorted(info.labelled.values()) == ["200 · 0.5", "200 · 0.7", "500 · 0.5", "500 · 0.7"]
    assert info.label_key == "Labels: silence_duration_ms · threshold." and not info.is_path


def test_many_points_are_named_along_one_path_per_condition():
    base = turns(silences=(200, 300, 400, 500, 700), conditions=("clean", "white_10dB"))
    info = tradeoff_info(pd.concat([base.assign(threshold=value) for value in (0.3, 0.5, 0.7)]))
    assert len(info.points) == 30 and info.is_path
    assert list(info.labelled.values()) == [text for text in ("200", "300", "400", "500", "700") for _ in range(2)]
    assert info.label_key == "Labelled: silence_duration_ms at threshold 0.5."


def test_settings_without_a_median_or_an_answer_in_time_are_not_drawn_and_counted():
    few = turns(silences=(300,), n=4)
    never = pd.array([None] * 40, dtype="Float64")
    late = turns(silences=(900,)).assign(outcome="missed", cut=False, response_latency_ms=never)
    no_holds = turns(silences=(1000,), n_holds=0, n_cut_holds=0)
    info = tradeoff_info(pd.concat([turns(), few, late, no_holds]))
    assert [point.setting for point in info.points] == [(200,), (500,)]
    assert info.not_drawn == (
        "Not drawn: 1 of 5, too few uncut turns for a median.",
        "Not drawn: 1 of 5, half of the turns or more got no answer in time.",
        "Not drawn: 1 of 5, no holds were played.",
    )


def test_an_interval_past_the_deadline_ends_at_the_edge_of_the_plot():
    frame = turns(silences=(200,)).assign(cut=False)
    frame.loc[frame.index[:18], ["outcome", "response_latency_ms"]] = ["missed", None]
    frame["response_latency_ms"] = frame["response_latency_ms"].fillna(800.0).where(frame["outcome"] != "missed")
    point = tradeoff_info(frame).points[0]
    assert math.isfinite(point.latency_ms) and point.latency_high_ms == math.inf
    assert np.isfinite(tradeoff(frame).get_xlim()).all()


@pytest.mark.parametrize(("target", "mocked"), [("mocked:documented", True), ("openai", False)])
def test_a_mocked_server_is_said_to_be_unverified(target, mocked):
    info = tradeoff_info(turns(target=target))
    assert info.mocked is mocked and (NOT_VERIFIED in " ".join(info.caption)) is mocked
    shown = " ".join(" ".join(text.get_text().split()) for text in texts(tradeoff(turns(target=target))))
    assert (NOT_VERIFIED in shown) is mocked


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("eagerness", ["low", "high"], "eagerness"),
        ("turn_detection.type", ["server_vad", "semantic_vad"], "turn_detection.type semantic_vad"),
        (
            "turn_detection",
            ['{"type":"server_vad"}', '{"type":"semantic_vad"}'],
            'turn_detection {"type":"semantic_vad"}',
        ),
    ],
)
def test_what_is_only_approximated_is_named_by_setting_or_by_value(name, values, said):
    info = tradeoff_info(pd.concat([turns().assign(**{name: value}) for value in values]))
    assert info.approximated == (said,)
    assert info.caption[-1] == f"{NOT_VERIFIED} Approximated: {said}."


def test_the_published_curves_stand_behind_and_say_what_they_measure():
    silence, semantic = published_curves()
    assert (silence.latency_ms[0], silence.cutoff_rate[0]) == (200.0, 0.7546)
    assert (len(silence.latency_ms), len(semantic.latency_ms)) == (14, 19)
    shown = [text.get_text() for text in texts(tradeoff(turns()))]
    assert "silence only" in shown and "gpt-realtime-2, semantic_vad" in shown
    assert any("media time to the decision,\nno model, no network" in text for text in shown)
    assert tradeoff_info(turns(), published=False).curves == ()


def test_another_latency_may_stand_on_the_x_axis_and_an_unknown_one_is_refused():
    assert tradeoff(turns(), latency="endpoint_delay_ms").get_xlabel() == "endpoint delay, median (ms)"
    with pytest.raises(RealtimeLabError, match=r"latency = 'speed': the summary has a median of endpoint_delay_ms"):
        tradeoff(turns(), latency="speed")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_drawn_as_characters(text):
    """As a condition in the legend, and as a setting's value in the labels."""
    frame = pd.concat([turns(conditions=(text,)).assign(voice=text), turns().assign(voice="alloy")])
    axes = tradeoff(frame)
    shown = texts(axes)
    assert axes._repr_png_().startswith(b"\x89PNG")
    wanted = text[:20].replace("\n", " ")
    found = [entry for entry in shown if wanted.rstrip("\x00\u202e") in entry.get_text()]
    assert found and not any(entry.get_parse_math() or entry.get_usetex() for entry in found)


def test_the_legend_stands_outside_the_data_and_inside_the_figure():
    axes = tradeoff(turns(conditions=("clean", "babble_3dB")))
    axes.figure.draw_without_rendering()
    data, whole = axes.get_window_extent(), axes.figure.bbox
    for legend in axes.findobj(mpl.legend.Legend):
        box = legend.get_window_extent()
        assert box.x0 >= data.x1 and box.x1 <= whole.x1
    caption = axes.texts[0].get_window_extent()
    assert caption.y0 >= 0 and caption.y1 <= axes.xaxis.label.get_window_extent().y0


def test_labels_of_neighbours_do_not_cover_each_other():
    axes = tradeoff(turns(silences=(200, 210, 220, 230)))
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts[1:]]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_label_keeps_off_a_line_beside_its_point():
    axes = Figure().add_subplot()
    label = PointLabel("500", 0.5, 0.5, "black")
    place_labels([label], [(0.5, 0.5)], axes)
    place_labels([label], [(0.5, 0.5)], axes, [[(0.5, 0.5), (1.0, 1.0)]])
    assert [text.get_ha() + text.get_va() for text in axes.texts] == ["leftbottom", "rightbottom"]


def test_drawing_uses_the_callers_axes_and_no_global_state():
    before = dict(mpl.rcParams)
    figure = Figure()
    axes = figure.add_subplot()
    assert tradeoff(turns(), axes) is axes and axes.figure is figure
    assert dict(mpl.rcParams) == before
    code = "import sys; from realtime_lab.plots import tradeoff; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (turns().iloc[:0], "No turns: no session of this study is complete."),
        (turns(n=2), "No setting can be drawn. Not drawn: 2 of 2, too few uncut turns for a median."),
    ],
)
def test_nothing_to_draw_is_said_in_place_of_points(frame, why):
    axes = tradeoff(frame)
    assert tradeoff_info(frame).points == () and not axes.axison
    assert why in [" ".join(text.get_text().split()) for text in texts(axes)]


def test_one_single_setting_is_a_point_without_a_name():
    info = tradeoff_info(turns(silences=(500,)))
    assert len(info.points) == 1 and info.labelled == {} and info.label_key == ""
    assert tradeoff(turns(silences=(500,))).get_ylabel() == "cutoff rate (cut holds / holds)"


def test_a_setting_that_is_missing_in_some_points_is_shown_as_text():
    frame = pd.concat([turns().assign(voice="alloy"), turns().assign(voice=None)])
    voices = {str(point.setting[1]) for point in tradeoff_info(frame).points}
    assert "alloy" in voices and len(voices) == 2


def test_without_published_curves_there_is_one_legend():
    legends = tradeoff(turns(), published=False).findobj(mpl.legend.Legend)
    assert len(legends) == 1


def test_public_names_are_sorted_and_exist():
    assert plots.__all__ == sorted(plots.__all__)
    assert {"TradeoffInfo", "tradeoff", "tradeoff_info"} <= set(plots.__all__)
    assert callable(plots.tradeoff) and callable(plots.tradeoff_info)
    with pytest.raises(AttributeError, match="nothing"):
        plots.nothing  # noqa: B018


def with_oracle(**options):
    """The frame of `turns`, and an oracle's turns beside it."""
    swept = {"commit_delay_ms": "Float64", "silence_duration_ms": "Float64"}
    bound = turns(silences=(0,), **options).assign(silence_duration_ms=pd.NA, commit_delay_ms=0.0)
    bound = bound.assign(cut=False, n_cut_holds=0).astype(swept)
    bound["response_latency_ms"] = bound["response_latency_ms"].fillna(700.0)
    return pd.concat([turns(**options).assign(commit_delay_ms=pd.NA).astype(swept), bound], ignore_index=True)


def test_the_oracle_is_a_labelled_bound_and_leaves_every_point_as_it_was():
    frame = with_oracle(conditions=("clean", "babble_3dB"))
    info, plain = tradeoff_info(frame), tradeoff_info(turns(conditions=("clean", "babble_3dB")))
    assert info.points == plain.points and info.settings == plain.settings and info.labelled == plain.labelled
    assert {point.condition for point in info.oracle} == {"clean", "babble_3dB"} and plain.oracle == ()
    bound = summary(frame, by=["commit_delay_ms", "condition"]).set_index(["commit_delay_ms", "condition"])
    for point in info.oracle:
        assert point.latency_ms == bound.loc[(0.0, point.condition), "response_latency_ms_p50"]
    axes = tradeoff(frame)
    assert "oracle, 0 ms commit delay" in [text.get_text() for text in texts(axes)]
    lines = [line for line in axes.get_lines() if list(line.get_ydata()) == [0, 1]]
    assert sorted(line.get_xdata()[0] for line in lines) == sorted(point.latency_ms for point in info.oracle)
    assert "no detector answers sooner" in " ".join(info.caption) and "racle" not in " ".join(plain.caption)


def test_a_later_commit_is_no_bound():
    frame = with_oracle()
    frame.loc[frame["commit_delay_ms"].notna(), "commit_delay_ms"] = 300.0
    info = tradeoff_info(frame)
    assert info.oracle == () and len(info.points) == 2 and info.settings == ("silence_duration_ms",)


def test_where_only_delays_were_swept_each_is_a_point():
    frame = with_oracle()
    only = frame[frame["commit_delay_ms"].notna()].drop(columns="silence_duration_ms")
    later = only.assign(commit_delay_ms=300.0)
    info = tradeoff_info(pd.concat([only, later], ignore_index=True))
    assert info.settings == ("commit_delay_ms",) and len(info.points) == 2 and len(info.oracle) == 1
