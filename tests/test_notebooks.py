"""Every shipped notebook: stored without outputs, runs from top to bottom, on the mocked target, offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

import realtime_lab as rl

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NIGHTLY = FOLDER / "nightly_report.ipynb"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
FIRST_PLOT_S = 30.0
"""How long Run All of the tour may take to its first plot, kernel start included; with --full, unhurried."""


def _cells(path: Path, kind: str) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all, as for a user who runs one after the other: what a notebook left in `runs/` the next one finds."""
    return tmp_path_factory.mktemp("notebooks")


def test_there_are_notebooks():
    assert [path.stem.partition("_")[0] for path in BOOKS] == [*(f"{tens}0" for tens in range(10)), "nightly"]


def test_the_index_has_a_line_for_each():
    index = (FOLDER / "README.md").read_text()
    assert re.findall(r"^\| \[.*?\]\((.*?)\)", index, re.MULTILINE) == [path.name for path in BOOKS]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    assert "widgets" not in book.metadata


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_what_you_will_know_how_long_it_takes_and_what_to_try_next(path):
    texts = _cells(path, "markdown")
    assert texts[0].startswith("# ") and "At the end" in texts[0] and "akes about" in texts[0]
    assert texts[-1].startswith("## Next\n")


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_runs_from_top_to_bottom(full, path, root, folder, tmp_path, monkeypatch):
    """With this source tree, as a front end's Run All would; what it writes here lies under `runs/`."""
    from nbclient import NotebookClient

    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))
    book = nbformat.read(path, as_version=4)
    started, plotted = time.monotonic(), []

    def look(cell, cell_index, execute_reply):
        if any({"image/png", "text/html"} & set(output.get("data", {})) for output in cell.outputs):
            plotted.append((time.monotonic() - started, any("image/png" in o.get("data", {}) for o in cell.outputs)))

    client = NotebookClient(
        book, timeout=300, resources={"metadata": {"path": str(folder)}}, on_cell_executed=look, kernel_name="python3"
    )
    client.execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]
    assert plotted, "no cell shows a table or a plot"
    assert {entry.name for entry in folder.iterdir()} <= {"runs"}
    plots = [at_s for at_s, is_plot in plotted if is_plot]
    print(f"{path.stem}: first plot after {min(plots, default=0):.1f} s, all after {time.monotonic() - started:.1f} s")
    if path.stem == "00_tour" and full:
        assert plots[0] < FIRST_PLOT_S


def test_the_gallery_shows_every_plot():
    code = "\n".join(_cells(FOLDER / "90_gallery.ipynb", "code"))
    public = [name for name in rl.plots.__all__ if name.islower()]
    assert len(public) >= 30
    assert [name for name in public if not re.search(rf"rl\.plots\.{name}\(", code)] == []


def test_the_nightly_report_takes_its_parameters_from_papermill(root, tmp_path):
    """Run by its command with another study, an earlier one to compare with, and requirements that fail."""
    base = rl.SessionConfig(turn_detection=rl.ServerVad())
    plan = rl.SweepPlan(base, {"silence_duration_ms": [200, 900]}, rl.load_scripts("orders")[1:2], seed=3)
    rl.run_sweep(plan, store=tmp_path / "study.sqlite", workers=0, progress=False)
    given = {"study_path": "study.sqlite", "baseline_path": "study.sqlite", "out": "made"}
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    command = [sys.executable, "-m", "papermill", str(NIGHTLY), "out.ipynb", "--no-progress-bar", *words]
    command += ["-y", json.dumps({"require": ["response_latency_ms_p50 <= 10", "cutoff_rate <= 1"]})]
    kept = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    env = {**os.environ, **kept, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    verdict = json.loads((tmp_path / "made" / "verdict.json").read_text())
    assert verdict["verdict"] in ("fail", "inconclusive")
    assert (tmp_path / "made" / "report.html").stat().st_size > 10_000
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert [cell.metadata.get("tags") for cell in cells if cell.metadata.get("tags")] == [
        ["parameters"],
        ["injected-parameters"],
    ]
