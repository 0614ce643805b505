"""Rates over blocks: coverage by simulation, and what is said where there is no interval."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime_lab.analysis.blocks import rate_by_blocks
from realtime_lab.analysis.stats import wilson_interval


def utterances(rng, speakers, rate=0.1, spread=0.05, each=30):
    """Edits, words and speaker of every utterance; speakers differ in how well they are understood."""
    a = rate * (rate * (1 - rate) / spread**2 - 1)
    of_speaker = rng.beta(a, a * (1 - rate) / rate, speakers)
    words = rng.poisson(10, (speakers, each)).clip(1)
    edits = rng.binomial(words, of_speaker[:, None])
    return edits.ravel(), words.ravel(), np.repeat(np.arange(speakers), each)


@pytest.mark.parametrize("speakers", [6, 10, 20])
def test_a_word_error_rate_covers_93_to_97_percent_by_speakers(speakers, full):
    """2,000 seeded sets (400 in the quick run, with the room that so few need)."""
    rng = np.random.default_rng(speakers)
    sets = 2000 if full else 400
    found = [rate_by_blocks(*utterances(rng, speakers)) for _ in range(sets)]
    share = np.mean([entry.low <= 0.1 <= entry.high for entry in found])
    print(f"{speakers} speakers: {share:.3f} of {sets}")
    room = 0.0 if full else 0.015
    assert 0.93 - room <= share <= 0.97 + room


def test_taking_utterances_for_blocks_covers_far_too_little():
    """The trap this module is against: 10 speakers of 30 utterances, the speakers forgotten."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        edits, words, _ = utterances(rng, 10, spread=0.08)
        found = wilson_interval(int(edits.sum()), int(words.sum()))
        hits += found.low <= 0.1 <= found.high
    assert hits / 300 < 0.6


def test_blocks_may_have_names_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    edits, words, speaker = utterances(rng, 8)
    order = rng.permutation(len(edits))
    names = np.array([f"speaker {number}" for number in speaker])
    first, second = rate_by_blocks(edits, words, speaker), rate_by_blocks(edits[order], words[order], names[order])
    assert first[:5] == pytest.approx(second[:5])
    assert first.value == edits.sum() / words.sum() and first.n_blocks == 8


@pytest.mark.parametrize(
    ("edits", "words", "blocks", "value", "note"),
    [
        ([], [], [], None, "nothing to count"),
        ([2], [0], ["a"], None, "nothing to count"),
        ([2, 1], [10, 10], ["a", "a"], 0.15, "n too small: 1 of 6 blocks"),
        ([0] * 6, [10] * 6, list("abcdef"), 0.0, "none was counted in any block"),
        ([3, *[0] * 5], [10] * 6, list("abcdef"), 0.05, "everything counted is in one block"),
    ],
)
def test_without_an_interval_it_says_why(edits, words, blocks, value, note):
    found = rate_by_blocks(edits, words, blocks)
    assert (found.value, found.low, found.high, found.note) == (value, None, None, note)


@pytest.mark.parametrize("bad", [([math.nan], [1.0], [0]), ([-1.0], [1.0], [0]), ([1.0, 2.0], [1.0], [0])])
def test_what_cannot_be_a_rate_is_refused(bad):
    with pytest.raises(ValueError, match=r"negative or NaN|allowed: one shape"):
        rate_by_blocks(*bad)
