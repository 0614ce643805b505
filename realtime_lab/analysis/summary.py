"""Many turns to one row per setting: counts, rates with Wilson intervals, quantiles with order-statistic intervals.

What is in which sample:

- Rates of turns are over turns that were decided: answered or missed. Censored and excluded turns are counted beside
  them. `cutoff_rate` is cut holds over holds of every turn that is not excluded.
- A latency quantile is over decided turns that were not cut. One that should have had the latency and has none (the
  turn was missed, the response never came) counts as later than all others. So a further cut turn leaves every
  quantile as it was, a further missed turn can only raise it, and neither is dropped: both are counted in the row.
- A quantile whose sample is below the floor of its interval is NA, with its interval, and `note` says so.
- Where a row pools the same speech heard more than once (repeats, token limits), its intervals count that speech once:
  see `clustered`. `n_spoken` says how much different speech there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.clustered import Speech, quantile_of_cells, rate_effects, same_speech
from realtime_lab.analysis.column_values import flags, numbers
from realtime_lab.analysis.columns import LATENCY_METRICS, METRICS_VERSION, OTHER_METRICS, Column, setting_names
from realtime_lab.analysis.stats import CONFIDENCE, TOO_SMALL, wilson_bounds
from realtime_lab.analysis.summary_columns import (
    COUNTS,
    MEDIAN,
    QUANTILES,
    RATE_COUNTS,
    RATES,
    TOKEN_SUMS,
    TRUNCATED,
    USD,
    quantile_name,
)
from realtime_lab.analysis.summary_responses import Responses
from realtime_lab.analysis.summary_transcription import TRANSCRIPTION, Transcripts
from realtime_lab.errors import RealtimeLabError

__all__ = ["default_by", "summary"]

_OF_CUT_TURNS_TOO = ("onset_clip_ms", "yield_latency_ms")


def summary(
    turns: pd.DataFrame,
    responses: pd.DataFrame | None = None,
    *,
    trials: pd.DataFrame | None = None,
    by: str | Iterable[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Summarise turns, one row per combination of the values of `by`.

    Args:
        turns: A turns frame, such as `study.turns_df()`.
        responses: The responses frame of the same sessions; adds truncation and tokens.
        trials: The trials frame of the same sessions; adds their cost, where `by` names columns of trials only.
        by: Columns to group by; None: every swept setting, the condition and the target. An empty list: one row.
        quantiles: Quantiles of the latencies; the other metrics get a median.
        confidence: Of each interval, two-sided.

    Returns:
        The groups in ascending order, with the columns of `SUMMARY`.

    Raises:
        RealtimeLabError: If a column is missing, or rows of different metrics versions would be pooled.
    """
    names = default_by(turns.columns) if by is None else [by] if isinstance(by, str) else list(by)
    _check(turns, names)
    groups = _Groups(turns, names)
    data: dict[str, Any] = {}
    speech = same_speech(turns, groups.codes, groups.count, names)
    shares = _turn_shares(turns)
    counts = {f"n_{name}": groups.sums(share) for name, share in shares.items()} | {"n_spoken": speech.n_cells}
    if responses is not None:
        _check(responses, names)
    for entry in COUNTS:
        data[entry.name] = _int(counts[entry.name])
    for name, above, below, *_ in RATES:
        effects = _effects(above, below, shares, speech, groups.count)
        data |= _rate_columns(name, counts[above], counts[below], effects, confidence)
    if responses is not None:
        said = Responses(turns, groups.codes, responses, groups.codes_of(responses), groups.count)
        data |= _response_columns(said, names, confidence)
    if trials is not None:
        data[USD.name] = _float(_usd(trials, groups))
    data |= _metric_columns(turns, groups, speech, tuple(quantiles), confidence)
    data |= _transcription_columns(turns, shares["decided"], groups, confidence)
    data["metrics_version"] = _int(np.full(groups.count, METRICS_VERSION))
    return pd.concat([groups.keys, pd.DataFrame(data)], axis=1)


def default_by(names: Iterable[str]) -> list[str]:
    """What to group by when nobody says: the swept settings among these columns, the condition and the target."""
    listed = list(names)
    return [*setting_names(listed), *(name for name in ("condition", "target") if name in listed)]


def _check(frame: pd.DataFrame, by: Sequence[str]) -> None:
    missing = [name for name in by if name not in frame.columns]
    if missing:
        raise RealtimeLabError(f"summary by {missing}: the frame has the columns {', '.join(map(str, frame.columns))}")
    if "metrics_version" in frame.columns:
        versions = sorted(frame["metrics_version"].dropna().unique().tolist())
        if len(versions) > 1:
            raise RealtimeLabError(
                f"rows of metrics versions {versions} are never pooled: recompute the older ones from their recordings"
            )


class _Groups:
    """Rows by group: a number per row, and the groups' keys in order."""

    def __init__(self, frame: pd.DataFrame, by: Sequence[str]) -> None:
        self.by = list(by)
        if not self.by:
            self.codes: NDArray[Any] = np.zeros(len(frame), dtype=np.int64)
            self.keys, self.count = pd.DataFrame(index=[0]), 1
            return
        grouped = frame.groupby(self.by, sort=True, dropna=False, observed=True)
        self.codes = grouped.ngroup().to_numpy()
        first = np.unique(self.codes, return_index=True)[1]
        self.keys = frame[self.by].iloc[first].reset_index(drop=True)
        self.count = len(self.keys)

    def sums(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Sum of an integer or boolean array per group."""
        return np.bincount(self.codes, weights=values, minlength=self.count).astype(np.int64)

    def codes_of(self, other: pd.DataFrame) -> NDArray[np.int64]:
        """Group numbers of another frame's rows; -1 for rows of no group."""
        if not self.by:
            return np.zeros(len(other), dtype=np.int64)
        both = pd.concat([self.keys, other[self.by]], ignore_index=True)
        joint = both.groupby(self.by, sort=False, dropna=False, observed=True).ngroup().to_numpy()
        lookup = np.full(int(joint.max(initial=-1)) + 1, -1)
        lookup[joint[: self.count]] = np.arange(self.count)
        return lookup[joint[self.count :]]


def _turn_shares(turns: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """What each turn adds to each count."""
    outcome = turns["outcome"].astype("string").fillna("")
    masks = {name: (outcome == name).to_numpy(dtype=bool) for name in ("answered", "missed", "censored", "excluded")}
    decided, measured = masks["answered"] | masks["missed"], ~masks["excluded"]
    shares: dict[str, NDArray[Any]] = masks | {
        "turns": np.ones(len(turns), dtype=bool),
        "decided": decided,
        "cut": decided & flags(turns, "cut"),
        "merged": decided & flags(turns, "merged"),
        "false_start_turns": decided & (numbers(turns, "false_starts") > 0),
    }
    for name in ("n_holds", "n_cut_holds", "n_premature", "false_starts"):
        shares[name.removeprefix("n_")] = np.where(measured, numbers(turns, name), 0)
    for name in ("n_silent_transcripts", "n_hallucinations"):
        shares[name.removeprefix("n_")] = numbers(turns, name)
    return shares


def _effects(
    numerator: str, denominator: str, shares: dict[str, NDArray[Any]], speech: Speech, count: int
) -> NDArray[np.float64]:
    """Design effect of a rate of turns in each group."""
    above, below = (shares.get(name.removeprefix("n_")) for name in (numerator, denominator))
    if above is None or below is None or not speech.repeated.any() or not below.any():
        return np.ones(count)
    return rate_effects(above.astype(np.float64), below.astype(np.float64), speech)


def _usd(trials: pd.DataFrame, groups: _Groups) -> NDArray[np.float64]:
    """What the complete trials of each group cost."""
    if any(name not in trials.columns for name in groups.by):
        return np.full(groups.count, np.nan)
    complete = trials[(trials["state"] == "complete").fillna(False)]
    codes = groups.codes_of(complete)
    usd = complete["usd"].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.bincount(codes[codes >= 0], weights=usd[codes >= 0], minlength=groups.count).astype(np.float64)


def _rate_columns(
    name: str, above: NDArray[np.int64], below: NDArray[np.int64], effects: NDArray[np.float64], confidence: float
) -> dict[str, Any]:
    low, high = wilson_bounds(above / effects, below / effects, confidence)
    rate = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    numerator, denominator = RATE_COUNTS[name]
    return {numerator: _int(above), denominator: _int(below)} | _with_ends(name, rate, low, high)


def _with_ends(
    name: str, value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> dict[str, Any]:
    return {name: _float(value), f"{name}_low": _float(low), f"{name}_high": _float(high)}


def _response_columns(found: Responses, by: Sequence[str], confidence: float) -> dict[str, Any]:
    counts = found.counts()
    effects = found.truncated_effects(by)
    data = _rate_columns(TRUNCATED[0], counts["n_truncated"], counts["n_responses"], effects, confidence)
    data |= {name: _int(counts[name]) for name in TOKEN_SUMS}
    for name, ratio in found.per_turn(confidence):
        data |= _with_ends(name, ratio.value, ratio.low, ratio.high)
    return data


def _transcription_columns(
    turns: pd.DataFrame, decided: NDArray[np.bool_], groups: _Groups, confidence: float
) -> dict[str, Any]:
    transcripts = Transcripts(turns, decided, groups.codes, groups.count)
    counts = transcripts.counts()
    rates, voices, notes = transcripts.rates(counts, confidence)
    data: dict[str, Any] = {}
    for entry in TRANSCRIPTION:
        if entry.name in rates:
            data[entry.name] = _float(rates[entry.name])
        elif entry.name == "wer_note":
            data[entry.name] = pd.array(notes, dtype="string")
        else:
            data[entry.name] = _int(voices if entry.name == "n_wer_voices" else counts[entry.name])
    return data


class _Sample(NamedTuple):
    """Which turns are in the sample of a metric, and their values."""

    metric: Column
    quantiles: tuple[float, ...]
    mask: NDArray[np.bool_]
    values: NDArray[np.float64]


def _samples(turns: pd.DataFrame, quantiles: tuple[float, ...]) -> Iterator[_Sample]:
    decided = turns["outcome"].isin(("answered", "missed")).to_numpy(dtype=bool)
    uncut = decided & ~flags(turns, "cut")
    for metric in LATENCY_METRICS:
        if metric.name in turns.columns:
            values = numbers(turns, metric.name, np.nan)
            mask = uncut.copy()
            for flag in metric.awaits:
                mask &= flags(turns, flag, absent=True)
            yield _Sample(metric, quantiles, mask, np.where(np.isnan(values), np.inf, values))
    for metric in OTHER_METRICS:
        if metric.name in turns.columns:
            values = numbers(turns, metric.name, np.nan)
            sample = decided if metric.name in _OF_CUT_TURNS_TOO else uncut
            yield _Sample(metric, MEDIAN, sample & ~np.isnan(values), values)


def _metric_columns(
    turns: pd.DataFrame, groups: _Groups, speech: Speech, quantiles: tuple[float, ...], confidence: float
) -> dict[str, Any]:
    # One stable sort by group (of short numbers, which is fast); each group is then a slice.
    short = groups.codes.astype(np.int16) if groups.count < 2**15 else groups.codes
    order = np.argsort(short, kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(groups.codes, minlength=groups.count))])
    slices = [slice(edges[group], edges[group + 1]) for group in range(groups.count)]
    cells = speech.cell[order] if speech.repeated.any() else None
    data: dict[str, Any] = {}
    notes: list[list[str]] = [[] for _ in range(groups.count)]
    for sample in _samples(turns, quantiles):
        mask, values = sample.mask[order], sample.values[order]
        parts = [
            _Part(values[part][mask[part]], None if cells is None or not again else cells[part][mask[part]])
            for part, again in zip(slices, speech.repeated, strict=True)
        ]
        data |= _quantile_columns(sample, parts, notes, confidence)
    data["note"] = pd.array([_sentence(parts) for parts in notes], dtype="string")
    return data


class _Part(NamedTuple):
    """One group's sample."""

    values: NDArray[np.float64]
    cells: NDArray[np.int64] | None
    """Which speech each is about; None: all of it different."""


def _quantile_columns(
    sample: _Sample, parts: Sequence[_Part], notes: list[list[str]], confidence: float
) -> dict[str, Any]:
    name = sample.metric.name
    ordered = [np.sort(part.values) for part in parts]
    data: dict[str, Any] = {f"n_{name}": _int([len(values) for values in ordered])}
    if sample.metric.awaits:
        data[f"n_{name}_missed"] = _int([int(np.count_nonzero(values == np.inf)) for values in ordered])
    for q in sample.quantiles:
        column = f"{name}_{quantile_name(q)}"
        found = [
            quantile_of_cells(part.values, values, part.cells, q, confidence)
            for part, values in zip(parts, ordered, strict=True)
        ]
        data[column] = _float([estimate.value for estimate in found])
        data[f"{column}_low"] = _float([estimate.low for estimate in found])
        data[f"{column}_high"] = _float([estimate.high for estimate in found])
        for estimate, said in zip(found, notes, strict=True):
            if estimate.note and estimate.n:
                said.append(f"{column} ({estimate.note.removeprefix(TOO_SMALL + ': ')})")
    return data


def _sentence(parts: Sequence[str]) -> str | None:
    return f"n too small: {', '.join(parts)}" if parts else None


def _int(values: Any) -> Any:
    return pd.array(values, dtype="Int64")


def _float(values: Any) -> Any:
    missing = [value is None or value != value for value in values]
    filled = [0.0 if lacks else float(value) for value, lacks in zip(values, missing, strict=True)]
    return pd.arrays.FloatingArray(np.array(filled, dtype=np.float64), np.array(missing, dtype=bool))
