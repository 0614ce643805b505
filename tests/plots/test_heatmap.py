"""The heat map: which cell holds which figure, what is said of the other settings, and hostile text."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from choice_frames import turns_frame
from matplotlib.figure import Figure

from realtime_lab.analysis.summary.settings import summary
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots import heatmap, heatmap_info


def grid(conditions=("clean",), tokens=(64.0, np.inf)):
    """Turns over silence, threshold and token limit."""
    parts = []
    for number, threshold in enumerate((0.3, 0.5)):
        for limit in tokens:
            part = turns_frame((300, 700), conditions=conditions, seed=number)
            parts.append(part.assign(threshold=threshold, max_output_tokens=limit))
    return pd.concat(parts, ignore_index=True)


def test_each_pair_of_values_is_a_cell_with_the_summarys_figure():
    turns = grid()
    info = heatmap_info(turns, at={"max_output_tokens": np.inf})
    assert (info.x, info.y, info.columns, info.rows) == (
        "silence_duration_ms",
        "threshold",
        ("300", "700"),
        ("0.3", "0.5"),
    )
    table = summary(turns[np.isinf(turns["max_output_tokens"])]).set_index(["silence_duration_ms", "threshold"])
    for cell in info.cells:
        key = (int(info.columns[cell.column]), float(info.rows[cell.row]))
        assert cell.value == table.loc[key, "cutoff_rate"]
    assert len(info.cells) == 4
    assert info.title == "cutoff rate (clean, max_output_tokens inf)"


def test_other_settings_stand_at_their_first_value_unless_told():
    assert heatmap_info(grid()).at == "max_output_tokens 64"
    info = heatmap_info(grid(), x="max_output_tokens", y="silence_duration_ms")
    assert (info.columns, info.at) == (("64", "inf"), "threshold 0.3")


def test_one_setting_is_one_row_and_none_one_cell():
    info = heatmap_info(turns_frame((300, 500, 700)))
    assert (len(info.cells), info.y, info.rows) == (3, "", ("",))
    assert len(heatmap_info(turns_frame((300,))).cells) == 1


def test_the_condition_is_clean_unless_told():
    turns = turns_frame((300, 700), conditions=("babble_3dB", "clean"))
    assert heatmap_info(turns).condition == "clean"
    assert heatmap_info(turns, condition="babble_3dB").condition == "babble_3dB"
    with pytest.raises(RealtimeLabError, match="street"):
        heatmap_info(turns, condition="street")


def test_too_few_turns_and_late_answers_are_words():
    few = heatmap_info(turns_frame((300,), scripts=1), value="response_latency_ms_p50")
    assert (few.cells[0].value, few.cells[0].text, few.cells[0].around) == (None, "–", "")
    late = heatmap_info(turns_frame((300,), missed=lambda silence_ms, rng: True), value="response_latency_ms_p50")
    assert late.cells[0].text == "late"
    for info_of in (turns_frame((300,), scripts=1), turns_frame((300,), missed=lambda silence_ms, rng: True)):
        heatmap(info_of, value="response_latency_ms_p50").figure.draw_without_rendering()


def test_settings_are_pointed_out_where_the_others_agree():
    marks = {
        "old": {"silence_duration_ms": 300, "threshold": 0.3, "max_output_tokens": 64.0},
        "elsewhere": {"silence_duration_ms": 300, "threshold": 0.3, "max_output_tokens": np.inf},
    }
    info = heatmap_info(grid(), marks=marks)
    assert [cell.marks for cell in info.cells if cell.marks] == [("old",)]
    heatmap(grid(), marks=marks).figure.draw_without_rendering()


@pytest.mark.parametrize("asked", [{"value": "speed"}, {"value": "threshold"}, {"x": "speed"}, {"y": "speed"}])
def test_what_is_not_there_is_refused(asked):
    with pytest.raises(RealtimeLabError):
        heatmap_info(grid(), **asked)


def test_it_is_drawn_on_the_callers_axes():
    ax = Figure().add_subplot()
    assert heatmap(turns_frame((300, 700)), ax) is ax


@pytest.mark.parametrize("name", [r"$\frac{", "$$", "<b>x</b>", "_x", "y" * 300, "☃\x00\n"])
def test_hostile_values_and_conditions_are_drawn_as_they_stand(name):
    turns = turns_frame((300, 700), conditions=(name,))
    turns["voice"] = pd.array([name if n % 2 else "b" for n in range(len(turns))], dtype="string")
    ax = heatmap(turns, marks={name: {"silence_duration_ms": 300, "voice": name}})
    ax.figure.draw_without_rendering()
    found = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert all(not text.get_parse_math() for text in found)
    assert all(len(text.get_text()) <= 90 and "\n" not in text.get_text() for text in found)
