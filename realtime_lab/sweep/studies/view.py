"""How a study looks in a notebook: one folded HTML table, everything escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping

from realtime_lab.errors import StudyError
from realtime_lab.sweep.plans.trials import trials_words

__all__ = ["lack_html", "study_html"]


def study_html(name: str, states: Mapping[str, int]) -> str:
    """The HTML of a study: its name, and how many trials are in each state."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(state)}</th><td>{count:,}</td></tr>"
        for state, count in states.items()
    )
    return (
        f"<details open class='rl-study'><summary>Study {html.escape(name)}: {trials_words(sum(states.values()))}"
        f"</summary><table>{cells}</table></details>"
    )


def lack_html(error: StudyError) -> str:
    """The HTML of a study that cannot be read: why."""
    return f"<div class='rl-study'>{html.escape(str(error))}</div>"
