"""The public names: sorted, real, light to import, and the same wherever they are listed."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from itertools import groupby
from pathlib import Path

import pytest
from public_names import KEPT, public_lines

import realtime_lab as rl

HEAVY = {"ipywidgets", "matplotlib", "nest_asyncio", "pandas", "pyarrow", "scipy"}


def _in_new_process(code: str) -> object:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _loaded_by(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    loaded = _in_new_process(code)
    assert isinstance(loaded, list)
    return set(loaded)


def test_all_is_sorted_without_doubles():
    assert rl.__all__ == sorted(set(rl.__all__))


@pytest.mark.parametrize("room", [rl, rl.analysis, rl.plots], ids=lambda room: room.__name__)
def test_dir_lists_the_public_names_and_nothing_else(room):
    """Also once they are looked up, and once modules named as they are were imported."""
    stub = Path(room.__file__).with_suffix(".pyi").read_text()
    shown = {alias.name for line in ast.parse(stub).body if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert all(getattr(room, name) is not None for name in room.__all__)
    assert set(dir(room)) == set(room.__all__) == shown


def test_every_name_is_called_as_it_was():
    """`python tests/helpers/public_names.py` keeps a change that is meant."""
    assert public_lines() == KEPT.read_text().splitlines()


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="SesionConfig"):
        rl.SesionConfig  # noqa: B018


def test_dir_lists_the_names_before_they_are_used():
    listed = _in_new_process("import json, realtime_lab; print(json.dumps(dir(realtime_lab)))")
    assert set(rl.__all__) <= set(listed)


def test_the_docstring_uses_public_names_only():
    assert rl.__doc__ is not None
    used = set(re.findall(r"\brl\.(\w+)", rl.__doc__))
    assert used <= set(rl.__all__)
    assert {"load_scripts", "SessionConfig", "run_session", "SweepPlan", "run_sweep", "plots"} <= used


def _walks():
    """The stops of each walk, as (module, name)."""
    blocks = re.findall(r"(?:^  [\w.]+ .*\n)+", rl.__doc__, re.M)
    return [re.findall(r"^  (\w+(?:\.\w+)+)\.(\w+) ", block, re.M) for block in blocks]


def test_the_docstring_walks_through_rooms_that_are_there():
    walks = [walk for walk in _walks() if walk]
    assert [len(walk) > 10 for walk in walks] == [True, True]
    for module, name in (stop for walk in walks for stop in walk):
        assert hasattr(import_module(f"realtime_lab.{module}"), name), (module, name)


def test_the_walks_pass_each_room_once():
    for walk in _walks():
        rooms = [room for room, _ in groupby(module.rpartition(".")[0] or module for module, _ in walk)]
        assert len(rooms) == len(set(rooms)), rooms


def test_no_folder_holds_more_than_18_files(root):
    folders = [root / "realtime_lab", *(p for p in (root / "realtime_lab").rglob("*") if p.is_dir())]
    assert {str(f): n for f in folders if (n := len(list(f.glob("*.py")))) > 18} == {}


def test_importing_the_package_loads_nothing_heavy():
    assert not _loaded_by("import realtime_lab") & (HEAVY | {"asyncio", "numpy", "pydantic", "msgspec"})


def test_importing_the_package_takes_at_most_300_ms():
    code = "import json, time; t = time.perf_counter(); import realtime_lab; print(json.dumps(time.perf_counter() - t))"
    assert min(_in_new_process(code) for _ in range(3)) <= 0.3


@pytest.mark.parametrize(
    "module", ["config", "protocol", "recording", "audio", "server", "session", "sweep.workers.worker"]
)
def test_what_workers_import_is_free_of_pandas_and_matplotlib(module):
    assert not _loaded_by(f"import realtime_lab.{module}") & {"ipywidgets", "matplotlib", "nest_asyncio", "pandas"}


def test_importing_every_module_starts_no_thread_and_patches_no_loop():
    names = [m.name for m in pkgutil.walk_packages(rl.__path__, "realtime_lab.") if not m.name.endswith("__main__")]
    code = f"""
import importlib, json, sys, threading
for name in {names!r}:
    importlib.import_module(name)
print(json.dumps([threading.active_count(), "nest_asyncio" in sys.modules]))
"""
    assert len(names) > 40
    assert _in_new_process(code) == [1, False]
