"""What a notebook cell needs: running a coroutine to its end, and an opt-in for nested event loops.

Every kernel has a loop of its own that is busy while a cell runs. `run` therefore uses the background loop, and works
on every kernel. Panels live in `widgets`, not here.
"""

from __future__ import annotations

import warnings
from collections.abc import Coroutine
from importlib import metadata
from typing import Any, TypeVar

from realtime_lab import background

T = TypeVar("T")

FIRST_HARMED_KERNEL = (7, 1)
"""From this version of ipykernel on, a message that arrives during a nested run is lost."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` in a cell and return its result; the stop button cancels it and lets it clean up.

    Args:
        coroutine: What to run; called, not the function itself.

    Raises:
        RuntimeError: If called from the background loop itself.
        TypeError: If `coroutine` is not a coroutine.
    """
    return background.run(coroutine)


def allow_nested_loops() -> None:
    """Let your own cells call `asyncio.run` inside the kernel's running loop, by patching asyncio for the process.

    This library never needs it: prefer `run(coroutine)` or a plain `await`. With ipykernel 7.1 or newer the patch
    harms: a message that reaches the kernel during a nested run is lost, so after Run All the following cells wait for
    ever and clicks on widgets vanish. There a RuntimeWarning says so.
    """
    kernel = _installed_version("ipykernel")
    if kernel is not None and _release(kernel) >= FIRST_HARMED_KERNEL:
        warnings.warn(
            f"nested event loops lose kernel messages with ipykernel 7.1 and newer (here: {kernel}): after Run All the "
            "following cells can wait for ever. Use realtime_lab.notebook.run(coroutine) or a plain await instead.",
            RuntimeWarning,
            stacklevel=2,
        )
    import nest_asyncio  # patches asyncio for the whole process, so only on this request

    nest_asyncio.apply()


def _installed_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, int]:
    """Major and minor number of a version such as `7.1.0a1`."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return (int(major) if major.isdigit() else 0, int(minor) if minor.isdigit() else 0)
