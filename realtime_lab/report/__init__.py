"""A study as one self-contained HTML file, and its turns as sound. The room can be called: `rl.report(study, path)`.

`recommendation` says what to do, `table`, `svg` and `sounds` show it, `method` says what to make of it, and `page` lays
it out. Figures come from `sweep` and `analysis`; nothing is computed here that is not in a table of the study.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from realtime_lab.report.listening import Listening, listen
    from realtime_lab.report.writing import report
    from realtime_lab.sweep import Study

__all__ = ["Listening", "listen", "report"]

_HOME = {"Listening": "listening", "listen": "listening"}


class _Room(ModuleType):
    """A package and the function it is named after, in one."""

    def __call__(self, study: Study, path: str | Path = "report.html", *, private: bool = False, **asked: Any) -> Path:
        """Write a study as one self-contained HTML file; `writing.report` has all that may be asked."""
        from realtime_lab.report.writing import report

        return report(study, path, private=private, **asked)

    def __getattr__(self, name: str) -> object:
        """Import a public name when it is first asked for."""
        if name == "report":  # so that it is one thing, whoever imports it from where
            return self
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


sys.modules[__name__].__class__ = _Room
