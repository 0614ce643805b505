"""The trials of a plan, in their order: paired random blocks, keys, seeds, and what a target lacks by name.

A block holds every setting once on every target, on one script under one condition in one repeat, in an order drawn
from the seed; blocks follow one another in an order drawn from it too. A trial's key says what is run, whatever plan
it stands in; its seed follows from the plan's seed and its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime_lab.audio import Condition, Script
from realtime_lab.config import SessionConfig
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.errors import ConfigError
from realtime_lab.server.engine.settings import Settings
from realtime_lab.session import Live, Replay, Target
from realtime_lab.sweep.plans.client_axes import client_options
from realtime_lab.sweep.plans.records import plain_value, target_to_record

Setting = Mapping[str, Any]
"""Swept values by the names of their axes."""


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
    gap: str | None = None
    """What the target lacks, so that this trial is excluded; None: nothing."""


def ordered_trials(
    settings: Sequence[tuple[Setting, SessionConfig]],
    scripts: Sequence[Script],
    conditions: Sequence[Condition],
    repeats: int,
    seed: int,
    targets: Sequence[Target],
) -> tuple[Trial, ...]:
    """Every trial of a plan against its targets, in order."""
    places = [
        (script, condition, repeat) for repeat in range(repeats) for script in scripts for condition in conditions
    ]
    several = len(targets) > 1
    held = [
        (number, target, digest(target_to_record(target)), lack(target, config) if several else None)
        for number, (_, config) in enumerate(settings)
        for target in targets
    ]
    hashes = [digest(_session(setting, config)) for setting, config in settings]
    trials: list[Trial] = []
    for block, number in enumerate(np.random.default_rng([seed, 0]).permutation(len(places)).tolist()):
        script, condition, repeat = places[number]
        rng = np.random.default_rng([seed, 1, number])
        where = [script.content_hash, condition.to_dict(), repeat]
        for place in rng.permutation(len(held)).tolist():
            position, target, answering, gap = held[place]
            setting, config = settings[position]
            key = digest([hashes[position], *where, answering])
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
                    seed=int(digest([seed, key])[:12], 16),
                    target=target.name,
                    gap=gap,
                )
            )
    return tuple(trials)


def _session(setting: Setting, config: SessionConfig) -> Any:
    """What is held: the configuration, and how the client ends turns where a setting says so."""
    told = client_options(setting)
    return [config.to_json(), plain_value(told)] if told else config.to_json()


def lack(target: Target, config: SessionConfig) -> str | None:
    """What `target` lacks to hold a session of this configuration, as far as can be known beforehand; None: nothing.

    The mocked server is asked itself; a live one lacks what its dialect cannot say.
    """
    try:
        if isinstance(target, Live):
            config.to_wire(target.dialect)
            return None
        if isinstance(target, Replay):  # what it has also depends on script and condition
            return None
        wire = config.to_wire("ga")
    except ConfigError as error:
        return f"{target.name} lacks {error.errors[0].path}: {error.errors[0].allowed}"
    problem = Settings(target.profile, wire.get("model"), estimates=target.estimates).update(wire)
    return None if problem is None else f"{target.name} lacks {problem.path} = {problem.value!r}: {problem.allowed}"


def digest(value: object) -> str:
    """16 hex digits of a plain value."""
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()[:16]


def trials_words(count: int) -> str:
    """How many trials: `1 trial`, `2,000 trials`."""
    return f"{count:,} trial{'s' * (count != 1)}"
