"""Was the winner a winner: a setting chosen on some scripts, looked at again on fresh ones.

A setting that was picked because it did best is flattered by the very calls it was picked on. `confirming_best` makes
the plan of a second study (the winner and the control, fresh scripts), and `confirm_best` says what that study says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from realtime_lab.analysis.deciding.check import Check, check_frames
from realtime_lab.analysis.deciding.compare import Comparison
from realtime_lab.analysis.deciding.values import Best
from realtime_lab.analysis.summary.source import in_condition, of_setting
from realtime_lab.analysis.summary.wording import amount, column_of, interval, label_of, setting_words
from realtime_lab.audio import Script
from realtime_lab.errors import PlanError, Problem, RealtimeLabError
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.studies.chosen import Studied, compare_settings, swept_settings

Outcome = Literal["confirmed", "not confirmed", "undecided"]


@dataclass(frozen=True)
class Confirmation:
    """What fresh scripts say of a setting."""

    outcome: Outcome
    """confirmed: it keeps its limits. not confirmed: it breaks one, or does worse than a control that may keep them.
    undecided: an interval straddles a limit."""
    sentence: str
    check: Check
    """Its limits, on the fresh scripts."""
    comparison: Comparison | None
    """It against the control; None where it is the control."""


def confirming_best(plan: SweepPlan, best: Best, scripts: Sequence[Script]) -> SweepPlan:
    """The plan of the study that confirms: the winner and the control, on fresh scripts.

    Args:
        plan: The plan that it was chosen with.
        best: The choice.
        scripts: Scripts that are not in that plan.

    Raises:
        PlanError: If there is no winner to confirm, or a script was in the plan already.
    """
    if best.setting is None:
        raise PlanError([Problem("best", best.outcome, "a choice with a leading setting", best.sentence)])
    _check_fresh(plan, scripts)
    return replace(plan.only(best.setting, plan.control), scripts=tuple(scripts))


def _check_fresh(plan: SweepPlan, scripts: Sequence[Script]) -> None:
    known = {script.content_hash for script in plan.scripts}
    again = [script.id for script in scripts if script.content_hash in known]
    if again or not scripts:
        told = again[0] if again else None
        raise PlanError([Problem("scripts", told, "scripts that the choice was not made on, one or more")])


def confirm_best(
    best: Best, chosen_on: Studied, fresh: Studied, require: str | Sequence[str] = "cutoff_rate <= 0.05"
) -> Confirmation:
    """Look at a chosen setting in a study of fresh scripts.

    Args:
        best: The choice.
        chosen_on: The study that it was made on.
        fresh: A study of other scripts that holds the setting, and the control.
        require: The limits that it was chosen under, as requirements.

    Raises:
        PlanError: If there is no winner, or the studies share a script.
        RequirementError: If a requirement cannot be read.
        RealtimeLabError: If the fresh study does not hold the setting, or no session of it is complete.
    """
    if best.setting is None:
        raise PlanError([Problem("best", best.outcome, "a choice with a leading setting", best.sentence)])
    _check_fresh(chosen_on.plan, fresh.plan.scripts)
    cells = next((one.cells for one in swept_settings(fresh) if one.setting == dict(best.setting)), None)
    if cells is None:
        raise RealtimeLabError(f"the fresh study does not hold {setting_words(best.setting)}")
    turns, responses = (in_condition(frame, best.condition) for frame in (fresh.turns_df(), fresh.responses_df()))
    checked = check_frames((of_setting(turns, cells), of_setting(responses, cells)), require)
    compared, change, beaten = None, "", False
    old = next((one for one in swept_settings(fresh) if one.setting == dict(fresh.plan.control)), None)
    if old is not None and old.cells != cells:
        compared = compare_settings(fresh, old.setting, best.setting)
        beaten, change = _against(compared, best)
        # A control that breaks the limits may well be faster: that is what the limits are for.
        beaten &= (
            check_frames((of_setting(turns, old.cells), of_setting(responses, old.cells)), require).verdict != "fail"
        )
    outcome: Outcome = "undecided"
    if checked.verdict == "fail" or beaten:
        outcome = "not confirmed"
    elif checked.verdict == "pass":
        outcome = "confirmed"
    limits = "; ".join(entry.sentence for entry in checked.judged)
    sentence = f"{setting_words(best.setting)} on fresh scripts: {outcome}. {limits}.{change}"
    return Confirmation(outcome, sentence, checked, compared)


def _against(compared: Comparison, best: Best) -> tuple[bool, str]:
    """Whether it is shown to do worse than the control, and the difference in words."""
    row = compared.row(best.condition, best.minimize)
    if row is None or row["difference_low"] is None:
        return False, ""
    low, high = row["difference_low"], row["difference_high"]
    name = best.minimize
    words = f"{amount(name, row['difference'], signed=True)} ({interval(name, low, high, signed=True)})"
    entry = column_of(name)
    if entry is not None and entry.lower_is_better is False:
        low, high = -high, -low
    return low > 0, f" Against the control: {label_of(name)} {words}."
