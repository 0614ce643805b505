"""Latencies of turns that were not watched to the end: Kaplan-Meier curves and their quantiles.

A turn given up on was not slow by the deadline: it was slower than the time it was watched (`observed_ms`), which the
next turn or the end of the recording may have cut short. Dropping such turns reads p95 at half the truth; taking the
deadline for the latency reads it too low as well. The Kaplan-Meier estimate lets each turn count for as long as it was
watched. Where every turn is watched equally long it agrees with `summary`, in which such turns are later than all.

Sources: Kaplan and Meier ("Nonparametric estimation from incomplete observations", JASA 53, 1958); Greenwood's
variance; intervals of quantiles by Brookmeyer and Crowley (Biometrics 38, 1982) on the log-log scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from realtime_lab.analysis.columns import LATENCY_METRICS
from realtime_lab.analysis.stats.intervals import CONFIDENCE, TOO_SMALL, QuantileEstimate, sample_floor
from realtime_lab.analysis.summary.columns import QUANTILES
from realtime_lab.analysis.summary.settings import default_by
from realtime_lab.errors import RealtimeLabError

Floats = NDArray[np.float64]


class SurvivalCurve(NamedTuple):
    """Share of observations that have not happened by a time."""

    times: Floats
    """Distinct times at which something happened, ascending."""
    survival: Floats
    """Share still waiting just after each."""
    log_error: Floats
    """Standard error of log(-log survival) at each, by Greenwood's formula; NaN where survival is 0."""
    n: int
    n_censored: int


def kaplan_meier(times: ArrayLike, happened: ArrayLike) -> SurvivalCurve:
    """The Kaplan-Meier estimate.

    Args:
        times: When it happened, or until when it was watched for; inf: watched for good.
        happened: Whether it happened.

    Raises:
        ValueError: If a time is NaN, or the two are not of one length.
    """
    time, event = np.asarray(times, dtype=float), np.asarray(happened, dtype=bool)
    if time.shape != event.shape or np.isnan(time).any():
        raise ValueError("times hold NaN, or are not as many as what happened: leave missing values out")
    known, count = np.unique(time[event], return_counts=True)
    ordered = np.sort(time)
    # Given up on at the very time of an event still counts as at risk then: the convention of Kaplan and Meier.
    at_risk = len(time) - np.searchsorted(ordered, known, side="left")
    survival: Floats = np.cumprod(1.0 - count / at_risk).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(count / (at_risk * (at_risk - count)))
        error = np.sqrt(greenwood) / np.abs(np.log(survival))
    error = np.where((survival > 0.0) & (survival < 1.0), error, np.nan)
    return SurvivalCurve(known, survival, error, len(time), int(np.count_nonzero(~event)))


def survival_quantile(curve: SurvivalCurve, q: float, confidence: float = CONFIDENCE) -> QuantileEstimate:
    """A quantile of a curve: the first time by which a share `q` has happened.

    Args:
        curve: A Kaplan-Meier estimate.
        q: Which quantile, 0 < q < 1.
        confidence: Two-sided.

    Returns:
        The estimate; inf where the curve never gets there: later than anything was watched for. Below `sample_floor(q)`
        there is no value, as in `stats.quantile`.
    """
    if not 0.0 < q < 1.0:
        raise ValueError(f"q = {q!r}: allowed: a number strictly between 0 and 1")
    floor = sample_floor(q, confidence)
    if curve.n < floor:
        note = f"{TOO_SMALL}: {curve.n} of {floor}"
        return QuantileEstimate(q, None, None, None, curve.n, curve.n_censored, None, note)
    wanted, z = 1.0 - q, float(special.ndtri(0.5 + confidence / 2.0))
    value = _first(curve.times, curve.survival <= wanted + 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = np.log(-np.log(curve.survival))
        reach = z * curve.log_error
        # On the log(-log) scale both ends stay within 0 and 1 (Borgan and Liestol 1990).
        upper = np.exp(-np.exp(middle - reach))
        lower = np.exp(-np.exp(middle + reach))
    # Past the last observation survival is 0, and so are both ends.
    over = curve.survival <= 0.0
    low = _first(curve.times, np.where(over, 0.0, lower) <= wanted)
    high = _first(curve.times, np.where(over, 0.0, upper) < wanted)
    return QuantileEstimate(q, value, min(low, value), max(high, value), curve.n, curve.n_censored, confidence, "")


def _first(times: Floats, reached: NDArray[np.bool_]) -> float:
    return float(times[int(np.argmax(reached))]) if reached.any() else math.inf


def latency_quantiles(
    turns: pd.DataFrame,
    metric: str = "response_latency_ms",
    *,
    by: str | Iterable[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> pd.DataFrame:
    """Kaplan-Meier quantiles of a latency, one row per combination of the values of `by`.

    Uncut turns count: those with the latency as long as it took, those without for as long as they were watched, turns
    whose observation ended first among them. A response that failed was never going to be heard: it is watched for
    good.

    Args:
        turns: A turns frame, such as `study.turns_df()`.
        metric: Which latency.
        by: Columns to group by; None: every swept setting, the condition and the target. An empty list: one row.
        quantiles: Which quantiles.

    Returns:
        The groups in ascending order: `n`, `n_censored`, and each quantile in ms with its 95 % interval; NA where there
        are too few turns, inf where it lies beyond all that was watched.

    Raises:
        RealtimeLabError: If a column is missing.
    """
    names = default_by(turns.columns) if by is None else [by] if isinstance(by, str) else list(by)
    entry = next((known for known in LATENCY_METRICS if known.name == metric), None)
    lacking = [name for name in (metric, "observed_ms", *names) if name not in turns.columns]
    if entry is None or lacking:
        known = ", ".join(known.name for known in LATENCY_METRICS)
        raise RealtimeLabError(
            f"metric = {metric!r}: the turns have no {', '.join(lacking) or 'such latency'} ({known})"
        )
    rows = turns[_in_sample(turns, entry.awaits)]
    value = rows[metric].to_numpy(dtype=float, na_value=np.nan)
    watched = rows["observed_ms"].to_numpy(dtype=float, na_value=np.inf)
    failed = rows["outcome_reason"].astype("string").fillna("").str.startswith("response ").to_numpy(dtype=bool)
    time = np.where(np.isnan(value), np.where(failed, np.inf, watched), value)
    codes, keys = _codes(rows, turns, names)
    found = []
    for code in range(len(keys)):
        own = codes == code
        curve = kaplan_meier(time[own], ~np.isnan(value[own]))
        found.append([survival_quantile(curve, q) for q in quantiles])
    return pd.concat([keys, _frame(metric, quantiles, found, codes, np.isnan(value))], axis=1)


def _in_sample(turns: pd.DataFrame, awaits: Sequence[str]) -> NDArray[np.bool_]:
    seen = turns["outcome"].isin(("answered", "missed", "censored")).to_numpy(dtype=bool)
    mask: NDArray[np.bool_] = seen & ~turns["cut"].astype("boolean").fillna(False).to_numpy(dtype=bool)
    for flag in awaits:
        if flag in turns.columns:
            mask &= turns[flag].astype("boolean").fillna(False).to_numpy(dtype=bool)
    return mask


def _codes(rows: pd.DataFrame, turns: pd.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.int64], pd.DataFrame]:
    if not names:
        return np.zeros(len(rows), dtype=np.int64), pd.DataFrame(index=[0])
    whole = turns.groupby(list(names), sort=True, dropna=False, observed=True).ngroup()
    first = np.unique(whole.to_numpy(), return_index=True)[1]
    return whole.loc[rows.index].to_numpy().astype(np.int64), turns[list(names)].iloc[first].reset_index(drop=True)


def _frame(
    metric: str,
    quantiles: Sequence[float],
    found: Sequence[Sequence[QuantileEstimate]],
    codes: NDArray[np.int64],
    censored: NDArray[np.bool_],
) -> pd.DataFrame:
    count = len(found)
    data: dict[str, Any] = {
        "n": pd.array(np.bincount(codes, minlength=count), dtype="Int64"),
        "n_censored": pd.array(np.bincount(codes, censored, count).astype(int), dtype="Int64"),
    }
    for number, q in enumerate(quantiles):
        for end in ("value", "low", "high"):
            name = f"{metric}_p{100 * q:g}" + ("" if end == "value" else f"_{end}")
            data[name] = pd.array([getattr(row[number], end) for row in found], dtype="Float64")
    return pd.DataFrame(data)
