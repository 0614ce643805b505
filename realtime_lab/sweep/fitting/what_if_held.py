"""How well counterfactuals predict: sessions really held at the settings that were predicted, compared turn by turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from realtime_lab.analysis.rows.reading import SessionView
from realtime_lab.audio import Condition, Script, clean
from realtime_lab.config import SessionConfig
from realtime_lab.errors import RecordingError
from realtime_lab.recording import Recording
from realtime_lab.server.engine.profile import PROFILES, Profile
from realtime_lab.session import Mocked, Stage, Target, mocked, run_session
from realtime_lab.sweep.fitting.what_if import DETECTION, PredictedTurn, counterfactual, setting_grid, told_turn


class PredictionError(NamedTuple):
    """How predictions for one setting compare with sessions really held at it."""

    threshold: float
    prefix_padding_ms: float
    silence_duration_ms: float
    turns: int
    """Turns compared."""
    not_predictable: int
    same_cuts: int
    """Turns in which as many holds were cut as predicted."""
    predicted_cut_holds: int
    cut_holds: int
    holds: int
    delays: int
    """Turns in which both have an endpoint delay."""
    median_ms: float
    """Median of the absolute error of the endpoint delay; NaN without any."""
    largest_ms: float


def prediction_errors(
    base: SessionConfig,
    space: Mapping[str, Sequence[float]],
    scripts: Sequence[Script],
    conditions: Sequence[Condition] = (clean(),),
    *,
    target: Target | None = None,
    profile: Profile | None = None,
    seed: int = 0,
    stage: Stage | None = None,
) -> list[PredictionError]:
    """Hold sessions at one setting, predict others from them, hold those too, and compare turn by turn.

    Args:
        base: The configuration whose sessions the predictions are made from.
        space: What to predict, as for `counterfactual`.
        scripts: What is said.
        conditions: What the line sounds like.
        target: Who answers; default: the mocked server.
        profile: How it hears; default: the mocked target's own profile.
        seed: Decides the sessions' draws, which differ between settings.
        stage: Rendered audio and remembered speech probabilities to share; default: a new one.

    Raises:
        ConfigError: If the space is wrong.
        RecordingError: If a session fails.
    """
    target, stage = target or mocked(), stage or Stage()
    profile = profile or (target.profile if isinstance(target, Mocked) else PROFILES["documented"])
    places = [(script, condition) for script in scripts for condition in conditions]
    recorded = [_held(base, *place, target, seed + n, stage) for n, place in enumerate(places)]
    predicted = counterfactual(recorded, space, profile=profile, scripts=scripts, stage=stage).turns
    grid = setting_grid(space)
    errors = []
    for number, values in enumerate(product(*grid.values()), 1):
        setting = dict(zip(grid, values, strict=True))
        config = base.with_values({DETECTION + name: value for name, value in setting.items()})
        compared: list[tuple[PredictedTurn, PredictedTurn]] = []
        for place, (script, condition) in enumerate(places):
            real = _held(config, script, condition, target, seed + 1000 * number + place, stage)
            told = {t.turn: t for t in predicted if t.recording == place and _is_of(t, setting)}
            compared += [(told[turn.turn], turn) for turn in _really(real) if turn.turn in told]
        errors.append(_error(compared))
    return errors


def _held(
    config: SessionConfig, script: Script, condition: Condition, target: Target, seed: int, stage: Stage
) -> Recording:
    recording = run_session(config, script, target, condition=condition, seed=seed, stage=stage)
    if recording.header.outcome != "complete":
        raise RecordingError(f"a session failed: {recording.header.failure}")
    return recording


def _is_of(turn: PredictedTurn, setting: Mapping[str, float]) -> bool:
    return all(getattr(turn, name) == value for name, value in setting.items())


def _really(recording: Recording) -> Iterator[PredictedTurn]:
    """What really happened, in the form of a prediction."""
    view = SessionView(recording)
    nan = math.nan
    for taking in view.takings:
        yield told_turn((0, recording.header.script_id, recording.header.condition, nan, nan, nan), taking)


def _error(compared: Sequence[tuple[PredictedTurn, PredictedTurn]]) -> PredictionError:
    told = [(guess, real) for guess, real in compared if guess.predictable]
    away = sorted(
        abs(guess.endpoint_delay_ms - real.endpoint_delay_ms)
        for guess, real in told
        if guess.endpoint_delay_ms is not None and real.endpoint_delay_ms is not None
    )
    first = compared[0][0]
    return PredictionError(
        first.threshold,
        first.prefix_padding_ms,
        first.silence_duration_ms,
        len(told),
        len(compared) - len(told),
        sum(guess.n_cut_holds == real.n_cut_holds for guess, real in told),
        sum(guess.n_cut_holds for guess, _ in told),
        sum(real.n_cut_holds for _, real in told),
        sum(real.n_holds for _, real in told),
        len(away),
        away[len(away) // 2] if away else math.nan,
        away[-1] if away else math.nan,
    )
