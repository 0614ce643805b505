"""Coarse to live: screen a whole plan cheaply, then confirm what is on its front with full sessions, within a budget.

The front are the settings that no other beats in both cut-offs and waiting. Which one to take is for the second study
to say, with its intervals; a screen only decides what is worth a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from realtime_lab.errors import PlanError, Problem
from realtime_lab.session import Target
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import Setting
from realtime_lab.sweep.running.options import RunOptions, takes_run_options
from realtime_lab.sweep.running.runner import run_sweep
from realtime_lab.sweep.studies.front import front_settings
from realtime_lab.sweep.studies.study import Study

if TYPE_CHECKING:
    from realtime_lab.sweep.plans.confirm import Confirm


@dataclass(frozen=True)
class Stages:
    """What a coarse-to-live plan came to."""

    screen: Study
    """Every setting, screened."""
    front: tuple[dict[str, Any], ...]
    """The settings that were confirmed, the control among them, in the grid's order."""
    confirmed: Study
    """These, in full sessions."""


@takes_run_options()
def run_stages(plan: SweepPlan, target: Target | None = None, **options: Unpack[RunOptions]) -> Stages:
    """Run both stages of a plan that has `confirm`; the same call goes on where an interrupted one stopped.

    Caps hold for the screen; the second stage has those of its `Confirm`. The second study lies beside the screen's,
    its name ending in `-confirm`.

    Args:
        plan: What to run.
        target: What answers the screen; as in `run_sweep`.
        **options: See `RunOptions`.

    Raises:
        PlanError: If the plan has no `confirm`.
        RealtimeLabError: If no setting of the screen has both cut-offs and latencies, and whatever `run_sweep` raises.
    """
    if plan.confirm is None:
        raise PlanError([Problem("confirm", None, "a Confirm: who confirms the front of the screen")])
    screen = run_sweep(plan, target, **options)
    second = confirming_plan(plan, screen)
    return Stages(screen, second.settings, run_sweep(second, **confirming_options(plan.confirm, screen.path, options)))


def confirming_options(confirm: Confirm, screen: Path, options: RunOptions) -> RunOptions:
    """What the second stage is told: what the first was, but for its file, its caps and its settings."""
    caps: RunOptions = {"max_usd": confirm.max_usd, "max_seconds": confirm.max_seconds, "max_trials": None}
    return {**options, **caps, "store": confirming_store(screen), "only": None}


def confirming_store(store: Path) -> Path:
    """Where the study of the second stage lies: beside that of the first."""
    return store.with_name(f"{store.stem}-confirm{store.suffix}")


def confirming_plan(plan: SweepPlan, screen: Study) -> SweepPlan:
    """The plan of the second stage: the front of `screen` and the control, as many as the budget covers.

    Raises:
        PlanError: If the plan has no `confirm`, or its budget does not cover the control and one more.
        RealtimeLabError: If the screen has no front.
    """
    confirm = plan.confirm
    if confirm is None:
        raise PlanError([Problem("confirm", None, "a Confirm: who confirms the front of the screen")])
    front = [setting for setting in front_settings(screen) if setting != dict(plan.control)]
    count = min(confirm.settings, _affordable(plan, confirm)) - 1
    return _second(plan, confirm, [plan.control, *_spread(front, max(count, 0))])


def _second(plan: SweepPlan, confirm: Confirm, settings: Sequence[Setting]) -> SweepPlan:
    kept = plan.only(*(setting for setting in plan.settings if setting in list(map(dict, settings))))
    return replace(kept, metrics="all", confirm=None, targets=(), target=confirm.target, repeats=confirm.repeats)


def _affordable(plan: SweepPlan, confirm: Confirm) -> int:
    """How many settings the budget covers; the control and one more at least, or there is nothing to confirm."""
    if confirm.max_usd is None:
        return confirm.settings
    each = _second(plan, confirm, [plan.control]).estimate(confirm.target).usd
    if not each:
        return confirm.settings
    count = int(confirm.max_usd // each)
    if count < 2:
        allowed = f"{2 * each:.2f} USD or more: a setting is estimated at {each:.2f} USD, and the control is one"
        raise PlanError([Problem("confirm.max_usd", confirm.max_usd, allowed)])
    return count


def _spread(front: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many of the front, its ends among them, evenly spaced along it."""
    if len(front) <= count:
        return list(front)
    places = np.unique(np.linspace(0, len(front) - 1, max(count, 1)).round().astype(int))
    return [front[place] for place in places[:count]]
