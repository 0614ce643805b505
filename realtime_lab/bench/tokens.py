"""Token rows from a study to a frame, and what they weigh on disk."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from realtime_lab.bench.values import Figure
from realtime_lab.bench.workload import large_plan
from realtime_lab.session import mocked
from realtime_lab.sweep import Study
from realtime_lab.sweep.store.content import study_content
from realtime_lab.sweep.store.writer import StudyWriter
from realtime_lab.sweep.workers.worker import TrialResult

_WORDS = "a large pepperoni pizza with extra cheese and two bottles of water please thank you".split()


def measure(quick: bool) -> list[Figure]:
    """A million rows (a tenth when quick) in batches of a hundred trials."""
    plan = large_plan(1_000)
    each = 100 if quick else 1_000
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        writer = StudyWriter.open(path, study_content(plan, mocked(), plan.trials))
        for start in range(0, 1_000, 100):
            batch = [TrialResult(start + n, "complete", None, {"tokens": _tokens(each, draw)}) for n in range(100)]
            writer.commit(batch, "", "")
        writer.close()
        bare = Path(folder) / "bare.sqlite"
        StudyWriter.open(bare, study_content(plan, mocked(), plan.trials)).close()
        megabytes = (path.stat().st_size - bare.stat().st_size) / 1e6
        study = Study(path)
        study.trials_df()  # imports
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            rows = len(study.tokens_df())
            best = min(best, time.perf_counter() - began)
    million = rows / 1e6
    note = f"{rows:,} rows"
    return [
        Figure(
            name="token rows to a frame", value=best / million, unit="s/million", better="lower", target=0.3, note=note
        ),
        Figure(
            name="token rows on disk",
            value=megabytes / million,
            unit="MB/million",
            better="lower",
            target=20.0,
            note=note,
        ),
    ]


def _tokens(count: int, draw: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "turn": n * 4 // count,
            "item_id": f"item_{n * 4 // count}",
            "token_index": n,
            "token": (word := draw.choice(_WORDS)),
            "logprob": -draw.expovariate(5.0),
            "bytes_hex": word.encode().hex(),
            "char_start": 5 * n,
            "char_end": 5 * n + len(word),
        }
        for n in range(count)
    ]
