"""How far word confidences can be trusted, by setting and condition: frames in, frames out.

Wilson intervals of bins and the null band take words as independent; words of one sentence hang together, so both are
a little narrow. The interval of the AUROC is over blocks and does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.block_ratio import blocks_of
from realtime_lab.analysis.calibration import (
    auroc,
    brier_score,
    calibration_error,
    calibration_null_band,
    risk_coverage,
)
from realtime_lab.analysis.columns import KEYS, WORDS, Column, setting_names
from realtime_lab.analysis.frames import frame_of_rows
from realtime_lab.analysis.words import CONFIDENCES, distinct_words
from realtime_lab.errors import RealtimeLabError

__all__ = ["CALIBRATION", "MIN_MANY_VOICES", "calibration_df", "confident_words", "word_blocks", "word_groups"]

MIN_MANY_VOICES = 10
"""From this many voices on, intervals speak for other voices too."""

CALIBRATION = (
    Column("n_words", "int", "recognised words with a confidence, each hearing of the same audio once", "words"),
    Column("n_right", "int", "of these, right", "words", lower_is_better=False),
    Column("n_wrong", "int", "of these, wrong: substitutions and insertions", "words", lower_is_better=True),
    Column("mean_confidence", "float", "mean of their confidences"),
    Column("right_rate", "float", "right over all: what mean_confidence should be", lower_is_better=False),
    Column("brier", "float", "mean squared difference of confidence and right", "", "Brier score", True),
    Column("ece", "float", "expected calibration error, 10 bins", "", "calibration error", True),
    Column("ece_null_low", "float", "lower end of what chance gives a model without any error of that kind"),
    Column("ece_null_high", "float", "upper end of that: an ece below it says nothing against the model"),
    Column("auroc", "float", "chance that a right word is surer than a wrong one", "", "AUROC", False),
    Column("auroc_low", "float", "auroc: lower end of its 95 % interval over blocks"),
    Column("auroc_high", "float", "auroc: upper end of its 95 % interval over blocks"),
    Column("n_blocks", "int", "blocks of words: voices, or turns of scripts where there are fewer than ten voices"),
    Column("block", "str", "voice, or turn: then the interval speaks for other words of these voices only"),
    Column("aurc", "float", "area under risk against coverage; without order it is 1 - right_rate", "", "AURC", True),
    Column("note", "str", "why a figure is missing"),
)
"""Columns of a calibration frame, after those it was grouped by."""


def calibration_df(
    words: pd.DataFrame, by: str | Iterable[str] | None = None, *, confidence: str = "confidence", seed: int = 0
) -> pd.DataFrame:
    """Whether confidences tell right words from wrong ones, and are as high as they should be.

    Args:
        words: As `words_frame` gives them.
        by: Columns to group by; None: every swept setting, the condition and the target. An empty list: one row.
        confidence: `confidence` (product over a word's tokens), `confidence_min` or `confidence_geometric`.
        seed: Decides the simulated null band.

    Returns:
        The groups in ascending order, with the columns of `CALIBRATION`.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = _default_by(words) if by is None else [by] if isinstance(by, str) else list(by)
    groups = list(word_groups(words, names, confidence))
    rows = [_row(group, confidence, seed) for _, group in groups]
    keys = pd.DataFrame({name: [key[place] for key, _ in groups] for place, name in enumerate(names)})
    for name in names:
        keys[name] = keys[name].astype(words[name].dtype)
    return pd.concat([keys, frame_of_rows(rows, CALIBRATION)], axis=1)


def word_groups(
    words: pd.DataFrame, by: Iterable[str], confidence: str = "confidence"
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """(values of `by`, recognised words with a confidence and a verdict) of each group, in ascending order.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = list(by)
    usable = confident_words(words, confidence, names)
    if not names:
        yield (), usable
        return
    for key, group in usable.groupby(names, sort=True, dropna=False, observed=True):
        yield key, group.reset_index(drop=True)


def confident_words(words: pd.DataFrame, confidence: str = "confidence", by: Iterable[str] = ()) -> pd.DataFrame:
    """Recognised words that are known to be right or wrong and have a confidence, each hearing once.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = list(by)
    if confidence not in CONFIDENCES:
        raise RealtimeLabError(f"confidence = {confidence!r}: allowed: {', '.join(CONFIDENCES)}")
    if missing := [name for name in (*names, confidence, "right") if name not in words.columns]:
        raise RealtimeLabError(f"{missing}: the words have the columns {', '.join(map(str, words.columns))}")
    sure = words[confidence].to_numpy(dtype=np.float64, na_value=np.nan)
    known = words["right"].notna().to_numpy(dtype=bool) & (sure >= 0.0) & (sure <= 1.0)
    return distinct_words(words[known], names)


def word_blocks(words: pd.DataFrame) -> tuple[NDArray[np.int64], str]:
    """(block of each word, voice or turn): voices when there are many, else turns of scripts.

    A turn is all that was heard of it, in every setting and condition among the words.
    """
    blocks, kind = blocks_of(words)
    if kind == "voice" and len(np.unique(blocks)) >= MIN_MANY_VOICES:
        return blocks, kind
    names = [name for name in ("script", "turn") if name in words.columns]
    if not names:
        return np.zeros(len(words), dtype=np.int64), "turn"
    numbers = words.groupby(names, sort=False, dropna=False, observed=True).ngroup()
    return np.asarray(numbers, dtype=np.int64), "turn"


def _default_by(words: pd.DataFrame) -> list[str]:
    listed = list(map(str, words.columns))
    return [*setting_names(listed, (*WORDS, *KEYS)), *(name for name in ("condition", "target") if name in listed)]


def _row(words: pd.DataFrame, confidence: str, seed: int) -> dict[str, Any]:
    sure = words[confidence].to_numpy(dtype=np.float64)
    right = words["right"].to_numpy(dtype=bool)
    blocks, kind = word_blocks(words)
    area = auroc(sure, right, blocks)
    row: dict[str, Any] = {"n_words": len(sure), "n_right": area.n_right, "n_wrong": area.n_wrong}
    row |= {"auroc": area.value, "auroc_low": area.low, "auroc_high": area.high}
    row |= {"n_blocks": area.n_blocks, "block": kind if area.n_blocks else None}
    row["note"] = f"auroc: {area.reason}" if area.reason else None
    band, risk = calibration_null_band(sure, seed=seed), risk_coverage(sure, right)
    if band is None or risk is None:
        return row | {"note": "no word has a confidence and a reference"}
    return row | {
        "mean_confidence": float(sure.mean()),
        "right_rate": float(right.mean()),
        "brier": brier_score(sure, right),
        "ece": calibration_error(sure, right),
        "ece_null_low": band.low,
        "ece_null_high": band.high,
        "aurc": risk.aurc,
    }
