"""Tokens to characters of a transcript, by bytes: split words, split characters, spaces, and what does not fit."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.rows.transcription import Span, token_bytes, token_spans
from realtime_lab.protocol.items import TokenLogprob

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def cut_texts(draw):
    """(a text, its UTF-8 bytes cut anywhere into tokens)."""
    text = draw(TEXT)
    data = text.encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    edges = [0, *cuts, len(data)]
    return text, [data[start:end] for start, end in pairwise(edges)]


@given(cut_texts())
def test_tokens_cut_anywhere_cover_exactly_the_characters_their_bytes_are_of(case):
    text, tokens = case
    spans = token_spans(text, tokens)
    assert spans is not None and b"".join(tokens) == text.encode()
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert covered >= {place for place, char in enumerate(text) if char not in " \t\n\r\x0b\x0c"}
    for token, span in zip(tokens, spans, strict=True):
        held = text[span.start : span.end].encode()
        assert token.translate(None, b" \t\n\r\x0b\x0c") in held.translate(None, b" \t\n\r\x0b\x0c")
        assert (span.start == span.end) == (not token.strip(b" \t\n\r\x0b\x0c"))
    solid = [span for span in spans if span.start < span.end]
    assert all(first.start <= second.start for first, second in pairwise(solid))


@given(cut_texts(), st.sampled_from(["", " ", "\n "]))
def test_spaces_around_a_transcript_change_nothing_but_places(case, before):
    text, tokens = case
    assert token_spans(text, [before.encode(), *tokens, b" "])[1:-1] == token_spans(text, tokens)
    moved = token_spans(before + text, tokens)
    assert [span.end - span.start for span in moved] == [s.end - s.start for s in token_spans(text, tokens)]


def test_a_word_split_over_tokens_and_the_leading_space_of_a_recogniser():
    assert token_spans("Go forward", [b" Go", b" for", b"ward"]) == [Span(0, 2), Span(3, 6), Span(6, 10)]


def test_a_character_split_over_tokens_is_of_both():
    smile = "🙂".encode()
    assert token_spans("a🙂b", [b"a" + smile[:2], smile[2:], b"b"]) == [Span(0, 2), Span(1, 2), Span(2, 3)]


def test_tokens_that_do_not_spell_the_transcript_have_no_place():
    assert token_spans("Hello.", [b"hello", b"."]) is None
    assert token_spans("Hello", [b"Hello", b" there"]) is None
    assert token_spans("Hello", []) is None
    assert token_spans("", []) == []


def test_the_bytes_of_a_token_are_those_given_or_else_those_of_its_text():
    assert token_bytes(TokenLogprob(token="�", logprob=-1.0, bytes=[0xC3])) == b"\xc3"
    assert token_bytes(TokenLogprob(token="é", logprob=-1.0)) == "é".encode()


def test_a_transcript_of_100_000_characters():
    text = "wörd " * 20_000
    spans = token_spans(text.strip(), [b" w\xc3", b"\xb6rd"] * 20_000)
    assert len(spans) == 40_000 and spans[-1].end == 99_999
