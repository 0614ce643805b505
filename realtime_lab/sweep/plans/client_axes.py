"""Axes that are no field of the session: how the client ends turns where the server detects none.

`commit_delay_ms` commits so long after the end of each turn, which the script knows: an oracle, the bound that no
detector can beat. `endpointer` is a callable of the user's own, and its values stand by their names. Both apply only
where turn_detection is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from realtime_lab.analysis.columns import COMMIT_DELAY
from realtime_lab.config import SessionConfig, field_info, resolve_path
from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.plugged import Plugged, plugged
from realtime_lab.session.client_turns import ClientTurns, client_turn_problems

ENDPOINTER = "endpointer"
CLIENT_AXES = (COMMIT_DELAY, ENDPOINTER)
"""Their names; they have no longer paths."""
ORACLE: Mapping[str, Any] = {COMMIT_DELAY: 0.0}
"""The setting that `SweepPlan(..., oracle=True)` adds: a commit at the very end of each turn."""


def axis_path(name: Any) -> str:
    """The full path of an axis: a field's, or its own name for one of the client's.

    Raises:
        ConfigError: If no field ends so, or several do.
    """
    return str(name) if name in CLIENT_AXES else resolve_path(name)


def axis_kinds(path: str) -> tuple[str | None, ...]:
    """Kinds of turn detection that have an axis, None among them for none; empty for what every session has."""
    return (None,) if path in CLIENT_AXES else field_info(path).applies_to


def client_options(setting: Mapping[str, Any]) -> dict[str, Any]:
    """What one setting says of the client, as arguments of `run_session` and fields of `ClientTurns`."""
    return {name: setting[name] for name in CLIENT_AXES if name in setting}


def client_turns(setting: Mapping[str, Any]) -> ClientTurns:
    """How the client ends turns in one setting, where the server detects none."""
    return ClientTurns(**client_options(setting))


def client_values(name: str, values: Iterable[Any]) -> tuple[tuple[Any, ...], list[Problem]]:
    """The values of one of the client's axes in their own form, and what is wrong with them."""
    kept: list[Any] = []
    problems: list[Problem] = []
    for value in values:
        found, wrong = _delay(value) if name == COMMIT_DELAY else _endpointer(value)
        problems += wrong
        if not wrong and found in kept:
            wrong = [Problem(name, found, "each value once", "the value stands twice")]
            problems += wrong
        kept.append(found)
    return tuple(kept), [Problem(f"space.{name}", one.value, one.allowed, one.hint, one.code) for one in problems]


def _delay(value: Any) -> tuple[float, list[Problem]]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0, [Problem(COMMIT_DELAY, value, "a number of milliseconds", code="invalid_type")]
    return float(value), client_turn_problems(SessionConfig(turn_detection=None), ClientTurns(float(value)))


def _endpointer(value: Any) -> tuple[Any, list[Problem]]:
    if type(value) is str:  # out of a study or a plan file, which hold names and no code
        return Plugged(value[:200]), []
    try:
        return plugged(ENDPOINTER, value), []
    except ConfigError as error:
        return value, list(error.errors)


def client_axis_problems(base: SessionConfig, swept: Iterable[str | None], paths: Sequence[str]) -> list[Problem]:
    """Why the client's axes cannot apply to any setting of a plan.

    Args:
        base: What stays the same.
        swept: Kinds of turn detection that the plan's axes choose between; empty when none of them does.
        paths: Paths of the plan's axes.
    """
    asked = [path for path in paths if path in CLIENT_AXES]
    kinds = set(swept) or {_kind(base)}
    problems = []
    if asked and None not in kinds:
        hint = "set turn_detection to None in the base, or sweep it with None among its values"
        allowed = "settings whose turn_detection is null: elsewhere the server ends turns"
        shown = f"turn_detection {', '.join(sorted(map(str, kinds)))}"
        problems += [Problem(f"space.{name}", shown, allowed, hint) for name in asked]
    if len(asked) > 1:
        hint = "sweep the endpointer, and say oracle=True for the bound"
        problems.append(Problem("space", asked, "commit_delay_ms or endpointer, as one of them ends turns", hint))
    return problems


def _kind(base: SessionConfig) -> str | None:
    detection = base.get("turn_detection", "unset")
    return detection if detection is None or isinstance(detection, str) else str(detection.type)
