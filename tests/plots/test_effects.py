"""Effects and interactions as plots: what they show, and sentences where there is nothing to show."""

from __future__ import annotations

import pandas as pd
import pytest
from choice_frames import turns_frame
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from realtime_lab.analysis.effects.effects import main_effects
from realtime_lab.errors import ConfigError
from realtime_lab.plots.effects import draw_effects, effects, effects_info, interactions, interactions_info
from realtime_lab.plots.heatmap import HeatmapCell, draw_heatmap
from realtime_lab.plots.levels import draw_levels, levels, levels_info
from realtime_lab.plots.style import new_axes
from tests.analysis.rows.test_grid import crossed


def test_each_value_has_its_point_and_interval_and_each_setting_its_colour():
    turns = crossed()
    info = effects_info(turns)
    table = main_effects(turns)
    assert [point.effect for point in info.points] == pytest.approx(table["effect"].tolist())
    assert [point.group for point in info.points] == [0, 0, 1, 1, 1]
    axes = draw_effects(info, new_axes(6, 3))
    assert axes.get_yticklabels()[0].get_text() == "silence_duration_ms 500"


def test_an_interaction_that_is_there_is_marked_and_none_else():
    info = interactions_info(crossed(extra=300.0))
    assert (info.x, info.y) == ("silence_duration_ms", "threshold")
    marked = {(info.columns[cell.column], info.rows[cell.row]) for cell in info.cells if cell.marks}
    assert ("700", "0.7") in marked and all(cell.around for cell in info.cells)
    assert sum(bool(cell.marks) for cell in interactions_info(crossed()).cells) <= 1
    interactions(crossed())


def test_equal_interactions_of_either_sign_are_equally_dark_in_other_colours():
    cells = (HeatmapCell(0, 0, 30.0, "+30", "", ()), HeatmapCell(0, 1, -30.0, "-30", "", ()))
    cells += (HeatmapCell(0, 2, 0.0, "0", "", ()),)
    info = interactions_info(crossed())._replace(columns=("1", "2", "3"), rows=("1",), cells=cells)
    above, below, none = (to_rgb(patch.get_facecolor()) for patch in draw_heatmap(info, new_axes(6, 3)).patches)
    assert info.signed and above[0] > above[2] and below[2] > below[0]
    assert min(none) > 0.9 and max(none) - min(none) < 0.02


def test_levels_are_the_means_of_the_effects_in_each_condition_and_their_bars_hold_the_mean_of_all():
    quiet, loud = crossed(), crossed(extra=300.0).assign(condition="babble")
    info = levels_info(pd.concat([loud, quiet], ignore_index=True), metric="response_latency_ms_p50")
    assert list(dict.fromkeys(point.condition for point in info.points)) == ["clean", "babble"]
    table = main_effects(quiet)
    clean = [point for point in info.points if point.condition == "clean"]
    assert [point.mean for point in clean] == pytest.approx(table["mean"].tolist())
    assert [info.rows[point.row] for point in clean] == list(zip(table["setting"], table["value"], strict=True))
    moved = [not point.low < info.means["clean"] < point.high for point in clean]
    assert moved == [not row.effect_low < 0 < row.effect_high for row in table.itertuples()]
    labels = [text.get_text() for text in draw_levels(info, new_axes(6, 3)).get_yticklabels()]
    assert labels[0] == "silence_duration_ms 500" and len(labels) == 5


def test_levels_of_what_nothing_has_an_estimate_of_are_a_sentence():
    turns = turns_frame((300, 500), missed=lambda *_: True)
    axes = levels(turns, metric="response_latency_ms_p50")
    assert "no setting has an estimate" in " ".join(axes.texts[0].get_text().split()).lower()
    one = turns_frame((300,))
    assert levels_info(one, metric="cutoff_rate").problem == "No setting has two values to compare."
    with pytest.raises(ConfigError, match="metric"):
        levels_info(one, metric="wind")


def test_one_setting_has_no_interaction_and_says_so():
    info = interactions_info(turns_frame((300, 500), scripts=12))
    assert (info.cells, info.problem) == (
        (),
        "An interaction needs two settings with two values each: fewer were swept.",
    )
    with pytest.raises(ConfigError, match="metric"):
        interactions_info(crossed(), metric="wind")


def test_few_turns_have_points_without_intervals_and_the_reason_in_the_title():
    info = effects_info(turns_frame((300, 500), scripts=1, n_turns=5, cut=lambda *_: 0), metric="cutoff_rate")
    assert all(point.low is None for point in info.points) and info.notes == ("n too small: 5 turns of 6",)
    assert "n too small" in draw_effects(info, new_axes(6, 3)).get_title(loc="left")


def test_hostile_values_are_drawn_as_they_stand():
    """Each label is the value itself, letter by letter, and none is read as TeX."""
    turns = turns_frame((300, 500), scripts=12, n_turns=3).drop(columns="silence_duration_ms")
    both = pd.concat([turns.assign(voice="$\\frac{"), turns.assign(voice="<b>")], ignore_index=True)
    axes = draw_effects(effects_info(both), new_axes(6, 3))
    axes.figure.draw_without_rendering()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["voice $\\frac{", "voice <b>"]
    assert not any(text.get_parse_math() for text in axes.get_yticklabels())
    axes = levels(both.assign(condition="_<i>$$"), metric="cutoff_rate")
    axes.figure.draw_without_rendering()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["voice $\\frac{", "voice <b>"]
    (name,) = [text for text in axes.findobj(Text) if "_<i>$$" in text.get_text()]
    assert not name.get_parse_math()


def test_all_missed_is_a_clear_sentence():
    axes = effects(turns_frame((300, 500), missed=lambda *_: True))
    assert not axes.axison and "no setting has an estimate" in " ".join(axes.texts[0].get_text().split())
