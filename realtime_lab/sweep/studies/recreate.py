"""Holding a mocked session again, to have the recording that its study kept only the checksum of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from realtime_lab.errors import StudyError
from realtime_lab.recording import recording_to_bytes
from realtime_lab.session import Mocked, run_session
from realtime_lab.sweep.plans.client_axes import client_options

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_lab.sweep.plans.plan import SweepPlan

__all__ = ["recreated"]


def recreated(path: Path, plan: SweepPlan, number: int, sha256: str) -> bytes:
    """The bytes of a mocked trial's recording, made again.

    Args:
        path: The study, for messages.
        plan: Its plan.
        number: The trial's number.
        sha256: Beginning of the recording's checksum when it was made.

    Raises:
        StudyError: If the recording that is made is another one, or its target is not mocked.
        AudioError: If the script's audio is not where it was.
        ConfigError: If it takes a callable of which the study keeps the name alone.
    """
    trial = plan.trials[number]
    target = next(target for target in plan.answering if target.name == trial.target)
    script = next(script for script in plan.scripts if script.id == trial.script_id)
    if not isinstance(target, Mocked):
        raise StudyError(f"the recording of trial {trial.key} of {path} is not in it, and {target.name} is not mocked")
    how = client_options(trial.setting)
    recording = run_session(trial.config, script, target, condition=trial.condition, seed=trial.seed, **how)
    data = recording_to_bytes(recording)
    if not sha256 or not hashlib.sha256(data).hexdigest().startswith(sha256):
        raise StudyError(
            f"the recording of trial {trial.key} of {path} was not kept, and this version of the package or this "
            "machine makes another one of the same session",
            path,
        )
    return data
