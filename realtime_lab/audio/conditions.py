"""Acoustic conditions as values: what is added to a script's clean sound, and how strongly.

The sound itself is made in `noise`, and put under speech in `render`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from realtime_lab.errors import ArgumentError, ConfigError, Problem

ConditionKind = Literal["clean", "white", "pink", "babble", "telephone"]
CONDITION_KINDS: tuple[ConditionKind, ...] = get_args(ConditionKind)
"""Every kind of condition."""

MIN_SNR_DB = -20.0
MAX_SNR_DB = 60.0
NOISES: tuple[ConditionKind, ...] = ("white", "pink", "babble")
"""Those that have a level."""


@dataclass(frozen=True)
class Condition:
    """One acoustic condition; two of equal kind and level are the same condition."""

    kind: ConditionKind
    snr_db: float | None = None
    """Speech over noise, dB, for white, pink and babble; None for the others. Speech is the script's active level
    (RMS over its reference intervals), noise the RMS of the whole noise, both over the full 12 kHz band."""

    def __post_init__(self) -> None:
        if self.kind not in CONDITION_KINDS:
            raise ArgumentError([Problem("condition.kind", self.kind, " | ".join(CONDITION_KINDS))])
        if self.kind not in NOISES:
            if self.snr_db is not None:
                hint = f"{self.kind} has no noise level: leave snr_db out"
                raise ArgumentError([Problem("condition.snr_db", self.snr_db, "not given", hint)])
            return
        object.__setattr__(self, "snr_db", _checked_snr(self.kind, self.snr_db))

    @property
    def name(self) -> str:
        """Its name in tables and files, such as `clean`, `babble_3dB` or `telephone`."""
        return self.kind if self.snr_db is None else f"{self.kind}_{self.snr_db:g}dB"

    def to_dict(self) -> dict[str, object]:
        """As plain values for a plan file; absent values are left out."""
        return {"kind": self.kind} if self.snr_db is None else {"kind": self.kind, "snr_db": self.snr_db}

    @classmethod
    def from_name(cls, name: str) -> Condition:
        """The condition of this `name`.

        Raises:
            ConfigError: If no condition has that name.
        """
        kind, _, level = name.partition("_")
        try:
            condition = cls(cast(ConditionKind, kind), float(level.removesuffix("dB")) if level else None)
        except (ConfigError, ValueError):
            condition = None
        if condition is None or condition.name != name:
            raise ArgumentError([Problem("condition", name[:80], "the name of a condition, such as 'babble_3dB'")])
        return condition

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Condition:
        """The condition `to_dict` wrote.

        Raises:
            ConfigError: If a key is unknown or a value is not allowed.
        """
        unknown = [key for key in values if key not in ("kind", "snr_db")]
        if unknown:
            raise ArgumentError([Problem(f"condition.{key}", values[key], "kind, snr_db") for key in unknown])
        return cls(cast(ConditionKind, values.get("kind")), cast("float | None", values.get("snr_db")))


def _checked_snr(kind: str, snr_db: object) -> float:
    number = isinstance(snr_db, (int, float)) and not isinstance(snr_db, bool)
    if number and math.isfinite(value := float(cast(float, snr_db))) and MIN_SNR_DB <= value <= MAX_SNR_DB:
        return value
    allowed = f"a number of dB from {MIN_SNR_DB:g} to {MAX_SNR_DB:g}"
    raise ArgumentError([Problem("condition.snr_db", snr_db, allowed, f"say {kind}(snr_db=3)")])


def clean() -> Condition:
    """The clips as they are, over their own quiet noise floor."""
    return Condition("clean")


def white(snr_db: float) -> Condition:
    """White noise `snr_db` under the speech."""
    return Condition("white", snr_db)


def pink(snr_db: float) -> Condition:
    """Pink noise (equal power per octave) `snr_db` under the speech."""
    return Condition("pink", snr_db)


def babble(snr_db: float) -> Condition:
    """Several other people talking at once, `snr_db` under the speech; never from the script's own clips."""
    return Condition("babble", snr_db)


def telephone() -> Condition:
    """A telephone channel: 300 to 3,400 Hz, mu-law at 8 kHz and back."""
    return Condition("telephone")
