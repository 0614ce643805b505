"""Recorded public sessions, where they lie beside the source tree; tests skip with the reason elsewhere."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "cases"
REAL = Path(os.environ.get("REALTIME_LAB_CASES", BESIDE)) / "real"
"""`$REALTIME_LAB_CASES` holds `real/`, or it lies beside the source tree as `shared/cases`."""


def real_file(name):
    """One of the recordings' files."""
    if not (REAL / name).is_file():
        pytest.skip(f"no recorded public sessions here: {name} is not beside the source tree")
    return REAL / name


def real_log(name):
    """The events of one session, as (client or server, event)."""
    lines = real_file(name).read_text(encoding="utf-8").splitlines()
    return [(row["direction"], row["event"]) for row in map(json.loads, lines)]


def real_logs():
    """The events of every session."""
    real_file("SOURCES.md")
    return [real_log(path.name) for path in sorted(REAL.glob("*.jsonl"))]


def real_table(name):
    """The rows of a table."""
    with real_file(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
