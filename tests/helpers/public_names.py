"""Every public name with its signature, as text: what `tests/public_api.txt` keeps and a test compares.

Run as a script, it writes that file anew, which is how a change of the public API is made on purpose.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

KEPT = Path(__file__).resolve().parent.parent / "public_api.txt"
ROOMS = ("realtime_lab", "realtime_lab.analysis", "realtime_lab.plots", "realtime_lab.errors")


def public_lines():
    """A line for every public name and every public member of a public class: where it is, and how it is called."""
    return [line for room in ROOMS for line in _lines_of(import_module(room), room.replace("realtime_lab", "rl"))]


def _lines_of(module, shown):
    for name in sorted(module.__all__):
        value = getattr(module, name)
        yield f"{shown}.{name}{_called(value)}"
        if inspect.isclass(value):
            members = sorted(member for member in vars(value) if not member.startswith("_"))
            yield from (f"{shown}.{name}.{member}{_called(vars(value)[member])}" for member in members)


def _called(value):
    value = getattr(value, "__func__", value)
    if not callable(value) or inspect.ismodule(value):
        return ""
    try:
        return re.sub(r" at 0x\w+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


if __name__ == "__main__":
    KEPT.write_text("\n".join(public_lines()) + "\n")
