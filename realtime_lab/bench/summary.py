"""A summary of a million turns by three keys: how long it takes, and what it takes at its peak.

Every turn is heard about a hundred times, so that the dearest way is measured, without transcripts and with them. Each
runs in a process of its own, whose peak includes the rows themselves; `python -m realtime_lab.bench.summary` is that
process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from realtime_lab.analysis.columns import LATENCY_METRICS, OTHER_METRICS
from realtime_lab.analysis.summary.settings import summary
from realtime_lab.bench.values import Figure
from realtime_lab.errors import RealtimeLabError

_KEYS = ["silence_duration_ms", "threshold", "condition"]
_ROUNDS = 4


def measure(quick: bool) -> list[Figure]:
    """The best of four summaries of a million rows (a tenth when quick), and the peak of their process."""
    rows, figures = 100_000 if quick else 1_000_000, []
    for name in ("turns", "turns with transcripts"):
        wall_s, cpu_s, peak_mb = _in_new_process(rows, name)
        note = f"{rows:,} rows by 3 keys; {cpu_s:.2f} s of CPU"
        figures += [
            Figure(name=f"summary of {name}", value=wall_s, unit="s", better="lower", target=1.0, note=note),
            Figure(name=f"peak of {name}", value=peak_mb, unit="MB", better="lower", target=600.0, note=note),
        ]
    return figures


def _in_new_process(rows: int, name: str) -> tuple[float, float, float]:
    command = [sys.executable, "-m", __name__, str(rows), name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RealtimeLabError(f"a new process failed: {done.stderr.strip().splitlines()[-1:]}")
    wall_s, cpu_s, peak_mb = json.loads(done.stdout)
    return wall_s, cpu_s, peak_mb


def _turns(n: int, rng: np.random.Generator) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "script": _texts("script", 200, n, rng),
        "turn": _whole(rng.integers(0, 20, n)),
        "silence_duration_ms": _whole(rng.choice([200, 300, 400, 500, 700, 1000], n)),
        "threshold": _real(rng.choice([0.3, 0.4, 0.5, 0.7], n)),
        "condition": _texts("condition", 2, n, rng),
        "outcome": pd.array(np.where(rng.integers(0, 20, n) < 19, "answered", "missed"), dtype="str").astype(
            "category"
        ),
        "cut": pd.array(rng.random(n) < 0.1, dtype="boolean"),
        "n_holds": _whole(rng.integers(0, 3, n)),
        "n_cut_holds": _whole(rng.integers(0, 2, n) // 2),
    }
    columns |= {metric.name: _real(rng.lognormal(6.8, 0.4, n)) for metric in (*LATENCY_METRICS, *OTHER_METRICS)}
    return pd.DataFrame(columns)


def _add_transcripts(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    n = len(frame)
    said, edits = rng.integers(4, 14, n), np.zeros(n, dtype=np.int64)
    for name in ("n_substitutions", "n_deletions", "n_insertions"):
        wrong = rng.integers(0, 3, n)
        frame[name], edits = _whole(wrong), edits + wrong
    frame["n_ref_words"], frame["n_hits"], frame["wer"] = _whole(said), _whole(said - 2), _real(edits / said)
    frame["n_ref_characters"], frame["n_character_errors"] = _whole(5 * said), _whole(3 * edits)
    frame["cer"], frame["n_tokens"] = _real(3 * edits / (5 * said)), _whole(said + 2)
    frame["mean_logprob"], frame["speaker"] = _real(-rng.exponential(0.3, n)), _texts("voice", 30, n, rng)
    frame["reference_text"] = _texts("text", 50, n, rng)
    for name in ("n_silent_transcripts", "n_hallucinations", "false_starts", "n_premature"):
        frame[name] = _whole(rng.integers(0, 20, n) // 19)
    for name in ("merged", "awaits_endpoint", "awaits_audio", "awaits_response", "awaits_transcription", "has_clocks"):
        frame[name] = pd.array(rng.random(n) < 0.97, dtype="boolean")


def _texts(word: str, count: int, n: int, rng: np.random.Generator) -> Any:
    names: Any = [f"{word} {i}" for i in range(count)]
    return pd.Categorical.from_codes(rng.integers(0, count, n), categories=names)


def _whole(values: Any) -> Any:
    return pd.array(values, dtype="Int64")


def _real(values: Any) -> Any:
    return pd.array(values, dtype="Float64")


def _measured(rows: int, name: str) -> tuple[float, float, float]:
    """Wall time and CPU time of the best summary, s, and this process's peak, MB."""
    rng = np.random.default_rng(0)
    frame = _turns(rows, rng)
    if "transcripts" in name:
        _add_transcripts(frame, rng)
    times = []
    for _ in range(_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        made = summary(frame, by=_KEYS)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    if made["n_turns"].sum() != rows or made["wer_low"].notna().all() != ("transcripts" in name):
        raise RealtimeLabError("the summary lost rows")
    return *min(times), _peak_mb()


def _peak_mb() -> float:
    """This program's peak, MB; on Linux `ru_maxrss` would begin with that of the process it was started from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024


if __name__ == "__main__":
    print(json.dumps(_measured(int(sys.argv[1]), sys.argv[2])))
