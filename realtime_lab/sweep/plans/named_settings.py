"""Finding settings of a grid by what somebody says of them: swept values, a result, a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from realtime_lab.config import SessionConfig
from realtime_lab.errors import ArgumentError, ConfigError, PlanError, Problem
from realtime_lab.sweep.plans.checks import nearest_hint
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, axis_path
from realtime_lab.sweep.plans.space import Built

__all__ = ["choose"]


def choose(grid: Sequence[Built], wanted: Sequence[object]) -> list[Built]:
    """The settings of `grid` that are wanted, in the grid's order.

    Raises:
        PlanError: If one of them is not in the grid.
    """
    kept: set[int] = set()
    problems: list[Problem] = []
    if not wanted:
        problems.append(Problem("only", [], "at least one setting of the grid"))
    for one in wanted:
        try:
            found = _matching(grid, one)
        except ConfigError as error:
            problems += error.errors
            continue
        if not found:
            problems.append(Problem("only", one, "a setting of the grid", f"such as {grid[0][0]}"))
        kept.update(found)
    if problems:
        raise PlanError(problems)
    return [grid[number] for number in sorted(kept)]


def _matching(grid: Sequence[Built], one: object) -> list[int]:
    if isinstance(one, SessionConfig):
        return [number for number, (_, config) in enumerate(grid) if config == one]
    values = getattr(one, "setting", one)
    if not isinstance(values, Mapping) or not values:
        raise ArgumentError([Problem("only", one, "swept values by name, or a configuration", code="invalid_type")])
    exact = [number for number, (setting, _) in enumerate(grid) if setting == dict(values)]
    if exact:
        return exact
    paths = {axis_path(name): name for setting, _ in grid for name in setting}
    given = {axis_path(name): value for name, value in values.items()}
    unknown = [path for path in given if path not in paths]
    if unknown:
        hint = nearest_hint(unknown[0], paths.values())
        raise ArgumentError([Problem("only", unknown[0], f"swept fields: {', '.join(paths.values())}", hint)])
    found = []
    for number, (setting, config) in enumerate(grid):
        try:
            has = all(paths[path] in setting for path in given)
            client = {path: value for path, value in given.items() if path in CLIENT_AXES}
            fields = [(path, value) for path, value in given.items() if path not in client]
            same = has and all(setting[path] == value for path, value in client.items())
            same = same and all(config.with_values({path: value}) == config for path, value in fields)
        except ConfigError:
            same = False
        if same:
            found.append(number)
    return found
