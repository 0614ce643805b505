"""What plots of recognition show, as values: word error rate by setting, onset clipping against the first token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from realtime_lab.analysis.choice_groups import plain_row
from realtime_lab.analysis.choice_words import plural, setting_words
from realtime_lab.analysis.columns import KEYS, setting_names
from realtime_lab.analysis.onsets import NEEDED, onset_df, onset_turns
from realtime_lab.analysis.summary import summary
from realtime_lab.analysis.summary_columns import SUMMARY

__all__ = ["ClipBin", "OnsetInfo", "WerInfo", "WerPoint", "onset_info", "wer_info"]

MAX_SETTINGS = 24
MAX_POINTS = 4_000


class HasSummary(Protocol):
    """Anything that can summarise itself, such as a Study."""

    def summary(self) -> pd.DataFrame:
        """One row per setting and condition."""
        ...


class HasTurns(Protocol):
    """Anything with turns, such as a Study."""

    def turns_df(self) -> pd.DataFrame:
        """One row per turn."""
        ...


class WerPoint(NamedTuple):
    """One setting in one condition."""

    setting: str
    condition: str
    wer: float
    low: float | None
    high: float | None
    """95 % interval over voices; None without one."""
    n_words: int
    n_errors: int
    note: str
    """Why there is no interval."""


class WerInfo(NamedTuple):
    """Everything the plot of word error rates shows."""

    points: tuple[WerPoint, ...]
    settings: tuple[str, ...]
    """From top to bottom."""
    conditions: tuple[str, ...]
    key: str
    """What the settings' names are values of."""
    problem: str
    """The sentence in place of the figure; empty when there is one."""
    notes: tuple[str, ...]
    """What a reader must know."""


class ClipBin(NamedTuple):
    """Turns whose onset was clipped by about as much."""

    low_ms: float
    high_ms: float
    """Edges: more than low, up to high; the first bin holds no clipping at all."""
    n: int
    median_clip_ms: float
    median_logprob: float


class OnsetInfo(NamedTuple):
    """Everything the plot of onset clipping shows."""

    clip_ms: tuple[float, ...]
    logprob: tuple[float, ...]
    """Of the first token of the same turn; as many as clip_ms, thinned evenly beyond 4,000."""
    bins: tuple[ClipBin, ...]
    n: int
    rho: float | None
    """Spearman's rank correlation; None with fewer than three turns, or where one of both never varies."""
    problem: str


def wer_info(source: HasSummary | pd.DataFrame) -> WerInfo:
    """Gather what the plot of word error rates shows.

    Args:
        source: A study, a summary frame, or a turns frame.
    """
    if not isinstance(source, pd.DataFrame):
        frame = source.summary()
    else:
        frame = source if "n_word_errors" in source.columns else summary(source)
    rows = [row for row in map(plain_row, frame.to_dict("records")) if row["wer"] is not None]
    if not rows:
        return WerInfo((), (), (), "", _no_wer(frame), ())
    known = {entry.name for entry in SUMMARY}
    names = [name for name in setting_names(frame.columns, (*SUMMARY, *KEYS)) if name not in known]
    varying = [name for name in names if frame[name].astype("string").nunique(dropna=False) > 1]
    points = [_point(row, varying) for row in rows]
    settings = list(dict.fromkeys(point.setting for point in points))
    shown = settings
    if len(settings) > MAX_SETTINGS:
        shown = [settings[n] for n in np.linspace(0, len(settings) - 1, MAX_SETTINGS).round().astype(int)]
    conditions = dict.fromkeys(point.condition for point in points)
    notes = list(dict.fromkeys(point.note for point in points if point.note))
    if len(shown) < len(settings):
        notes.insert(0, f"{len(shown)} of {len(settings)} settings are drawn.")
    if unscored := sum(int(row["n_unscored"]) for row in rows):
        notes.append(f"Without a transcript to score: {plural(unscored, 'turn')}.")
    return WerInfo(
        tuple(point for point in points if point.setting in shown),
        tuple(shown),
        tuple(sorted(conditions, key=lambda name: (name != "clean", name))),
        ", ".join(varying),
        "",
        tuple(notes),
    )


def _no_wer(frame: pd.DataFrame) -> str:
    if not len(frame) or not frame["n_turns"].sum():
        return "No turns: no session of this study is complete."
    if frame["cer"].notna().any():
        return "No word error rate: these languages have a character error rate only."
    return "No transcripts to score: transcription was not asked for, did not come, or there is no reference text."


def _point(row: Mapping[Any, Any], varying: list[str]) -> WerPoint:
    return WerPoint(
        setting=", ".join(setting_words({"": row[name]}).strip() for name in varying) or "all turns",
        condition=str(row.get("condition", "all turns")),
        wer=row["wer"],
        low=row["wer_low"],
        high=row["wer_high"],
        n_words=int(row["n_ref_words"]),
        n_errors=int(row["n_word_errors"]),
        note=row["wer_note"] or "",
    )


def onset_info(source: HasTurns | pd.DataFrame) -> OnsetInfo:
    """Gather what the plot of onset clipping shows; the same audio heard the same way counts once.

    Args:
        source: A study or a turns frame.
    """
    turns = source if isinstance(source, pd.DataFrame) else source.turns_df()
    if "first_token_logprob" not in turns.columns or not turns["first_token_logprob"].notna().any():
        return OnsetInfo((), (), (), 0, None, "No log-probabilities: no turn has a first token to look at.")
    known = onset_turns(turns)
    if known.empty:
        return OnsetInfo((), (), (), 0, None, "No turn has both an onset and the log-probability of its first token.")
    bands = [plain_row(row) for row in onset_df(turns, by=[]).to_dict("records")]
    bins = tuple(
        ClipBin(
            -math.inf if row["over_ms"] is None else row["over_ms"],
            row["upto_ms"],
            row["n_turns"],
            row["median_clip_ms"],
            row["median_logprob"],
        )
        for row in bands
    )
    thin = np.linspace(0, len(known) - 1, min(len(known), MAX_POINTS)).round().astype(int)
    clip, logprob = (known[name].to_numpy(dtype=np.float64)[thin] for name in NEEDED)
    return OnsetInfo(tuple(clip), tuple(logprob), bins, len(known), bands[0]["rho"], "")
