"""What is asked of one run of a sweep, checked as a whole before a file is made or a worker started.

Nothing is run here: `dispatch` does that with a `RunRequest`, and `runner` makes one of what a caller says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from realtime_lab.analysis.cost import PriceTable
from realtime_lab.audio import Script
from realtime_lab.config import NEEDS_RECOGNISER, SessionConfig, treatment, treatment_reason
from realtime_lab.errors import ConfigError, MissingExtraError, PlanError, Problem, UnmodelledError
from realtime_lab.server.hearing import SIMULATED
from realtime_lab.server.whisper_weights import EXTRA, HOW_TO_INSTALL, whisper_installed
from realtime_lab.session import Live, Mocked, Target
from realtime_lab.session.live_key import read_key
from realtime_lab.sweep.plans.client_axes import ENDPOINTER
from realtime_lab.sweep.plans.costs import lacking_model
from realtime_lab.sweep.plans.plan import Setting, SweepPlan, Trial
from realtime_lab.sweep.plans.prices import load_prices
from realtime_lab.sweep.plans.records import as_stored
from realtime_lab.sweep.running.limits import Limits
from realtime_lab.sweep.running.replayed import check_recorded, narrowed
from realtime_lab.sweep.running.spend import Budget, open_budget
from realtime_lab.sweep.workers.worker import RunTrial, TrialTask

__all__ = ["RunRequest", "checked_request"]

CHECK_ONE_IN = 64
"""Of the trials of a screen, so many are held as sessions too, and compared."""


@dataclass(frozen=True)
class RunRequest:
    """One run of a sweep, as it was asked for."""

    plan: SweepPlan
    targets: tuple[Target, ...]
    trials: tuple[Trial, ...]
    run: RunTrial
    """What runs one trial."""
    limits: Limits
    budget: Budget | None
    """What may be spent; None where nothing is paid."""
    keep_recordings: bool
    """Whether recordings of mocked sessions are kept."""
    wanted: frozenset[int] | None
    """Identities of the configurations to run now; None: all."""

    def includes(self, trial: Trial) -> bool:
        """Whether a trial belongs to what is to be run now."""
        return self.wanted is None or id(trial.config) in self.wanted

    @property
    def at_once(self) -> int | None:
        """Live sessions that a worker holds side by side; None where none is live."""
        return min((target.sessions for target in self.targets if isinstance(target, Live)), default=None)

    def task(self, number: int) -> TrialTask:
        """A trial as a worker needs it."""
        trial = self.trials[number]
        script = self._scripts[trial.script_id]
        return TrialTask(
            number,
            trial.key,
            trial.config,
            script,
            trial.condition,
            trial.seed,
            narrowed(self._targets[trial.target], trial, script),
            screen=self.plan.metrics == "turn_detection",
            check=number in self._checked,
            keep=self.keep_recordings,
            study=self.plan.hash,
            setting=dict(trial.setting),
        )

    def check_keys(self, numbers: Iterable[int]) -> None:
        """Look for the key of every live target that some trials need, without keeping it.

        Raises:
            PlanError: If a key's variable is not set, or holds what cannot be a key.
        """
        asked = {self.trials[number].target for number in numbers if self.includes(self.trials[number])}
        for target in self.targets:
            if isinstance(target, Live) and target.name in asked:
                try:
                    read_key(target.api_key_env)
                except ConfigError as error:
                    raise PlanError([replace(one, path=f"target.{one.path}") for one in error.errors]) from None

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        return {script.id: script for script in self.plan.scripts}

    @cached_property
    def _targets(self) -> dict[str, Target]:
        return {target.name: target for target in self.targets}

    @cached_property
    def _checked(self) -> frozenset[int]:
        """Trials of a screen whose sessions are held all the same: the first of each block, and one in so many more."""
        first = {trial.block: trial.index for trial in reversed(self.trials)}
        return frozenset(first.values()) | {trial.index for trial in self.trials if trial.seed % CHECK_ONE_IN == 0}


def checked_request(
    plan: SweepPlan,
    target: Target | None,
    own_workers: bool,
    allow_unmodelled: bool,
    run: RunTrial,
    caps: tuple[float | None, int | None, float | None],
    keep_recordings: bool,
    prices: PriceTable | None,
    only: Sequence[Setting | SessionConfig] | None,
) -> RunRequest:
    """What `start_sweep` was given, as one value; `caps` are `max_usd`, `max_trials` and `max_seconds`.

    Raises:
        UnmodelledError, MissingExtraError, PlanError: As `start_sweep` says.
    """
    targets = tuple(map(as_stored, plan.answering if target is None else (target,)))
    _check_callables(plan, targets, own_workers)
    if not allow_unmodelled:
        _refuse_unmodelled(plan, [one for one in targets if isinstance(one, Mocked)])
    if plan.metrics != "all" and not all(isinstance(one, Mocked) for one in targets):
        allowed = "'all' where a target is live: a session that is held is kept whole"
        raise PlanError([Problem("metrics", plan.metrics, allowed)])
    lacking = [problem for one in targets for problem in lacking_model(plan.configs, one)]
    if lacking:
        raise PlanError(lacking)
    trials = plan.trials_for(*targets)
    max_usd, max_trials, max_seconds = caps
    limits = Limits(max_trials, max_seconds)
    budget = open_budget(plan, targets, trials, max_usd, max_seconds, prices or load_prices())
    if budget is not None and max_usd is None:  # it is spent by the second, however long that takes
        limits = Limits(max_trials)
    check_recorded(plan, targets, trials)
    wanted = None if only is None else _wanted(plan, only)
    return RunRequest(plan, targets, trials, run, limits, budget, keep_recordings, wanted)


def _check_callables(plan: SweepPlan, targets: Sequence[Target], own_workers: bool) -> None:
    """Refuse callables that are not at hand, or that worker processes could not have."""
    given: list[tuple[str, Any]] = [
        ("endpointer", value) for setting in plan.settings if (value := setting.get(ENDPOINTER)) is not None
    ]
    given += [("end_of_turn", one.end_of_turn) for one in targets if isinstance(one, Mocked) and one.end_of_turn]
    problems: dict[Any, Problem] = {}
    for place, value in given:
        for problem in value.problems(place):
            problems[value] = problem
        reason = value.unreachable() if own_workers else None
        if reason is not None:
            hint = f"{reason}: put it into a module beside, or say workers=0"
            problems[value] = Problem(place, str(value), "a module's own function or class, or a partial of one", hint)
    if problems:
        raise PlanError(list(problems.values()))


def _refuse_unmodelled(plan: SweepPlan, targets: Sequence[Mocked]) -> None:
    if not targets:
        return
    deaf = any(target.transcriber == SIMULATED for target in targets)
    unheard = [name for name, path in plan.fields.items() if deaf and path in NEEDS_RECOGNISER]
    if unheard and not whisper_installed():
        raise MissingExtraError(f"sweeping over {', '.join(unheard)} takes a recogniser; {HOW_TO_INSTALL}", EXTRA)
    reasons = {name: treatment_reason(path) for name, path in plan.fields.items() if treatment(path) == "ignored"}
    reasons |= dict.fromkeys(unheard, "transcripts are the words of the reference: choose transcriber='whisper'")
    if reasons:
        raise UnmodelledError(
            f"the mocked server ignores {', '.join(reasons)}, so sweeping over it would compare noise "
            f"({'; '.join(f'{name}: {reason}' for name, reason in reasons.items())}); leave it out, or say "
            "allow_unmodelled=True"
        )


def _wanted(plan: SweepPlan, only: Sequence[Setting | SessionConfig]) -> frozenset[int]:
    """Which of the plan's own configurations are meant, by their identity, which trials share."""
    meant = plan.only(*only).settings
    both = zip(plan.settings, plan.configs, strict=True)
    return frozenset(id(config) for setting, config in both if setting in meant)
