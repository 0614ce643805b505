"""Letting Optuna propose which settings of a plan to try next, by its ask-and-tell interface: one thin adapter.

The plan's grid is the search space, its study is the memory: only proposed settings are run, the others stay planned,
and the same call goes on from whatever the study holds. What is minimised are cut-offs and waiting, both at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from realtime_lab.errors import MissingExtraError, PlanError, Problem
from realtime_lab.session import Target
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import Setting
from realtime_lab.sweep.running.options import RunOptions, completed, takes_run_options
from realtime_lab.sweep.running.runner import run_sweep
from realtime_lab.sweep.studies.front import Point, front_points
from realtime_lab.sweep.studies.study import Study

if TYPE_CHECKING:
    import optuna

_TRIES = 50
"""Proposals made for each new setting that is wanted, before the search is taken to be over."""


class SettingSearch:
    """Proposes settings of a plan and learns from what came of them.

    Args:
        plan: Whose settings.
        seed: Decides the proposals.
        sampler: What proposes; default: Optuna's tree of Parzen estimators.

    Raises:
        MissingExtraError: If Optuna is not installed.
    """

    def __init__(self, plan: SweepPlan, seed: int = 0, sampler: optuna.samplers.BaseSampler | None = None) -> None:
        try:
            import optuna
        except ImportError:
            raise MissingExtraError(
                "proposing settings takes Optuna: pip install 'realtime_lab[optimize]'", "optimize"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._settings = plan.settings
        self._values = {name: list(values) for name, values in plan.space.items()}
        self._positions: dict[str, optuna.distributions.BaseDistribution] = {
            name: optuna.distributions.CategoricalDistribution(list(range(len(values))))
            if _unordered(values)
            else optuna.distributions.IntDistribution(0, len(values) - 1)
            for name, values in self._values.items()
        }
        sampler = sampler or optuna.samplers.TPESampler(seed=seed, multivariate=False)
        self.memory = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        """Optuna's study: values are the cut-off rate and the wait, ms."""
        self._pending: list[tuple[optuna.trial.Trial, dict[str, Any]]] = []
        self._known: dict[str, Point] = {}

    def learn(self, points: Sequence[Point]) -> None:
        """Take in what is known of settings that nobody asked for, such as an earlier run's."""
        for point in points:
            if _name(point.setting) in self._known:
                continue
            self._known[_name(point.setting)] = point
            params = {
                name: values.index(point.setting[name]) if name in point.setting else 0
                for name, values in self._values.items()
            }
            self.memory.add_trial(
                self._optuna.trial.create_trial(
                    params=params, distributions=self._positions, values=[point.cutoff_rate, point.wait_ms]
                )
            )

    def ask(self, count: int) -> list[dict[str, Any]]:
        """Settings to try next, new ones only; fewer than `count` when the search finds no more."""
        found: list[dict[str, Any]] = []
        for _ in range(count * _TRIES):
            if len(found) == count:
                break
            trial = self.memory.ask(dict(self._positions))
            setting = self._setting({name: self._values[name][place] for name, place in trial.params.items()})
            known = None if setting is None else self._known.get(_name(setting))
            if known is not None:
                self.memory.tell(trial, [known.cutoff_rate, known.wait_ms])
            elif setting is None or setting in found:
                self.memory.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                found.append(setting)
                self._pending.append((trial, setting))
        return found

    def tell(self, points: Sequence[Point]) -> None:
        """What came of the settings that were asked for; one that has no point has failed."""
        told = {_name(point.setting): point for point in points}
        for trial, setting in self._pending:
            point = told.get(_name(setting))
            if point is None:
                self.memory.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self.memory.tell(trial, [point.cutoff_rate, point.wait_ms])
                self._known[_name(setting)] = point
        self._pending = []

    def _setting(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """The plan's setting with these values, as far as they apply to it."""
        for setting in self._settings:
            if all(values.get(name) == value for name, value in setting.items()):
                return setting
        return None


@takes_run_options(without=("only",))
def optimize(
    plan: SweepPlan,
    target: Target | None = None,
    *,
    settings: int = 40,
    at_once: int = 8,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> Study:
    """Try settings that Optuna proposes, a few at a time, into the plan's own study.

    Args:
        plan: The search space, and everything else.
        target: As in `run_sweep`.
        settings: How many settings to have in the study in the end, those of earlier calls included.
        at_once: How many are proposed before their results are looked at.
        seed: Decides the proposals.
        **options: See `RunOptions`.

    Returns:
        The study; settings that were not proposed are planned in it.

    Raises:
        MissingExtraError: If Optuna is not installed.
        PlanError: If a count is less than one, and whatever `run_sweep` raises.
    """
    how = completed(options, without=("only",))
    for name, value in (("settings", settings), ("at_once", at_once)):
        if type(value) is not int or value < 1:
            raise PlanError([Problem(name, value, "a whole number, 1 or more")])
    search = SettingSearch(plan, seed)
    study = run_sweep(plan, target, **_for(how, [plan.control]))
    search.learn(front_points(study))
    while (missing := settings - len(front_points(study))) > 0:
        asked = search.ask(min(at_once, missing))
        if not asked:
            break
        study = run_sweep(plan, target, **_for(how, asked))
        points = front_points(study)
        search.tell(points)
        if not {_name(setting) for setting in asked} & {_name(point.setting) for point in points}:
            break  # nothing comes of it: a limit was reached, or every trial fails
    return study


def _for(options: RunOptions, settings: Sequence[Setting]) -> RunOptions:
    return {**options, "only": settings}


def _unordered(values: Sequence[Any]) -> bool:
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return len(numbers) < len(values) or numbers != sorted(numbers)


def _name(setting: Any) -> str:
    return repr(sorted((str(name), repr(value)) for name, value in setting.items()))
