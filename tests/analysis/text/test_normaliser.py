"""Which spellings count as the same word, in English, in other languages, and where no spaces are."""

from __future__ import annotations

import csv
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.text.normaliser import CHARACTERS, ENGLISH, WORDS, normalise, normaliser_for
from realtime_lab.resources import data_path

ALL = (ENGLISH, WORDS, CHARACTERS)


def words(text, normaliser=ENGLISH):
    return [word.text for word in normalise(text, normaliser)]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("go forward ten meters", "Go forward 10 meters."),
        ("Press two to enter a different number.", "press 2 to enter a different number"),
        ("I'm sorry, that number is not valid.", "I am sorry; that number isn't valid"),
        ("I’m", "I'm"),
        ("the person you are calling", "the person you're calling"),
        ("I can not, cannot and will not", "I can't, can’t and won't"),
        ("we have and they will", "we've and they'll"),
        ("and mister john dashwood", "And Mr. John Dashwood"),
        ("A.M.", "AM"),
        ("ten a.m.", "10 AM"),
        ("five p m", "5 p m"),
        ("thirteen", "13"),
        ("thirtieth", "30th"),
        ("tenth", "10th"),
        ("twenty first", "21st"),
        ("twenty-first of May", "21st of may"),
        ("five five five one two three four", "555-1234"),
        ("five five five one two three four", "(555) 1 2 3 4"),
        ("one oh five", "105"),
        ("twenty twenty five", "2025"),
        ("nineteen eighty four", "1984"),
        ("one hundred and five", "105"),
        ("two thousand and five", "2,005"),
        ("ten thousand", "10,000"),
        ("two million three hundred thousand", "2 million 300 thousand"),
        ("three point five", "3.5"),
        ("half past ten thirty", "Half past 10:30"),
        ("five dollars", "$5"),
        ("twenty percent", "20%"),
        ("uh yes um please", "Yes, please."),
        ("cafe\u0301", "Café"),
        ("an ill disposed young man", "an ill-disposed young man"),
    ],
)
def test_what_is_said_and_how_a_recogniser_may_write_it_are_the_same_words(said, written):
    assert words(said) == words(written)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("million", ["million"]),
        ("thousand", ["thousand"]),
        ("a hundred", ["a", "hundred"]),
        ("oh", ["oh"]),
        ("oh two people", ["oh", "2", "people"]),
        ("one of them", ["1", "of", "them"]),
        ("wait a second", ["wait", "a", "2nd"]),
        ("five second delay", ["5", "2nd", "delay"]),
        ("twenty and thirty", ["20", "and", "30"]),
        ("2 million, 3 million", ["20000003000000"]),
        ("niner", ["niner"]),
        ("5pm b2b", ["5", "pm", "b2b"]),
        ("its it's", ["its", "its"]),
        ("$x $", ["x"]),
        ("... ' '' !?", []),
        ("", []),
        (r"$\frac{", ["frac"]),
    ],
)
def test_the_stated_rules_of_english(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("said", "written"),
    [("2 thousand 5", ["2005"]), ("two thousand five", ["2005"]), ("2 million 5", ["2000005"])],
)
def test_what_follows_a_scale_word_is_added_to_it(said, written):
    assert words(said) == written


def test_both_words_of_a_contraction_have_their_own_letters():
    assert [tuple(word) for word in normalise("you're, don't", ENGLISH)] == [
        ("you", 0, 3),
        ("are", 3, 6),
        ("do", 8, 10),
        ("not", 10, 13),
    ]


def test_other_languages_keep_numbers_as_written_and_their_marks():
    assert words("Straße, STRASSE 13", WORDS) == ["strasse", "strasse", "13"]
    assert words("हिन्दी", WORDS) == ["हिन्दी"]
    assert words("l'été 'quoted'", WORDS) == ["lété", "quoted"]


def test_without_spaces_every_character_is_a_unit():
    assert words("你好，世界 A1", CHARACTERS) == ["你", "好", "世", "界", "a", "1"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "", ENGLISH),
        ("en-US", "你好", ENGLISH),
        ("de", "hallo", WORDS),
        ("zh-TW", "", CHARACTERS),
        ("ja", "", CHARACTERS),
        (None, "こんにちは ok", CHARACTERS),
        (None, "สวัสดี", CHARACTERS),
        (None, "hello", ENGLISH),
        (None, None, ENGLISH),
        (None, "123", ENGLISH),
    ],
)
def test_the_language_decides_or_else_the_letters(language, text, expected):
    assert normaliser_for(language, text) == expected


def test_an_unknown_normaliser_is_named():
    with pytest.raises(ValueError, match="'english-0': allowed: english-1"):
        normalise("x", "english-0")


@given(st.text(max_size=60), st.sampled_from(ALL))
def test_words_have_places_in_the_text_in_order_and_are_never_empty(text, normaliser):
    found = normalise(text, normaliser)
    assert all(word.text and 0 <= word.start < word.end <= len(text) for word in found)
    if normaliser != ENGLISH:  # a currency's word stands after its number
        assert all(first.start <= second.start for first, second in pairwise(found))


@given(st.text(max_size=60), st.sampled_from(ALL))
def test_case_outer_spaces_and_a_full_stop_never_matter(text, normaliser):
    assert words(f"  {text} . ", normaliser) == words(f"{text} . ", normaliser)


def test_every_shipped_reference_has_words_and_stays_itself_in_capitals_without_punctuation():
    with data_path("speech/clips.csv").open(encoding="utf-8") as lines:
        texts = [row["text"] for row in csv.DictReader(lines)]
    assert len(texts) > 100
    for text in texts:
        bare = "".join(char for char in text if char.isalnum() or char in " -'")
        assert words(text)
        assert words(text) == words(bare.upper()), text


def test_a_transcript_of_100_000_characters_is_read():
    assert len(words("five hundred and seven words " * 3_500)) == 2 * 3_500
