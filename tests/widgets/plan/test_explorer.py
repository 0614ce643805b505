"""The explore panel: what sliders and buttons do, as a front end moves them."""

import time

import pytest
from sessions import spoken_script, tone_stage

from realtime_lab.audio import clean
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.widgets.plan.explorer import Explorer, explore

HELD = ((0, 30), (45, 60))
PLAIN = ((0, 30),)


@pytest.fixture
def panel():
    """Two turns in tones: one with a hold of 480 ms, one plain."""
    script = spoken_script("hello there", "and again")
    base = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(silence_duration_ms=500))
    return Explorer(script, 0, clean(), base, tone_stage(script, HELD, PLAIN))


def move(panel, **values):
    """What a front end sends when a slider is moved."""
    for name, value in values.items():
        panel.sliders[name].set_state({"value": value})
    panel.pace.flush()


def test_the_first_picture_is_there_before_anything_is_touched(panel):
    assert "512" in panel.figures.value and "<svg" in panel.picture.value


def test_a_move_changes_figures_picture_and_config(panel):
    before = panel.picture.value
    move(panel, silence_duration_ms=300, threshold=0.7, prefix_padding_ms=100)
    assert "cut off" in panel.figures.value and panel.picture.value != before
    assert panel.config.turn_detection == ServerVad(threshold=0.7, silence_duration_ms=300, prefix_padding_ms=100)
    assert panel.config.model == "gpt-realtime"


def test_use_this_shows_the_cell_that_builds_the_config_and_follows_the_sliders(panel):
    assert panel.code.value == ""
    panel.use.click()
    move(panel, silence_duration_ms=350)
    assert "silence_duration_ms=350" in panel.code.value
    namespace = {}
    exec(panel.config.to_code("base"), namespace)
    assert namespace["base"] == panel.config


def test_another_turn_can_be_chosen(panel):
    assert "of 1" in panel.figures.value
    panel.turns.set_state({"index": 1})
    assert "none to cut" in panel.figures.value and "and again" in panel.heading.value


def test_a_slider_reaches_a_value_beyond_the_usual_range():
    script = spoken_script("hello")
    base = SessionConfig(turn_detection=ServerVad(silence_duration_ms=4000))
    panel = Explorer(script, 0, clean(), base, tone_stage(script, PLAIN))
    assert panel.config.turn_detection.silence_duration_ms == 4000
    assert panel.sliders["silence_duration_ms"].max == 4000


def test_a_failure_inside_a_callback_is_seen(panel):
    panel._hearing = None
    move(panel, silence_duration_ms=800)
    assert "AttributeError" in panel.error_strip.value
    panel.turns.set_state({"index": 1})
    move(panel, silence_duration_ms=810)
    assert panel.error_strip.value == ""


def test_parts_have_stable_class_names(panel):
    names = {name for part in _all(panel.widget) for name in part._dom_classes}
    wanted = "rl-panel rl-explore rl-threshold rl-silence_duration_ms rl-prefix_padding_ms rl-use rl-picture rl-turns"
    assert set(wanted.split()) <= names


def test_it_shows_itself_in_a_notebook(panel):
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()


def test_a_move_is_redrawn_in_a_fraction_of_150_ms(panel):
    """Worst of 30 moves, computing and writing; the front end's share is measured in the browser."""
    slowest = 0.0
    for value in range(200, 500, 10):
        started = time.perf_counter()
        move(panel, silence_duration_ms=value)
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < 0.1


def test_explore_refuses_what_is_no_speech():
    with pytest.raises(ConfigError, match="a Clip or a Script"):
        explore("orders")


def _all(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)
