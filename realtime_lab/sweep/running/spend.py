"""The caps on what a sweep may spend: reserved before a trial is sent, settled from what its session used.

A trial is reserved the most that it is thought to take. Until one trial has come back, each worker holds one at a
time, and when a bill turns out higher than its reservation, all later reservations grow by as much: so even a service
that bills more than anybody thought passes a cap by no more than one trial in flight per worker.

Earlier runs of a study count: every attempt on record, so that a cap holds over all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from realtime_lab.analysis.cost import Price, PriceTable, response_usd, transcription_usd, usage_of
from realtime_lab.audio import Script
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem
from realtime_lab.recording import recording_from_bytes
from realtime_lab.session import Target
from realtime_lab.sweep.plans.costs import model_of, price_of
from realtime_lab.sweep.plans.estimate import script_ms
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import Trial
from realtime_lab.sweep.store.reader import StudyReader, reading

_DEAREST_TRANSCRIPTION_PER_MINUTE = 0.017
"""USD; what a transcription model without a known price is reserved."""
_ANSWER_S = 30.0
"""Length of an answer that is reserved for; few are longer."""
_DEADLINE_S = 5.0
_TEXT_PER_ANSWER = 150
"""Text tokens beside the audio of an answer, or of a turn."""
_INSTRUCTIONS = 500
Verdict = Literal["now", "later", "never"]


class Used(NamedTuple):
    """What a session used, as far as its rows say."""

    responses: Sequence[Mapping[str, Any]] = ()
    trial: Mapping[str, Any] = {}


NOTHING = Used(trial={"audio_s": 0.0})
"""A session that sent no audio."""


@dataclass
class Cap:
    """One limit.

    Args:
        name: Such as "max_usd".
        limit: What may be spent.
        ceilings: The most that each trial is thought to take, by its number.
        amount: What a session took; None when that cannot be told.
    """

    name: str
    limit: float
    ceilings: Mapping[int, float]
    amount: Callable[[int, Used], float | None]
    spent: float = 0.0
    _scale: float = 1.0
    _reserved: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.limit) not in (int, float) or not 0 < self.limit < float("inf"):
            raise PlanError([Problem(self.name, self.limit, "an amount, more than 0")])

    def wanted(self, number: int) -> float:
        """What a trial is to be reserved."""
        return self.ceilings[number] * self._scale

    def verdict(self, number: int) -> Verdict:
        """Whether the trial fits under the cap: now, once others have come back, or never."""
        if self.spent + self.wanted(number) > self.limit:
            return "never"
        return "now" if self.spent + sum(self._reserved.values()) + self.wanted(number) <= self.limit else "later"

    def reserve(self, number: int) -> None:
        """Set aside what the trial is thought to take."""
        self._reserved[number] = self.wanted(number)

    def settle(self, number: int, used: Used | None) -> None:
        """Spend what the trial took, or all that was set aside where nobody says."""
        reserved = self._reserved.pop(number, self.wanted(number))
        amount = None if used is None else self.amount(number, used)
        self.spent += reserved if amount is None else amount
        if amount is not None and self.ceilings[number] > 0:
            self._scale = max(self._scale, amount / self.ceilings[number])


class Budget:
    """All caps of a sweep.

    Args:
        caps: The caps.
    """

    def __init__(self, caps: Sequence[Cap]) -> None:
        self.caps = tuple(caps)
        self._told = False

    def reserve(self, number: int, alone: bool) -> Verdict:
        """Set aside what a trial is thought to take, if it may be sent now.

        Args:
            number: The trial.
            alone: Whether its worker holds nothing else.

        Returns:
            "never": what is left does not cover it, whatever comes back.
        """
        caps = [cap for cap in self.caps if number in cap.ceilings]
        verdicts = {cap.verdict(number) for cap in caps}
        if "never" in verdicts:
            return "never"
        if "later" in verdicts or (caps and not (alone or self._told)):
            return "later"
        for cap in caps:
            cap.reserve(number)
        return "now"

    def settle(self, number: int, used: Used | None) -> None:
        """A trial is over.

        Args:
            number: The trial.
            used: What it used; None when nobody knows.
        """
        for cap in self.caps:
            if number in cap.ceilings:
                self._told = True
                cap.settle(number, used)

    def __str__(self) -> str:
        return ", ".join(f"{cap.name} = {cap.limit:g}, {cap.spent:.4g} spent" for cap in self.caps)


def open_budget(
    plan: SweepPlan,
    targets: Sequence[Target],
    trials: Sequence[Trial],
    max_usd: float | None,
    max_seconds: float | None,
    prices: PriceTable,
) -> Budget | None:
    """The cap of a sweep: in money, or in audio where a price is not known; None where nothing is paid.

    Raises:
        PlanError: If a paid target has no cap that can be kept, or a cap is no amount.
    """
    paid = {target.name: target for target in targets if target.paid}
    billed = [trial for trial in trials if trial.target in paid and trial.gap is None]
    if not paid:
        return None
    scripts = {script.id: script for script in plan.scripts}
    by_trial = _prices(paid, billed, max_usd, max_seconds, prices)
    if by_trial is None:
        assert max_seconds is not None
        lengths = {trial.index: trial_ceiling_s(scripts[trial.script_id]) for trial in billed}
        return Budget([Cap("max_seconds", max_seconds, lengths, lambda _, used: used.trial.get("audio_s"))])
    assert max_usd is not None
    ceilings = {t.index: trial_ceiling_usd(by_trial[t.index], t.config, scripts[t.script_id]) for t in billed}
    recognisers = {t.index: t.config.get("audio.input.transcription.model") for t in billed}
    return Budget([Cap("max_usd", max_usd, ceilings, bill_of(by_trial, recognisers, prices))])


def _prices(
    paid: Mapping[str, Target],
    trials: Sequence[Trial],
    max_usd: float | None,
    max_seconds: float | None,
    prices: PriceTable,
) -> dict[int, Price] | None:
    """The price of each trial; None where one is not known and the sweep is capped by time."""
    found: dict[int, Price] = {}
    for trial in trials:
        model = model_of(trial.config, paid[trial.target])
        price = price_of(prices, trial.config, paid[trial.target])
        if price is not None:
            found[trial.index] = price
        elif max_usd is None and max_seconds is not None:
            return None
        else:
            known = ", ".join(prices.models) or "none is known"
            hint = f"cap {trial.target} by the audio that is sent instead, such as max_seconds=600, or give prices="
            raise PlanError([Problem("model", model, f"for max_usd, a model whose price is known: {known}", hint)])
    if max_usd is None:
        names = " and ".join(paid)
        raise PlanError([Problem("max_usd", None, f"an amount in USD: {names} costs money", "such as max_usd=3")])
    return found


def trial_ceiling_usd(price: Price, config: SessionConfig, script: Script) -> float:
    """The most that a trial is thought to cost: long answers, a cut in every hold, and nothing cached.

    The whole conversation is billed again at each response: user audio at one token per 100 ms, the assistant's at
    one per 50 ms.
    """
    answers = _answers(script)
    heard, said, text = script_ms(script) / 100.0 / answers, _ANSWER_S * 1000.0 / 50.0, float(_TEXT_PER_ANSWER)
    if config.get("output_modalities") == ["text"]:
        said, text = 0.0, said
    limit = config.get("max_output_tokens", None)
    if isinstance(limit, int):
        said, text = min(said, float(limit)), min(text, float(limit))
    again, before = answers * (answers + 1) / 2.0, answers * (answers - 1) / 2.0
    audio_in = heard * again + said * before
    text_in = answers * _INSTRUCTIONS + text * again
    tokens = audio_in * price.audio_in + text_in * price.text_in
    tokens += answers * (said * price.audio_out + text * price.text_out)
    transcribed = config.get("audio.input.transcription", None) is not None
    minutes = script_ms(script) / 60_000.0
    return tokens / 1e6 + (minutes * _DEAREST_TRANSCRIPTION_PER_MINUTE if transcribed else 0.0)


def trial_ceiling_s(script: Script) -> float:
    """The most audio that a trial is thought to send, seconds: long answers, listened to until their end."""
    return script_ms(script) / 1000.0 + _answers(script) * (_ANSWER_S + _DEADLINE_S)


def _answers(script: Script) -> int:
    return max(1, sum(1 + len(turn.hold_ms) for turn in script.turns))


def bill_of(
    by_trial: Mapping[int, Price], recognisers: Mapping[int, Any], prices: PriceTable
) -> Callable[[int, Used], float | None]:
    """What a trial was billed; None when its responses or transcripts do not say, unless it sent nothing.

    Args:
        by_trial: Price of the model of each trial, by its number.
        recognisers: Name of each trial's recogniser; None where nothing is transcribed.
        prices: The prices.
    """

    def bill(number: int, used: Used) -> float | None:
        if used == NOTHING:
            return 0.0
        total = sum(float(response_usd(by_trial[number], usage_of(row))) for row in used.responses)
        if recognisers[number] is not None:
            price = prices.transcription.get(str(recognisers[number]))
            total += np.nan if price is None else float(transcription_usd(price, usage_of(used.trial)))
        return None if np.isnan(total) else total

    return bill


_Rows = dict[tuple[int, int], list[dict[str, Any]]]


def count_earlier(path: Path, budget: Budget) -> None:
    """Settle every attempt of earlier runs: by its usage where that is known, else by what it was reserved.

    Raises:
        StudyDamagedError: If the study's bytes are damaged.
    """
    with reading(path) as reader:
        attempts = reader.attempts()
        if not attempts:
            return
        responses, trials = _rows(reader, "responses"), _rows(reader, "trials")
        for trial, attempt, state in attempts:
            if attempt is not None and state == "complete":
                (row,) = trials.get((trial, attempt)) or [{}]
                budget.settle(trial, Used(responses.get((trial, attempt), ()), row))
            else:
                budget.settle(trial, NOTHING if _sent_nothing(reader, trial, attempt) else None)


def _rows(reader: StudyReader, kind: str) -> _Rows:
    found: _Rows = defaultdict(list)
    for row in reader.rows_of_attempts(kind).to_pylist():
        found[row["trial_number"], row["attempt"]].append(row)
    return found


def _sent_nothing(reader: StudyReader, trial: int, attempt: int | None) -> bool:
    """Whether a session ended before any audio was sent, as when nobody answered."""
    data = None if attempt is None else reader.recording(trial, attempt)
    return data is not None and recording_from_bytes(data).audio_ms == 0
