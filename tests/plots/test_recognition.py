"""Plots of transcripts and confidences: values, hostile texts, and a clear sentence where there is no figure."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from realtime_lab.analysis import calibration_df, onset_df, turns_df, words_df
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots import (
    logprob_info,
    logprobs,
    onset,
    onset_info,
    reliability,
    reliability_info,
    risk_coverage,
    risk_coverage_info,
    transcript,
    transcript_info,
    wer,
    wer_info,
)
from realtime_lab.plots.style import plain
from realtime_lab.protocol.items import TokenLogprob
from tests.analysis.rows.test_handmade import Hand, wire
from tests.analysis.rows.test_session import TRANSCRIBING, rich
from tests.analysis.stats.test_block_ratio import sessions
from tests.analysis.words.test_calibration import words

HOSTILE = [r"$\frac{", "$$", "_hidden", "<script>alert(1)</script>", "line\nbreak", "x" * 500, "☃\u202e\x00", "{0}%s"]
OF_WORDS = (reliability, risk_coverage, logprobs)


def texts(axes):
    axes.figure.draw_without_rendering()
    return " ".join(" ".join(text.get_text().split()) for text in axes.figure.findobj(mpl.text.Text))


def nothing(name):
    return pd.array([None] * 240, dtype="boolean" if name == "right" else "Float64")


def test_the_reliability_diagram_shows_the_figures_of_the_calibration_table():
    info = reliability_info(words())
    table = calibration_df(words(), by="condition").sort_values("condition", ascending=False)
    assert [curve.label for curve in info.curves] == table["condition"].tolist() == ["clean", "babble"]
    assert [curve.ece for curve in info.curves] == table["ece"].tolist()
    assert [curve.null.high for curve in info.curves] == table["ece_null_high"].tolist()
    assert sum(part.n for curve in info.curves for part in curve.bins) == 240
    assert "calibration error" in texts(reliability(words()))


def test_risk_against_coverage_ends_at_the_share_of_wrong_words():
    info = risk_coverage_info(words(), by=[])
    (curve,) = info.curves
    assert curve.label == "all words" and curve.risk.coverage[-1] == 1.0
    assert curve.risk.risk[-1] == pytest.approx(curve.n_wrong / curve.n)
    assert f"AUROC {curve.area.value:.2f} ({curve.area.low:.2f} to {curve.area.high:.2f})" in texts(
        risk_coverage(words(), by=[])
    )


def test_log_probabilities_are_shown_for_right_and_wrong_words_of_each_condition():
    info = logprob_info(words())
    assert [(group.label, group.right) for group in info.groups] == [
        ("clean", True),
        ("clean", False),
        ("babble", True),
        ("babble", False),
    ]
    assert all(tuple(sorted(group.quantiles)) == group.quantiles for group in info.groups)
    assert "clean, wrong (n =" in texts(logprobs(words()))


@pytest.mark.parametrize("draw", OF_WORDS)
@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (words(0), "No transcripts: no word was recognised in any turn."),
        (words(**{n: nothing(n) for n in ("confidence", "confidence_geometric")}), "No log-probabilities"),
        (words(right=nothing("right")), "No reference texts"),
        (words(confidence=np.nan, confidence_geometric=np.nan), "No log-probabilities"),
        (words(confidence=1.5, confidence_geometric=-2.0), "No word has both a confidence between 0 and 1"),
    ],
)
def test_without_anything_to_show_a_sentence_stands_in_place_of_the_figure(draw, frame, sentence):
    assert sentence in texts(draw(frame))


@pytest.mark.parametrize("draw", OF_WORDS)
def test_one_class_only_is_drawn_and_said(draw):
    axes = draw(words(right=pd.array([True] * 240, dtype="boolean")))
    assert draw is not risk_coverage or "0 of 120 words wrong, every word is right" in texts(axes)


@pytest.mark.parametrize("draw", OF_WORDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_anywhere_are_shown_as_they_stand(draw, name):
    """One group, named so: whatever of the name can be printed is in the picture, and nothing of it is TeX."""
    axes = draw(words(condition=name, silence_duration_ms=[300, 500] * 120))
    axes.figure.draw_without_rendering()
    shown = [text for text in axes.figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text()]
    named = [text for text in shown if plain(name, 20).rstrip("…") in text.get_text()]
    assert named and not any(text.get_parse_math() or text.get_usetex() for text in named)


def test_many_groups_are_spread_and_said():
    frame = words(condition=[f"c{i % 20:02d}" for i in range(240)])
    info = reliability_info(frame)
    assert len(info.curves) == 8 and info.not_drawn == "8 of 20 groups are drawn."


def test_an_unknown_column_to_group_by_is_named():
    with pytest.raises(RealtimeLabError, match="'nope'"):
        reliability(words(), by="nope")


def study_turns():
    one = sessions(["press 2", "press", "press to me", "press 2"]).assign(silence_duration_ms=300)
    two = sessions(["press", "press", "press to me", None]).assign(silence_duration_ms=500)
    return pd.concat([one, two], ignore_index=True).astype({"silence_duration_ms": "Int64"})


def test_word_error_rates_by_setting_are_those_of_the_summary():
    turns = study_turns()
    info, table = wer_info(turns), summary(turns)
    assert [point.wer for point in info.points] == table["wer"].tolist()
    assert [point.low for point in info.points] == table["wer_low"].tolist()
    assert (info.settings, info.conditions, info.key) == (("300", "500"), ("clean",), "silence_duration_ms")
    assert info == wer_info(table)
    assert "Without a transcript to score: 1 turn." in info.notes
    assert "word error rate" in texts(wer(turns))


def test_names_of_many_axes_stand_across_where_a_short_figure_has_room():
    turns = study_turns().assign(a_rather_long_axis_name=1.0)
    turns.loc[turns["silence_duration_ms"] == 500, "a_rather_long_axis_name"] = 2.0
    axes = wer(turns)
    axes.figure.draw_without_rendering()
    assert axes.title.get_text() == "" and axes.get_ylabel() == ""
    (key,) = [text for text in axes.findobj(mpl.text.Text) if "a_rather_long" in text.get_text()]
    assert axes.figure.bbox.containsx(key.get_window_extent().x0)
    assert axes.figure.bbox.containsx(key.get_window_extent().x1)


def test_one_voice_is_drawn_without_an_interval_and_says_so():
    turns = sessions(["press", "press to"], speakers=("ann",))
    assert wer_info(turns).points[0].low is None
    assert "no interval for wer: 1 voice of 3" in texts(wer(turns))


@pytest.mark.parametrize(
    ("turns", "sentence"),
    [
        (study_turns().iloc[:0], "No turns: no session of this study is complete."),
        (sessions([None, None]), "No transcripts to score"),
        (sessions(["a"]).assign(wer=pd.array([None], dtype="Float64")), "No word error rate"),
    ],
)
def test_without_word_error_rates_a_sentence_says_why(turns, sentence):
    assert sentence in texts(wer(turns))


def onset_turns(n=200):
    rng = np.random.default_rng(3)
    clip = rng.choice([0.0, 20.0, 120.0, 400.0], n)
    turns = pd.DataFrame({"script": "s", "condition": "clean", "turn": range(n), "onset_clip_ms": clip})
    return turns.assign(first_token_logprob=-clip / 200 - rng.random(n))


def test_a_clipped_onset_is_held_against_the_first_token():
    info = onset_info(onset_turns())
    assert [part.median_clip_ms for part in info.bins] == [0.0, 20.0, 120.0, 400.0]
    assert sum(part.n for part in info.bins) == info.n == 200
    assert info.rho < -0.7 and "Spearman's rho -0." in texts(onset(onset_turns()))


@pytest.mark.parametrize(
    ("turns", "rho", "sentence"),
    [
        (onset_turns(1), None, ""),
        (onset_turns().assign(onset_clip_ms=0.0), None, ""),
        (onset_turns(0), None, "No log-probabilities"),
        (onset_turns().assign(first_token_logprob=np.nan), None, "No log-probabilities"),
        (onset_turns().assign(onset_clip_ms=np.nan), None, "No turn has both"),
        (turns_df(rich().build()).drop(columns="first_token_logprob"), None, "No log-probabilities"),
    ],
)
def test_onsets_that_cannot_be_compared(turns, rho, sentence):
    assert onset_info(turns).rho is rho
    assert sentence in texts(onset(turns))


def test_the_plot_of_onsets_shows_what_the_frame_says():
    turns = pd.concat([onset_turns(), onset_turns(80).assign(condition="babble")], ignore_index=True)
    info, frame = onset_info(turns), onset_df(turns, by=[])
    assert [tuple(part[2:]) for part in info.bins] == list(
        frame[["n_turns", "median_clip_ms", "median_logprob"]].itertuples(index=False, name=None)
    )
    assert frame["rho"].unique().tolist() == [info.rho] and info.n == frame["n_turns"].sum() == 280


def test_repeats_of_the_same_hearing_are_one_dot():
    assert onset_info(pd.concat([onset_turns()] * 3)).n == 200


def test_every_plot_draws_on_axes_of_a_caller():
    axes = Figure().add_subplot()
    assert wer(study_turns(), axes) is axes
    assert reliability(words(), Figure().add_subplot()).figure is not axes.figure


def told(text, said="press two", tokens=None):
    hand = Hand([[(1000.0, 2000.0)]], wire(500.0, **TRANSCRIBING), texts=[said])
    hand.item("a", 1060.0, 2560.0)
    if text is not None:
        hand.transcript("a", 3100.0, text, tokens)
    return hand.build()


def test_a_transcript_shows_each_word_above_its_reference_with_its_confidence():
    tokens = [TokenLogprob(token="Press", logprob=-0.1), TokenLogprob(token=" to", logprob=-1.0)]
    info = transcript_info(told("Press to", tokens=tokens))
    assert [(word.heard, word.said, word.right) for word in info.words] == [
        ("Press", "press", True),
        ("to", "2", False),
    ]
    page = transcript(told("Press to", tokens=tokens))._repr_html_()
    assert 'title="confidence 0.90"' in page and 'title="confidence 0.37, wrong"' in page
    assert "word error rate 50% (1 of 2 words), mean log-probability -0.55" in page


def test_words_that_were_not_recognised_stand_struck_in_the_reference():
    page = transcript(told("press"))._repr_html_()
    assert '<s title="not recognised">2</s>' in page and "log-probabilities not given" in page


@pytest.mark.parametrize("text", [*HOSTILE, "</span><img src=x onerror=alert(1)>", '" onmouseover="alert(1)', "&lt;"])
def test_hostile_texts_are_text(text):
    from html.parser import HTMLParser

    tags, attributes = set(), set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    for page in (transcript(told(text))._repr_html_(), transcript(told("press", said=text))._repr_html_()):
        Reader().feed(page)
    assert tags <= {"figure", "div", "span", "small", "s", "figcaption", "p"}
    assert attributes <= {"class", "style", "title"}


def test_a_transcript_of_100_000_characters_is_cut_and_says_so():
    page = transcript(told("word " * 20_000))._repr_html_()
    assert len(page) < 100_000 and "the first 300 of 20,000 words" in page
    assert len(transcript(told("x" * 100_000))._repr_html_()) < 2_000
    assert "No log-probabilities" in texts(reliability(words_df(told("word " * 20_000))))


def test_a_turn_without_a_transcript_says_why():
    assert "Turn 0 has no transcript: missing." in transcript(told(None))._repr_html_()
    assert "no word was recognised" in transcript(told("...", said=""))._repr_html_()
    with pytest.raises(RealtimeLabError, match="turn = 7: allowed: 0"):
        transcript(told("press"), turn=7)
