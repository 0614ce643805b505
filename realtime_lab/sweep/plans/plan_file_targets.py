"""Targets and the confirming stage in a plan file: `[target]`, `[[targets]]` and `[confirm]`, read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from realtime_lab.errors import ConfigError, PlanError, Problem, nearest_hint
from realtime_lab.server.engine.profile import PROFILES
from realtime_lab.server.recogniser.transcriber import transcriber_problem
from realtime_lab.session import Live, Mocked, Replay, Target, mocked
from realtime_lab.session.targets import live
from realtime_lab.sweep.plans.confirm import Confirm

_LIVE_KEYS = ("kind", "url", "api_key_env", "model")
_ELSEWHERE = "leave the target out and give it to run_sweep"


def target_entry(target: Target) -> dict[str, object]:
    """A target as a table.

    Raises:
        PlanError: If a plan file cannot say it.
    """
    if isinstance(target, Live):
        return _live_entry(target)
    if isinstance(target, Replay):
        raise PlanError([Problem("target", target.name, "a mocked or live target", _ELSEWHERE)])
    if PROFILES.get(target.profile.name) != target.profile:
        raise PlanError([Problem("target", target.name, f"a shipped profile: {', '.join(PROFILES)}", _ELSEWHERE)])
    if target.end_of_turn is not None:
        raise PlanError([Problem("target.end_of_turn", str(target.end_of_turn), "no code in a plan file", _ELSEWHERE)])
    return {"kind": target.kind, "profile": target.profile.name, "transcriber": target.transcriber}


def _live_entry(target: Live) -> dict[str, object]:
    entry: dict[str, object] = {"kind": target.kind, "url": target.url}
    if target.api_key_env is not None:
        entry["api_key_env"] = target.api_key_env
    if target.model is not None:
        entry["model"] = target.model
    if _live_target(entry) != target:
        raise PlanError([Problem("target", target.name, f"no more than {', '.join(_LIVE_KEYS)}", _ELSEWHERE)])
    return entry


def confirm_entry(confirm: Confirm) -> dict[str, object]:
    """The confirming stage as a table; what is as usual is left out."""
    told = {entry.name: getattr(confirm, entry.name) for entry in dataclasses.fields(confirm)}
    usual = {entry.name: entry.default for entry in dataclasses.fields(confirm)}
    kept = {name: value for name, value in told.items() if name != "target" and value != usual[name]}
    return kept | {"target": target_entry(confirm.target)}


def read_confirm(table: object) -> Confirm | None:
    """The confirming stage that a table describes; None where there is none.

    Raises:
        ConfigError: If the table has mistakes.
    """
    if table is None:
        return None
    known = [entry.name for entry in dataclasses.fields(Confirm)]
    if not isinstance(table, Mapping):
        raise ConfigError([Problem("confirm", table, f"a table with {', '.join(known)}", code="invalid_type")])
    problems = _unknown(table, known)
    if "target" not in table:
        problems.append(Problem("target", None, "a table with kind and more", "say what confirms"))
    if problems:
        raise ConfigError(problems)
    target = read_target(table["target"])
    assert target is not None
    return Confirm(target, **{name: value for name, value in table.items() if name != "target"})


def read_targets(tables: object) -> Sequence[Target]:
    """The targets of `[[targets]]`; empty where there are none.

    Raises:
        ConfigError: If a table has mistakes.
    """
    if tables is None:
        return ()
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError([Problem("kind", tables, "[[targets]] tables", code="invalid_type")])
    return tuple(target for target in map(read_target, tables) if target is not None)


def read_target(table: object) -> Target | None:
    """The target that a table describes; None where there is none.

    Raises:
        ConfigError: If the table has mistakes.
    """
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ConfigError([Problem("kind", table, "a table with kind and profile", code="invalid_type")])
    if table.get("kind") == Live.kind:
        return _live_target(table)
    problems = _unknown(table, ("kind", "profile", "transcriber"))
    if table.get("kind") != Mocked.kind:
        problems.append(
            Problem(
                "kind",
                table.get("kind"),
                f'"{Mocked.kind}" or "{Live.kind}"',
                nearest_hint(table.get("kind"), ["mocked", "live"]),
            )
        )
    profile = table.get("profile", "documented")
    if not isinstance(profile, str) or profile not in PROFILES:
        problems.append(Problem("profile", profile, ", ".join(PROFILES), nearest_hint(profile, PROFILES)))
    transcriber = table.get("transcriber")
    unusable = None if transcriber is None else transcriber_problem(transcriber)
    if unusable is not None:
        problems.append(unusable)
    if problems:
        raise ConfigError(problems)
    return mocked(profile, transcriber=transcriber)


def _live_target(table: Mapping[str, object]) -> Live:
    url, key, model = (table.get(name) for name in _LIVE_KEYS[1:])
    problems = _unknown(table, _LIVE_KEYS)
    for name, value in (("url", url or None), ("api_key_env", key or ""), ("model", model or "")):
        if not isinstance(value, str):
            problems.append(Problem(name, value, "a text", code="invalid_type"))
    if problems:
        raise ConfigError(problems)
    target = live(str(url), api_key_env=str(key) if key else None, model=str(model) if model else None)
    return dataclasses.replace(target, from_file=True)


def _unknown(table: Mapping[str, object], known: Sequence[str]) -> list[Problem]:
    return [
        Problem(name, table[name], ", ".join(known), nearest_hint(name, known), "unknown_parameter")
        for name in table
        if name not in known
    ]
