"""SweepPlan: which settings meet which scripts under which conditions on which targets. It runs nothing.

Which combinations of values are settings says `space`; in which order they are run, in paired random blocks, says
`trials`. So settings are compared on the same speech, close in time, and none is always first.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from realtime_lab.audio import Condition, Script, clean, load_scripts
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem, ScriptError
from realtime_lab.session import TARGETS, Mocked, Target, mocked
from realtime_lab.sweep.plans.checks import (
    MAX_TRIALS,
    checked_axes,
    condition_problems,
    number_problems,
    script_problems,
    target_problems,
)
from realtime_lab.sweep.plans.client_axes import CLIENT_AXES, ORACLE
from realtime_lab.sweep.plans.confirm import Confirm
from realtime_lab.sweep.plans.costs import load_prices
from realtime_lab.sweep.plans.estimate import Estimate, estimate_plan
from realtime_lab.sweep.plans.plan_file import read_plan, save_plan
from realtime_lab.sweep.plans.records import plain_value
from realtime_lab.sweep.plans.space import SpaceShape, build_settings, checked_shape, choose
from realtime_lab.sweep.plans.trials import Setting, Trial, digest, ordered_trials, trials_words

if TYPE_CHECKING:
    from realtime_lab.analysis.cost import PriceTable

Metrics = Literal["all", "turn_detection"]


class _UsualControl(Mapping[str, Any]):
    """A control that nobody named, so that a plan made from this one chooses its own."""

    def __init__(self, setting: Setting | None = None) -> None:
        self._setting = dict(setting or {})

    def __getitem__(self, name: str) -> Any:
        return self._setting[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._setting)

    def __len__(self) -> int:
        return len(self._setting)

    def __repr__(self) -> str:
        return repr(self._setting)


@dataclass(frozen=True, eq=False, repr=False)
class SweepPlan:
    """Settings over scripts and conditions, on one target or several.

    Raises:
        PlanError: The plan has mistakes; all of them are in `.errors`.
        ScriptError: A script set that is named cannot be read.

    Example:
        >>> SweepPlan(base, {"silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]}, "orders", seed=7)
        >>> SweepPlan(base, {"turn_detection.type": ["server_vad", "semantic_vad"], "eagerness": ["low", "high"],
        ...                  "silence_duration_ms": range(200, 1001, 50)}, "orders", draw=40)
    """

    base: SessionConfig
    """What stays the same."""
    space: Mapping[str, Sequence[Any]]
    """Values of each axis. An axis is named by any unambiguous ending of a field's path, and so is its column. Where
    turn_detection is null, `commit_delay_ms` and `endpointer` (callables, which stand by their names) are axes too:
    see `client_axes`."""
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
    targets: Sequence[Target] = field(default=(), kw_only=True)
    """Targets to compare: every block holds every setting once on each. Empty: `target` alone."""
    when: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, kw_only=True)
    """Axes that only some settings have: name of the axis -> field -> the value or values that the axis needs. A
    field of one kind of turn detection needs no entry where the kind is swept."""
    zipped: Sequence[Sequence[str]] = field(default=(), kw_only=True)
    """Groups of axes that turn together, value by value, instead of crossing."""
    draw: int | None = field(default=None, kw_only=True)
    """How many settings to take at random; None: all of them. Ranges with small steps make a fine grid to draw from."""
    control: Setting = field(default_factory=lambda: _UsualControl(), kw_only=True)
    """The setting to compare others with; by default the base's own where the grid holds it, else the first."""
    metrics: Metrics = field(default="all", kw_only=True)
    """What is asked of a trial: all there is, or "turn_detection" alone, which needs no session and is far quicker."""
    confirm: Confirm | None = field(default=None, kw_only=True)
    """The second stage of a coarse-to-live plan: the front of this plan's study is run again there."""
    oracle: bool = field(default=False, kw_only=True)
    """Whether one setting more shows what no detector can beat: without turn detection, the client commits at the very
    end of each turn, which the script knows. Plots of the trade-off show it as their bound; it is never chosen."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "conditions", _several(self.conditions))
        base, problems = _checked_base(self.base)
        scripts, unread = _scripts(self.scripts)
        put(self, "scripts", scripts)
        axes, found = checked_axes(base, self.space, self.when)
        problems += found
        shape, found = checked_shape(axes, self.when, self.zipped, self.draw)
        problems += found
        told = None if isinstance(self.control, _UsualControl) else self.control
        shape = replace(
            shape, control=told, oracle=self.oracle is True, seed=self.seed if not number_problems(1, self.seed) else 0
        )
        settings, control, found = ([], None, []) if problems else build_settings(base, axes, shape)
        problems += found
        problems += unread or script_problems(scripts)
        problems += condition_problems(self.conditions) + number_problems(self.repeats, self.seed)
        put(self, "targets", _several(self.targets))
        problems += target_problems(self.target, self.targets) + _mode_problems(self.metrics, self.confirm, self.oracle)
        if problems:
            raise PlanError(problems)
        put(self, "space", MappingProxyType({name: values for name, _, values in axes}))
        bound = dict.fromkeys(ORACLE) if self.oracle else {}
        put(self, "axes", MappingProxyType({name: path for name, path, _ in axes} | {name: name for name in bound}))
        if self.chosen is not None:
            settings = choose(settings, self.chosen)
            put(self, "chosen", tuple(MappingProxyType(setting) for setting, _ in settings))
        put(self, "_settings", tuple((MappingProxyType(setting), config) for setting, config in settings))
        put(self, "_shape", shape)
        if self._n_trials > MAX_TRIALS:
            hint = "fewer repeats, scripts or settings, or draw= for a sample of the grid"
            raise PlanError(
                [Problem("repeats", f"{self._n_trials:,} trials", f"plans of {MAX_TRIALS:,} at most", hint)]
            )
        put(self, "control", self._usual_control() if control is None else MappingProxyType(control))

    axes: Mapping[str, str] = field(init=False)
    """Full path of each axis; the client's axes have their names for it, the oracle's among them."""
    _settings: tuple[tuple[Setting, SessionConfig], ...] = field(init=False)
    _shape: SpaceShape = field(init=False)

    @property
    def settings(self) -> tuple[dict[str, Any], ...]:
        """Swept values of every setting, in the grid's order: the last axis turns fastest."""
        return tuple(dict(setting) for setting, _ in self._settings)

    @property
    def fields(self) -> dict[str, str]:
        """Full path of each axis that is a field of the session."""
        return {name: path for name, path in self.axes.items() if path not in CLIENT_AXES}

    @property
    def configs(self) -> tuple[SessionConfig, ...]:
        """The configuration of every setting, in the same order."""
        return tuple(config for _, config in self._settings)

    def _usual_control(self) -> _UsualControl:
        text = self.base.to_json()
        found = (setting for setting, config in self._settings if config.to_json() == text)
        return _UsualControl(next(found, self._settings[0][0]))

    @property
    def answering(self) -> tuple[Target, ...]:
        """What answers where `run_sweep` is not told."""
        return tuple(self.targets) or (self.target or mocked(),)

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
        } | self.extras

    @property
    def extras(self) -> dict[str, Any]:
        """What decides what is run and is seldom said."""
        shape = self._shape
        said = {
            "when": {name: plain_value(dict(needs)) for name, needs in shape.when.items()},
            "zipped": [list(group) for group in shape.zipped],
            "draw": shape.draw,
            "control": None if shape.control is None else plain_value(dict(self.control)),
            "metrics": None if self.metrics == "all" else self.metrics,
            "oracle": self.oracle,
        }
        return {name: value for name, value in said.items() if value}

    @cached_property
    def hash(self) -> str:
        """16 hex digits of `content`."""
        return digest(self.content)

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial against the plan's own targets, in order."""
        return self.trials_for(*self.answering)

    def trials_for(self, *targets: Target) -> tuple[Trial, ...]:
        """Every trial against `targets`, in order."""
        return ordered_trials(self._settings, self.scripts, self.conditions, self.repeats, self.seed, targets)

    @property
    def gaps(self) -> tuple[Trial, ...]:
        """Trials that are not run, because their target lacks what their setting needs; each says what."""
        return tuple(trial for trial in self.trials if trial.gap is not None)

    def only(self, *settings: Setting | SessionConfig) -> SweepPlan:
        """The same plan with some of its settings.

        Args:
            *settings: Swept values by name (all settings that have them), anything with a `.setting`, or
                configurations of the grid.

        Raises:
            PlanError: If one of them is not in the grid.
        """
        return replace(self, chosen=settings)

    def estimate(
        self, target: Target | None = None, like: Mocked | None = None, prices: PriceTable | None = None
    ) -> Estimate:
        """What the plan will take against `target`, or its own: trials, minutes; where it is paid, tokens and USD.

        For a paid target, sessions are held with the mocked server, which takes a few seconds; see `estimate`.

        Args:
            target: What will answer.
            like: The mocked target whose answers are as long as the service's are thought to be; None: `mocked()`.
            prices: The prices; None: the shipped price table.

        Raises:
            AudioError: If a target is paid, and a clip cannot be read.
        """
        targets = self.answering if target is None else (target,)
        return estimate_plan(self, targets, like or mocked(), prices or load_prices())

    @property
    def _n_trials(self) -> int:
        held = len(self._settings) * len(self.answering)
        return held * len(self.scripts) * len(self.conditions) * self.repeats

    def save(self, path: str | Path) -> Path:
        """Write the plan as TOML; `load` reads it back equal.

        Raises:
            PlanError: If something in it cannot be written: a secret, or scripts that are in no set.
        """
        return save_plan(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> SweepPlan:
        """Read a plan file.

        Raises:
            PlanError: If the file is missing, is not TOML or has mistakes; all of them are in `.errors`.
        """
        return cls(**read_plan(Path(path)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SweepPlan):
            return NotImplemented
        return (self.hash, self.answering, self.confirm) == (other.hash, other.answering, other.confirm)

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[Any, ...]:
        given = (self.base, dict(self.space), self.scripts, self.conditions, self.repeats, self.seed)
        chosen = None if self.chosen is None else self.settings
        shape = self._shape
        told: dict[str, Any] = {
            "target": self.target,
            "targets": self.targets,
            "chosen": chosen,
            "metrics": self.metrics,
        }
        told |= {"when": {name: dict(needs) for name, needs in shape.when.items()}, "zipped": shape.zipped}
        told |= {"draw": shape.draw, "confirm": self.confirm, "oracle": self.oracle}
        told |= {} if shape.control is None else {"control": dict(shape.control)}
        return _rebuilt, (given, told)

    def __repr__(self) -> str:
        return f"<SweepPlan {self.hash}: {', '.join(self._sizes())}>"

    def _sizes(self) -> Iterator[str]:
        axes = " × ".join(f"{len(values)} {name}" for name, values in self.space.items())
        kept = ", chosen" if self.chosen is not None else ", drawn" if self._shape.draw else ""
        bound = ", and the oracle" if self.oracle else ""
        yield f"{len(self._settings)} settings ({axes}{kept}{bound})"
        yield f"{len(self.scripts)} script{'s' if len(self.scripts) != 1 else ''}"
        yield ", ".join(condition.name for condition in self.conditions)
        if self.repeats > 1:
            yield f"{self.repeats} repeats"
        if len(self.answering) > 1:
            yield " and ".join(target.name for target in self.answering)
        if self.metrics != "all":
            yield "turn detection alone"
        yield trials_words(self._n_trials)

    def _repr_html_(self) -> str:
        rows = [(name, ", ".join(map(str, values))) for name, values in self.space.items()]
        rows += [
            ("scripts", ", ".join(script.id for script in self.scripts)),
            ("conditions", ", ".join(condition.name for condition in self.conditions)),
            ("repeats, seed", f"{self.repeats}, {self.seed}"),
            ("in all", trials_words(self._n_trials)),
        ]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text[:400])}</td></tr>"
            for name, text in rows
        )
        return (
            f"<details open class='rl-plan'><summary>Sweep plan {self.hash}</summary><table>{cells}</table></details>"
        )


def _rebuilt(given: tuple[Any, ...], told: dict[str, Any]) -> SweepPlan:
    return SweepPlan(*given, **told)


def _several(value: object) -> tuple[Any, ...]:
    if isinstance(value, (str, Path, Condition, Script, *TARGETS)) or not hasattr(value, "__iter__"):
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


def _mode_problems(metrics: object, confirm: object, oracle: object) -> list[Problem]:
    problems = []
    if not isinstance(oracle, bool):
        problems.append(Problem("oracle", oracle, "true or false", code="invalid_type"))
    if metrics not in get_args(Metrics):
        problems.append(Problem("metrics", metrics, " or ".join(map(repr, get_args(Metrics)))))
    if confirm is not None and not isinstance(confirm, Confirm):
        problems.append(Problem("confirm", confirm, "a Confirm, or None for one stage", code="invalid_type"))
    return problems


def _checked_base(value: object) -> tuple[SessionConfig, list[Problem]]:
    if isinstance(value, SessionConfig):
        return value, []
    return SessionConfig(), [Problem("base", value, "a SessionConfig", code="invalid_type")]
