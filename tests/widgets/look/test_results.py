"""The results panel: its rows are the summary's, its filters narrow them, its turns are the study's worst."""

from types import SimpleNamespace

import pandas as pd
import pytest
from report_study import Overheard, made_study

from realtime_lab.errors import RealtimeLabError
from realtime_lab.widgets.look.results import ALL, Results
from realtime_lab.widgets.look.results_panel import PLOTS, ResultsPanel, ResultsPicture, listed_rows

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two settings on three shipped scripts."""
    return made_study(tmp_path_factory.mktemp("results"), scripts=3)


@pytest.fixture(scope="module")
def results(study):
    return Results(study)


def test_there_is_a_row_per_setting_with_the_summarys_numbers(study, results):
    summary = study.summary()
    assert results.by == ("silence_duration_ms",)
    assert [row.cells["silence_duration_ms"] for row in results.rows] == [300, 1000]
    for name in ("response_latency_ms_p50", "cutoff_rate", "wer"):
        theirs = [None if pd.isna(value) else float(value) for value in summary[name]]
        assert [row.number(name) for row in results.rows] == theirs


def test_the_turns_of_a_row_are_the_studys_worst_in_that_order(study, results):
    for number, row in enumerate(results.rows):
        worst = study.worst(200, dict(row.cells))
        found = results.worst(number)
        assert [(one.trial, one.turn, one.why) for one in found] == list(
            zip(worst["trial"], worst["turn"], worst["why"], strict=True)
        )
    everywhere = study.worst(200)
    assert [one.trial for one in results.worst(None)] == list(everywhere["trial"])


def test_a_filter_narrows_rows_and_turns_and_can_be_taken_back(study):
    narrowed = Results(study)
    assert narrowed.filters["silence_duration_ms"] == (ALL, "300", "1000")
    assert list(narrowed.filters) == ["silence_duration_ms", "script"]
    narrowed.choose("silence_duration_ms", "1000")
    assert [row.name for row in narrowed.rows] == ["silence_duration_ms 1000"]
    assert set(narrowed.turns["silence_duration_ms"]) == {1000}
    narrowed.choose("silence_duration_ms", ALL)
    assert len(narrowed.rows) == 2
    with pytest.raises(RealtimeLabError, match="allowed: all, 300, 1000"):
        narrowed.choose("silence_duration_ms", "12")


def test_a_value_that_is_not_set_is_a_row_and_a_filter_of_its_own(study):
    frame = study.turns_df()
    frame["silence_duration_ms"] = frame["silence_duration_ms"].where(frame["silence_duration_ms"] != 300)
    blank = Results(SimpleNamespace(turns_df=lambda: frame))
    assert "not set" in blank.filters["silence_duration_ms"]
    number = next(n for n, row in enumerate(blank.rows) if pd.isna(row.cells["silence_duration_ms"]))
    assert len(blank.worst(number)) == frame["silence_duration_ms"].isna().sum()


def test_a_study_that_has_grown_is_read_again_and_filters_stay(study):
    frame = study.turns_df()
    source = SimpleNamespace(turns_df=lambda: frame[frame["silence_duration_ms"] == 300])
    growing = Results(source)
    assert len(growing.rows) == 1 and growing.by == ()  # nothing varies
    source.turns_df = lambda: frame
    growing.read()
    growing.choose("silence_duration_ms", "300")
    growing.read()
    assert growing.chosen == {"silence_duration_ms": "300"} and len(growing.rows) == 1


def test_without_a_complete_session_there_is_a_sentence(study):
    empty = study.turns_df().iloc[:0]
    with pytest.raises(RealtimeLabError, match="no session is complete yet"):
        Results(SimpleNamespace(turns_df=lambda: empty))


def test_lines_have_the_columns_of_their_heading(results):
    heading, lines = listed_rows(results)
    assert len({len(line) for line in (heading, *lines)}) == 1
    assert heading.split()[:2] == ["silence_duration_ms", "wait"]


@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_is_drawn_of_what_the_filters_let_through(results, plot):
    assert "<svg" in ResultsPicture(results, plot).html(None)


def test_every_drawn_setting_is_a_point_to_click_inside_the_plot(results):
    picture = ResultsPicture(results, PLOTS[0])
    drawn = [number for number, row in enumerate(results.rows) if row.place is not None]
    assert sorted(picture._places) == drawn and drawn
    assert all(0 < share < 1 for place in picture._places.values() for share in place)
    assert picture.html(drawn[0]).count("rl-chosen") == 1 and "rl-chosen" not in picture.html(None)


def test_a_setting_and_a_turn_are_chosen_and_the_session_opens_there(study):
    panel = ResultsPanel(study)
    assert panel.session.widget.layout.display == "none" and panel.turn is None
    panel.points.set_state({"index": 0})
    assert "silence_duration_ms 300" in panel.turns_heading.value
    panel.turns.set_state({"index": 0})
    found = panel.turn
    assert panel.error_strip.value == "" and panel.session.error_strip.value == ""
    assert panel.session.turns.value == found.turn and panel.session.widget.layout.display == ""
    assert panel.session.opened.recording == study.recording(found.trial)
    assert "<audio" in panel.session.player.value
    panel.plot.set_state({"index": 1})
    panel.filters.children[0].children[1].set_state({"index": 2})
    assert len(panel.points.options) == 1 and panel.turn is None


def test_what_cannot_be_opened_is_in_the_error_strip(study, monkeypatch):
    panel = ResultsPanel(study)
    monkeypatch.setattr(type(study), "recording", lambda self, trial: (_ for _ in ()).throw(RealtimeLabError(EVIL)))
    panel.turns.set_state({"index": 0})
    assert "&lt;img" in panel.error_strip.value and "<img" not in panel.error_strip.value


def test_nothing_from_a_study_becomes_markup(tmp_path):
    """Every text that a plan, a script, a server or a file can bring in is markup."""
    made = made_study(tmp_path, text=EVIL)
    study = Overheard(made.path)
    study.text = EVIL
    panel = ResultsPanel(study)
    panel.points.set_state({"index": 0})
    panel.turns.set_state({"index": 0})
    session = panel.session
    parts = [panel.picture, panel.heading, panel.turns_heading, panel.error_strip, session.heading, session.figures]
    parts += [session.player, session.error_strip, *session.parts.values()]
    shown = "".join(part.value for part in parts)
    assert "<img" not in shown and "&lt;img" in shown
