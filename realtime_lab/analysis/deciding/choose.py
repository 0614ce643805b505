"""Choosing a setting: the lowest value of one column of the summary, under limits, and who cannot be told apart.

A choice is made in one acoustic condition (what it does in the others stands beside it). The settings that keep every
limit are candidates; the one with the lowest value leads; those in its `confidence_set` are rivals. There is a winner
only without rivals, with enough turns, when the choice on one half of the scripts stays what it is on the other (see
`stability`), and where people or two channels said where speech is: automatic labels give provisional figures and
never crown one. Whatever the outcome, one plain sentence says it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from realtime_lab.analysis.deciding.limits import USUAL, Limit, Where, parse_where, usual_limits
from realtime_lab.analysis.deciding.stability import SplitHalf, split_half
from realtime_lab.analysis.deciding.values import Best, Figure, Outcome, Rival
from realtime_lab.analysis.stats.inference import ALPHA, confidence_set, difference, without_gaps
from realtime_lab.analysis.summary.columns import sample_size
from realtime_lab.analysis.summary.grid import Grid
from realtime_lab.analysis.summary.sample import (
    MIN_BLOCKS,
    Blocks,
    block_draws,
    find_blocks,
    measurable,
    measure,
    replicates,
)
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.analysis.summary.source import (
    ALL_CONDITIONS,
    Groups,
    in_condition,
    of_setting,
    plain_row,
    setting_groups,
)
from realtime_lab.analysis.summary.wording import amount, column_of, label_of, plural, setting_words
from realtime_lab.errors import ArgumentError, Problem, RealtimeLabError

_SHOWN = ("cutoff_rate", "response_latency_ms_p50", "response_latency_ms_p95", "answered_rate", "truncated_rate")
_TRUNCATED, _MANY_TRUNCATED = "truncated_rate", 0.05
_TIE_BREAKERS = ("cutoff_rate", "response_latency_ms_p50", "truncated_rate")


def choose(
    turns: pd.DataFrame,
    responses: pd.DataFrame | None = None,
    *,
    minimize: str = "response_latency_ms_p50",
    where: str | None = USUAL,
    condition: str | None = None,
    provisional: bool = False,
    seed: int = 0,
) -> Best:
    """Choose a setting.

    Args:
        turns: Turns of every setting, such as `study.turns_df()`.
        responses: Responses of the same sessions; without them truncation and tokens are unknown.
        minimize: The column of the summary that should be low (high, where high is good: the answered rate).
        where: Limits on the summary's columns, or "usual"; see `choice_where`.
        condition: The acoustic condition to choose in; None: the first there is; "all": pooled.
        provisional: Labels are automatic, so nothing may win.
        seed: Decides the resamples; the same seed gives the same choice.

    Raises:
        ConfigError: If `minimize`, `where` or `condition` names something that is not there.
        RealtimeLabError: If there are no turns.
    """
    if turns.empty:
        raise RealtimeLabError("there are no turns to choose by: no session is complete")
    conditions = turns["condition"].astype("string").fillna("").unique().tolist()
    chosen_in = _condition(condition, conditions)
    names = measurable(turns.columns)
    if minimize not in names:
        near = get_close_matches(minimize, names, 1)
        hint = f"did you mean {near[0]}?" if near else ""
        raise ArgumentError([Problem("minimize", minimize, f"one of {', '.join(names)}", hint)])
    here, said = in_condition(turns, chosen_in), None if responses is None else in_condition(responses, chosen_in)
    groups = setting_groups(here, said)
    rows = [plain_row(row) for row in summary(here, said, by=groups.names).to_dict("records")]
    others = [] if chosen_in == ALL_CONDITIONS else [name for name in conditions if name != chosen_in]

    def elsewhere(setting: Mapping[str, Any]) -> dict[str, tuple[Figure, ...]]:
        return {name: figures_of(_row_of(turns, responses, name, setting)) for name in others}

    sample = _Sample(here, said, groups, minimize, seed)
    limits = parse_where(" and ".join(usual_limits(rows)) if where == USUAL else where, list(rows[0]))
    return _Question(sample, rows, limits, chosen_in, provisional, elsewhere).answer()


def _condition(asked: str | None, there: Sequence[str]) -> str:
    if asked is None:
        return there[0]
    if asked != ALL_CONDITIONS and asked not in there:
        raise ArgumentError([Problem("condition", asked, f"{', '.join(there)} or {ALL_CONDITIONS}")])
    return there[0] if asked == ALL_CONDITIONS and len(there) == 1 else asked


def _row_of(
    turns: pd.DataFrame, responses: pd.DataFrame | None, condition: str, setting: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The summary of one setting in one condition; empty when it has no turns there."""
    here = of_setting(in_condition(turns, condition), setting)
    said = None if responses is None else of_setting(in_condition(responses, condition), setting)
    return plain_row(summary(here, said, by=[]).to_dict("records")[0]) if len(here) else {}


def figures_of(row: Mapping[str, Any], *more: str) -> tuple[Figure, ...]:
    """A summary's row as figures: those of `more` first, then what always matters."""
    wanted = [name for name in dict.fromkeys((*more, *_SHOWN)) if name in row]
    return tuple(
        Figure(name, row[name], row.get(f"{name}_low"), row.get(f"{name}_high"), sample_size(row, name) or 0)
        for name in wanted
    )


class _Sample(NamedTuple):
    """The turns that settings are compared by."""

    turns: pd.DataFrame
    responses: pd.DataFrame | None
    groups: Groups
    minimize: str
    seed: int

    def blocks(self) -> Blocks:
        """What is drawn."""
        return find_blocks(self.turns, self.responses)

    def drawn(self, blocks: Blocks) -> NDArray[np.float64]:
        """The minimised column over resamples, shape (replicates, settings)."""
        of_turns, of_responses = self.groups.of_turns, self.groups.of_responses
        count = len(self.groups.settings)
        found = measure(self.minimize, self.turns, self.responses, of_turns, of_responses, blocks, count)
        return replicates(found, block_draws(blocks, len(found.value), self.seed))


class _Question(NamedTuple):
    """Everything a choice is made of."""

    sample: _Sample
    rows: list[dict[str, Any]]
    """The summary, one row per setting."""
    limits: Where
    condition: str
    provisional: bool
    elsewhere: Callable[[Mapping[str, Any]], Mapping[str, tuple[Figure, ...]]]
    """Figures of a setting in the other conditions."""

    def answer(self) -> Best:
        """Choose."""
        keeping = [number for number, row in enumerate(self.rows) if self.limits.holds(row)]
        known = [number for number in keeping if self._value(number) is not None]
        finite = [number for number in known if math.isfinite(self._loss(number))]
        if not finite:
            return self._nobody(keeping, known)
        leader = min(finite, key=self._order)
        blocks = self.sample.blocks()
        rivals, near = self._rivals(leader, finite, blocks), self._near(leader, keeping)
        halves = None if rivals or blocks.total < MIN_BLOCKS else self._halves(blocks)
        undecided = halves is None or not halves.stable
        outcome: Outcome = "provisional" if self.provisional else "undecided" if undecided else "best"
        sentence = self._sentence(leader, len(finite), rivals, near, blocks, halves)
        best = self._best(outcome, leader, len(keeping), sentence)
        return replace(best, setting=self._setting(leader), rivals=rivals, near=near, split_half=halves)

    def _halves(self, blocks: Blocks) -> SplitHalf:
        """Whether a choice on half of the speech stays what it was on the other half."""
        given, none = self.sample, np.zeros((0, blocks.total), dtype=np.int64)
        grid = Grid(given.turns, given.responses, given.groups, blocks, self.condition, none)
        return split_half(grid, given.minimize, self.limits, seed=given.seed)

    def _setting(self, number: int) -> dict[str, Any]:
        return self.sample.groups.settings[number]

    def _value(self, number: int) -> float | None:
        found = self.rows[number][self.sample.minimize]
        return None if found is None else float(found)

    def _loss(self, number: int) -> float:
        """The value, so that low is good; past everything when there is none."""
        value = self._value(number)
        return math.inf if value is None else self._direction * value

    @property
    def _direction(self) -> float:
        """-1 where a high value is the good one, as of the answered rate."""
        found = column_of(self.sample.minimize)
        return -1.0 if found is not None and found.lower_is_better is False else 1.0

    def _order(self, number: int) -> tuple[float, ...]:
        """Lowest first; among equals, what else one would want."""
        others = (self.rows[number].get(name) for name in _TIE_BREAKERS)
        return (self._loss(number), *(math.inf if value is None else float(value) for value in others), number)

    def _rivals(self, leader: int, finite: Sequence[int], blocks: Blocks) -> tuple[Rival, ...]:
        if len(finite) == 1:
            return ()
        values = np.array([self._loss(number) for number in finite])
        drawn = without_gaps(self._direction * self.sample.drawn(blocks)[:, finite], values)
        p_values = confidence_set(values, drawn, blocks.total)
        first, place = finite.index(leader), {number: place for place, number in enumerate(finite)}
        rivals = []
        for number in sorted(finite, key=self._order):
            at = place[number]
            if number != leader and (p_values[at] > ALPHA or blocks.total < MIN_BLOCKS):
                apart = difference(values[first], values[at], drawn[:, at] - drawn[:, first], blocks.total)
                rivals.append(Rival(self._setting(number), self._value(number), *apart, float(p_values[at])))
        return tuple(rivals)

    def _near(self, leader: int, keeping: Sequence[int]) -> tuple[Rival, ...]:
        """Better than the leading one, but for a limit whose interval holds the bound."""
        found = []
        for number in sorted(set(range(len(self.rows))) - set(keeping), key=self._order):
            missed = [limit for limit in self.limits.limits if not limit.holds(self.rows[number])]
            if self._loss(number) < self._loss(leader) and all(_may_hold(limit, self.rows[number]) for limit in missed):
                behind = self._loss(number) - self._loss(leader)
                found.append(Rival(self._setting(number), self._value(number), behind, None, None, None))
        return tuple(found)

    def _nobody(self, keeping: Sequence[int], known: Sequence[int]) -> Best:
        """The choice where there is nothing to lead."""
        where = f"({self.condition})"
        if known:
            among = plural(len(known), "setting") + (f" with {self.limits.words}" if self.limits.limits else "")
            sentence = f"None of {among} answered half of its turns in time, so none is chosen {where}."
            return self._best("none", min(known, key=self._order), len(keeping), sentence)
        if keeping:
            closest = max(keeping, key=lambda number: (int(self.rows[number]["n_turns"]), -number))
            count = int(self.rows[closest]["n_turns"])
            turns = f"{plural(count, 'turn')} {'is' if count == 1 else 'are'}"
            sentence = f"n too small: {turns} too few for {label_of(self.sample.minimize)}, none is chosen {where}."
            return self._best("n too small", closest, len(keeping), sentence)
        closest = min(range(len(self.rows)), key=lambda n: (self.limits.excess(self.rows[n]), self._order(n)))
        figures = ", ".join(figure.words for figure in self._told(closest))
        sentence = (
            f"None of {plural(len(self.rows), 'setting')} has {self.limits.words} {where}; the closest is "
            f"{setting_words(self._setting(closest))}: {figures}."
        )
        return self._best("none", closest, 0, sentence)

    def _told(self, number: int) -> tuple[Figure, ...]:
        """The minimised column and what is limited, as figures."""
        names = [self.sample.minimize, *(limit.name for limit in self.limits.limits)]
        wanted = [name for name in dict.fromkeys(names) if column_of(name) is not None]
        return figures_of(self.rows[number], *wanted)[: len(wanted)]

    def _sentence(
        self,
        leader: int,
        candidates: int,
        rivals: Sequence[Rival],
        near: Sequence[Rival],
        blocks: Blocks,
        halves: SplitHalf | None,
    ) -> str:
        figures = ", ".join(figure.words for figure in self._told(leader))
        among = plural(candidates, "setting") + (f" with {self.limits.words}" if self.limits.limits else "")
        extreme = "highest" if self._direction < 0 else "lowest"
        what = f"has the {extreme} {label_of(self.sample.minimize)} of {among}"
        if candidates == 1:
            what = f"is the only one of {among.replace('1 setting', plural(len(self.rows), 'setting'), 1)}"
        parts = [f"{setting_words(self._setting(leader))} {what}: {figures} ({self.condition})", *self._broken(leader)]
        if blocks.total < MIN_BLOCKS:
            parts.append(f"n too small to compare: {blocks.words} of {MIN_BLOCKS}, so this is undecided")
        elif rivals:
            parts.append(f"{plural(len(rivals), 'other')} cannot be told apart from it, so this is undecided")
        elif halves is not None and not halves.stable:
            what = "what half of the speech says holds on the other half only"
            parts.append(f"{what} {halves.words}, so this is undecided")
        if near:
            parts.append(f"{plural(len(near), 'better one')} may keep the limits too")
        if self.provisional:
            parts.append("automatic labels are provisional and never crown a winner")
        return f"{'; '.join(parts)}."

    def _broken(self, leader: int) -> list[str]:
        """That many answers were broken off, where nobody asked: else they would make a setting look quick unseen."""
        share = self.rows[leader].get(_TRUNCATED)
        if share is None or share <= _MANY_TRUNCATED or any(limit.name == _TRUNCATED for limit in self.limits.limits):
            return []
        return [f"but max_output_tokens broke off {amount(_TRUNCATED, share)} of its answers"]

    def _best(self, outcome: Outcome, shown: int, candidates: int, sentence: str) -> Best:
        """The parts that every outcome has, with the figures of the leading or closest setting."""
        setting = self._setting(shown)
        return Best(
            outcome=outcome,
            setting=None,
            sentence=sentence,
            figures=figures_of(self.rows[shown], self.sample.minimize),
            rivals=(),
            near=(),
            closest=setting,
            minimize=self.sample.minimize,
            where=self.limits.words,
            condition=self.condition,
            n_settings=len(self.rows),
            n_candidates=candidates,
            elsewhere=self.elsewhere(setting),
        )


def _may_hold(limit: Limit, row: Mapping[str, Any]) -> bool:
    """The interval of the value that misses the limit reaches across it."""
    ends = [row.get(f"{limit.name}_low"), row.get(f"{limit.name}_high")]
    return any(limit.holds({limit.name: end}) for end in ends if end is not None)
