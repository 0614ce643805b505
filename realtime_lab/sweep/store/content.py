"""A plan and its target as what a study keeps of them, and the plan back out of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime_lab.audio import Condition
from realtime_lab.config import SessionConfig, field_info
from realtime_lab.config.frozen_json import MAX_DEPTH
from realtime_lab.config.masking import masked
from realtime_lab.errors import ConfigError
from realtime_lab.session import Target
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, ORACLE
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.records import (
    confirm_from_record,
    confirm_to_record,
    plain_value,
    scripts_from_record,
    scripts_to_record,
    targets_from_record,
    targets_to_record,
)
from realtime_lab.sweep.plans.trials import Trial
from realtime_lab.sweep.store.writer import PlannedTrial, StudyContent


def study_content(plan: SweepPlan, target: Target | Sequence[Target], trials: Sequence[Trial]) -> StudyContent:
    """What the study of `plan` against a target, or several, is about. Secrets are hidden."""
    numbers = {id(config): number for number, config in enumerate(plan.configs)}
    settings: list[Mapping[str, Any]] = [_hidden(plain_value(setting)) for setting in plan.settings]
    record = {
        "config": _hidden(plain_value(plan.base.to_dict())),
        "space": [[name, _hidden(plain_value(values))] for name, values in plan.space.items()],
        "chosen": None if plan.chosen is None else settings,
        "scripts": scripts_to_record(plan.scripts),
        "conditions": [condition.to_dict() for condition in plan.conditions],
        "repeats": plan.repeats,
        "seed": plan.seed,
    } | _hidden(plain_value(plan.extras))
    if plan.confirm is not None:
        record["confirm"] = confirm_to_record(plan.confirm)
    axes = [
        {"name": name, "path": path, "dtype": axis_dtype(path, plan.space.get(name, tuple(ORACLE.values())))}
        for name, path in plan.axes.items()
    ]
    planned = [
        PlannedTrial(
            key=trial.key,
            block=trial.block,
            setting=numbers[id(trial.config)],
            script=trial.script_id,
            condition=trial.condition.name,
            repeat=trial.repeat,
            seed=trial.seed,
            target=trial.target,
            gap=trial.gap,
        )
        for trial in trials
    ]
    return StudyContent(record, plan.hash, targets_to_record(target), settings, axes, planned)


def _hidden(value: Any) -> Any:
    return masked(value, depth=-MAX_DEPTH)


def plan_from_record(record: Any, target: Any) -> SweepPlan:
    """The plan that `study_content` described; secrets in it stay hidden.

    Raises:
        ValueError: If it describes none.
    """
    try:
        return SweepPlan(
            SessionConfig.model_validate(record["config"]),
            dict(record["space"]),
            scripts_from_record(record["scripts"]),
            [Condition.from_dict(entry) for entry in record["conditions"]],
            record["repeats"],
            record["seed"],
            **targets_from_record(target),
            chosen=record["chosen"],
            **{
                name: record[name]
                for name in ("when", "zipped", "draw", "control", "metrics", "oracle")
                if name in record
            },
            confirm=confirm_from_record(record["confirm"]) if "confirm" in record else None,
        )
    except (ConfigError, TypeError, KeyError) as error:
        raise ValueError(f"its plan cannot be read: {error}") from None


def axis_dtype(path: str, values: Sequence[Any]) -> str:
    """Declared type of a swept setting's column: float, int, bool or str.

    A whole number that may be "inf" is a float, whose infinity stands for it. What is none of these is its JSON text.
    """
    kinds = {type(value) for value in values if value is not None and value != "inf"}
    if path in CLIENT_AXES:
        return "float" if path in ORACLE else "str"
    if kinds <= {int} and "inf" in field_info(path).choices:
        return "float"
    if kinds <= {int, float} and not ({str} & set(map(type, values))):
        return "float" if float in kinds else "int"
    return "bool" if kinds == {bool} else "str"
