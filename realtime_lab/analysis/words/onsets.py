"""What a clipped onset does to the first token: its log-probability by how much speech was lost before the item began.

The same audio heard the same way, as under another token limit, counts once. Turns are held to be independent, which
those of one voice are not quite: intervals are a little narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from realtime_lab.analysis.columns import Column
from realtime_lab.analysis.rows.frames import frame_of_rows
from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.errors import RealtimeLabError

CLIP_EDGES_MS = (0.0, 50.0, 150.0, 300.0)
"""Onsets that lose nothing, up to 50 ms, 150 ms, 300 ms, and more."""
NEEDED = ("onset_clip_ms", "first_token_logprob")
"""Columns of turns that are held against each other."""
_FEW = 3

ONSETS = (
    Column("over_ms", "float", "turns that lost more than this; null: those that lost nothing", "ms"),
    Column("upto_ms", "float", "and at most this; inf: any more", "ms"),
    Column("n_turns", "int", "turns with an onset and a first token, each hearing of the same audio once", "turns"),
    Column("median_clip_ms", "float", "median of what they lost", "ms"),
    Column("median_logprob", "float", "median log-probability of their first token", lower_is_better=False),
    Column("median_logprob_low", "float", "median_logprob: lower end of its 95 % interval; null: n too small"),
    Column("median_logprob_high", "float", "median_logprob: upper end of its 95 % interval"),
    Column("rho", "float", "Spearman's rank correlation over all turns of the group; null where one never varies"),
    Column("n_group", "int", "turns that rho is over", "turns"),
)
"""Columns of a frame of onsets, after those it was grouped by."""


def onset_df(turns: pd.DataFrame, by: str | Iterable[str] | None = None) -> pd.DataFrame:
    """The log-probability of first tokens by how much of the onset was clipped.

    Args:
        turns: A turns frame, such as `study.turns_df()`.
        by: Columns to group by; None: the condition and the target. An empty list: all turns together.

    Returns:
        One row per group and band of clipping that has turns, with the columns of `ONSETS`; no rows where no turn has
        both an onset and the log-probability of a first token.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    if by is None:
        names = [name for name in ("condition", "target") if name in turns.columns]
    else:
        names = [by] if isinstance(by, str) else list(by)
    if missing := [name for name in names if name not in turns.columns]:
        raise RealtimeLabError(f"onset_df by {missing}: the frame has the columns {', '.join(map(str, turns.columns))}")
    known = onset_turns(turns, names)
    groups = known.groupby(names, sort=True, dropna=False, observed=True) if names else [((), known)]
    rows = [(key, row) for key, part in groups for row in _bands(part)]
    keys = pd.DataFrame({name: [key[place] for key, _ in rows] for place, name in enumerate(names)})
    for name in names:
        keys[name] = keys[name].astype(turns[name].dtype)
    return pd.concat([keys, frame_of_rows([row for _, row in rows], ONSETS)], axis=1)


def onset_turns(turns: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """The turns that have both an onset and the log-probability of a first token, each hearing once."""
    if not set(NEEDED) <= set(turns.columns):
        return turns.iloc[:0].assign(**dict.fromkeys(NEEDED, pd.array([], dtype="Float64")))
    known = turns[turns[list(NEEDED)].notna().all(axis=1)]
    keys = dict.fromkeys(("script", "condition", "turn", *by, *NEEDED))
    return known.drop_duplicates([name for name in keys if name in known.columns]).reset_index(drop=True)


def _bands(turns: pd.DataFrame) -> Iterator[dict[str, Any]]:
    clip, logprob = (turns[name].to_numpy(dtype=np.float64) for name in NEEDED)
    varies = len(clip) >= _FEW and len(np.unique(clip)) > 1 and len(np.unique(logprob)) > 1
    whole = {"rho": float(stats.spearmanr(clip, logprob).statistic) if varies else None, "n_group": len(clip)}
    for low, high in pairwise([-math.inf, *CLIP_EDGES_MS, math.inf]):
        here = (clip > low) & (clip <= high)
        if here.any():
            middle = quantile(logprob[here], 0.5)
            yield whole | {
                "over_ms": None if low < 0.0 else low,
                "upto_ms": high,
                "n_turns": int(here.sum()),
                "median_clip_ms": float(np.median(clip[here])),
                "median_logprob": float(np.median(logprob[here])),
                "median_logprob_low": middle.low,
                "median_logprob_high": middle.high,
            }
