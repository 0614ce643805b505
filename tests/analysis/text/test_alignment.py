"""Alignments and error rates: against jiwer, by their own definitions, and at the edges."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_lab.analysis.text.alignment import Edits, align, character_errors, count_edits

WORDS = st.lists(st.sampled_from("a b c dd eee".split()), max_size=12).map(tuple)


def random_cases(count, seed):
    """Pairs of word lists: related, unrelated, of one word, and with words nobody said."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array("a b go forward ten meters é ß 你好 to two too".split())
    for _ in range(count):
        said = rng.choice(vocabulary, size=rng.integers(1, 25)).tolist()
        heard = [word for word in said if rng.random() > 0.15]
        heard = [str(rng.choice(vocabulary)) if rng.random() < 0.2 else word for word in heard]
        for _ in range(rng.integers(0, 4)):
            heard.insert(int(rng.integers(0, len(heard) + 1)), str(rng.choice(vocabulary)))
        yield tuple(said), tuple(heard)


def check_against_jiwer(count):
    for said, heard in random_cases(count, seed=6):
        ours, theirs = count_edits(said, heard), jiwer.process_words(" ".join(said), " ".join(heard))
        assert ours == (theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)
        for name in ("wer", "mer", "wil"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-9), name
        edits, total = character_errors(said, heard)
        assert edits / total == pytest.approx(jiwer.cer(" ".join(said), " ".join(heard)), abs=1e-9)


def test_rates_agree_with_jiwer():
    check_against_jiwer(150)


@pytest.mark.full
def test_rates_agree_with_jiwer_on_1000_cases():
    check_against_jiwer(1_000)


def test_pooled_rates_are_jiwers_over_many_sentences():
    cases = [case for case in random_cases(60, seed=7) if case[1]]
    edits = [count_edits(said, heard) for said, heard in cases]
    pooled = Edits(*map(sum, zip(*edits, strict=True)))
    theirs = jiwer.process_words([" ".join(said) for said, _ in cases], [" ".join(heard) for _, heard in cases])
    for name in ("wer", "mer", "wil"):
        assert getattr(pooled, name) == pytest.approx(getattr(theirs, name), abs=1e-9)


@given(WORDS, WORDS)
def test_the_alignment_tells_both_texts_and_has_as_many_edits_as_are_counted(said, heard):
    pairs = list(align(said, heard))
    assert [said[pair.reference] for pair in pairs if pair.reference is not None] == list(said)
    assert [heard[pair.hypothesis] for pair in pairs if pair.hypothesis is not None] == list(heard)
    operations = [pair.operation for pair in pairs]
    counted = (operations.count(name) for name in ("equal", "substitute", "delete", "insert"))
    assert count_edits(said, heard) == tuple(counted)
    assert all(said[p.reference] == heard[p.hypothesis] for p in pairs if p.operation == "equal")


@given(WORDS, WORDS)
def test_no_alignment_takes_fewer_edits(said, heard):
    """Wagner and Fischer's table, written out."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    assert count_edits(said, heard).errors == row[-1]


def test_trap_insertions_counted_as_word_errors_of_an_empty_reference():
    """Three words where nothing was said: no rate of any kind, and the insertions are kept."""
    edits = count_edits((), ("thank", "you", "bye"))
    assert (edits.wer, edits.mer, edits.wil, edits.insertions) == (None, None, None, 3)
    assert count_edits((), ()).wer is None


def test_nothing_recognised_is_all_deletions_and_a_rate_can_exceed_one():
    assert count_edits(("a", "b"), ()) == (0, 0, 2, 0)
    assert count_edits(("a", "b"), ()).wil == 1.0
    assert count_edits(("a",), ("b", "c", "d")).wer == 3.0
