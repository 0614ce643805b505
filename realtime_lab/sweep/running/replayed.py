"""Trials against a replay target: whether each has its recording, and which one goes to its worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from realtime_lab.audio import Script
from realtime_lab.errors import PlanError, Problem, RecordingError
from realtime_lab.session import Replay, Target
from realtime_lab.session.recorded import find_recordings
from realtime_lab.sweep.plans.client_axes import client_turns
from realtime_lab.sweep.plans.plan import SweepPlan, Trial

__all__ = ["check_recorded", "narrowed"]

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
