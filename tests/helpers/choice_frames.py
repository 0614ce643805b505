"""Frames of turns and responses made up by rule, for tests of choices, comparisons and plots."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from realtime_lab.analysis.columns import METRICS_VERSION, TURNS

DTYPES = {"float": "Float64", "int": "Int64", "bool": "boolean", "str": "string"}


def turns_frame(
    settings, *, scripts=12, n_turns=2, conditions=("clean",), latency=None, cut=None, seed=0, repeats=1, missed=None
):
    """Turns of every setting (values of silence_duration_ms) on the same scripts.

    latency(silence_ms, rng) -> ms; cut(silence_ms, rng) -> cut holds of the two that each turn has;
    missed(silence_ms, rng) -> whether the turn is given up on.
    """
    rng = np.random.default_rng(seed)
    latency = latency or (lambda silence_ms, rng: silence_ms + 600 + rng.normal(0, 40))
    cut = cut or (lambda silence_ms, rng: int(rng.random() < 60 / silence_ms))
    places = itertools.product(conditions, range(repeats), range(scripts), settings, range(n_turns))
    rows = [
        _turn(silence_ms, condition, repeat, script, turn, rng, latency, cut, missed)
        for condition, repeat, script, silence_ms, turn in places
    ]
    frame = pd.DataFrame(rows)
    for entry in TURNS:
        if entry.name in frame:
            frame[entry.name] = frame[entry.name].astype(DTYPES[entry.dtype])
    return frame.astype({"silence_duration_ms": "Int64", "condition": "string", "script": "string"})


def _turn(silence_ms, condition, repeat, script, turn, rng, latency, cut, missed):
    gone = bool(missed and missed(silence_ms, rng))
    n_cut = 0 if gone else cut(silence_ms, rng)
    value = latency(silence_ms, rng)
    lost = gone or n_cut > 0
    return {
        "trial": f"{condition}-{script}-{silence_ms}-{repeat}",
        "attempt": 1,
        "script": f"script {script:02d}",
        "condition": condition,
        "repeat": repeat,
        "target": "mocked:documented",
        "silence_duration_ms": silence_ms,
        "metrics_version": METRICS_VERSION,
        "turn": turn,
        "outcome": "missed" if gone else "answered",
        "outcome_reason": "no endpoint before the deadline" if gone else None,
        "start_ms": 0.0,
        "end_ms": 2000.0,
        "n_holds": 2,
        "n_cut_holds": n_cut,
        "n_cuts": n_cut,
        "cut": n_cut > 0,
        "merged": False,
        "false_starts": int(rng.random() < 0.05),
        "n_premature": n_cut,
        "endpoint_delay_ms": None if lost else value - 600,
        "response_latency_ms": None if lost else value,
        "onset_clip_ms": float(rng.integers(0, 30)),
        "awaits_endpoint": True,
        "awaits_audio": True,
        "has_clocks": True,
    }


def responses_frame(turns, truncated=0.2, seed=1):
    """A response for each turn, some of them truncated."""
    rng = np.random.default_rng(seed)
    frame = turns[["trial", "script", "condition", "repeat", "target", "silence_duration_ms", "turn"]].copy()
    frame["status"] = pd.array(["completed"] * len(turns), dtype="string")
    frame["truncated"] = pd.array(rng.random(len(turns)) < truncated, dtype="boolean")
    tokens = rng.integers(20, 200, len(turns))
    for name in ("input_tokens", "cached_tokens", "output_tokens", "output_audio_tokens"):
        frame[name] = pd.array(tokens, dtype="Int64")
    return frame
