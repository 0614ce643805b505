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
from realtime_lab.analysis.columns import (
    LATENCY_METRICS,
    METRICS_VERSION,
    OTHER_METRICS,
    RESPONSES,
    Column,
    setting_names,
)
from realtime_lab.analysis.stats import CONFIDENCE, TOO_SMALL, wilson_bounds
from realtime_lab.analysis.summary_transcription import TRANSCRIPTION, Transcripts
from realtime_lab.errors import RealtimeLabError

__all__ = ["QUANTILES", "SUMMARY", "default_by", "summary"]

QUANTILES = (0.5, 0.9, 0.95)
"""Quantiles of the latencies."""
_MEDIAN = (0.5,)
_OF_CUT_TURNS_TOO = ("onset_clip_ms", "yield_latency_ms")

_COUNTS = (
    Column("n_turns", "int", "turns"),
    Column("n_spoken", "int", "different speech among them: script, turn and condition"),
    Column("n_answered", "int", "turns answered"),
    Column("n_missed", "int", "turns given up on at the deadline", lower_is_better=True),
    Column("n_censored", "int", "turns whose observation ended first; in no rate"),
    Column("n_excluded", "int", "turns that cannot be measured; in no rate"),
    Column("n_cut", "int", "decided turns with one cut or more", lower_is_better=True),
    Column("n_merged", "int", "decided turns that share an input item with another turn", lower_is_better=True),
    Column("n_false_starts", "int", "speech detected away from reference speech", lower_is_better=True),
    Column("n_premature", "int", "responses begun by a cut", lower_is_better=True),
    Column("n_holds", "int", "pauses inside turns"),
    Column("n_cut_holds", "int", "of these, taken for the end of the turn", lower_is_better=True),
)
_RATES = (
    ("cutoff_rate", "n_cut_holds", "n_holds", "cut holds over holds", True),
    ("turn_cutoff_rate", "n_cut", "n_decided", "decided turns with a cut over decided turns", True),
    ("answered_rate", "n_answered", "n_decided", "answered over decided turns", False),
    ("false_start_rate", "n_false_start_turns", "n_decided", "decided turns with a false start over those", True),
    (
        "hallucination_rate",
        "n_hallucinations",
        "n_silent_transcripts",
        "transcripts with words in them, over transcripts of items in which nobody speaks",
        True,
    ),
)
_TRUNCATED = ("truncated_rate", "n_truncated", "n_responses", "responses that hit max_output_tokens over all", True)
_TOKENS = ("input_tokens", "cached_tokens", "output_tokens", "output_audio_tokens")
_USD = Column(
    "usd", "float", "USD of the group's sessions by the price table; null when one is not known", "USD", "", True
)

_USD_PER_TURN = Column(
    "usd_per_turn",
    "float",
    "USD of its responses, transcripts aside, over turns; null when a price is not known",
    "USD",
    "cost per turn",
    True,
)


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
        counts |= _response_counts(responses, groups)
    for entry in _COUNTS:
        data[entry.name] = _int(counts[entry.name])
    for rate in _RATES if responses is None else (*_RATES, _TRUNCATED):
        ends = _effects(rate[1], rate[2], shares, speech, groups.count), confidence
        data |= _rate_columns(rate[0], rate[1], rate[2], counts, *ends)
    if responses is not None:
        data |= {name: _int(counts[name]) for name in _TOKENS}
        per_turn = counts["output_tokens"] / np.maximum(counts["n_turns"], 1)
        data["output_tokens_per_turn"] = _float(np.where(counts["n_turns"] > 0, per_turn, np.nan))
        data[_USD_PER_TURN.name] = _float(_responses_usd(responses, groups) / _or_nan(counts["n_turns"]))
    if trials is not None:
        data[_USD.name] = _float(_usd(trials, groups))
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
        "cut": decided & _flags(turns, "cut"),
        "merged": decided & _flags(turns, "merged"),
        "false_start_turns": decided & (_whole(turns, "false_starts") > 0),
    }
    for name in ("n_holds", "n_cut_holds", "n_premature", "false_starts"):
        shares[name.removeprefix("n_")] = np.where(measured, _whole(turns, name), 0)
    for name in ("n_silent_transcripts", "n_hallucinations"):
        shares[name.removeprefix("n_")] = _whole(turns, name)
    return shares


def _effects(
    numerator: str, denominator: str, shares: dict[str, NDArray[Any]], speech: Speech, count: int
) -> NDArray[np.float64]:
    """Design effect of a rate of turns in each group."""
    above, below = (shares.get(name.removeprefix("n_")) for name in (numerator, denominator))
    if above is None or below is None or not speech.repeated.any() or not below.any():
        return np.ones(count)
    return rate_effects(above.astype(np.float64), below.astype(np.float64), speech)


def _response_counts(responses: pd.DataFrame, groups: _Groups) -> dict[str, NDArray[np.int64]]:
    codes = groups.codes_of(responses)
    known = codes >= 0
    ended = (responses["status"].astype("string").fillna("") != "in_progress").to_numpy(dtype=bool) & known
    values = {"n_responses": ended, "n_truncated": ended & _flags(responses, "truncated")}
    values |= {name: np.where(known, _whole(responses, name), 0) for name in _TOKENS}
    at = np.where(known, codes, 0)
    return {
        name: np.bincount(at, weights=value, minlength=groups.count).astype(np.int64) for name, value in values.items()
    }


def _usd(trials: pd.DataFrame, groups: _Groups) -> NDArray[np.float64]:
    """What the complete trials of each group cost."""
    if any(name not in trials.columns for name in groups.by):
        return np.full(groups.count, np.nan)
    complete = trials[(trials["state"] == "complete").fillna(False)]
    codes = groups.codes_of(complete)
    usd = complete["usd"].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.bincount(codes[codes >= 0], weights=usd[codes >= 0], minlength=groups.count).astype(np.float64)


def _responses_usd(responses: pd.DataFrame, groups: _Groups) -> NDArray[np.float64]:
    """What the responses of each group cost; NaN where that of one is not known."""
    if "usd" not in responses.columns:
        return np.full(groups.count, np.nan)
    codes, usd = groups.codes_of(responses), responses["usd"].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.bincount(codes[codes >= 0], weights=usd[codes >= 0], minlength=groups.count).astype(np.float64)


def _or_nan(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts to divide by: none is NaN."""
    return np.where(counts > 0, counts, np.nan)


def _rate_columns(
    name: str,
    numerator: str,
    denominator: str,
    counts: dict[str, NDArray[np.int64]],
    effects: NDArray[np.float64],
    confidence: float,
) -> dict[str, Any]:
    above, below = counts[numerator], counts[denominator]
    low, high = wilson_bounds(above / effects, below / effects, confidence)
    rate = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    columns: dict[str, Any] = {numerator: _int(above), denominator: _int(below)}
    return columns | {name: _float(rate), f"{name}_low": _float(low), f"{name}_high": _float(high)}


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
    uncut = decided & ~_flags(turns, "cut")
    for metric in LATENCY_METRICS:
        if metric.name in turns.columns:
            values = turns[metric.name].to_numpy(dtype=np.float64, na_value=np.nan)
            mask = uncut.copy()
            for flag in metric.awaits:
                mask &= _flags(turns, flag, absent=True)
            yield _Sample(metric, quantiles, mask, np.where(np.isnan(values), np.inf, values))
    for metric in OTHER_METRICS:
        if metric.name in turns.columns:
            values = turns[metric.name].to_numpy(dtype=np.float64, na_value=np.nan)
            sample = decided if metric.name in _OF_CUT_TURNS_TOO else uncut
            yield _Sample(metric, _MEDIAN, sample & ~np.isnan(values), values)


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
        column = f"{name}_{_quantile_name(q)}"
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


def _quantile_name(q: float) -> str:
    return f"p{q * 100:g}"


def _flags(frame: pd.DataFrame, name: str, *, absent: bool = False) -> NDArray[np.bool_]:
    if name not in frame.columns:
        return np.full(len(frame), absent)
    return frame[name].astype("boolean").fillna(False).to_numpy(dtype=bool)


def _whole(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in frame.columns:
        return np.zeros(len(frame))
    return frame[name].to_numpy(dtype=np.float64, na_value=0.0)


def _int(values: Any) -> Any:
    return pd.array(values, dtype="Int64")


def _float(values: Any) -> Any:
    missing = [value is None or value != value for value in values]
    filled = [0.0 if lacks else float(value) for value, lacks in zip(values, missing, strict=True)]
    return pd.arrays.FloatingArray(np.array(filled, dtype=np.float64), np.array(missing, dtype=bool))


def _rate_docs() -> Iterator[Column]:
    for name, numerator, denominator, doc, lower_is_better in (*_RATES, _TRUNCATED):
        yield Column(numerator, "int", f"numerator of {name}")
        yield Column(denominator, "int", f"denominator of {name}")
        yield Column(name, "float", doc, label=name.replace("_", " "), lower_is_better=lower_is_better)
        yield Column(f"{name}_low", "float", f"{name}: lower end of its 95 % Wilson interval")
        yield Column(f"{name}_high", "float", f"{name}: upper end of its 95 % Wilson interval")


def _metric_docs(metric: Column, quantiles: Iterable[float]) -> Iterator[Column]:
    yield Column(f"n_{metric.name}", "int", f"turns in the sample of {metric.name}")
    if metric.awaits:
        yield Column(f"n_{metric.name}_missed", "int", "of these, without one: later than the deadline")
    for q in quantiles:
        name, label = f"{metric.name}_{_quantile_name(q)}", f"{metric.label} {_quantile_name(q)}"
        yield Column(name, "float", f"{_quantile_name(q)} of {metric.name}", "ms", label, metric.lower_is_better)
        yield Column(f"{name}_low", "float", f"{name}: lower end of its 95 % interval", "ms")
        yield Column(f"{name}_high", "float", f"{name}: upper end of its 95 % interval; inf: past the deadline", "ms")


def _declared() -> tuple[Column, ...]:
    tokens = [entry for entry in RESPONSES if entry.name in _TOKENS]
    per_turn = Column("output_tokens_per_turn", "float", "output tokens of all responses over turns", "tokens")
    metrics = [
        *((metric, QUANTILES) for metric in LATENCY_METRICS),
        *((metric, _MEDIAN) for metric in OTHER_METRICS),
    ]
    columns = [*_COUNTS, *_rate_docs(), *tokens, per_turn, _USD_PER_TURN, _USD]
    columns += [column for metric, quantiles in metrics for column in _metric_docs(metric, quantiles)]
    columns.append(Column("note", "str", "which quantiles have too few turns"))
    columns += TRANSCRIPTION
    columns.append(Column("metrics_version", "int", "version of the metrics' definitions"))
    # A count that is also a numerator keeps its first place and meaning.
    unique: dict[str, Column] = {}
    for column in columns:
        unique.setdefault(column.name, column)
    return tuple(unique.values())


SUMMARY: tuple[Column, ...] = _declared()
"""Every column of a summary, after those it was grouped by."""
