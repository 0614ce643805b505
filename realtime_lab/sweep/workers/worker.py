"""What a worker does with a trial: run its session, compute its rows, pack its recording. No pandas, no store.

`run_batch` is the one call that crosses to another process; everything it takes and gives back is picklable. A trial
that raises becomes a failed result with its text, so one bad trial never costs another.
"""

from __future__ import annotations

import hashlib
import json
import traceback
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Literal, cast

from realtime_lab.analysis.rows.screened import screened, screened_difference
from realtime_lab.analysis.rows.session import SessionRows, session_rows
from realtime_lab.audio import Condition, Script
from realtime_lab.config import SessionConfig
from realtime_lab.config.parts.part import plain
from realtime_lab.errors import RemoteError
from realtime_lab.recording import Recording, recording_to_bytes
from realtime_lab.session import FATAL_FAULTS, Live, Mocked, Stage, run_session
from realtime_lab.session.screening import screen
from realtime_lab.sweep.plans.client_axes import client_options, client_turns

WORKFLOW_NAME = "realtime_lab"
"""What live trials are called there, where the configuration gives no name."""


def traced_config(config: SessionConfig, study: str, trial: str, setting: Mapping[str, Any]) -> SessionConfig:
    """A live trial's configuration, with tracing that names the study, the trial and its setting.

    Tracing that is unset or null stays so: nothing is traced that nobody asked for. What the configuration itself says
    (a workflow_name, a group_id, keys of metadata) stays as well; "auto" says nothing.

    Args:
        config: What the plan asks for.
        study: Hash of the plan, which becomes the group_id.
        trial: The trial's key.
        setting: Its swept values.
    """
    asked = plain(config.get("tracing"))
    if asked is None:
        return config
    given: dict[str, Any] = asked if isinstance(asked, dict) else {}
    metadata = {"trial": trial, "setting": plain(dict(setting)), **(given.get("metadata") or {})}
    filed = {"workflow_name": WORKFLOW_NAME, "group_id": study, **given, "metadata": metadata}
    return config.with_values({"tracing": filed})


MAX_ERROR_CHARACTERS = 2_000
PACKING_LEVEL = 3
"""Of zlib: half the time of its usual level, for a fifth more room."""
KEPT_STAGES = 4
"""Scripts under a condition whose rendered audio a worker keeps; the schedule seldom needs more than one."""


@dataclass(frozen=True, slots=True)
class TrialTask:
    """One trial as a worker needs it."""

    index: int
    """The trial's number in its plan."""
    key: str
    """The trial's key."""
    config: SessionConfig
    script: Script
    condition: Condition
    seed: int
    target: Any
    """The target's spec, such as `mocked()`; picklable."""
    screen: bool = False
    """Whether turn detection alone is asked for, which may need no session."""
    keep: bool = True
    """Whether a mocked session's recording is kept; without it, its checksum is, and the session can be held again."""
    check: bool = False
    """Whether a screen holds the session all the same, to compare."""
    study: str = ""
    """Hash of the plan: what the vendor's own log files live trials under, where tracing is asked for."""
    setting: Mapping[str, Any] = field(default_factory=dict)
    """Swept values by the names of their axes."""


@dataclass(frozen=True, slots=True)
class PackedRecording:
    """A recording's bytes, compressed, with their check."""

    data: bytes
    """zlib-compressed `recording_to_bytes`; empty where only its checksum is kept."""
    size: int
    """Bytes before compression."""
    sha256: str
    """SHA-256 (hex) of the bytes before compression."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What became of one trial."""

    index: int
    state: Literal["complete", "failed"]
    recording: PackedRecording | None = None
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Rows by kind: trials (one), turns, responses, tokens."""
    effective: str | None = None
    """The configuration the server reported, as canonical JSON."""
    error: str | None = None
    """Why it failed, in one line."""
    tainted: bool = False
    """Whether something disturbed the measurement."""
    fatal: bool = False
    """Whether no other trial can do better, as with a key that is refused."""
    limited: bool = False
    """Whether the service asked for fewer sessions at a time."""
    detail: str | None = None
    """The traceback of a failure, for the attempts table."""
    audio_ms: float | None = None
    """Audio that was sent; None when nobody knows."""


RunTrial = Callable[[TrialTask], TrialResult]
"""Runs one trial. Module-level, so that worker processes can import it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch."""

    results: list[TrialResult]
    """One per trial, in the order they were given."""
    seconds: float
    """How long it kept the worker busy; decides the size of later batches and nothing else."""


def run_batch(run: RunTrial, tasks: Sequence[TrialTask]) -> BatchResult:
    """Run trials one after another, in the order given; those with a live target side by side."""
    began = perf_counter()
    if run is run_trial and any(task.screen for task in tasks):
        return BatchResult(screen_batch(tasks), perf_counter() - began)
    live = [task for task in tasks if isinstance(task.target, Live)] if run is run_trial else []
    held = _side_by_side(live) if len(live) > 1 else []
    recordings = {task.index: recording for task, recording in zip(live, held, strict=False)}
    results = [
        _guarded(partial(_finished, recording=recordings[task.index]) if task.index in recordings else run, task)
        for task in tasks
    ]
    return BatchResult(results, perf_counter() - began)


def _guarded(run: RunTrial, task: TrialTask) -> TrialResult:
    try:
        return run(task)
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_ERROR_CHARACTERS]
        failed = TrialResult(task.index, "failed", error=line, detail=traceback.format_exc(limit=-20))
        return _refused(failed, error) if isinstance(error, RemoteError) else failed


def _refused(failed: TrialResult, error: RemoteError) -> TrialResult:
    """A session that the service gave no client secret for: nothing was sent."""
    fatal = error.status in (401, 403, 404) or error.code in FATAL_FAULTS
    return replace(failed, audio_ms=0.0, fatal=fatal, limited=error.status == 429)


def screen_batch(tasks: Sequence[TrialTask]) -> list[TrialResult]:
    """Run trials of which turn detection alone is asked: computed together, or held where that cannot be."""
    places: dict[tuple[str, Condition, Any], list[TrialTask]] = {}
    for task in tasks:
        places.setdefault((task.script.content_hash, task.condition, task.target), []).append(task)
    computed: dict[int, SessionRows | None] = {}
    for group in places.values():
        first = group[0]
        try:
            stage = _stage(first.script.content_hash, first.condition)
            found = screen([task.config for task in group], first.script, first.condition, first.target, stage)
        except Exception:  # each then says for itself what is wrong
            found = [None] * len(group)
        computed |= {task.index: rows for task, rows in zip(group, found, strict=True)}
    return [_guarded(partial(_screened, rows=computed[task.index]), task) for task in tasks]


def _screened(task: TrialTask, rows: SessionRows | None) -> TrialResult:
    """A computed trial as it is; a session's rows cut to what a screen keeps, and compared where that was asked."""
    if rows is not None and not task.check:
        return TrialResult(task.index, "complete", None, rows._asdict())
    stage = _stage(task.script.content_hash, task.condition)
    recording = run_session(
        task.config,
        task.script,
        task.target,
        condition=task.condition,
        seed=task.seed,
        stage=stage,
        **client_options(task.setting),
    )
    result = _finished(task, recording)
    if result.state != "complete":
        return result
    held = screened(SessionRows(**cast(dict[str, Any], result.rows)))
    wrong = None if rows is None else screened_difference(rows, held)
    if wrong is None:
        return replace(result, rows=held._asdict())
    error = f"computed turn detection is not the session's: {wrong}; ask for metrics='all', and tell the developers"
    return TrialResult(task.index, "failed", result.recording, effective=result.effective, error=error, fatal=True)


def run_trial(task: TrialTask) -> TrialResult:
    """Run one session and compute its rows.

    Raises:
        RealtimeLabError: If the session cannot be run at all.
    """
    stage = _stage(task.script.content_hash, task.condition)
    recording = run_session(
        _config(task),
        task.script,
        task.target,
        condition=task.condition,
        seed=task.seed,
        stage=stage,
        **client_options(task.setting),
    )
    return _finished(task, recording)


def _config(task: TrialTask) -> SessionConfig:
    """What the session is asked to be: in a live one, tracing says which trial it is."""
    if not isinstance(task.target, Live):
        return task.config
    return traced_config(task.config, task.study, task.key, task.setting)


def _side_by_side(tasks: Sequence[TrialTask]) -> list[Recording | Exception]:
    """Hold live sessions at the same time; rows wait until the last one is over, so as not to disturb it."""
    from realtime_lab.session.live.run import LiveRequest, run_live_together

    return run_live_together(
        [
            LiveRequest(
                config=_config(task),
                script=task.script,
                condition=task.condition,
                target=task.target,
                seed=task.seed,
                stage=_stage(task.script.content_hash, task.condition),
                client_turns=client_turns(task.setting),
            )
            for task in tasks
        ]
    )


def _finished(task: TrialTask, recording: Recording | Exception) -> TrialResult:
    """What a trial's recording comes to."""
    if isinstance(recording, Exception):
        raise recording
    header = recording.header
    effective = None if header.effective is None else _canonical(_lasting(header.effective))
    complete = header.outcome == "complete"
    packed = pack_recording(recording, keep=task.keep or not complete or not isinstance(task.target, Mocked))
    if not complete:
        reason = header.failure or f"the session ended as {header.outcome}"
        return TrialResult(
            task.index,
            "failed",
            packed,
            effective=effective,
            error=reason[:MAX_ERROR_CHARACTERS],
            tainted=bool(header.tainted),
            fatal=header.fault in FATAL_FAULTS,
            limited=header.limited,
            audio_ms=recording.audio_ms,
        )
    rows = session_rows(recording)._asdict()
    return TrialResult(
        task.index,
        "complete",
        packed,
        rows,
        effective,
        tainted=bool(header.tainted),
        limited=header.limited,
        audio_ms=recording.audio_ms,
    )


@lru_cache(maxsize=KEPT_STAGES)
def _stage(script_hash: str, condition: Condition) -> Stage:
    """Rendered audio and speech probabilities, kept for the next trials on the same script and condition."""
    return Stage()


def _lasting(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session's configuration without what is another in every session, so that equal ones are stored once."""
    return {name: value for name, value in session.items() if name not in ("id", "expires_at", "client_secret")}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def pack_recording(recording: Recording, keep: bool = True) -> PackedRecording:
    """Compress a recording for the store, or take its checksum alone."""
    data = recording_to_bytes(recording)
    packed = zlib.compress(data, PACKING_LEVEL) if keep else b""
    return PackedRecording(packed, len(data), hashlib.sha256(data).hexdigest())
