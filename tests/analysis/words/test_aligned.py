"""Words of transcripts: alignment, places, and confidences from tokens that split words and characters."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis import words_df, words_frame
from realtime_lab.analysis.columns import WORDS
from realtime_lab.analysis.rows.frames import tokens_df, turns_df
from realtime_lab.analysis.rows.transcription import token_spans
from realtime_lab.analysis.text.normaliser import CHARACTERS, ENGLISH
from realtime_lab.analysis.words.aligned import Token, distinct_words, word_rows
from realtime_lab.protocol.items import TokenLogprob
from tests.analysis.rows.test_handmade import Hand, wire
from tests.analysis.rows.test_session import TRANSCRIBING, rich


def tokens_of(transcript, *pieces):
    """Tokens of (bytes, logprob) with their places."""
    spans = token_spans(transcript, [data for data, _ in pieces])
    return [Token(*span, logprob) for span, (_, logprob) in zip(spans, pieces, strict=True)]


def test_every_word_has_its_operation_its_place_and_whether_it_is_right():
    rows = word_rows("press two now", "Press to, please.", ENGLISH, ())
    assert [row["operation"] for row in rows] == ["equal", "substitute", "substitute"]
    assert [(row["reference_word"], row["word"]) for row in rows] == [
        ("press", "press"),
        ("2", "to"),
        ("now", "please"),
    ]
    assert [("Press to, please."[row["char_start"] : row["char_end"]], row["right"]) for row in rows] == [
        ("Press", True),
        ("to", False),
        ("please", False),
    ]
    gone = word_rows("press two", "press", ENGLISH, ())[1]
    assert (gone["operation"], gone.get("word"), gone.get("right")) == ("delete", None, None)


def test_confidence_is_product_minimum_and_geometric_mean_of_the_tokens_that_hold_a_part():
    tokens = tokens_of("go forward.", (b" go", -0.1), (b" for", -0.2), (b"ward", -0.4), (b".", -3.0))
    go, forward = word_rows("go forward", "go forward.", ENGLISH, tokens)
    assert go["confidence"] == pytest.approx(math.exp(-0.1))
    assert (forward["n_tokens"], forward["sum_logprob"]) == (2, pytest.approx(-0.6))
    assert forward["confidence"] == pytest.approx(math.exp(-0.6))
    assert forward["confidence_min"] == pytest.approx(math.exp(-0.4))
    assert forward["confidence_geometric"] == pytest.approx(math.exp(-0.3))


def test_a_character_split_over_tokens_belongs_to_the_word_with_both():
    data = "né".encode()
    tokens = tokens_of("né ok", (data[:2], -0.5), (data[2:], -0.25), (b" ok", -0.1))
    first, second = word_rows("né ok", "né ok", ENGLISH, tokens)
    assert first["confidence"] == pytest.approx(math.exp(-0.75))
    assert second["n_tokens"] == 1


def test_a_number_in_several_words_is_one_word_with_all_its_tokens():
    tokens = tokens_of("five five 5", (b"five", -0.1), (b" five", -0.2), (b" 5", -0.3))
    (row,) = word_rows("555", "five five 5", ENGLISH, tokens)
    assert (row["word"], row["right"], row["n_tokens"]) == ("555", True, 3)


def test_a_word_with_a_token_of_unknown_probability_has_no_confidence():
    tokens = tokens_of("go now", (b"go", None), (b" now", -0.2))
    first, second = word_rows("go now", "go now", ENGLISH, tokens)
    assert "confidence" not in first and "confidence" in second


def test_without_a_reference_words_are_neither_right_nor_wrong():
    rows = word_rows(None, "hello there", ENGLISH, ())
    assert [(row["word"], row["operation"], row["right"]) for row in rows] == [
        ("hello", None, None),
        ("there", None, None),
    ]


def test_characters_are_the_words_of_a_language_without_spaces():
    data = "你好".encode()
    rows = word_rows("你好", "你好", CHARACTERS, tokens_of("你好", (data[:4], -0.1), (data[4:], -0.2)))
    assert [row["n_tokens"] for row in rows] == [1, 2]


TEXT = st.text(alphabet="ab é你🙂.'5 ", max_size=24)


@given(TEXT, st.lists(st.integers(0, 80), max_size=8))
def test_with_tokens_cut_anywhere_every_word_has_a_confidence_of_its_own_bytes(text, cuts):
    """Every token has the log-probability -1 per byte, so a word's sum tells at least its own bytes."""
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    tokens = tokens_of(text, *((piece, -float(len(piece))) for piece in pieces))
    for row in word_rows(None, text, ENGLISH, tokens):
        held = text[row["char_start"] : row["char_end"]]
        assert -row["sum_logprob"] >= len(held.replace(" ", "").encode())


def hand():
    made = Hand([[(1000.0, 2000.0)], [(9000.0, 10_000.0)]], wire(500.0, **TRANSCRIBING), texts=["go on", "stop"])
    made.item("a", 1060.0, 2560.0)
    tokens = [TokenLogprob(token=" go", logprob=-0.1), TokenLogprob(token=" home", logprob=-2.0)]
    made.transcript("a", 3100.0, "go home", tokens)
    made.item("b", 9060.0, 10_560.0)
    made.transcript("b", 11_000.0, "")
    return made.build()


def test_a_frame_has_keys_before_the_declared_columns_and_one_row_per_place():
    frame = words_df(hand())
    names = [entry.name for entry in WORDS]
    assert list(frame.columns) == ["script", "condition", "target", "metrics_version", *names]
    assert frame["turn"].tolist() == [0, 0, 1]
    assert frame["operation"].tolist() == ["equal", "substitute", "delete"]
    assert frame["confidence"].isna().tolist() == [False, False, True]
    assert {str(frame[name].dtype) for name in ("confidence", "char_start", "right", "word")} == {
        "Float64",
        "Int64",
        "boolean",
        "string",
    }


def test_frames_without_rows_give_a_frame_without_rows():
    recording = hand()
    frame = words_frame(turns_df(recording).iloc[:0], tokens_df(recording).iloc[:0])
    assert len(frame) == 0 and frame.columns[-1] == WORDS[-1].name


def test_a_partly_transcribed_turn_has_words_that_nothing_is_held_against():
    frame = words_df(rich().build())
    assert frame[frame["turn"] == 0]["operation"].tolist() == ["substitute", "substitute"]


def test_each_hearing_of_the_same_audio_counts_once():
    frame = words_df(hand())
    import pandas as pd

    twice = pd.concat([frame.assign(threshold=0.3), frame.assign(threshold=0.7)], ignore_index=True)
    assert len(distinct_words(twice)) == 3
    assert len(distinct_words(twice, ["threshold"])) == 6
