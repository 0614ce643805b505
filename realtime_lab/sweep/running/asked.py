"""What is asked of one run of a sweep, checked as a whole before a file is made or a worker started.

Nothing is run here: `dispatch` does that with a `RunRequest`, and `runner` makes one of what a caller says.

Whether a trial against a replay target has its recording is checked here too.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from realtime_lab.audio import Script
from realtime_lab.config import NEEDS_RECOGNISER, SessionConfig, treatment, treatment_reason
from realtime_lab.errors import ConfigError, MissingExtraError, PlanError, Problem, RecordingError, UnmodelledError
from realtime_lab.server.recogniser.transcriber import SIMULATED
from realtime_lab.server.recogniser.weights import EXTRA, HOW_TO_INSTALL, whisper_installed
from realtime_lab.session import Live, Mocked, Replay, Target
from realtime_lab.session.live.key import key_of, with_leave
from realtime_lab.session.recorded import find_recordings
from realtime_lab.sweep.plans.client_axes import ENDPOINTER, client_turns
from realtime_lab.sweep.plans.costs import lacking_model, load_prices
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.records import as_stored
from realtime_lab.sweep.plans.trials import Setting, Trial
from realtime_lab.sweep.running.options import RunOptions
from realtime_lab.sweep.running.spend import Budget, open_budget
from realtime_lab.sweep.workers.worker import RunTrial, TrialTask, run_trial


class Limits:
    """How much one run of a sweep may do; trials that are under way when a limit is reached are finished.

    Args:
        max_trials: Trials to send, those of earlier runs not counted; None: no limit.
        max_seconds: Time after which no more are sent, s; None: no limit.
        now_s: A monotonic clock, seconds; it starts here.

    Raises:
        PlanError: If a limit is not a number of trials or a length of time; both are looked at.
    """

    def __init__(
        self,
        max_trials: int | None = None,
        max_seconds: float | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        problems = []
        if max_trials is not None and (type(max_trials) is not int or max_trials < 1):
            problems.append(Problem("max_trials", max_trials, "a whole number, 1 or more, or None for no limit"))
        if max_seconds is not None and (type(max_seconds) not in (int, float) or not 0 < max_seconds < math.inf):
            problems.append(Problem("max_seconds", max_seconds, "more than 0 seconds, or None for no limit"))
        if problems:
            raise PlanError(problems)
        self._max_trials, self._max_seconds = max_trials, max_seconds
        self._now_s, self._start_s = now_s, now_s()

    def room(self, sent: int) -> int | None:
        """How many more trials may be sent when `sent` have been; None: as many as there are."""
        if self._max_seconds is not None and self._now_s() - self._start_s >= self._max_seconds:
            return 0
        return None if self._max_trials is None else max(0, self._max_trials - sent)

    def words(self, sent: int) -> str:
        """The limit that was reached, as it was given."""
        if self._max_trials is not None and sent >= self._max_trials:
            return f"max_trials = {self._max_trials}"
        return f"max_seconds = {self._max_seconds:g}"


_MOST_TOLD = 5


def check_recorded(plan: SweepPlan, targets: Sequence[Target], trials: Sequence[Trial]) -> None:
    """Refuse a plan that a replay target has no recordings for.

    Raises:
        PlanError: With the first few trials that lack one, and what differs.
    """
    kept = {target.name: target for target in targets if isinstance(target, Replay)}
    scripts = {script.id: script for script in plan.scripts}
    reasons: dict[str, Problem] = {}
    for trial in trials if kept else ():
        target = kept.get(trial.target)
        if target is not None and len(reasons) < _MOST_TOLD:
            reason = _missing(target, trial, scripts[trial.script_id])
            if reason is not None:
                allowed = "recordings of every trial of the plan"
                reasons.setdefault(reason, Problem("target", target.name, allowed, reason))
    if reasons:
        raise PlanError(list(reasons.values()))


def _missing(target: Replay, trial: Trial, script: Script) -> str | None:
    try:
        found = find_recordings(trial.config, script, trial.condition, target, client_turns(trial.setting))
    except RecordingError as error:
        return str(error)
    if trial.repeat < len(found):
        return None
    return f"repeat {trial.repeat + 1} of script {script.id!r:.80} was not recorded: there are {len(found)}"


def narrowed(target: Target, trial: Trial, script: Script) -> Target:
    """What a trial's worker needs of a target: of a replay, its one recording."""
    if not isinstance(target, Replay):
        return target
    found = find_recordings(trial.config, script, trial.condition, target, client_turns(trial.setting))
    return dataclasses.replace(target, recordings=(found[trial.repeat],))


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
                    key_of(target)
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


def checked_request(plan: SweepPlan, target: Target | None, asked: RunOptions) -> RunRequest:
    """What `start_sweep` was given, as one value.

    Raises:
        UnmodelledError, MissingExtraError, PlanError, ArgumentError: As `start_sweep` says.
    """
    _check_workers(asked["workers"])
    key_to = (asked["key_to"],) if isinstance(asked["key_to"], str) else asked["key_to"]
    answering = plan.answering if target is None else (target,)
    targets = tuple(with_leave(one, key_to) if isinstance(one, Live) else as_stored(one) for one in answering)
    _check_callables(plan, targets, own_workers=asked["workers"] != 0 and asked["executor"] is None)
    if not asked["allow_unmodelled"]:
        _refuse_unmodelled(plan, [one for one in targets if isinstance(one, Mocked)])
    if plan.metrics != "all" and not all(isinstance(one, Mocked) for one in targets):
        allowed = "'all' where a target is live: a session that is held is kept whole"
        raise PlanError([Problem("metrics", plan.metrics, allowed)])
    lacking = [problem for one in targets for problem in lacking_model(plan.configs, one)]
    if lacking:
        raise PlanError(lacking)
    trials = plan.trials_for(*targets)
    max_usd, max_seconds = asked["max_usd"], asked["max_seconds"]
    limits = Limits(asked["max_trials"], max_seconds)
    budget = open_budget(plan, targets, trials, max_usd, max_seconds, asked["prices"] or load_prices())
    if budget is not None and max_usd is None:  # it is spent by the second, however long that takes
        limits = Limits(asked["max_trials"])
    check_recorded(plan, targets, trials)
    wanted = None if asked["only"] is None else _wanted(plan, asked["only"])
    run = asked["run"] or run_trial
    return RunRequest(plan, targets, trials, run, limits, budget, asked["keep_recordings"], wanted)


def _check_workers(workers: object) -> None:
    if workers is None or (isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0):
        return
    raise PlanError([Problem("workers", workers, "a number of processes, 0 for this one, None for one per core")])


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
