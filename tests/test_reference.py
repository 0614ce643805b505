"""The reference, built by its command: every public name and every column of every frame is on its pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import realtime_lab as rl
from realtime_lab.analysis.columns import EVENTS, RESPONSES, TOKENS, TRIALS, TURNS, WORDS
from realtime_lab.analysis.summary.columns import SUMMARY

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "reference.py"


def test_the_reference_has_every_public_name_and_every_column(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    page, plots = ((tmp_path / name).read_text() for name in ("realtime_lab.html", "realtime_lab/plots.html"))
    assert [name for name in rl.__all__ if f'id="{name}"' not in page and f"{name}.html" not in page] == []
    assert [name for name in rl.plots.__all__ if f'id="{name}"' not in plots] == []
    columns = (tmp_path / "realtime_lab/analysis/columns.html").read_text()
    declared = [column for of in (TRIALS, TURNS, RESPONSES, TOKENS, WORDS, EVENTS, SUMMARY) for column in of]
    assert [column.name for column in declared if f"<code>{column.name}</code>" not in columns] == []
