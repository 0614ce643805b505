"""The public names: sorted, real, light to import, and the same wherever they are listed."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
import subprocess
import sys
from importlib import import_module

import pytest

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


@pytest.mark.parametrize("name", rl.__all__)
def test_every_public_name_is_there_and_is_its_modules_own(name):
    value = getattr(rl, name)
    home = import_module(f"realtime_lab.{rl._HOME[name]}") if name in rl._HOME else None
    assert value is (getattr(home, name) if home else import_module(f"realtime_lab.{name}"))
    assert home is None or name in home.__all__


def test_the_three_lists_of_names_agree(root):
    """What `__all__` names, what is looked up, and what type checkers are shown."""
    tree = ast.parse((root / "realtime_lab" / "__init__.py").read_text())
    guard = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    shown = {
        alias.name: (line.module or "").removeprefix("realtime_lab").removeprefix(".")
        for line in guard.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert shown == {**rl._HOME, **dict.fromkeys(rl._SUBMODULES, "")}
    assert sorted(shown) == rl.__all__


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'SesionConfig'"):
        rl.SesionConfig  # noqa: B018


def test_dir_lists_the_names_before_they_are_used():
    listed = _in_new_process("import json, realtime_lab; print(json.dumps(dir(realtime_lab)))")
    assert set(rl.__all__) <= set(listed)


def test_the_docstring_uses_public_names_only():
    assert rl.__doc__ is not None
    used = set(re.findall(r"\brl\.(\w+)", rl.__doc__))
    assert used <= set(rl.__all__)
    assert {"load_scripts", "SessionConfig", "run_session", "SweepPlan", "run_sweep", "plots"} <= used


def test_the_docstring_walks_through_rooms_that_are_there():
    stops = re.findall(r"^  (\w+(?:\.\w+)+)\.(\w+) ", rl.__doc__, re.M)
    assert len(stops) > 20
    for module, name in stops:
        assert hasattr(import_module(f"realtime_lab.{module}"), name), (module, name)


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
