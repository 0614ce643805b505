"""Two settings held against each other on the same turns: (script, turn, condition, repeat) by (script, turn, ...).

Latencies are compared over the turns that neither of the two cut, so that a setting gains nothing by cutting the hard
ones; rates over the turns that both have. Intervals come from resampling blocks of speech (see `choice_sample`);
where a rate differs in very few blocks, Newcombe's formula widens them.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.stats.inference import Difference, difference, newcombe, ratio
from realtime_lab.analysis.stats.intervals import CONFIDENCE, TOO_SMALL
from realtime_lab.analysis.summary.sample import (
    MIN_BLOCKS,
    OF_RESPONSES,
    Blocks,
    Measured,
    block_draws,
    find_blocks,
    measurable,
    measure,
    replicates,
)
from realtime_lab.analysis.summary.wording import amount, interval, is_rate, label_of, setting_words
from realtime_lab.errors import RealtimeLabError

COMPARED = (
    "cutoff_rate",
    "response_latency_ms_p50",
    "response_latency_ms_p95",
    "endpoint_delay_ms_p50",
    "turn_cutoff_rate",
    "answered_rate",
    "false_start_rate",
    "truncated_rate",
    "output_tokens_per_turn",
)
"""What two settings are compared by."""
_QUANTILE = re.compile(r"_ms_p[\d.]+$")
PAIR = ("script", "turn", "condition", "repeat")
"""What makes two turns a pair."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two settings, or two studies, side by side."""

    first: str
    """The one, in words."""
    second: str
    """The other, in words."""
    frame: pd.DataFrame
    """One row per condition and metric: first, second, difference (second minus first) and ratio with intervals."""
    confidence: float = CONFIDENCE
    """Of each interval."""

    @property
    def sentence(self) -> str:
        """What was found, in one or two sentences per condition."""
        parts: dict[str, list[str]] = {}
        for row in self.rows():
            if row["metric"] in COMPARED[:2] or (row["metric"] == "truncated_rate" and _apart(row)):
                parts.setdefault(row["condition"], []).append(_clause(row["metric"], row))
        said = " ".join(f"{condition}: {'; '.join(clauses)}." for condition, clauses in parts.items())
        return f"{self.second}, against {self.first}. {said}"

    def rows(self) -> list[dict[str, Any]]:
        """The frame's rows, None where there is nothing."""
        plain = self.frame.astype(object).where(self.frame.notna(), None).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in plain]

    def row(self, condition: str, metric: str) -> dict[str, Any] | None:
        """One row of the frame; None when there is none."""
        return next((row for row in self.rows() if (row["condition"], row["metric"]) == (condition, metric)), None)

    def __repr__(self) -> str:
        return f"<Comparison: {self.sentence}>"

    def _repr_html_(self) -> str:
        return comparison_html(f"{self.second}, against {self.first}", self.rows())


def _apart(row: Mapping[Any, Any]) -> bool:
    low, high = row["difference_low"], row["difference_high"]
    return low is not None and high is not None and not low <= 0 <= high


def _clause(name: str, row: Mapping[Any, Any]) -> str:
    of = " of turns uncut in both" if _QUANTILE.search(name) else ""
    both = f"{label_of(name)}{of} {amount(name, row['second'])} against {amount(name, row['first'])}"
    if row["difference"] is None:
        return f"{both} ({row['note']})" if row["note"] else both
    change = amount(name, row["difference"], signed=True)
    around = interval(name, row["difference_low"], row["difference_high"], signed=True)
    return f"{both} ({change}, {around})" if around else f"{both} ({change}, no interval: {row['note']})"


def comparison_html(title: str, rows: Sequence[Mapping[str, Any]], settings: Sequence[str] = ()) -> str:
    """Rows of a comparison as a folding table.

    Args:
        title: What it is, in words.
        rows: Rows of `Comparison.frame`, None where there is nothing.
        settings: Further columns of theirs, which stand first.
    """
    columns = (*settings, "condition", "metric", "first", "second", "difference", "interval", "turns")
    head = "".join(f'<th style="text-align:left">{html.escape(name)}</th>' for name in columns)
    body = "".join(_html_row(row, settings) for row in rows)
    return (
        f'<details open class="rl-comparison"><summary>{html.escape(title)}</summary>'
        f"<table><tr>{head}</tr>{body}</table></details>"
    )


def _html_row(row: Mapping[str, Any], settings: Sequence[str]) -> str:
    name = str(row["metric"])
    texts = [
        *(setting_words({"": row[setting]}).strip() for setting in settings),
        str(row["condition"]),
        label_of(name),
        amount(name, row["first"]),
        amount(name, row["second"]),
        amount(name, row["difference"], signed=True),
        interval(name, row["difference_low"], row["difference_high"], signed=True) or str(row["note"]),
        f"{row['n_turns']:,}",
    ]
    cells = "".join(f'<td style="text-align:left">{html.escape(text)}</td>' for text in texts)
    return f"<tr>{cells}</tr>"


def compare_frames(
    first: tuple[pd.DataFrame, pd.DataFrame | None],
    second: tuple[pd.DataFrame, pd.DataFrame | None],
    names: tuple[str, str],
    *,
    metrics: Sequence[str] = COMPARED,
    comparisons: int = 1,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of turns, condition by condition.

    Args:
        first: Turns and responses of the one setting.
        second: Turns and responses of the other.
        names: Both in words.
        metrics: Columns of the summary.
        comparisons: How many comparisons this is one of; intervals are widened so that all hold at once (Bonferroni).
        seed: Decides the resamples.

    Raises:
        RealtimeLabError: If the two have no turn in common, or were measured by different definitions.
    """
    confidence = 1.0 - (1.0 - CONFIDENCE) / max(1, comparisons)
    turns = pd.concat([first[0].assign(**{_SIDE: 0}), second[0].assign(**{_SIDE: 1})], ignore_index=True)
    _check_versions(turns)
    turns = _paired(turns)
    if turns.empty:
        raise RealtimeLabError(
            f"{names[0]} and {names[1]} have no turn in common: same script, turn, condition, repeat"
        )
    responses = None
    if first[1] is not None and second[1] is not None:
        responses = pd.concat([first[1].assign(**{_SIDE: 0}), second[1].assign(**{_SIDE: 1})], ignore_index=True)
    rows: list[dict[str, Any]] = []
    for condition in turns["condition"].astype("string").fillna("").unique():
        here = turns[turns["condition"] == condition]
        said = None if responses is None else _of_pairs(responses[responses["condition"] == condition], here)
        rows += _condition_rows(str(condition), here, said, metrics, confidence, seed)
    return Comparison(names[0], names[1], _frame(rows), confidence)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    types = dict.fromkeys(("n_first", "n_second", "n_turns", "n_blocks", "n_differing"), "Int64")
    types |= dict.fromkeys(("condition", "metric", "blocks", "note"), "string")
    data: dict[str, Any] = {name: [row[name] for row in rows] for name in _NAMES}
    return pd.DataFrame(data).astype({name: types.get(name, "Float64") for name in _NAMES})


_SIDE = "compared side"
_NAMES = (
    *("condition", "metric", "first", "second", "difference", "difference_low", "difference_high"),
    *("ratio", "ratio_low", "ratio_high", "n_first", "n_second", "n_turns", "n_blocks", "n_differing"),
    *("blocks", "note"),
)


def _check_versions(turns: pd.DataFrame) -> None:
    versions = sorted(turns["metrics_version"].dropna().unique().tolist()) if "metrics_version" in turns else []
    if len(versions) > 1:
        raise RealtimeLabError(f"rows of metrics versions {versions} are never compared")


def _paired(turns: pd.DataFrame) -> pd.DataFrame:
    """The turns that both sides have, once each; both halves of a pair are cut when one is, for latencies."""
    keys = [name for name in PAIR if name in turns.columns]
    once = turns.drop_duplicates([*keys, _SIDE])
    return once[once.groupby(keys, dropna=False)[_SIDE].transform("nunique") == 2].reset_index(drop=True)


def _of_pairs(responses: pd.DataFrame, turns: pd.DataFrame) -> pd.DataFrame:
    """Responses of the sessions that `turns` are of."""
    keys = [name for name in ("script", "condition", "repeat", _SIDE) if name in turns.columns]
    sessions = turns[keys].drop_duplicates()
    return responses.merge(sessions, on=keys, how="inner")


def _neither_cut(turns: pd.DataFrame) -> pd.DataFrame:
    """Only pairs that were decided and not cut on both sides."""
    keys = [name for name in PAIR if name in turns.columns]
    fine = turns["outcome"].isin(("answered", "missed")) & ~turns["cut"].astype("boolean").fillna(False)
    return turns[fine.astype(int).groupby([turns[key] for key in keys], dropna=False).transform("sum") == 2]


def _condition_rows(
    condition: str,
    turns: pd.DataFrame,
    responses: pd.DataFrame | None,
    metrics: Sequence[str],
    confidence: float,
    seed: int,
) -> list[dict[str, Any]]:
    known = measurable(turns.columns)
    uncut = _neither_cut(turns)
    rows = []
    for name in metrics:
        # Of a latency any quantile can be measured where its median can.
        if _QUANTILE.sub("_ms_p50", name) not in known or (responses is None and name in OF_RESPONSES):
            continue
        frame = uncut if "_ms_p" in name else turns
        blocks = find_blocks(frame, responses)
        sides = frame[_SIDE].to_numpy(dtype=np.int64)
        of_responses = np.zeros(0, dtype=np.int64) if responses is None else responses[_SIDE].to_numpy(dtype=np.int64)
        found = measure(name, frame, responses, sides, of_responses, blocks, 2)
        draws = block_draws(blocks, len(found.value), seed)
        pairs = len(frame) // 2
        rows.append({"condition": condition, "metric": name, "n_turns": pairs} | _row(found, blocks, draws, confidence))
    return rows


def _row(found: Measured, blocks: Blocks, draws: NDArray[np.int64], confidence: float) -> dict[str, Any]:
    first, second = found.estimates().tolist()
    counts = found.counts().tolist()
    note = ""
    change, share = Difference(None, None, None), Difference(None, None, None)
    if math.isnan(first) or math.isnan(second):
        note = "unknown, or nothing to count" if found.q is None else TOO_SMALL
    elif math.isinf(first) or math.isinf(second):
        note = "later than every answer"
    else:
        drawn = replicates(found, draws)
        with np.errstate(invalid="ignore", divide="ignore"):
            change = difference(first, second, drawn[:, 1] - drawn[:, 0], blocks.total, confidence)
            if found.q is not None:
                share = ratio(first, second, drawn[:, 1] / drawn[:, 0], blocks.total, confidence)
        if is_rate(found.name):
            if _differing(found, blocks.total) < MIN_BLOCKS:
                change = _wider(change, found, confidence)
        elif blocks.total < MIN_BLOCKS:
            change, share = Difference(change.value, None, None), Difference(share.value, None, None)
            note = f"{TOO_SMALL}: {blocks.words} of {MIN_BLOCKS}"
    return {
        "first": _known(first),
        "second": _known(second),
        "difference": change.value,
        "difference_low": change.low,
        "difference_high": change.high,
        "ratio": share.value,
        "ratio_low": share.low,
        "ratio_high": share.high,
        "n_first": counts[0],
        "n_second": counts[1],
        "n_blocks": blocks.total,
        "n_differing": _differing(found, blocks.total),
        "blocks": blocks.kind,
        "note": note,
    }


def _differing(found: Measured, blocks: int) -> int:
    """Blocks in which the two sides' sums differ: resamples of very few of them vary too little."""
    sides = [np.bincount(found.block, np.where(found.setting == side, found.value, 0.0), blocks) for side in (0, 1)]
    return int(np.count_nonzero(sides[0] != sides[1]))


def _wider(change: Difference, found: Measured, confidence: float) -> Difference:
    """A rate's interval: whichever end lies farther out, of the resamples and of Newcombe's formula."""
    above = np.bincount(found.setting, found.value, 2).astype(int).tolist()
    below = np.bincount(found.setting, found.weight, 2).astype(int).tolist()
    if above[0] > below[0] or above[1] > below[1]:  # more word errors than words: no share of anything
        return change
    formula = newcombe((above[0], below[0]), (above[1], below[1]), confidence)
    lows = [part for part in (change.low, formula.low) if part is not None]
    highs = [part for part in (change.high, formula.high) if part is not None]
    return Difference(change.value, max(-1.0, min(lows)), min(1.0, max(highs))) if lows and highs else change


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def names_of(first: Mapping[str, object], second: Mapping[str, object]) -> tuple[str, str]:
    """Two settings in words: what differs between them."""
    differing = [name for name in second if first.get(name) != second.get(name)] or list(second)
    return tuple(setting_words({name: one[name] for name in differing if name in one}) for one in (first, second))  # type: ignore[return-value]
