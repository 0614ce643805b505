"""A ratio of sums with an interval over blocks: word error rates, mean log-probabilities. Arrays in, arrays out.

What one voice says in one session hangs together, so words and turns are no independent sample; blocks are voices, or
scripts where nobody says who speaks. The interval is that of the ratio estimator linearised per block (Cochran,
Sampling Techniques, 3rd ed., ch. 6), with Student's t at one degree less than there are blocks, on a log scale for a
ratio that cannot be negative. Drawing blocks with replacement, the usual bootstrap, covers 72 % instead of 95 % with
three voices and 87 % with ten; this covers 93 to 96 % with any number from three on (a test says so).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from realtime_lab.analysis.stats import CONFIDENCE

__all__ = ["MIN_VOICES", "BlockRatio", "blocks_of", "ratio_over_blocks"]

MIN_VOICES = 3
"""Below this many blocks there is no interval: with two it says nothing."""

_MOST_CELLS = 4_000_000
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class BlockRatio(NamedTuple):
    """One ratio per group."""

    value: Floats
    """Sum over sum; NaN over nothing."""
    low: Floats
    """NaN without an interval."""
    high: Floats
    n_blocks: Ints
    """Blocks that hold anything."""


def blocks_of(frame: pd.DataFrame) -> tuple[Ints, str]:
    """(block of each row, what a block is): voices where every row has one, else scripts, else one unknown voice."""
    for name, kind in (("speaker", "voice"), ("script", "script")):
        if name in frame.columns and len(frame) and not frame[name].isna().any():
            return pd.factorize(frame[name])[0].astype(np.int64), kind
    return np.zeros(len(frame), dtype=np.int64), "unknown voice"


def ratio_over_blocks(
    groups: Ints,
    blocks: Ints,
    above: Floats,
    below: Floats,
    count: int,
    *,
    positive: bool = True,
    confidence: float = CONFIDENCE,
) -> BlockRatio:
    """Sum of `above` over sum of `below` per group.

    Args:
        groups: Group of each row, from 0.
        blocks: Block of each row, from 0.
        above: What is counted, such as errors; the same length.
        below: What it is counted over, such as words.
        count: How many groups there are.
        positive: The ratio cannot be negative; its interval is then symmetric on a log scale. One of 0 has none.
        confidence: Two-sided, with equal tails.
    """
    width = int(blocks.max(initial=0)) + 1
    key, cells = groups * width + blocks, np.arange(count * width)
    if len(cells) > _MOST_CELLS:
        cells, key = np.unique(key, return_inverse=True)
    tops, bottoms = (np.bincount(key, weights=values, minlength=len(cells)) for values in (above, below))
    of_group = cells // width
    total, whole = (np.bincount(of_group, weights=values, minlength=count) for values in (tops, bottoms))
    n_blocks = np.bincount(of_group, weights=bottoms > 0, minlength=count).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(whole > 0, total / whole, np.nan)
        rest = np.where(bottoms > 0, tops - value[of_group] * bottoms, 0.0)
        spread = np.bincount(of_group, weights=rest * rest, minlength=count)
        error = np.sqrt(spread * n_blocks / (n_blocks - 1)) / whole
        half = special.stdtrit(np.maximum(n_blocks - 1, 1).astype(float), 0.5 + confidence / 2) * error
        low, high = (
            (value * np.exp(-half / value), value * np.exp(half / value)) if positive else (value - half, value + half)
        )
    known = (n_blocks >= MIN_VOICES) & np.isfinite(low) & np.isfinite(high)
    return BlockRatio(value, np.where(known, low, np.nan), np.where(known, high, np.nan), n_blocks)
