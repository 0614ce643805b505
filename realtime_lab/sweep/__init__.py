"""Many sessions: plan them, run them over worker processes into one study file, read it back as frames.

Its rooms, each using only those before it: `plans` says what is run, `workers` hold the sessions, `store` is the study
file, `studies` reads it and says which setting to take, `running` brings the four together and goes on where an
interrupted run stopped. On top stand `stages` (screen, then confirm), `optimizing` (Optuna) and `fitting` (from
recordings back to a server). Names are looked up when first used, so that worker processes import neither pandas nor
pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_lab.lazy import lazily

if TYPE_CHECKING:
    from realtime_lab.sweep.fitting.calibration import Calibrated, calibrate
    from realtime_lab.sweep.fitting.twin import ProfileFit, fit_profile
    from realtime_lab.sweep.fitting.what_if import Counterfactual, counterfactual
    from realtime_lab.sweep.fitting.what_if_held import prediction_errors
    from realtime_lab.sweep.optimizing import optimize
    from realtime_lab.sweep.plans.confirm import Confirm
    from realtime_lab.sweep.plans.estimate import Estimate
    from realtime_lab.sweep.plans.plan import SweepPlan, Trial
    from realtime_lab.sweep.plans.prices import load_prices
    from realtime_lab.sweep.running.progress import Progress
    from realtime_lab.sweep.running.runner import SweepRun, run_sweep, start_sweep
    from realtime_lab.sweep.stages import Stages, run_stages
    from realtime_lab.sweep.studies.chosen import compare
    from realtime_lab.sweep.studies.confirmed import Confirmation, confirm_best, confirming_best
    from realtime_lab.sweep.studies.study import Study
    from realtime_lab.sweep.workers.pool import WorkerPool
    from realtime_lab.sweep.workers.worker import TrialResult, TrialTask

__all__ = [
    "Calibrated",
    "Confirm",
    "Confirmation",
    "Counterfactual",
    "Estimate",
    "ProfileFit",
    "Progress",
    "Stages",
    "Study",
    "SweepPlan",
    "SweepRun",
    "Trial",
    "TrialResult",
    "TrialTask",
    "WorkerPool",
    "calibrate",
    "compare",
    "confirm_best",
    "confirming_best",
    "counterfactual",
    "fit_profile",
    "load_prices",
    "optimize",
    "prediction_errors",
    "run_stages",
    "run_sweep",
    "start_sweep",
]

_NAMES_OF = {
    "fitting.calibration": ("Calibrated", "calibrate"),
    "studies.chosen": ("compare",),
    "plans.confirm": ("Confirm",),
    "studies.confirmed": ("Confirmation", "confirm_best", "confirming_best"),
    "plans.estimate": ("Estimate",),
    "optimizing": ("optimize",),
    "plans.plan": ("SweepPlan", "Trial"),
    "workers.pool": ("WorkerPool",),
    "plans.prices": ("load_prices",),
    "running.progress": ("Progress",),
    "running.runner": ("SweepRun", "run_sweep", "start_sweep"),
    "stages": ("Stages", "run_stages"),
    "studies.study": ("Study",),
    "fitting.twin": ("ProfileFit", "fit_profile"),
    "fitting.what_if": ("Counterfactual", "counterfactual"),
    "fitting.what_if_held": ("prediction_errors",),
    "workers.worker": ("TrialResult", "TrialTask"),
}

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, _NAMES_OF)
