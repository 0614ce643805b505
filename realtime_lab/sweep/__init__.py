"""Many sessions: plan them, run them over worker processes into one study file, read it back as frames.

`SweepPlan` says what is run, `start_sweep` and `run_sweep` run it and go on where an interrupted run stopped, `Study`
reads what is there and says which setting to take. Names are looked up when first used, so that worker processes
import neither pandas nor pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_lab.sweep.calibration import Calibrated, calibrate
    from realtime_lab.sweep.chosen import compare
    from realtime_lab.sweep.confirm import Confirm
    from realtime_lab.sweep.confirmed import Confirmation, confirm_best, confirming_best
    from realtime_lab.sweep.estimate import Estimate
    from realtime_lab.sweep.optimizing import optimize
    from realtime_lab.sweep.plan import SweepPlan, Trial
    from realtime_lab.sweep.pool import WorkerPool
    from realtime_lab.sweep.prices import load_prices
    from realtime_lab.sweep.progress import Progress
    from realtime_lab.sweep.runner import SweepRun, run_sweep, start_sweep
    from realtime_lab.sweep.stages import Stages, run_stages
    from realtime_lab.sweep.study import Study
    from realtime_lab.sweep.twin import ProfileFit, fit_profile
    from realtime_lab.sweep.what_if import Counterfactual, counterfactual
    from realtime_lab.sweep.what_if_held import prediction_errors
    from realtime_lab.sweep.worker import TrialResult, TrialTask

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
    "calibration": ("Calibrated", "calibrate"),
    "chosen": ("compare",),
    "confirm": ("Confirm",),
    "confirmed": ("Confirmation", "confirm_best", "confirming_best"),
    "estimate": ("Estimate",),
    "optimizing": ("optimize",),
    "plan": ("SweepPlan", "Trial"),
    "pool": ("WorkerPool",),
    "prices": ("load_prices",),
    "progress": ("Progress",),
    "runner": ("SweepRun", "run_sweep", "start_sweep"),
    "stages": ("Stages", "run_stages"),
    "study": ("Study",),
    "twin": ("ProfileFit", "fit_profile"),
    "what_if": ("Counterfactual", "counterfactual"),
    "what_if_held": ("prediction_errors",),
    "worker": ("TrialResult", "TrialTask"),
}
_HOME = {name: module for module, names in _NAMES_OF.items() for name in names}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
