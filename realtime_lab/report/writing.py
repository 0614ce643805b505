"""Writing a report to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime_lab.errors import RealtimeLabError
from realtime_lab.report.page import Question, report_html

if TYPE_CHECKING:
    from realtime_lab.sweep import Study

__all__ = ["MAX_BYTES", "report"]

MAX_BYTES = 10_000_000
"""Of a report."""


def report(
    study: Study,
    path: str | Path = "report.html",
    *,
    private: bool = False,
    minimize: str | None = None,
    where: str | None = None,
    condition: str | None = None,
    old: Any = None,
) -> Path:
    """Write a study as one self-contained HTML file, to be read without this package and without a network.

    Args:
        study: The study.
        path: The file to write; an older one is replaced.
        private: Put the sound and the words of private scripts, such as your own calls, into the file.
        minimize: The column of the summary that should be low; None: the median wait for an answer.
        where: Limits on its columns, as in `Study.best`; None: cut-offs and answers broken off at the token limit of
            at most 5 %, as far as the study can tell.
        condition: The acoustic condition to choose in; None: the plan's first.
        old: The setting to compare with: swept values by name, or a configuration; None: the base's own, or the
            documented defaults, where they are in the grid, else the grid's first.

    Returns:
        The file. The same study gives the same bytes.

    Raises:
        RealtimeLabError: If no session is complete.
        ConfigError: If `minimize`, `where` or `condition` names something that is not there.
        PlanError: If `old` is not a setting of the grid.
    """
    text = report_html(study, Question(minimize, where, condition, old), private)
    data = text.encode("utf-8")
    if len(data) > MAX_BYTES:
        raise RealtimeLabError(
            f"the report would have {len(data):,} bytes, more than {MAX_BYTES:,}: report a part of the study, such as "
            "fewer axes"
        )
    target = Path(path)
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(data)
    os.replace(beside, target)
    return target
