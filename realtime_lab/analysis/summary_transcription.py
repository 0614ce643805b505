"""What a summary says of transcripts: pooled error rates, log-probabilities, and words where nobody speaks.

A pooled rate is the sum of edits over the sum of words. Turns whose word error rate is undefined are in none of it, and
their insertions neither; turns that should have a transcript and have none to score are counted beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.block_ratio import MIN_VOICES, BlockRatio, blocks_of, ratio_over_blocks
from realtime_lab.analysis.columns import Column
from realtime_lab.analysis.stats import CONFIDENCE

__all__ = ["TRANSCRIPTION", "transcription_counts", "transcription_rates"]

Floats = NDArray[np.float64]
_EDITS = ("n_hits", "n_substitutions", "n_deletions", "n_insertions")


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


def transcription_counts(turns: pd.DataFrame, codes: NDArray[Any], count: int) -> dict[str, NDArray[np.int64]]:
    """Integer columns per group.

    Args:
        turns: A turns frame.
        codes: Group of each row.
        count: How many groups there are.
    """
    decided = _decided(turns)
    by_words, by_characters = decided & ~np.isnan(_values(turns, "wer")), decided & ~np.isnan(_values(turns, "cer"))
    asked = _values(turns, "awaits_transcription") == 1
    told = turns["reference_text"].notna().to_numpy(dtype=bool) if "reference_text" in turns else asked
    unscored = decided & asked & told & np.isnan(_values(turns, "n_ref_characters"))
    sampled = {name: np.where(by_words, _values(turns, name), 0) for name in ("n_ref_words", *_EDITS)}
    sampled |= {
        name: np.where(by_characters, _values(turns, name), 0) for name in ("n_ref_characters", "n_character_errors")
    }
    sampled |= {"n_tokens": np.where(decided, _values(turns, "n_tokens"), 0)}
    sampled |= {"n_scored": (by_words | by_characters).astype(float), "n_unscored": unscored.astype(float)}
    sums = {
        name: np.bincount(codes, weights=np.nan_to_num(values), minlength=count).astype(np.int64)
        for name, values in sampled.items()
    }
    sums["n_word_errors"] = sums["n_substitutions"] + sums["n_deletions"] + sums["n_insertions"]
    return sums


def transcription_rates(
    turns: pd.DataFrame, codes: NDArray[Any], counts: dict[str, NDArray[np.int64]], confidence: float = CONFIDENCE
) -> tuple[dict[str, Floats], NDArray[np.int64], list[str | None]]:
    """Pooled rates per group with their intervals, how many voices they are over, and what there is to say.

    Args:
        turns: A turns frame.
        codes: Group of each row.
        counts: What `transcription_counts` gave.
        confidence: Of each interval, two-sided.
    """
    count = len(counts["n_ref_words"])
    wer, kind = _pooled(turns, codes, count, "wer", confidence)
    cer, _ = _pooled(turns, codes, count, "cer", confidence)
    sure, _ = _pooled(turns, codes, count, "mean_logprob", confidence)
    hits, errors, said = (counts[name].astype(float) for name in ("n_hits", "n_word_errors", "n_ref_words"))
    heard = hits + counts["n_substitutions"] + counts["n_insertions"]
    with np.errstate(divide="ignore", invalid="ignore"):
        mer = np.where(said > 0, errors / (hits + errors), np.nan)
        wil = np.where(said > 0, 1.0 - np.where(heard > 0, hits * hits / (said * heard), 0.0), np.nan)
    rates = {"mer": mer, "wil": wil}
    for name, found in (("wer", wer), ("cer", cer), ("mean_logprob", sure)):
        rates |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    notes = [_note(wer, kind, group) for group in range(count)]
    return rates, wer.n_blocks, notes


def _pooled(
    turns: pd.DataFrame, codes: NDArray[Any], count: int, name: str, confidence: float
) -> tuple[BlockRatio, str]:
    mask = _decided(turns) & ~np.isnan(_values(turns, name))
    rows = turns[mask] if not mask.all() else turns
    blocks, kind = blocks_of(rows)
    if name == "wer":
        below = _values(rows, "n_ref_words")
        above = sum((_values(rows, part) for part in _EDITS[1:]), np.zeros(len(rows)))
    elif name == "cer":
        above, below = _values(rows, "n_character_errors"), _values(rows, "n_ref_characters")
    else:
        below = _values(rows, "n_tokens")
        above = below * _values(rows, "mean_logprob")
    groups = codes[mask].astype(np.int64)
    positive = name != "mean_logprob"
    return ratio_over_blocks(groups, blocks, above, below, count, positive=positive, confidence=confidence), kind


def _note(found: BlockRatio, kind: str, group: int) -> str | None:
    n = int(found.n_blocks[group])
    if np.isnan(found.value[group]) or not np.isnan(found.low[group]):
        return None
    if n < MIN_VOICES:
        return f"no interval for wer: {n} {kind}{'' if n == 1 else 's'} of {MIN_VOICES}"
    return f"no interval for wer: no errors in {n} {kind}s"


def _decided(turns: pd.DataFrame) -> NDArray[np.bool_]:
    return turns["outcome"].isin(("answered", "missed")).to_numpy(dtype=bool)


def _values(frame: pd.DataFrame, name: str) -> Floats:
    """A column as floats, NaN where it is missing."""
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
