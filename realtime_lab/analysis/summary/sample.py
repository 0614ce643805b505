"""Columns of a summary taken apart into rows, and put together again over resampled blocks of speech.

Every setting speaks the same scripts, so settings are compared on resamples that draw the same blocks for all of them.
A block is a script with all its turns; where there are too few scripts to draw from, a single turn of a script, and
the comparison then speaks for these scripts only. Which setting is chosen is decided in `choice`.

What is in a sample is what `summary` puts there; a test holds the two against each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import LATENCY_METRICS, OTHER_METRICS, Column
from realtime_lab.analysis.stats.grouping import flags, numbers
from realtime_lab.analysis.stats.intervals import quantile
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.wording import plural

MIN_SCRIPTS = 10
"""From this many scripts on, scripts are the blocks."""
MIN_BLOCKS = 6
"""Below this many blocks nothing is compared."""
REPLICATES = 2_000
_MOST_CELLS = 30_000_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_RATIOS = ("cutoff_rate", "turn_cutoff_rate", "answered_rate", "false_start_rate", "hallucination_rate")
_OF_TRANSCRIPTS = {
    "wer": ("wer", "n_ref_words"),
    "cer": ("cer", "n_ref_characters"),
    "mean_logprob": ("mean_logprob", "n_tokens"),
}
"""What each needs of the turns frame."""
_EDITS = {"wer": ("n_substitutions", "n_deletions", "n_insertions"), "cer": ("n_character_errors",)}
OF_RESPONSES = ("truncated_rate", "output_tokens_per_turn", "usd_per_turn")
"""Columns that need the responses frame."""
_OF_CUT_TURNS_TOO = ("onset_clip_ms", "yield_latency_ms")


class Blocks(NamedTuple):
    """What is drawn when a study is resampled."""

    of_turns: Ints
    """Block of each row of the turns frame."""
    of_responses: Ints
    """Block of each row of the responses frame."""
    total: int
    """How many there are."""
    kind: str
    """scripts or turns."""

    @property
    def words(self) -> str:
        """Such as `12 scripts`."""
        return plural(self.total, self.kind.removesuffix("s"))


class Measured(NamedTuple):
    """One column of a summary as the rows it is computed from."""

    name: str
    q: float | None
    """Which quantile; None: a ratio of sums."""
    setting: Ints
    """Setting of each row."""
    block: Ints
    """Block of each row."""
    value: Floats
    """Quantile: the row's value, inf when it was not seen in time. Ratio: its share of the numerator."""
    weight: Floats
    """Ratio: its share of the denominator."""
    settings: int
    """How many settings there are."""

    def estimates(self) -> Floats:
        """The column's value for each setting, NaN where there is none: the sample is empty or too small."""
        if self.q is None:
            above = np.bincount(self.setting, self.value, self.settings)
            return _share(above, np.bincount(self.setting, self.weight, self.settings))
        found = [quantile(self.value[self.setting == number], self.q).value for number in range(self.settings)]
        return np.array([math.nan if value is None else value for value in found])

    def counts(self) -> Ints:
        """Size of each setting's sample: rows of a quantile, denominator of a ratio."""
        weights = None if self.q is not None else self.weight
        return np.bincount(self.setting, weights, self.settings).astype(np.int64)


def _share(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Quotients, NaN over nothing."""
    found: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def find_blocks(turns: pd.DataFrame, responses: pd.DataFrame | None = None) -> Blocks:
    """What to draw from: scripts where there are enough, else turns of scripts."""
    scripts = turns["script"].astype("string").fillna("")
    kind = "scripts" if scripts.nunique() >= MIN_SCRIPTS else "turns"
    names = ["script"] if kind == "scripts" else ["script", "turn"]
    of_turns, known = pd.factorize(_key(turns, names), sort=True)
    others = np.zeros(0, dtype=np.int64)
    if responses is not None:
        # A response that belongs to no turn is drawn with the first turn of its script.
        filled = responses.assign(turn=responses["turn"].fillna(0)) if "turn" in names else responses
        others = np.maximum(known.get_indexer(_key(filled, names)), 0).astype(np.int64)
    return Blocks(of_turns.astype(np.int64), others, len(known), kind)


def _key(frame: pd.DataFrame, names: Sequence[str]) -> pd.Index[Any]:
    if len(names) == 1:
        return pd.Index(frame[names[0]].astype("string").fillna(""))
    scripts = frame["script"].astype("string").fillna("")
    return pd.Index(frame["turn"].astype("Int64").astype("string").fillna("").str.zfill(6) + " " + scripts)


def measurable(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns of a summary that settings can be compared by, given the columns of the turns frame.

    Any other quantile of a latency among them can be measured too.
    """
    there = set(columns)
    quantiles = [f"{metric.name}_p{q}" for metric in LATENCY_METRICS for q in (50, 90, 95) if metric.name in there]
    medians = [f"{metric.name}_p50" for metric in OTHER_METRICS if metric.name in there]
    heard = [name for name, needed in _OF_TRANSCRIPTS.items() if set(needed) <= there]
    known = {*quantiles, *medians, *_RATIOS, *OF_RESPONSES, *heard}
    return tuple(entry.name for entry in SUMMARY if entry.name in known)


def measure(
    name: str,
    turns: pd.DataFrame,
    responses: pd.DataFrame | None,
    of_turns: Ints,
    of_responses: Ints,
    blocks: Blocks,
    settings: int,
) -> Measured:
    """Take one column of a summary apart.

    Args:
        name: One of `measurable`, or another quantile of a latency.
        turns: The turns frame.
        responses: The responses frame; needed for tokens, their cost and truncation.
        of_turns: Setting of each row of `turns`.
        of_responses: Setting of each row of `responses`; -1 leaves a row out.
        blocks: What is drawn.
        settings: How many settings there are.
    """
    metric, q = _metric(name)
    if metric is not None:
        mask, values = _quantile_rows(turns, metric)
        rows = of_turns[mask], blocks.of_turns[mask], values[mask], np.ones(int(mask.sum()))
        return Measured(name, q, *rows, settings)
    if name in _RATIOS:
        above, below = _turn_ratio(turns, name)
        return Measured(name, None, of_turns, blocks.of_turns, above, below, settings)
    if name in _OF_TRANSCRIPTS:
        return Measured(name, None, of_turns, blocks.of_turns, *_transcript_ratio(turns, name), settings)
    if responses is None:
        empty = np.zeros(0, dtype=np.int64)
        return Measured(name, None, empty, empty, empty.astype(float), empty.astype(float), settings)
    told = of_responses >= 0
    responses, of_responses = responses[told], of_responses[told]
    in_blocks = blocks.of_responses[told]
    if name == "truncated_rate":
        ended = responses["status"].astype("string").fillna("").to_numpy(dtype=object) != "in_progress"
        above = (ended & flags(responses, "truncated")).astype(np.float64)
        return Measured(name, None, of_responses, in_blocks, above, ended.astype(np.float64), settings)
    # Tokens or cost of all responses over turns: rows of both frames, each on its side of the ratio.
    # A cost that is not known makes that of its setting unknown.
    spent = numbers(responses, "usd", np.nan) if name == "usd_per_turn" else numbers(responses, "output_tokens")
    return Measured(
        name,
        None,
        np.concatenate([of_turns, of_responses]),
        np.concatenate([blocks.of_turns, in_blocks]),
        np.concatenate([np.zeros(len(turns)), spent]),
        np.concatenate([np.ones(len(turns)), np.zeros(len(spent))]),
        settings,
    )


def _metric(name: str) -> tuple[Column | None, float | None]:
    stem, _, percent = name.rpartition("_p")
    metric = next((entry for entry in (*LATENCY_METRICS, *OTHER_METRICS) if entry.name == stem), None)
    return metric, None if metric is None else float(percent) / 100.0


def _quantile_rows(turns: pd.DataFrame, metric: Column) -> tuple[NDArray[np.bool_], Floats]:
    decided = turns["outcome"].isin(("answered", "missed")).to_numpy(dtype=bool)
    values = numbers(turns, metric.name, np.nan)
    if metric.awaits:
        mask = decided & ~flags(turns, "cut")
        for flag in metric.awaits:
            mask &= flags(turns, flag, absent=True)
        return mask, np.where(np.isnan(values), np.inf, values)
    mask = decided if metric.name in _OF_CUT_TURNS_TOO else decided & ~flags(turns, "cut")
    return mask & ~np.isnan(values), values


def _turn_ratio(turns: pd.DataFrame, name: str) -> tuple[Floats, Floats]:
    outcome = turns["outcome"].astype("string").fillna("").to_numpy(dtype=object)
    if name == "cutoff_rate":
        measured = (outcome != "excluded").astype(np.float64)
        return measured * numbers(turns, "n_cut_holds"), measured * numbers(turns, "n_holds")
    if name == "hallucination_rate":
        return numbers(turns, "n_hallucinations"), numbers(turns, "n_silent_transcripts")
    decided = (outcome == "answered") | (outcome == "missed")
    hit = {
        "turn_cutoff_rate": flags(turns, "cut"),
        "answered_rate": outcome == "answered",
        "false_start_rate": numbers(turns, "false_starts") > 0,
    }[name]
    return (decided & hit).astype(np.float64), decided.astype(np.float64)


def _transcript_ratio(turns: pd.DataFrame, name: str) -> tuple[Floats, Floats]:
    """Edits and words, or log-probabilities and tokens, of decided turns that have them; 0 of both for the others."""
    known = turns[name].notna().to_numpy(dtype=bool) & turns["outcome"].isin(("answered", "missed")).to_numpy(
        dtype=bool
    )
    below = numbers(turns, _OF_TRANSCRIPTS[name][1])
    if name in _EDITS:
        above = sum((numbers(turns, part) for part in _EDITS[name]), np.zeros(len(turns)))
    else:
        above = below * numbers(turns, name)
    return np.where(known, above, 0.0), np.where(known, below, 0.0)


def block_draws(blocks: Blocks, rows: int, seed: int, count: int = REPLICATES) -> Ints:
    """How often each block is drawn in each replicate, shape (replicates, blocks).

    Args:
        blocks: What is drawn.
        rows: Rows to be resampled; many rows get fewer replicates, so that it stays fast.
        seed: The same seed gives the same draws.
        count: Replicates.
    """
    enough = int(min(count, max(200, _MOST_CELLS // max(rows, blocks.total, 1))))
    if not blocks.total:  # nothing to draw from, such as no pair of uncut turns
        return np.zeros((enough, 0), dtype=np.int64)
    rng = np.random.default_rng(seed)
    return rng.multinomial(blocks.total, np.full(blocks.total, 1.0 / blocks.total), size=enough)


def replicates(measured: Measured, draws: Ints) -> Floats:
    """The column's value for each setting in each replicate, shape (replicates, settings); NaN where it has none."""
    if measured.q is None:
        cells = measured.block * measured.settings + measured.setting
        shape = (draws.shape[1], measured.settings)
        above = np.bincount(cells, measured.value, shape[0] * shape[1]).reshape(shape)
        below = np.bincount(cells, measured.weight, shape[0] * shape[1]).reshape(shape)
        return _share(draws @ above, draws @ below)
    # Blocks before replicates: then each step below runs along memory.
    by_block = np.ascontiguousarray(draws.T)
    columns = [_quantiles(measured, number, by_block, measured.q) for number in range(measured.settings)]
    return np.column_stack(columns) if columns else np.zeros((len(draws), 0))


def _quantiles(measured: Measured, setting: int, draws: Ints, q: float) -> Floats:
    """Quantile of one setting's rows, each counted as often as its block was drawn: draws have shape (blocks, n)."""
    own = np.flatnonzero(measured.setting == setting)
    if not len(own):
        return np.full(draws.shape[1], np.nan)
    own = own[np.argsort(measured.value[own], kind="stable")]
    values = measured.value[own]
    upto = np.cumsum(draws[measured.block[own]], axis=0)
    total = upto[-1]
    position = np.maximum(total - 1, 0) * q
    below = np.floor(position).astype(np.int64)
    last = len(own) - 1
    lower = values[np.minimum((upto <= below).sum(axis=0), last)]
    upper = values[np.minimum((upto <= below + 1).sum(axis=0), last)]
    share = position - below
    with np.errstate(invalid="ignore"):
        found = np.where((share == 0.0) | (lower == upper), lower, lower + share * (upper - lower))
    return np.where(total > 0, found, np.nan)
