"""Write the reference as pages: every public name from its docstring, every column of every frame as it is declared.

Usage: `python3 .ci/up docs [FOLDER]`; the default is `reference/`.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path

import pdoc

from realtime_lab.analysis import columns
from realtime_lab.analysis.columns import EVENTS, KEYS, RESPONSES, TOKENS, TRIALS, TURNS, WORDS, Column
from realtime_lab.analysis.summary.columns import SUMMARY

FRAMES = {
    "Keys of every frame": KEYS,
    "trials_df": TRIALS,
    "turns_df": TURNS,
    "responses_df": RESPONSES,
    "tokens_df": TOKENS,
    "words_df": WORDS,
    "events_df": EVENTS,
    "summary": SUMMARY,
}
ROOMS = tuple("realtime_lab" + room for room in ("", ".analysis", ".analysis.columns", ".plots", ".errors"))


def table(title: str, of: tuple[Column, ...]) -> str:
    """One frame's columns as Markdown."""
    rows = [f"| `{c.name}` | {c.dtype} | {c.unit} | {' '.join(c.doc.split()).replace('|', '/')} |" for c in of]
    return "\n".join([f"\n## {title}\n", "| column | type | unit | meaning |", "|---|---|---|---|", *rows, ""])


def resolve(room: str) -> None:
    """Look up every lazy public name once, so that it stands in its module."""
    module = import_module(room)
    for name in getattr(module, "__all__", ()):
        setattr(module, name, getattr(module, name))


def main() -> None:
    """Write the pages and say where."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "reference")
    columns.__doc__ = (columns.__doc__ or "") + "\n".join(table(title, tuple(of)) for title, of in FRAMES.items())
    warnings.filterwarnings("ignore", module="pdoc")  # annotations of modules that are not shown
    for room in ROOMS:
        resolve(room)
    pdoc.render.configure(docformat="google", footer_text="realtime_lab", show_source=False)
    pdoc.pdoc(*ROOMS, output_directory=folder)
    print(f"{folder / 'index.html'}: the reference")


if __name__ == "__main__":
    main()
