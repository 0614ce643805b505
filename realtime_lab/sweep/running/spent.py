"""What earlier runs of a study spent: every attempt it has on record, so that a cap holds over all of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from realtime_lab.recording import recording_from_bytes
from realtime_lab.sweep.running.spend import NOTHING, Budget, Used
from realtime_lab.sweep.store.reader import StudyReader, reading

__all__ = ["count_earlier"]

_Rows = dict[tuple[int, int], list[dict[str, Any]]]


def count_earlier(path: Path, budget: Budget) -> None:
    """Settle every attempt of earlier runs: by its usage where that is known, else by what it was reserved.

    Raises:
        StudyDamagedError: If the study's bytes are damaged.
    """
    with reading(path) as reader:
        attempts = reader.attempts()
        if not attempts:
            return
        responses, trials = _rows(reader, "responses"), _rows(reader, "trials")
        for trial, attempt, state in attempts:
            if attempt is not None and state == "complete":
                (row,) = trials.get((trial, attempt)) or [{}]
                budget.settle(trial, Used(responses.get((trial, attempt), ()), row))
            else:
                budget.settle(trial, NOTHING if _sent_nothing(reader, trial, attempt) else None)


def _rows(reader: StudyReader, kind: str) -> _Rows:
    found: _Rows = defaultdict(list)
    for row in reader.rows_of_attempts(kind).to_pylist():
        found[row["trial_number"], row["attempt"]].append(row)
    return found


def _sent_nothing(reader: StudyReader, trial: int, attempt: int | None) -> bool:
    """Whether a session ended before any audio was sent, as when nobody answered."""
    data = None if attempt is None else reader.recording(trial, attempt)
    return data is not None and recording_from_bytes(data).audio_ms == 0
