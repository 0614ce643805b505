"""A rate of things that come in blocks: words of a speaker, holds of a script, errors of a session.

What one speaker says is alike, so thirty utterances of ten speakers are ten observations and not three hundred: an
interval that takes them for three hundred covers 32 % instead of 95 %. Here the blocks are the observations. Numbers
in, numbers out; quantiles and rates of independent observations are in `stats`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from realtime_lab.analysis.stats import CONFIDENCE, TOO_SMALL

__all__ = ["MIN_BLOCKS", "BlockRate", "rate_by_blocks"]

MIN_BLOCKS = 6
"""Below this many blocks nothing is compared, and no interval is given."""


class BlockRate(NamedTuple):
    """A pooled rate, with an interval that speaks for other blocks of the same kind."""

    value: float | None
    """Sum of the numerators over sum of the denominators; None over nothing."""
    low: float | None
    """Lower end of its interval; None when there is none."""
    high: float | None
    """Upper end; above 1 where the rate may be, as a word error rate."""
    numerator: float
    denominator: float
    n_blocks: int
    """Blocks with a denominator."""
    note: str
    """Why there is no interval; empty when there is one."""


def rate_by_blocks(
    numerator: ArrayLike, denominator: ArrayLike, block: ArrayLike, confidence: float = CONFIDENCE
) -> BlockRate:
    """A pooled rate with its interval over blocks, from the delete-one-block jackknife on the scale of logarithms.

    The logarithm keeps the interval above 0 and follows the skew of error rates; Student's t with one degree of
    freedom less than there are blocks. Seeded simulations of 6 to 40 speakers cover 94 to 96 %, where percentiles of
    the block bootstrap cover 83 to 93 %. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 11.

    Args:
        numerator: Counts, such as word edits of each utterance.
        denominator: What they are out of, such as words of each utterance.
        block: Which block each belongs to: speakers, sessions or scripts, as numbers or names.
        confidence: Two-sided.

    Raises:
        ValueError: If the three are not of one length, or hold NaN or something negative.
    """
    above, below, code = _checked(numerator, denominator, block)
    count = int(code.max(initial=-1)) + 1
    of_block, size = np.bincount(code, above, count), np.bincount(code, below, count)
    blocks, total, edits = int(np.count_nonzero(size)), float(size.sum()), float(of_block.sum())
    value = edits / total if total else None
    note = _why_none(edits, total, blocks)
    if note or value is None:
        return BlockRate(value, None, None, edits, total, blocks, note)
    if float(of_block.max()) == edits:
        return BlockRate(value, None, None, edits, total, blocks, "everything counted is in one block")
    # What the others say without each block.
    without = np.log((edits - of_block[size > 0]) / (total - size[size > 0]))
    error = math.sqrt((blocks - 1) / blocks * float(((without - without.mean()) ** 2).sum()))
    reach = float(special.stdtrit(blocks - 1, 0.5 + confidence / 2.0)) * error
    return BlockRate(value, value * math.exp(-reach), value * math.exp(reach), edits, total, blocks, "")


def _checked(
    numerator: ArrayLike, denominator: ArrayLike, block: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    above, below = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    code = np.unique(np.asarray(block), return_inverse=True)[1].astype(np.int64).ravel()
    if not above.shape == below.shape == code.shape:
        sizes = f"{above.shape}, {below.shape} and {code.shape}"
        raise ValueError(f"numerator, denominator and block have the shapes {sizes}: allowed: one shape")
    if not ((above >= 0).all() and (below >= 0).all()):
        raise ValueError("a numerator or denominator is negative or NaN: leave out what is missing")
    return above, below, code


def _why_none(edits: float, total: float, blocks: int) -> str:
    if not total:
        return "nothing to count"
    if blocks < MIN_BLOCKS:
        return f"{TOO_SMALL}: {blocks} of {MIN_BLOCKS} blocks"
    return "" if edits else "none was counted in any block"
