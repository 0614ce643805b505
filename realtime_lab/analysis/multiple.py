"""Many comparisons at once: p-values corrected so that a grid of equal settings rarely shows a difference.

`holm` keeps the chance of one false claim or more below alpha; `benjamini_hochberg` keeps the share of false claims
among all claims below it, and is the less strict. Both return adjusted p-values, to be held against alpha itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment ("A simple sequentially rejective multiple test procedure", 1979).

    Args:
        p_values: Of the comparisons, any order; NaN where one could not be made, which then counts for nothing.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: If one is outside 0 to 1.
    """
    return _adjusted(p_values, step_down=True)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini and Hochberg's step-up adjustment ("Controlling the false discovery rate", 1995).

    Args:
        p_values: Of the comparisons, any order; NaN where one could not be made, which then counts for nothing.

    Returns:
        Adjusted p-values in the same order.

    Raises:
        ValueError: If one is outside 0 to 1.
    """
    return _adjusted(p_values, step_down=False)


def _adjusted(p_values: ArrayLike, *, step_down: bool) -> NDArray[np.float64]:
    given = np.asarray(p_values, dtype=float)
    known = ~np.isnan(given)
    if ((given[known] < 0) | (given[known] > 1)).any():
        raise ValueError("a p-value is outside 0 to 1")
    order = np.argsort(given[known], kind="stable")
    ranked, count = given[known][order], int(known.sum())
    rank = np.arange(1, count + 1)
    if step_down:
        adjusted = np.maximum.accumulate(ranked * (count - rank + 1))
    else:
        adjusted = np.minimum.accumulate((ranked * count / rank)[::-1])[::-1]
    found = np.full(given.shape, np.nan)
    place = np.flatnonzero(known)[order]
    found[place] = np.minimum(adjusted, 1.0)
    return found
