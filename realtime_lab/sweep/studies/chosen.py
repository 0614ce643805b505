"""Asking a study which setting to take, which turns to look at, and how two settings or two studies differ.

The statistics are in `analysis`; here they meet a study's plan, so that what comes back can be run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from realtime_lab.analysis.columns import COMMIT_DELAY, setting_names
from realtime_lab.analysis.deciding.choose import choose
from realtime_lab.analysis.deciding.compare import Comparison, compare_frames, comparison_html, names_of
from realtime_lab.analysis.deciding.values import Best, Rival
from realtime_lab.analysis.deciding.worst import worst_turns
from realtime_lab.analysis.summary.source import is_oracle, plain_cell, plain_row, without_oracle
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem, RealtimeLabError
from realtime_lab.sweep.plans.plan import SweepPlan

_Frames = tuple[pd.DataFrame, pd.DataFrame]
"""Turns and responses."""
_LATENCY = "response_latency_ms_p50"
_BETWEEN_STUDIES = ("cutoff_rate", _LATENCY, "endpoint_delay_ms_p50", "answered_rate")


class Studied(Protocol):
    """What is asked of a study here."""

    @property
    def plan(self) -> SweepPlan:
        """Its plan."""
        ...

    def trials_df(self) -> pd.DataFrame:
        """One row per trial, in plan order."""
        ...

    def turns_df(self) -> pd.DataFrame:
        """One row per turn."""
        ...

    def responses_df(self) -> pd.DataFrame:
        """One row per response."""
        ...


class Swept(NamedTuple):
    """One setting of a study."""

    cells: dict[str, Any]
    """Its swept values as frames hold them."""
    setting: dict[str, Any]
    """Its swept values as the plan holds them."""
    config: SessionConfig
    trials: tuple[str, ...]
    """Keys of its trials."""


def swept_settings(study: Studied) -> list[Swept]:
    """Every setting of a study, in the plan's order of trials.

    Beside settings that are no oracle's, only an oracle's cells have a delay: see `analysis.oracle`.
    """
    frame = study.trials_df()
    names = [name for name in setting_names(frame.columns) if name in study.plan.axes]
    oracle = is_oracle(frame)
    rows = frame[["trial", *names]].to_dict("records")
    found: dict[str, Swept] = {}
    for row, trial, bound in zip(rows, study.plan.trials, oracle, strict=True):
        words = repr(sorted(trial.setting.items()))
        cells = {name: plain_cell(row[name]) for name in names if bound or name != COMMIT_DELAY}
        known = found.get(words, Swept(cells, dict(trial.setting), trial.config, ()))
        found[words] = known._replace(trials=(*known.trials, str(row["trial"])))
    return list(found.values())


def candidates(study: Studied) -> list[Swept]:
    """The settings that may be chosen: no oracle's, unless there are no others."""
    known = swept_settings(study)
    return [one for one in known if COMMIT_DELAY not in one.cells] or known


def best_setting(study: Studied, minimize: str, where: str | None, condition: str | None = None, seed: int = 0) -> Best:
    """What `Study.best` answers."""
    plan = study.plan
    provisional = any(script.reference_source == "automatic" for script in plan.scripts)
    turns, responses = without_oracle(study.turns_df()), without_oracle(study.responses_df())
    if condition is None:
        there = set(turns["condition"].dropna())
        condition = next((entry.name for entry in plan.conditions if entry.name in there), None)
    best = choose(
        turns, responses, minimize=minimize, where=where, condition=condition, provisional=provisional, seed=seed
    )
    known = candidates(study)

    def planned(cells: Mapping[str, Any]) -> Swept:
        return next(one for one in known if one.cells == dict(cells))

    def planned_rival(rival: Rival) -> Rival:
        one = planned(rival.setting)
        return replace(rival, setting=one.setting, config=one.config)

    closest = planned(best.closest)
    return replace(
        best,
        setting=None if best.setting is None else closest.setting,
        config=None if best.setting is None else closest.config,
        closest=closest.setting,
        rivals=tuple(map(planned_rival, best.rivals)),
        near=tuple(map(planned_rival, best.near)),
    )


def compare_settings(study: Studied, first: Any, second: Any, comparisons: int = 1, seed: int = 0) -> Comparison:
    """What `Study.compare` answers."""
    known = swept_settings(study)
    one, other = (_one_setting(study.plan, known, asked) for asked in (first, second))
    frames = study.turns_df(), study.responses_df()
    names = names_of(one.cells, other.cells)
    return compare_frames(_rows_of(frames, one), _rows_of(frames, other), names, comparisons=comparisons, seed=seed)


def worst_of(study: Studied, n: int, setting: Any = None) -> pd.DataFrame:
    """What `Study.worst` answers."""
    cells = None if setting is None else _one_setting(study.plan, swept_settings(study), setting).cells
    return worst_turns(study.turns_df(), n, cells)


def _rows_of(frames: _Frames, side: Swept) -> _Frames:
    turns, responses = frames
    return turns[turns["trial"].isin(side.trials)], responses[responses["trial"].isin(side.trials)]


def _one_setting(plan: SweepPlan, known: Sequence[Swept], asked: Any) -> Swept:
    found = [dict(setting) for setting in plan.only(asked).settings]
    if len(found) != 1:
        hint = f"it means {len(found)} settings: give a value for each of {', '.join(plan.space)}"
        raise PlanError([Problem("setting", getattr(asked, "setting", asked), "one setting of the grid", hint)])
    return next(one for one in known if one.setting == found[0])


@dataclass(frozen=True, eq=False)
class StudyComparison:
    """Two studies side by side."""

    first: str
    """The one, in words."""
    second: str
    """The other, in words."""
    frame: pd.DataFrame
    """One row per setting they share, condition and metric, as in `Comparison.frame`."""
    order: float | None
    """How far they agree on the order of the settings by median response latency: Spearman's rank correlation, from
    -1 to 1; None with fewer than three settings."""
    sentence: str
    """What was found, in plain words."""

    def __repr__(self) -> str:
        return f"<StudyComparison: {self.sentence}>"

    def _repr_html_(self) -> str:
        settings = list(self.frame.columns[: list(self.frame.columns).index("condition")])
        return comparison_html(self.sentence, [plain_row(row) for row in self.frame.to_dict("records")], settings)


def compare(first: Studied, second: Studied, seed: int = 0) -> StudyComparison:
    """Hold two studies against each other, setting by setting, on the turns that both have.

    Args:
        first: The one, such as a mocked study.
        second: The other, such as a live study of the same scripts.
        seed: Decides the resamples.

    Raises:
        RealtimeLabError: If they share no setting, or no turn.
    """
    theirs = {_words(one): one for one in swept_settings(second)}
    shared = [(one, theirs[_words(one)]) for one in swept_settings(first) if _words(one) in theirs]
    if not shared:
        raise RealtimeLabError("the two studies share no setting: sweep the same axes over the same values")
    frames = [(study.turns_df(), study.responses_df()) for study in (first, second)]
    names = _targets(frames[0][0], frames[1][0])
    parts = []
    for one, other in shared:
        sides = _rows_of(frames[0], one), _rows_of(frames[1], other)
        if len(sides[0][0]) and len(sides[1][0]):
            found = compare_frames(*sides, names, metrics=_BETWEEN_STUDIES, comparisons=len(shared), seed=seed).frame
            parts.append(pd.concat([_columns(one.cells, len(found)), found], axis=1))
    if not parts:
        raise RealtimeLabError("the two studies share settings, but no setting has turns in both")
    frame = pd.concat(parts, ignore_index=True)
    order = _agreement(frame)
    return StudyComparison(names[0], names[1], frame, order, _said(frame, names, len(parts), order))


def _words(one: Swept) -> str:
    return repr(sorted(one.cells.items()))


def _targets(first: pd.DataFrame, second: pd.DataFrame) -> tuple[str, str]:
    names = [", ".join(map(str, frame["target"].dropna().unique())) or "unknown" for frame in (first, second)]
    return (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")


def _columns(cells: Mapping[str, Any], rows: int) -> pd.DataFrame:
    return pd.DataFrame({name: [value] * rows for name, value in cells.items()}, index=range(rows))


def _agreement(frame: pd.DataFrame) -> float | None:
    rows = frame[frame["metric"] == _LATENCY]
    first, second = (rows[side].to_numpy(dtype=float, na_value=np.nan) for side in ("first", "second"))
    known = np.isfinite(first) & np.isfinite(second)
    if np.count_nonzero(known) < 3:
        return None
    ranks = [pd.Series(values[known]).rank() for values in (first, second)]
    found = float(ranks[0].corr(ranks[1])) if all(rank.nunique() > 1 for rank in ranks) else float("nan")
    return None if np.isnan(found) else found


def _said(frame: pd.DataFrame, names: tuple[str, str], settings: int, order: float | None) -> str:
    parts = []
    for metric, what in ((_LATENCY, "answers"), ("cutoff_rate", "cuts")):
        rows = [plain_row(row) for row in frame[frame["metric"] == metric].to_dict("records")]
        known = [row for row in rows if row["difference_low"] is not None]
        apart = [row for row in known if row["difference_low"] > 0 or row["difference_high"] < 0]
        noun = "median response latency" if what == "answers" else "cutoff rate"
        parts.append(f"{noun} differs beyond its interval in {len(apart)} of {len(known)} comparisons")
    agrees = "" if order is None else f"; their order by latency agrees by {order:.2f} (rank correlation)"
    noun = "setting" if settings == 1 else "settings"
    return f"{names[1]} against {names[0]} on {settings} shared {noun}: {'; '.join(parts)}{agrees}."
