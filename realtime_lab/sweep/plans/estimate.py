"""What a plan will take against a service that costs money, before anything is spent.

The plan's own trials, or an even sample of them over all settings, are held with the mocked server as a mocked sweep
would, so the estimate is that sweep's bill: where a setting cuts callers off, the answers that this costs are in it.
Each response bills the whole conversation again, as the services do. How long answers are is the mocked profile's
prior, and so is the cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from realtime_lab.analysis.cost import PriceTable, response_usd, transcription_usd, usage_of
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.analysis.rows.turns import USAGE_NAMES
from realtime_lab.audio import GRID_MS, LEAD_IN_FRAMES, TAIL_FRAMES, Script
from realtime_lab.errors import MissingExtraError
from realtime_lab.session import Mocked, Stage, Target, run_session
from realtime_lab.sweep.plans.client_axes import client_options
from realtime_lab.sweep.plans.costs import model_of, price_of
from realtime_lab.sweep.plans.trials import trials_words

if TYPE_CHECKING:
    from realtime_lab.sweep.plans.plan import SweepPlan
    from realtime_lab.sweep.plans.trials import Trial

_LEAD_IN_AND_TAIL_MS = float((LEAD_IN_FRAMES + TAIL_FRAMES) * GRID_MS)


def script_ms(script: Script) -> float:
    """How long a script speaks, its pauses and the gaps before its turns included, ms."""
    total = 0.0
    for turn in script.turns:
        spans = (segment.span_ms for segment in turn.segments)
        total += sum(span.end_ms - span.start_ms for span in spans)
        total += sum(turn.hold_ms) + turn.gap_ms + _LEAD_IN_AND_TAIL_MS
    return total


MOST_SESSIONS = 192
"""Mocked sessions that an estimate holds at most; a plan of no more trials is held whole."""
MOST_AUDIO_MS = 360_000.0
"""Audio that an estimate listens to for the first time, at most, if it is of more than one script or condition."""
T = TypeVar("T")


@dataclass(frozen=True)
class Estimate:
    """What a plan will take."""

    trials: int
    audio_minutes: float
    """Audio sent to the server in all; where nothing is billed, only what is spoken: time spent listening to its
    answers comes on top."""
    tokens: Mapping[str, int] | None = None
    """Tokens billed by kind, named as in the trials frame; None where nothing is billed or nothing is known."""
    usd: float | None = None
    """Cost; None where there is none, or it is not known: `note` says why."""
    paid: bool = False
    """Whether it costs money."""
    note: str = ""
    """What the figures rest on, or why there are none."""

    def __str__(self) -> str:
        minutes = f"{self.audio_minutes:,.{0 if self.audio_minutes >= 10 else 1}f}"
        if not self.paid:
            return f"{trials_words(self.trials)}, {minutes} minutes of audio or more, free"
        cost = "cost not known" if self.usd is None else f"{self.usd:,.2f} USD"
        total = sum(self.tokens[name] for name in ("input_tokens", "output_tokens")) if self.tokens else 0
        tokens = f"{total:,} tokens, " if total else ""
        return f"{trials_words(self.trials)}, {minutes} minutes of audio, {tokens}{cost} ({self.note})"


@dataclass
class _Tally:
    """Sums over sessions."""

    sessions: int = 0
    audio_s: float = 0.0
    usd: float = 0.0
    tokens: dict[str, float] = field(default_factory=lambda: dict.fromkeys(USAGE_NAMES, 0.0))
    refused: str = ""

    def add(self, rows: Any, usd: float) -> None:
        self.sessions += 1
        (trial,) = rows.trials
        self.audio_s += trial["audio_s"]
        self.usd += usd
        for name in USAGE_NAMES:
            self.tokens[name] += trial[name] or 0


def estimate_plan(plan: SweepPlan, targets: Sequence[Target], like: Mocked, prices: PriceTable) -> Estimate:
    """Estimate a plan against one target or several.

    Args:
        plan: The plan.
        targets: What will answer.
        like: The mocked target whose answers are as long as the service's are thought to be.
        prices: The prices.

    Raises:
        AudioError: If a target is paid, and a clip cannot be read.
    """
    parts = [_paid(plan, target, like, prices) if target.paid else _free(plan) for target in targets]
    paid = [part for part in parts if part.paid]
    if not paid:
        return Estimate(sum(part.trials for part in parts), sum(part.audio_minutes for part in parts))
    known = all(part.tokens is not None for part in paid)
    tokens = {name: sum((part.tokens or {})[name] for part in paid) for name in USAGE_NAMES} if known else None
    priced = [part.usd for part in paid if part.usd is not None]
    return Estimate(
        sum(part.trials for part in parts),
        sum(part.audio_minutes for part in parts),
        tokens,
        sum(priced) if len(priced) == len(paid) else None,
        True,
        "; ".join(dict.fromkeys(part.note for part in paid)),
    )


def _free(plan: SweepPlan) -> Estimate:
    each = len(plan.settings) * len(plan.conditions) * plan.repeats
    return Estimate(each * len(plan.scripts), each * sum(map(script_ms, plan.scripts)) / 60_000.0)


def _paid(plan: SweepPlan, target: Target, like: Mocked, prices: PriceTable) -> Estimate:
    """Estimate by mocked sessions."""
    trials, lengths = plan.trials_for(like), {script.id: script_ms(script) for script in plan.scripts}
    sample, tally = _sample(trials, lengths), _Tally()
    try:
        for trial, recording in _sessions(plan, sample, like):
            if recording.header.outcome != "complete":
                tally.refused = recording.header.failure or "a mocked session failed"
                break
            rows = session_rows(recording)
            tally.add(rows, _usd(rows, trial, target, prices))
    except MissingExtraError as error:
        tally.refused = str(error)
    if tally.refused:
        note = f"the mocked server, which estimates are made with, refuses some of it: {tally.refused:.200}"
        return Estimate(len(trials), _free(plan).audio_minutes, paid=True, note=note)
    share = sum(lengths[trial.script_id] for trial in trials) / sum(lengths[trial.script_id] for trial in sample)
    tokens = {name: round(value * share) for name, value in tally.tokens.items()}
    usd = None if math.isnan(tally.usd) else tally.usd * share
    note = f"{tally.sessions} mocked session{'s' * (tally.sessions != 1)}"
    note += f", answers as in the profile {like.profile.name}, prices of {prices.as_of}"
    if usd is None:
        note = f"no price of {_unpriced(trials, target, prices)} is known; {note}"
    return Estimate(len(trials), tally.audio_s * share / 60.0, tokens, usd, True, note)


def _sample(trials: Sequence[Trial], lengths: Mapping[str, float]) -> list[Trial]:
    """Trials evenly over all settings, on as many scripts and conditions as are quickly listened to."""
    places = sorted({_place(trial) for trial in trials})
    mean_ms = sum(lengths[script] for script, _ in places) / len(places)
    heard = set(_evenly(places, int(MOST_AUDIO_MS / max(mean_ms, 1.0))))
    order = {id(config): number for number, config in enumerate({id(t.config): t.config for t in trials}.values())}
    there = [trial for trial in trials if _place(trial) in heard]
    chosen = _evenly(sorted(there, key=lambda trial: (order[id(trial.config)], trial.index)), MOST_SESSIONS)
    return sorted(chosen, key=lambda trial: (*_place(trial), trial.index))


def _place(trial: Trial) -> tuple[str, str]:
    return trial.script_id, trial.condition.name


def _evenly(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, one at least, evenly spaced."""
    count = max(1, min(count, len(values)))
    return [values[number * len(values) // count] for number in range(count)]


def _sessions(plan: SweepPlan, trials: Sequence[Trial], like: Mocked) -> Iterator[tuple[Trial, Any]]:
    scripts = {script.id: script for script in plan.scripts}
    for (script_id, _), group in groupby(trials, key=_place):
        stage = Stage()  # what is rendered for one script under one condition is let go of with it
        for t in group:
            script = scripts[script_id]
            how = client_options(t.setting)
            yield t, run_session(t.config, script, like, condition=t.condition, seed=t.seed, stage=stage, **how)


def _usd(rows: Any, trial: Trial, target: Target, prices: PriceTable) -> float:
    """What a session would cost; NaN where a price is not known."""
    price = price_of(prices, trial.config, target)
    if price is None:
        return math.nan
    usd = sum(float(response_usd(price, usage_of(row))) for row in rows.responses)
    recogniser = trial.config.get("audio.input.transcription.model")
    if recogniser is None:
        return usd
    heard = prices.transcription.get(str(recogniser))
    if heard is None:
        return math.nan
    said = float(transcription_usd(heard, usage_of(rows.trials[0])))
    # A session in which nothing was transcribed says nothing about it, and is billed nothing for it.
    return usd if np.isnan(said) else usd + said


def _unpriced(trials: Sequence[Trial], target: Target, prices: PriceTable) -> str:
    for trial in trials:
        if price_of(prices, trial.config, target) is None:
            model = model_of(trial.config, target)
            return "a session without a model" if model is None else f"model {model!r:.80}"
    names = {str(trial.config.get("audio.input.transcription.model")) for trial in trials}
    return f"transcription model {', '.join(sorted(names - {*prices.transcription, 'None'}))!r:.80}"
