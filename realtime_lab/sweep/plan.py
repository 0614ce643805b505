"""SweepPlan: which settings meet which scripts under which conditions, and in what order. It runs nothing.

The order is in paired random blocks: a block holds every setting once, on one script under one condition in one
repeat, in an order drawn from the seed; blocks follow one another in an order drawn from it too. So settings are
compared on the same speech, close in time, and none is always first. A trial's key says what is run, whatever plan it
stands in; its seed follows from the plan's seed and its key.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from realtime_lab.audio import GRID_MS, LEAD_IN_FRAMES, TAIL_FRAMES, Condition, Script, clean, load_scripts
from realtime_lab.config import SessionConfig, resolve_path
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ConfigError, PlanError, Problem, ScriptError
from realtime_lab.session import Live, Mocked, Target, mocked
from realtime_lab.sweep.plan_checks import (
    checked_axes,
    checked_settings,
    condition_problems,
    nearest_hint,
    number_problems,
    script_problems,
)
from realtime_lab.sweep.records import plain_value, target_to_record

__all__ = ["Estimate", "Setting", "SweepPlan", "Trial", "script_ms"]

Setting = Mapping[str, Any]
"""Swept values by the names of their axes."""

_LEAD_IN_AND_TAIL_MS = float((LEAD_IN_FRAMES + TAIL_FRAMES) * GRID_MS)


@dataclass(frozen=True, slots=True)
class Trial:
    """One session to be run."""

    key: str
    """16 hex digits of what is run: configuration, script, condition, repeat, target."""
    index: int
    """Position in the plan's order, from 0."""
    block: int
    """Which block it is in, from 0, in the plan's order."""
    setting: Setting
    """Swept values by the names of their axes."""
    config: SessionConfig
    script_id: str
    condition: Condition
    repeat: int
    """From 0."""
    seed: int
    """Decides every draw of the session; independent from trial to trial."""
    target: str
    """Name of what answers."""


@dataclass(frozen=True)
class Estimate:
    """What a plan will take."""

    trials: int
    audio_minutes: float
    """Audio spoken to the server in all, at least: time spent listening to its answers comes on top."""
    tokens: int | None = None
    """Tokens billed; None where nothing is."""
    usd: float | None = None
    """Cost; None where there is none."""

    def __str__(self) -> str:
        cost = "free" if self.usd is None else f"{self.usd:.2f} USD"
        minutes = f"{self.audio_minutes:,.{0 if self.audio_minutes >= 10 else 1}f}"
        return f"{self.trials:,} trials, {minutes} minutes of audio or more, {cost}"


@dataclass(frozen=True, eq=False, repr=False)
class SweepPlan:
    """A grid of settings over scripts and conditions.

    Raises:
        PlanError: The plan has mistakes; all of them are in `.errors`.
        ScriptError: A script set that is named cannot be read.

    Example:
        >>> SweepPlan(base, {"silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]}, "orders", seed=7)
    """

    base: SessionConfig
    """What stays the same."""
    space: Mapping[str, Sequence[Any]]
    """Values of each axis. An axis is named by any unambiguous ending of a field's path, and so is its column."""
    scripts: Sequence[Script]
    """What is said; the name of a shipped set, or a folder, will do."""
    conditions: Sequence[Condition] = field(default_factory=lambda: (clean(),))
    """What the line sounds like."""
    repeats: int = 1
    """How often everything is done."""
    seed: int = 0
    """Decides the order, and with a trial's key the trial's own seed."""
    target: Target | None = field(default=None, kw_only=True)
    """What answers where `run_sweep` is not told; None: the mocked server."""
    chosen: Sequence[Setting | SessionConfig] | None = field(default=None, kw_only=True)
    """The settings that are left by `only`; None: the whole grid."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "conditions", _several(self.conditions))
        base, problems = _checked_base(self.base)
        scripts, unread = _scripts(self.scripts)
        put(self, "scripts", scripts)
        axes, found = checked_axes(base, self.space)
        problems += found
        settings, found = ([], []) if problems else checked_settings(base, axes)
        problems += found
        problems += unread or script_problems(scripts)
        problems += condition_problems(self.conditions) + number_problems(self.repeats, self.seed)
        problems += _target_problems(self.target)
        if problems:
            raise PlanError(problems)
        put(self, "space", MappingProxyType({name: values for name, _, values in axes}))
        put(self, "axes", MappingProxyType({name: path for name, path, _ in axes}))
        if self.chosen is not None:
            settings = _choose(settings, self.chosen)
            put(self, "chosen", tuple(MappingProxyType(setting) for setting, _ in settings))
        put(self, "_settings", tuple((MappingProxyType(setting), config) for setting, config in settings))

    axes: Mapping[str, str] = field(init=False)
    """Full path of each axis."""
    _settings: tuple[tuple[Setting, SessionConfig], ...] = field(init=False)

    @property
    def settings(self) -> tuple[dict[str, Any], ...]:
        """Swept values of every setting, in the grid's order: the last axis turns fastest."""
        return tuple(dict(setting) for setting, _ in self._settings)

    @property
    def configs(self) -> tuple[SessionConfig, ...]:
        """The configuration of every setting, in the same order."""
        return tuple(config for _, config in self._settings)

    @property
    def control(self) -> dict[str, Any]:
        """The setting to compare others with: the base's own where the grid holds it, else the first."""
        text = self.base.to_json()
        found = (setting for setting, config in self._settings if config.to_json() == text)
        return dict(next(found, self._settings[0][0]))

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """Everything that decides what is run and in which order, as plain values; the target is not part."""
        return {
            "config": self.base.to_json(),
            "space": [[name, self.axes[name], plain_value(values)] for name, values in self.space.items()],
            "chosen": None if self.chosen is None else [plain_value(setting) for setting in self.settings],
            "scripts": [[script.id, script.content_hash] for script in self.scripts],
            "conditions": [condition.to_dict() for condition in self.conditions],
            "repeats": self.repeats,
            "seed": self.seed,
        }

    @cached_property
    def hash(self) -> str:
        """16 hex digits of `content`."""
        return _digest(self.content)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial against the plan's own target, in order."""
        return self.trials_for(self.target or mocked())

    def trials_for(self, target: Target) -> tuple[Trial, ...]:
        """Every trial against `target`, in order."""
        places = [
            (script, condition, repeat)
            for repeat in range(self.repeats)
            for script in self.scripts
            for condition in self.conditions
        ]
        answering = _digest(target_to_record(target))
        hashes = [_digest(config.to_json()) for _, config in self._settings]
        trials: list[Trial] = []
        for block, number in enumerate(np.random.default_rng([self.seed, 0]).permutation(len(places)).tolist()):
            script, condition, repeat = places[number]
            rng = np.random.default_rng([self.seed, 1, number])
            where = [script.content_hash, condition.to_dict(), repeat, answering]
            for place in rng.permutation(len(hashes)).tolist():
                setting, config = self._settings[place]
                key = _digest([hashes[place], *where])
                trials.append(
                    Trial(
                        key=key,
                        index=len(trials),
                        block=block,
                        setting=setting,
                        config=config,
                        script_id=script.id,
                        condition=condition,
                        repeat=repeat,
                        seed=int(_digest([self.seed, key])[:12], 16),
                        target=target.name,
                    )
                )
        return tuple(trials)

    def only(self, *settings: Setting | SessionConfig) -> SweepPlan:
        """The same plan with some of its settings.

        Args:
            *settings: Swept values by name (all settings that have them), anything with a `.setting`, or
                configurations of the grid.

        Raises:
            PlanError: If one of them is not in the grid.
        """
        return replace(self, chosen=settings)

    def estimate(self, target: Target | None = None) -> Estimate:
        """What the plan will take against `target`, or the plan's own."""
        sessions = len(self._settings) * len(self.conditions) * self.repeats
        minutes = sessions * sum(map(script_ms, self.scripts)) / 60_000.0
        return Estimate(sessions * len(self.scripts), minutes)

    def save(self, path: str | Path) -> Path:
        """Write the plan as TOML; `load` reads it back equal.

        Raises:
            PlanError: If something in it cannot be written: a secret, or scripts that are in no set.
        """
        from realtime_lab.sweep.plan_file import save_plan

        return save_plan(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> SweepPlan:
        """Read a plan file.

        Raises:
            PlanError: If the file is missing, is not TOML or has mistakes; all of them are in `.errors`.
        """
        from realtime_lab.sweep.plan_file import load_plan

        return load_plan(Path(path))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SweepPlan):
            return NotImplemented
        return self.hash == other.hash and (self.target or mocked()) == (other.target or mocked())

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self.base, dict(self.space), self.scripts, self.conditions, self.repeats, self.seed)
        chosen = None if self.chosen is None else self.settings
        return _rebuilt, (given, self.target, chosen)

    def __repr__(self) -> str:
        return f"<SweepPlan {self.hash}: {', '.join(self._sizes())}>"

    def _sizes(self) -> Iterator[str]:
        axes = " × ".join(f"{len(values)} {name}" for name, values in self.space.items())
        yield f"{len(self._settings)} settings ({axes}{', chosen' if self.chosen is not None else ''})"
        yield f"{len(self.scripts)} script{'s' if len(self.scripts) != 1 else ''}"
        yield ", ".join(condition.name for condition in self.conditions)
        if self.repeats > 1:
            yield f"{self.repeats} repeats"
        yield f"{self.estimate().trials:,} trials"

    def _repr_html_(self) -> str:
        rows = [(name, ", ".join(map(str, values))) for name, values in self.space.items()]
        rows += [
            ("scripts", ", ".join(script.id for script in self.scripts)),
            ("conditions", ", ".join(condition.name for condition in self.conditions)),
            ("repeats, seed", f"{self.repeats}, {self.seed}"),
            ("in all", str(self.estimate())),
        ]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text[:400])}</td></tr>"
            for name, text in rows
        )
        return (
            f"<details open class='rl-plan'><summary>Sweep plan {self.hash}</summary><table>{cells}</table></details>"
        )


def script_ms(script: Script) -> float:
    """How long a script speaks, its pauses and the gaps before its turns included, ms."""
    total = 0.0
    for turn in script.turns:
        spans = (segment.span_ms for segment in turn.segments)
        total += sum(span.end_ms - span.start_ms for span in spans)
        total += sum(turn.hold_ms) + turn.gap_ms + _LEAD_IN_AND_TAIL_MS
    return total


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()[:16]


def _rebuilt(given: tuple[Any, ...], target: Target | None, chosen: Sequence[Setting] | None) -> SweepPlan:
    return SweepPlan(*given, target=target, chosen=chosen)


def _several(value: object) -> tuple[Any, ...]:
    if isinstance(value, (str, Path, Condition, Script)) or not hasattr(value, "__iter__"):
        return (value,)
    return tuple(value)


def _scripts(given: object) -> tuple[tuple[Any, ...], list[Problem]]:
    loaded: list[Any] = []
    problems: list[Problem] = []
    for entry in _several(given):
        if not isinstance(entry, (str, Path)):
            loaded.append(entry)
            continue
        try:
            loaded += load_scripts(entry)
        except ScriptError as error:
            problems.append(Problem("scripts", str(entry), "a shipped set or a folder", str(error)))
    return tuple(loaded), problems


def _target_problems(target: object) -> list[Problem]:
    if target is None or isinstance(target, (Live, Mocked)):
        return []
    return [Problem("target", target, "a target, such as mocked()", code="invalid_type")]


def _checked_base(value: object) -> tuple[SessionConfig, list[Problem]]:
    if isinstance(value, SessionConfig):
        return value, []
    return SessionConfig(), [Problem("base", value, "a SessionConfig", code="invalid_type")]


def _choose(
    grid: Sequence[tuple[dict[str, Any], SessionConfig]], wanted: Sequence[object]
) -> list[tuple[dict[str, Any], SessionConfig]]:
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


def _matching(grid: Sequence[tuple[dict[str, Any], SessionConfig]], one: object) -> list[int]:
    if isinstance(one, SessionConfig):
        return [number for number, (_, config) in enumerate(grid) if config == one]
    values = getattr(one, "setting", one)
    if not isinstance(values, Mapping) or not values:
        raise ConfigError([Problem("only", one, "swept values by name, or a configuration", code="invalid_type")])
    paths = {resolve_path(name): name for name in grid[0][0]}
    given = {resolve_path(name): value for name, value in values.items()}
    unknown = [path for path in given if path not in paths]
    if unknown:
        hint = nearest_hint(unknown[0], paths.values())
        raise ConfigError([Problem("only", unknown[0], f"swept fields: {', '.join(paths.values())}", hint)])
    found = []
    for number, (_, config) in enumerate(grid):
        try:
            same = all(config.with_values({path: value}) == config for path, value in given.items())
        except ConfigError:
            same = False
        if same:
            found.append(number)
    return found
