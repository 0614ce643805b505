"""Every shipped notebook: stored without outputs, runs from top to bottom, on the mocked target, offline."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
import pytest

BOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
FIRST_PLOT_S = 30.0
"""How long Run All of the tour may take to its first plot, kernel start included."""


def test_there_are_notebooks():
    assert [path.name for path in BOOKS][:2] == ["00_tour.ipynb", "10_my_own_calls.ipynb"]


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    assert "widgets" not in book.metadata


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_runs_from_top_to_bottom(path, root, tmp_path, monkeypatch):
    """In a folder of its own, with this source tree, as a front end's Run All would."""
    from nbclient import NotebookClient

    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]))
    book = nbformat.read(path, as_version=4)
    started, plotted = time.monotonic(), []

    def look(cell, cell_index, execute_reply):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            plotted.append(time.monotonic() - started)

    client = NotebookClient(
        book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}, on_cell_executed=look, kernel_name="python3"
    )
    client.execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]
    assert plotted, "no cell shows a plot"
    print(f"{path.stem}: first plot after {plotted[0]:.1f} s, all after {time.monotonic() - started:.1f} s")
    if path.stem == "00_tour":
        assert plotted[0] < FIRST_PLOT_S
