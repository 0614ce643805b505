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

Of responses it says how many hit their token limit, their tokens, and both tokens and cost per turn.

A limit that breaks an answer off breaks it off in every repeat, so the rate's interval counts each turn's speech once
(see `clustered`). What turns spend hangs together inside a script, so scripts are the blocks of the other intervals
(see `block_ratio`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.columns import METRICS_VERSION, setting_names
from realtime_lab.analysis.stats.clustered import BlockRatio, Denominator, Speech, ratio_over_blocks, same_speech
from realtime_lab.analysis.stats.grouping import Groups, flags, numbers
from realtime_lab.analysis.stats.intervals import CONFIDENCE, wilson_bounds
from realtime_lab.analysis.summary.columns import (
    COUNTS,
    QUANTILES,
    RATE_COUNTS,
    RATES,
    TOKEN_SUMS,
    TRUNCATED,
    USD,
    USD_PER_MINUTE,
)
from realtime_lab.analysis.summary.quantiles import Shares, float_cells, int_cells, quantile_columns
from realtime_lab.analysis.summary.transcription import TRANSCRIPTION, Transcripts
from realtime_lab.errors import RealtimeLabError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Responses:
    """The responses of a summary's groups.

    Args:
        turns: A turns frame.
        of_turns: Group of each of its rows.
        responses: The responses frame of the same sessions.
        of_responses: Group of each of its rows; -1 for one of no group.
        count: How many groups there are.
    """

    def __init__(
        self, turns: pd.DataFrame, of_turns: Ints, responses: pd.DataFrame, of_responses: Ints, count: int
    ) -> None:
        known = of_responses >= 0
        self._turns, self._of_turns, self._count = turns, of_turns, count
        self._rows, self._of_rows = responses[known], of_responses[known]
        self._ended = (self._rows["status"].astype("string").fillna("") != "in_progress").to_numpy(dtype=bool)
        self._truncated = self._ended & flags(self._rows, "truncated")

    def counts(self) -> dict[str, Ints]:
        """Integer columns per group."""
        values: dict[str, NDArray[Any]] = {"n_responses": self._ended, "n_truncated": self._truncated}
        values |= {name: numbers(self._rows, name) for name in TOKEN_SUMS}
        return {name: np.bincount(self._of_rows, value, self._count).astype(np.int64) for name, value in values.items()}

    def truncated_effects(self, by: Sequence[str]) -> Floats:
        """Design effect of the rate of truncated responses in each group."""
        speech = same_speech(self._rows, self._of_rows, self._count, by)
        if not speech.repeated.any() or not self._ended.any():
            return np.ones(self._count)
        return Denominator(self._ended, speech).effects(self._truncated)

    def per_turn(self, confidence: float) -> Iterator[tuple[str, BlockRatio]]:
        """Output tokens and USD of all responses over turns; NaN where a response's price is not known."""
        groups = np.concatenate([self._of_turns, self._of_rows])
        scripts = [
            frame["script"] if "script" in frame.columns else pd.Series("", index=frame.index)
            for frame in (self._turns, self._rows)
        ]
        blocks = pd.factorize(pd.concat(scripts, ignore_index=True), use_na_sentinel=False)[0].astype(np.int64)
        below = np.concatenate([np.ones(len(self._turns)), np.zeros(len(self._rows))])
        spent = {"output_tokens": numbers(self._rows, "output_tokens"), "usd": numbers(self._rows, "usd", np.nan)}
        for name, values in spent.items():
            above = np.concatenate([np.zeros(len(self._turns)), values])
            found = ratio_over_blocks(groups, blocks, above, below, self._count, confidence=confidence)
            yield f"{name}_per_turn", found


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
    groups = Groups(turns, names)
    data: dict[str, Any] = {}
    speech = same_speech(turns, groups.codes, groups.count, names)
    shares = Shares(turns)
    counts = {f"n_{name}": groups.sums(shares[name]) for name in shares} | {"n_spoken": speech.n_cells}
    if responses is not None:
        _check(responses, names)
    for entry in COUNTS:
        data[entry.name] = int_cells(counts[entry.name])
    effects = _effects(shares, speech)
    for name, above, below, *_ in RATES:
        data |= _rate_columns(name, counts[above], counts[below], effects[name], confidence)
    if responses is not None:
        said = Responses(turns, groups.codes, responses, groups.codes_of(responses), groups.count)
        data |= _response_columns(said, names, confidence)
    if trials is not None:
        spent, seconds = (_of_complete(trials, name, groups) for name in ("usd", "audio_s"))
        data[USD.name] = float_cells(spent)
        data[USD_PER_MINUTE.name] = float_cells(spent / np.where(seconds > 0, seconds / 60.0, np.nan))
    data |= quantile_columns(turns, groups, speech, tuple(quantiles), confidence)
    data |= _transcription_columns(turns, shares.decided, groups, confidence)
    data["metrics_version"] = int_cells(np.full(groups.count, METRICS_VERSION))
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
        versions = sorted(pd.Series(frame["metrics_version"].unique()).dropna().tolist())
        if len(versions) > 1:
            raise RealtimeLabError(
                f"rows of metrics versions {versions} are never pooled: recompute the older ones from their recordings"
            )


def _effects(shares: Shares, speech: Speech) -> dict[str, NDArray[np.float64]]:
    """Design effects of each rate in each group; rates over the same denominator share what is found about it."""
    effects = {name: np.ones(len(speech.n_cells)) for name, *_ in RATES}
    for over in dict.fromkeys(below for _, _, below, *_ in RATES):
        below = shares[over.removeprefix("n_")]
        if not speech.repeated.any() or not below.any():
            continue
        denominator = Denominator(below, speech)
        for name, above in ((name, above) for name, above, below, *_ in RATES if below == over):
            effects[name] = denominator.effects(shares[above.removeprefix("n_")])
    return effects


def _of_complete(trials: pd.DataFrame, name: str, groups: Groups) -> NDArray[np.float64]:
    """A column of the complete trials, added up by group."""
    if any(key not in trials.columns for key in groups.by):
        return np.full(groups.count, np.nan)
    complete = trials[(trials["state"] == "complete").fillna(False)]
    codes = groups.codes_of(complete)
    values = complete[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.bincount(codes[codes >= 0], weights=values[codes >= 0], minlength=groups.count).astype(np.float64)


def _rate_columns(
    name: str, above: NDArray[np.int64], below: NDArray[np.int64], effects: NDArray[np.float64], confidence: float
) -> dict[str, Any]:
    low, high = wilson_bounds(above / effects, below / effects, confidence)
    rate = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    numerator, denominator = RATE_COUNTS[name]
    return {numerator: int_cells(above), denominator: int_cells(below)} | _with_ends(name, rate, low, high)


def _with_ends(
    name: str, value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> dict[str, Any]:
    return {name: float_cells(value), f"{name}_low": float_cells(low), f"{name}_high": float_cells(high)}


def _response_columns(found: Responses, by: Sequence[str], confidence: float) -> dict[str, Any]:
    counts = found.counts()
    effects = found.truncated_effects(by)
    data = _rate_columns(TRUNCATED[0], counts["n_truncated"], counts["n_responses"], effects, confidence)
    data |= {name: int_cells(counts[name]) for name in TOKEN_SUMS}
    for name, ratio in found.per_turn(confidence):
        data |= _with_ends(name, ratio.value, ratio.low, ratio.high)
    return data


def _transcription_columns(
    turns: pd.DataFrame, decided: NDArray[np.bool_], groups: Groups, confidence: float
) -> dict[str, Any]:
    transcripts = Transcripts(turns, decided, groups.codes, groups.count)
    counts = transcripts.counts()
    rates, voices, notes = transcripts.rates(counts, confidence)
    data: dict[str, Any] = {}
    for entry in TRANSCRIPTION:
        if entry.name in rates:
            data[entry.name] = float_cells(rates[entry.name])
        elif entry.name == "wer_note":
            data[entry.name] = pd.array(notes, dtype="string")
        else:
            data[entry.name] = int_cells(voices if entry.name == "n_wer_voices" else counts[entry.name])
    return data
