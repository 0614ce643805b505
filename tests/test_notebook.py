"""What cells use: run(), and the opt-in to nested loops, which patches asyncio and so has processes of its own here."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from realtime_lab import notebook

NESTED = """
import asyncio, importlib.metadata, sys, warnings
from realtime_lab import notebook
real = importlib.metadata.version
def version(name):
    if name == "ipykernel":
        if sys.argv[1] == "none":
            raise importlib.metadata.PackageNotFoundError(name)
        return sys.argv[1]
    return real(name)
importlib.metadata.version = version
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always", RuntimeWarning)
    notebook.allow_nested_loops()
async def inner():
    return "nested"
async def cell():
    return asyncio.run(inner())
loop = asyncio.new_event_loop()
print(loop.run_until_complete(cell()), [str(w.message) for w in said if w.category is RuntimeWarning])
loop.close()
"""


def _nested(kernel: str) -> str:
    done = subprocess.run([sys.executable, "-c", NESTED, kernel], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_run_gives_the_result_inside_a_running_loop():
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def cell() -> int:
        return notebook.run(answer())

    assert asyncio.run(cell()) == 42


def test_nested_loops_work_once_allowed_and_say_nothing_on_an_older_kernel():
    assert _nested("6.31.0") == "nested []\n"


def test_nested_loops_are_allowed_without_any_kernel():
    assert _nested("none") == "nested []\n"


def test_nested_loops_warn_on_a_kernel_they_harm_and_name_the_versions():
    said = _nested("7.1.0a2")
    assert said.startswith(
        "nested ['nested event loops lose kernel messages with ipykernel 7.1 and newer (here: 7.1.0a2)"
    )
    assert "notebook.run(coroutine)" in said


def test_importing_the_module_patches_nothing():
    code = "import sys, realtime_lab.notebook; print('nest_asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("version", "release"),
    [("7.1.0", (7, 1)), ("6.31", (6, 31)), ("7", (7, 0)), ("7.1.0a1", (7, 1)), ("8.0.dev1", (8, 0)), ("odd", (0, 0))],
)
def test_release_numbers_of_versions(version, release):
    assert notebook._release(version) == release
