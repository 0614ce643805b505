"""Recognition: word error rate by setting with intervals, and what a clipped onset does to the first token."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from realtime_lab.analysis.columns import KEYS, setting_names
from realtime_lab.analysis.summary.columns import SUMMARY
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.source import plain_row
from realtime_lab.analysis.summary.wording import plural, setting_words
from realtime_lab.analysis.words.onsets import NEEDED, onset_df, onset_turns
from realtime_lab.plots.style import (
    CONDITION_COLOURS,
    GREY,
    INK,
    colour_of,
    name_axes,
    new_axes,
    plain,
    quiet,
    say_instead,
    show_literally,
)

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


_CAPTION_CHARACTERS = 92
_LABEL_CHARACTERS = 30
_ROOM = 2.5
"""How far intervals are followed, in units of the highest rate."""


def wer(source: HasSummary | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the word error rate of every setting and condition, with its interval over voices.

    Args:
        source: A study, a summary frame, or a turns frame.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes.
    """
    info = wer_info(source)
    return draw_wer(info, new_axes(7.6, 1.8 + 0.34 * max(3, len(info.settings))) if ax is None else ax)


def draw_wer(info: WerInfo, ax: Axes) -> Axes:
    """Draw what `wer_info` gathered: one row per setting, one dot per condition."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    colours = {name: colour_of(n) for n, name in enumerate(info.conditions)}
    step = 0.6 / max(1, len(info.conditions))
    for point in info.points:
        row = info.settings.index(point.setting)
        place = row + step * (info.conditions.index(point.condition) - (len(info.conditions) - 1) / 2)
        _draw_point(point, place, colours[point.condition], ax)
    ax.set_ylim(len(info.settings) - 0.4, -0.6)
    ax.set_yticks(range(len(info.settings)))
    # A wide interval runs out of the picture rather than squeeze the dots.
    furthest = max(point.wer if point.high is None else point.high for point in info.points)
    ax.set_xlim(0.0, max(0.02, min(furthest, _ROOM * max(point.wer for point in info.points))) * 1.04)
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    words = [sum(point.n_words for point in info.points if point.condition == name) for name in info.conditions]
    handles = [Line2D([], [], color=colours[name], marker="o", linestyle="none") for name in info.conditions]
    names = [
        f" {plain(name, _LABEL_CHARACTERS)} ({count:,} words)"
        for name, count in zip(info.conditions, words, strict=True)
    ]
    legend = ax.legend(
        handles, names, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, frameon=False, fontsize=9
    )
    caption = " ".join(("Word edits over words, pooled; bars: 95 % over voices.", *info.notes))
    name_axes(ax, f"word error rate\n{_filled(caption)}")
    show_literally(
        *legend.get_texts(),
        *ax.set_yticklabels([plain(name, _LABEL_CHARACTERS) for name in info.settings]),
        ax.set_title(_filled(info.key), loc="left", color=INK, fontsize=9.5),  # across: a short figure would cut it
    )
    return ax


def _draw_point(point: WerPoint, place: float, colour: str, ax: Axes) -> None:
    if point.low is not None and point.high is not None:
        ax.hlines(place, point.low, point.high, color=colour, linewidth=1.4, alpha=0.6, zorder=2)
    ax.plot([point.wer], [place], "o", color=colour, markersize=6, markeredgecolor="white", zorder=3)


def onset(source: HasTurns | pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the log-probability of a turn's first token against how much of its onset was lost.

    Args:
        source: A study or a turns frame.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes.
    """
    return draw_onset(onset_info(source), new_axes(7.2, 4.2) if ax is None else ax)


def draw_onset(info: OnsetInfo, ax: Axes) -> Axes:
    """Draw what `onset_info` gathered: turns as small dots, medians of bins as large ones."""
    if info.problem:
        return say_instead(ax, info.problem)
    quiet(ax)
    ax.plot(info.clip_ms, info.logprob, ".", color=GREY, alpha=0.45, markersize=5, zorder=2)
    x, y = [part.median_clip_ms for part in info.bins], [part.median_logprob for part in info.bins]
    ax.plot(x, y, "o", color=CONDITION_COLOURS[0], markersize=8, markeredgecolor="white", zorder=3)
    for part in info.bins:
        ax.annotate(
            f"n = {part.n:,}",
            (part.median_clip_ms, part.median_logprob),
            xytext=(7, 3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    known = "" if info.rho is None else f"; Spearman's rho {info.rho:.2f}"
    name_axes(ax, "speech lost before the turn's first item starts (ms)", "log-probability of the first token")
    show_literally(ax.set_title(f"{info.n:,} turns{known}. Large dots: medians.", loc="left", fontsize=9, color=INK))
    return ax


def _filled(text: str) -> str:
    return textwrap.fill(plain(text, limit=600), _CAPTION_CHARACTERS)
