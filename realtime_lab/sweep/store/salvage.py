"""What is whole in a damaged study, copied into a new one; the damaged file is not touched.

A row batch counts when its checksum holds, a recording when its does, and where a trial's rows are lost they are
computed again from its recording. A trial is complete in the new study when everything its own row counts is there;
any other is planned again, so that the command that made the study finishes the new one.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from realtime_lab.analysis.columns import METRICS_VERSION
from realtime_lab.analysis.rows.session import session_rows
from realtime_lab.errors import ConfigError, RealtimeLabError, StudyDamagedError, StudyError
from realtime_lab.recording import recording_from_bytes
from realtime_lab.recording.files import MAX_RECORDING_BYTES
from realtime_lab.sweep.plans.plan import SweepPlan
from realtime_lab.sweep.plans.trials import trials_words
from realtime_lab.sweep.store import tables
from realtime_lab.sweep.store.content import plan_from_record, study_content
from realtime_lab.sweep.store.pages import rows_in_pages, with_log
from realtime_lab.sweep.store.reader import AGAIN, EFFECTIVE_DIGITS
from realtime_lab.sweep.store.tables import KINDS
from realtime_lab.sweep.store.writer import StudyContent, StudyWriter
from realtime_lab.sweep.workers.worker import PackedRecording, TrialResult

Key = tuple[int, int]
"""Trial number and attempt."""
_META = frozenset(("plan", "plan_hash", "target", "settings", "axes", "metrics_version"))
_NO_DATES = ("1970-01-01T00:00:00.000+00:00",) * 2
_OWN = ["trial_number", "attempt"]
_AT_ONCE = 256
"""Results in one transaction."""


@dataclass(frozen=True)
class Salvaged:
    """What came of it."""

    path: Path
    """The new study."""
    trials: int
    complete: int
    """Trials with all their rows."""
    recomputed: int
    """Of these, computed again from their recordings."""
    lost: int
    """Trials that were complete, as far as can be seen, and are planned again."""

    def __str__(self) -> str:
        again = f" ({self.recomputed:,} computed again from their recordings)" if self.recomputed else ""
        return (
            f"{self.complete:,} of {trials_words(self.trials)} whole{again}, {self.lost:,} lost and planned again: "
            f"{self.path}"
        )


def salvage(path: str | Path, out: str | Path, plan: SweepPlan | None = None) -> Salvaged:
    """Copy what is whole in a damaged study into a new one.

    Args:
        path: The damaged study.
        out: The new study; it must not be there yet.
        plan: The plan it was made with; needed only where the file no longer has its own.

    Raises:
        StudyDamagedError: If the plan is lost and none is given, or the file is not a study at all.
        StudyError: If a file cannot be read or written.
    """
    path, out = Path(path), Path(out)
    if out.exists():
        raise StudyError(f"{out} is there already: give another name", out)
    found = _Found()
    for row in rows_in_pages(_bytes_of(path)):
        found.take(row)
    content = _content(path, found, plan)
    whole: set[int] = set()
    recomputed = 0
    writer = StudyWriter.open(out, content)
    try:
        for (sent, returned), results in groupby(_results(found, len(content.trials)), key=itemgetter(0)):
            waiting = (result for _, result in results)
            while several := list(islice(waiting, _AT_ONCE)):
                writer.commit(several, sent, returned)
                whole |= {result.index for result in several}
        recomputed = len(found.recomputed)
    finally:
        writer.close()
    return Salvaged(out, len(content.trials), len(whole), recomputed, len(found.seen_complete - whole))


def _bytes_of(path: Path) -> bytes:
    try:
        data, log = path.read_bytes(), path.with_name(path.name + "-wal")
        return with_log(data, log.read_bytes()) if log.is_file() else data
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}", path) from None


@dataclass
class _Found:
    """Sound rows of every table, told apart by their shape."""

    meta: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[Key, pa.Table]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    """Slices of the batches they came in."""
    recordings: dict[Key, PackedRecording] = field(default_factory=dict)
    effective: dict[str, str] = field(default_factory=dict)
    names: dict[int, tuple[str | None, int]] = field(default_factory=dict)
    """Trial -> hash of its effective configuration, and whether it is tainted."""
    dates: dict[Key, tuple[str, str]] = field(default_factory=dict)
    seen_complete: set[int] = field(default_factory=set)
    recomputed: set[int] = field(default_factory=set)

    def take(self, row: list[Any]) -> None:
        """Keep a row if it is one of a study's, and sound."""
        takers: dict[int, Callable[..., None]] = {
            2: self._meta,
            4: self._blob,
            5: self._batch,
            6: self._recording,
            9: self._attempt,
            14: self._trial,
        }
        try:
            takers[len(row)](*row)
        except (KeyError, TypeError, ValueError, OSError, zlib.error, pa.ArrowException):
            return

    def _meta(self, name: Any, value: Any) -> None:
        if name in _META and isinstance(value, str):
            self.meta.setdefault(name, value)

    def _blob(self, sha256: Any, codec: Any, size: Any, data: Any) -> None:
        if codec == "raw" and hashlib.sha256(data).hexdigest() == sha256:
            self.effective[sha256[:EFFECTIVE_DIGITS]] = data.decode()

    def _batch(self, number: Any, kind: Any, n: Any, sha256: Any, data: Any) -> None:
        if kind not in KINDS:
            return
        table = tables.from_bytes(kind, data, sha256)
        keys = list(zip(table["trial_number"].to_pylist(), table["attempt"].to_pylist(), strict=True))
        start = 0
        for key, same in groupby(keys):
            count = sum(1 for _ in same)
            # Batches that were merged may still lie about: a trial's rows of one kind come from one batch.
            self.rows[kind].setdefault(key, table.slice(start, count))
            start += count

    def _recording(self, trial: Any, attempt: Any, codec: Any, size: Any, sha256: Any, data: Any) -> None:
        if codec == AGAIN:
            self.recordings[int(trial), int(attempt)] = PackedRecording(b"", int(size), str(sha256))
        elif codec == "zlib" and 0 <= size <= MAX_RECORDING_BYTES:
            whole = zlib.decompressobj().decompress(data, size + 1)
            if len(whole) == size and hashlib.sha256(whole).hexdigest() == sha256:
                self.recordings[int(trial), int(attempt)] = PackedRecording(data, size, sha256)

    def _attempt(self, number: Any, trial: Any, attempt: Any, state: Any, detail: Any, *rest: Any) -> None:
        if isinstance(trial, int) and isinstance(attempt, int) and state == "complete":
            self.dates[trial, attempt] = (str(rest[-2]), str(rest[-1]))
            self.seen_complete.add(trial)

    def _trial(self, trial: Any, *rest: Any) -> None:
        state, _, tainted, effective, _ = rest[-5:]
        if isinstance(trial, int) and state == "complete":
            self.seen_complete.add(trial)
            self.names[trial] = (effective, int(tainted or 0))


def _content(path: Path, found: _Found, plan: SweepPlan | None) -> StudyContent:
    version = found.meta.get("metrics_version", str(METRICS_VERSION))
    if version != str(METRICS_VERSION):
        raise StudyDamagedError(f"{path} holds metrics of version {version}, this is version {METRICS_VERSION}", path)
    if plan is not None:
        return study_content(plan, plan.answering, plan.trials)
    if not found.meta.keys() >= _META:
        hint = "give the plan it was made with" if found.rows["trials"] or found.recordings else "it is not a study"
        raise StudyDamagedError(f"the plan in {path} is lost: {hint}", path)
    try:
        told = plan_from_record(json.loads(found.meta["plan"]), json.loads(found.meta["target"]))
        content = study_content(told, told.answering, told.trials)
        axes, settings = json.loads(found.meta["axes"]), json.loads(found.meta["settings"])
    except (ValueError, ConfigError, RecursionError) as error:
        raise StudyDamagedError(f"the plan in {path} cannot be read: {error}", path) from None
    # The hash is that of the plan as it was given, before secrets in it were hidden.
    return StudyContent(content.plan, found.meta["plan_hash"], content.target, settings, axes, content.trials)


def _results(found: _Found, trials: int) -> Iterator[tuple[tuple[str, str], TrialResult]]:
    """(dates, result) of every trial that has a whole one, by its latest such attempt."""
    keys: dict[int, list[Key]] = {}
    for key in {*found.rows["trials"], *found.recordings}:
        if 0 <= key[0] < trials:
            keys.setdefault(key[0], []).append(key)
    for number in sorted(keys):
        for key in sorted(keys[number], reverse=True):
            rows = _whole_rows(found, key)
            if rows is None and (rows := _rows_again(found.recordings.get(key))) is not None:
                found.recomputed.add(number)
            if rows is not None:
                effective, tainted = found.names.get(number, (None, 0))
                said = found.effective.get(effective or "")
                packed = found.recordings.get(key)
                result = TrialResult(number, "complete", packed, rows, said, tainted=bool(tainted))
                yield found.dates.get(key, _NO_DATES), result
                break


def _whole_rows(found: _Found, key: Key) -> dict[str, list[dict[str, Any]]] | None:
    """The rows of one attempt if they are as many as they say of each other; None when some are lost."""
    parts = {kind: found.rows[kind].get(key) for kind in KINDS}
    rows = {kind: [] if part is None else part.drop_columns(_OWN).to_pylist() for kind, part in parts.items()}
    if len(rows["trials"]) != 1:
        return None
    trial = rows["trials"][0]
    # Tokens of words nobody said stand in no turn's count: there may be more of them than are counted.
    counted = sum(row.get("n_tokens") or 0 for row in rows["turns"])
    whole = len(rows["turns"]) == (trial.get("n_turns") or 0) and len(rows["tokens"]) >= counted
    return rows if whole and len(rows["responses"]) == (trial.get("n_responses") or 0) else None


def _rows_again(packed: PackedRecording | None) -> dict[str, list[dict[str, Any]]] | None:
    if packed is None or not packed.data:
        return None
    try:
        recording = recording_from_bytes(zlib.decompress(packed.data))
    except RealtimeLabError:
        return None
    if recording.header.outcome != "complete":
        return None
    return dict(_kinds(session_rows(recording)._asdict()))


def _kinds(rows: Mapping[str, Iterable[dict[str, Any]]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    return ((kind, list(rows[kind])) for kind in KINDS)
