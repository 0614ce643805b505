"""One study's file, asked one question at a time: its plan, its trials' keys, its frames, its recordings.

Nothing is held open between two questions. Whatever in the file is damaged or hostile comes out as a
`StudyDamagedError` that names the file. What the answers mean is `study`'s to say.

Where only a recording's checksum was kept, the mocked session is held again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from realtime_lab.errors import StudyDamagedError, StudyError
from realtime_lab.recording import recording_to_bytes
from realtime_lab.session import Mocked, run_session
from realtime_lab.sweep.plans.client_axes import client_options
from realtime_lab.sweep.store.reader import StudyReader, reading

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_lab.analysis.cost import PriceTable
    from realtime_lab.recording import Recording
    from realtime_lab.sweep.plans.plan import SweepPlan
    from realtime_lab.sweep.studies.frames import Keys, StudyFrames


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


T = TypeVar("T")


class StudyFile:
    """What stands in a study file, checked as it is read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[tuple[str, int], Keys] | None = None

    def states(self) -> dict[str, int]:
        """How many trials are in each state."""
        with reading(self.path) as reader:
            return reader.states()

    @cached_property
    def plan(self) -> SweepPlan:
        """The plan, clips of a user's own being where they were on the machine that ran it."""
        from realtime_lab.sweep.store.content import plan_from_record

        record, target = self._plan_record()
        return self.sound(lambda: plan_from_record(record, target))

    def plan_here(self, folders: Sequence[Path]) -> SweepPlan:
        """The plan, its audio found on this machine.

        Raises:
            ScriptError: If audio is not to be found.
        """
        from realtime_lab.audio.file_cache import cache_folder
        from realtime_lab.sweep.store.content import plan_from_record
        from realtime_lab.sweep.store.sharing import audio_here

        record, target = self._plan_record()
        self.sound(lambda: plan_from_record(record, target))
        own = [clip for clip in record["scripts"]["clips"] if clip.get("path") is not None]
        audio_here(self.path, own, folders, cache_folder() / "audio")
        return self.sound(lambda: plan_from_record(record, target))

    def frames(self, make: Callable[[StudyFrames], T], prices: PriceTable | None = None, now: bool = False) -> T:
        """What `make` makes of the study's frames.

        Args:
            make: Takes the frames.
            prices: What sessions are priced by; None: the shipped price table.
            now: With the states that trials are in at this moment; otherwise they may be older.
        """
        from realtime_lab.sweep.studies.frames import StudyFrames, read_keys

        with reading(self.path) as reader:
            keys = self.sound(lambda: read_keys(reader)) if now else self._keys(reader)
            return self.sound(lambda: make(StudyFrames(reader, keys, prices)))

    def keys_of(self, trial: Any) -> tuple[int, Keys]:
        """A trial's number, and the keys and settings of all of them.

        Raises:
            StudyError: If there is no such trial.
        """
        with reading(self.path) as reader:
            keys = self._keys(reader)
        return self._number(trial, keys[0]["key"]), keys

    def recording(self, trial: Any) -> Recording:
        """What happened in one trial's session, held again where only its checksum was kept.

        Raises:
            StudyError: If there is no such trial, or it has no recording.
        """
        from realtime_lab.recording import recording_from_bytes

        with reading(self.path) as reader:
            trials = reader.trials()
            number = self._number(trial, trials["key"])
            data, sha256 = reader.recording(number), reader.recording_sha256(number)
        if sha256 is not None:
            data = recreated(self.path, self.plan, number, sha256)
        key, state = trials["key"][number], trials["state"][number]
        if data is None:
            raise StudyError(f"trial {key} of {self.path} has no recording: it is {state}", self.path)
        return recording_from_bytes(data, f"trial {key} of {self.path}")

    def recordings(self) -> Iterator[Recording]:
        """Every recording there is, first repeats first."""
        with reading(self.path) as reader:
            trials = reader.trials()
        for number in sorted(range(len(trials["key"])), key=lambda number: (trials["repeat"][number], number)):
            try:
                yield self.recording(number)
            except StudyDamagedError:
                raise
            except StudyError:  # it was never held
                continue

    def _plan_record(self) -> tuple[Any, Any]:
        with reading(self.path) as reader:
            return reader.json("plan"), reader.json("target")

    def _keys(self, reader: StudyReader) -> Keys:
        """Keys and settings of the trials, read again only when a result has come in since; states may be older."""
        from realtime_lab.sweep.studies.frames import read_keys

        version = reader.version()
        if self._known is None or self._known[0] != version:
            self._known = version, self.sound(lambda: read_keys(reader))
        return self._known[1]

    def sound(self, read: Callable[[], T]) -> T:
        """What `read` makes of the file's content, a hostile or damaged one being named as such."""
        try:
            return read()
        except (ValueError, IndexError, TypeError, AttributeError, OverflowError, MemoryError) as error:
            raise StudyDamagedError(f"{self.path} is damaged: {' '.join(str(error).split())}", self.path) from None

    def _number(self, trial: Any, keys: Sequence[str]) -> int:
        name = getattr(trial, "key", trial)
        if isinstance(name, int) and not isinstance(name, bool):
            found = [name] if 0 <= name < len(keys) else []
        else:
            found = [number for number, key in enumerate(keys) if str(name) and key.startswith(str(name))]
        if len(found) == 1:
            return found[0]
        what = f"{len(found)} trials begin with" if found else "there is no trial"
        raise StudyError(f"{what} {str(name)[:80]!r} in {self.path}: keys are in trials_df()", self.path)
