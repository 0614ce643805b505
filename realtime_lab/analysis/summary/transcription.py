"""What a summary says of transcripts: pooled error rates, log-probabilities, and words where nobody speaks.

A pooled rate is the sum of edits over the sum of words. Turns whose word error rate is undefined are in none of it, and
their insertions neither; turns that should have a transcript and have none to score are counted beside it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import Column
from realtime_lab.analysis.stats.clustered import MIN_VOICES, BlockRatio, blocks_of, ratio_over_blocks
from realtime_lab.analysis.stats.grouping import flags, numbers
from realtime_lab.analysis.stats.intervals import CONFIDENCE

Floats = NDArray[np.float64]
_EDITS = ("n_hits", "n_substitutions", "n_deletions", "n_insertions")
_CHARACTERS = ("n_ref_characters", "n_character_errors")
_SCORES = ("wer", "cer", "mean_logprob")


def _interval_docs(name: str) -> tuple[Column, Column]:
    return (
        Column(f"{name}_low", "float", f"{name}: lower end of its 95 % interval over voices"),
        Column(f"{name}_high", "float", f"{name}: upper end of its 95 % interval over voices"),
    )


TRANSCRIPTION = (
    Column("n_scored", "int", "decided turns whose transcript was scored"),
    Column("n_unscored", "int", "decided turns with a reference text and no transcript to score", lower_is_better=True),
    Column("n_ref_words", "int", "words of the references: denominator of wer", "words"),
    Column("n_word_errors", "int", "word edits: numerator of wer", "words", lower_is_better=True),
    Column("n_hits", "int", "reference words recognised", "words", lower_is_better=False),
    Column("n_substitutions", "int", "reference words recognised as others", "words", lower_is_better=True),
    Column("n_deletions", "int", "reference words not recognised", "words", lower_is_better=True),
    Column("n_insertions", "int", "recognised words that nobody said", "words", lower_is_better=True),
    Column("wer", "float", "word error rate, pooled", label="word error rate", lower_is_better=True),
    *_interval_docs("wer"),
    Column("n_wer_voices", "int", "voices (or scripts, where nobody says who speaks) that the interval is over"),
    Column("wer_note", "str", "why wer has no interval"),
    Column("mer", "float", "match error rate, pooled", label="match error rate", lower_is_better=True),
    Column("wil", "float", "word information lost, pooled", label="word information lost", lower_is_better=True),
    Column("n_ref_characters", "int", "characters of the references: denominator of cer", "characters"),
    Column("n_character_errors", "int", "character edits: numerator of cer", "characters", lower_is_better=True),
    Column("cer", "float", "character error rate, pooled", label="character error rate", lower_is_better=True),
    *_interval_docs("cer"),
    Column("n_tokens", "int", "tokens with a log-probability, over decided turns", "tokens"),
    Column("mean_logprob", "float", "their mean log-probability", label="mean log-probability", lower_is_better=False),
    *_interval_docs("mean_logprob"),
)
"""Columns of a summary about transcripts, but for the rate of hallucinations."""


class Transcripts:
    """What summaries of transcripts are made of; a column of the frame is read when it is needed, and not kept.

    Args:
        turns: A turns frame.
        decided: Which turns are answered or missed; others are in no figure.
        codes: Group of each row.
        count: How many groups there are.
    """

    def __init__(self, turns: pd.DataFrame, decided: NDArray[np.bool_], codes: NDArray[Any], count: int) -> None:
        self._turns, self._decided = turns, decided
        self._codes, self._count = codes, count
        self._scores = {name: self._scored_by(name) for name in _SCORES}

    def counts(self) -> dict[str, NDArray[np.int64]]:
        """Integer columns per group."""
        by_words, by_characters = self._scores["wer"], self._scores["cer"]
        sampled: dict[str, NDArray[Any]] = {name: self._where(by_words, name) for name in ("n_ref_words", *_EDITS)}
        sampled |= {name: self._where(by_characters, name) for name in _CHARACTERS}
        sampled |= {"n_tokens": self._where(self._decided, "n_tokens"), "n_scored": by_words | by_characters}
        sampled["n_unscored"] = self._unscored()
        sums = {name: self._sums(values) for name, values in sampled.items()}
        sums["n_word_errors"] = sums["n_substitutions"] + sums["n_deletions"] + sums["n_insertions"]
        return sums

    def rates(
        self, counts: dict[str, NDArray[np.int64]], confidence: float = CONFIDENCE
    ) -> tuple[dict[str, Floats], NDArray[np.int64], list[str | None]]:
        """Pooled rates per group with their intervals, how many voices they are over, and what there is to say.

        Args:
            counts: What `counts` gave.
            confidence: Of each interval, two-sided.
        """
        hits, errors, said = (counts[name].astype(float) for name in ("n_hits", "n_word_errors", "n_ref_words"))
        heard = hits + counts["n_substitutions"] + counts["n_insertions"]
        with np.errstate(divide="ignore", invalid="ignore"):
            mer = np.where(said > 0, errors / (hits + errors), np.nan)
            wil = np.where(said > 0, 1.0 - np.where(heard > 0, hits * hits / (said * heard), 0.0), np.nan)
        rates = {"mer": mer, "wil": wil}
        pooled = {name: self._pooled(name, confidence) for name in ("wer", "cer", "mean_logprob")}
        for name, found in pooled.items():
            rates |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        notes = [_note(pooled["wer"], self._blocks[1], group) for group in range(self._count)]
        return rates, pooled["wer"].n_blocks, notes

    @cached_property
    def _blocks(self) -> tuple[NDArray[np.int64], str]:
        return blocks_of(self._turns)

    def _pooled(self, name: str, confidence: float) -> BlockRatio:
        mask = self._scores[name]
        if not mask.any():
            missing = np.full(self._count, np.nan)
            return BlockRatio(missing, missing, missing, np.zeros(self._count, dtype=np.int64))
        if name == "wer":
            below = self._where(mask, "n_ref_words")
            above = sum((self._where(mask, part) for part in _EDITS[1:]), np.zeros(len(mask)))
        elif name == "cer":
            below, above = (self._where(mask, part) for part in _CHARACTERS)
        else:
            below = self._where(mask, "n_tokens")
            above = below * self._where(mask, "mean_logprob")
        positive = name != "mean_logprob"
        return ratio_over_blocks(
            self._codes, self._blocks[0], above, below, self._count, positive=positive, confidence=confidence
        )

    def _scored_by(self, name: str) -> NDArray[np.bool_]:
        return self._decided & ~np.isnan(numbers(self._turns, name, np.nan))

    def _where(self, mask: NDArray[np.bool_], name: str) -> Floats:
        found = np.where(mask, numbers(self._turns, name), 0.0)
        whole = name not in self._turns.columns or self._turns[name].dtype.kind in "iub"
        return found if whole else np.nan_to_num(found, copy=False)

    def _unscored(self) -> NDArray[np.bool_]:
        asked = self._decided & flags(self._turns, "awaits_transcription")
        if not asked.any() or "reference_text" not in self._turns.columns:
            return np.zeros(len(asked), dtype=bool)
        told = np.asarray(self._turns["reference_text"].notna(), dtype=bool)
        empty = numbers(self._turns, "n_ref_characters", np.nan) == 0
        found: NDArray[np.bool_] = asked & told & ~empty & ~self._scores["cer"] & ~self._scores["wer"]
        return found

    def _sums(self, values: NDArray[Any]) -> NDArray[np.int64]:
        if not values.any():
            return np.zeros(self._count, dtype=np.int64)
        return np.bincount(self._codes, weights=values, minlength=self._count).astype(np.int64)


def _note(found: BlockRatio, kind: str, group: int) -> str | None:
    n = int(found.n_blocks[group])
    if np.isnan(found.value[group]) or not np.isnan(found.low[group]):
        return None
    if n < MIN_VOICES:
        return f"no interval for wer: {n} {kind}{'' if n == 1 else 's'} of {MIN_VOICES}"
    return f"no interval for wer: no errors in {n} {kind}s"
