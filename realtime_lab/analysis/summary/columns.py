"""The columns of a summary: what each counts, its unit, which way is better, and what each rate is a share of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from realtime_lab.analysis.columns import LATENCY_METRICS, OTHER_METRICS, RESPONSES, Column
from realtime_lab.analysis.summary.transcription import TRANSCRIPTION

QUANTILES = (0.5, 0.9, 0.95)
"""Quantiles of the latencies."""
MEDIAN = (0.5,)
"""Quantiles of the other metrics."""

COUNTS = (
    Column("n_turns", "int", "turns"),
    Column("n_spoken", "int", "different speech among them: script, turn and condition"),
    Column("n_answered", "int", "turns answered"),
    Column("n_missed", "int", "turns given up on at the deadline", lower_is_better=True),
    Column("n_censored", "int", "turns whose observation ended first; in no rate"),
    Column("n_excluded", "int", "turns that cannot be measured; in no rate"),
    Column("n_cut", "int", "decided turns with one cut or more", lower_is_better=True),
    Column("n_merged", "int", "decided turns that share an input item with another turn", lower_is_better=True),
    Column("n_false_starts", "int", "speech detected away from reference speech", lower_is_better=True),
    Column("n_premature", "int", "responses begun by a cut", lower_is_better=True),
    Column("n_holds", "int", "pauses inside turns"),
    Column("n_cut_holds", "int", "of these, taken for the end of the turn", lower_is_better=True),
)
"""Counts of turns and of what is in them."""
RATES = (
    ("cutoff_rate", "n_cut_holds", "n_holds", "cut holds over holds", True),
    ("turn_cutoff_rate", "n_cut", "n_decided", "decided turns with a cut over decided turns", True),
    ("answered_rate", "n_answered", "n_decided", "answered over decided turns", False),
    ("false_start_rate", "n_false_start_turns", "n_decided", "decided turns with a false start over those", True),
    (
        "hallucination_rate",
        "n_hallucinations",
        "n_silent_transcripts",
        "transcripts with words in them, over transcripts of items in which nobody speaks",
        True,
    ),
)
"""Rates of turns: name, numerator, denominator, meaning, whether low is good."""
TRUNCATED = ("truncated_rate", "n_truncated", "n_responses", "responses that hit max_output_tokens over all", True)
"""The same of responses."""
TOKEN_SUMS = ("input_tokens", "cached_tokens", "output_tokens", "output_audio_tokens")
"""Tokens of responses that are added up."""
RATE_COUNTS: Mapping[str, tuple[str, str]] = {
    **{name: (above, below) for name, above, below, *_ in (*RATES, TRUNCATED)},
    "wer": ("n_word_errors", "n_ref_words"),
    "cer": ("n_character_errors", "n_ref_characters"),
}
"""Numerator and denominator of each rate."""
USD = Column(
    "usd", "float", "USD of the group's sessions by the price table; null when one is not known", "USD", "", True
)
USD_PER_MINUTE = Column(
    "usd_per_minute", "float", "that, over minutes of audio sent to the server", "USD", "cost per minute", True
)

PER_TURN = (
    Column("output_tokens_per_turn", "float", "output tokens of all responses over turns", "tokens"),
    Column(
        "usd_per_turn",
        "float",
        "USD of its responses, transcripts aside, over turns; null when a price is not known",
        "USD",
        "cost per turn",
        True,
    ),
)
"""Sums over all responses for each turn."""


def quantile_name(q: float) -> str:
    """How columns call a quantile: p50, p99.9."""
    return f"p{q * 100:g}"


def sample_size(row: Mapping[str, Any], name: str) -> int | None:
    """How much a figure of a summary's row is over: turns, holds, words, tokens; None where that is not told."""
    if name in RATE_COUNTS:
        counted = RATE_COUNTS[name][1]
    elif name == "mean_logprob":
        counted = "n_tokens"
    else:
        counted = f"n_{name.rpartition('_p')[0]}" if "_ms_p" in name else "n_turns"
    found = row.get(counted)
    return None if found is None else int(found)


def _rate_docs() -> Iterator[Column]:
    for name, numerator, denominator, doc, lower_is_better in (*RATES, TRUNCATED):
        yield Column(numerator, "int", f"numerator of {name}")
        yield Column(denominator, "int", f"denominator of {name}")
        yield Column(name, "float", doc, label=name.replace("_", " "), lower_is_better=lower_is_better)
        yield Column(f"{name}_low", "float", f"{name}: lower end of its 95 % Wilson interval")
        yield Column(f"{name}_high", "float", f"{name}: upper end of its 95 % Wilson interval")


def _per_turn_docs() -> Iterator[Column]:
    for entry in PER_TURN:
        yield entry
        for end, which in (("low", "lower"), ("high", "upper")):
            doc = f"{entry.name}: {which} end of its 95 % interval over scripts"
            yield Column(f"{entry.name}_{end}", "float", doc, entry.unit)


def _metric_docs(metric: Column, quantiles: Iterable[float]) -> Iterator[Column]:
    yield Column(f"n_{metric.name}", "int", f"turns in the sample of {metric.name}")
    if metric.awaits:
        yield Column(f"n_{metric.name}_missed", "int", "of these, without one: later than the deadline")
    for q in quantiles:
        name, label = f"{metric.name}_{quantile_name(q)}", f"{metric.label} {quantile_name(q)}"
        yield Column(name, "float", f"{quantile_name(q)} of {metric.name}", "ms", label, metric.lower_is_better)
        yield Column(f"{name}_low", "float", f"{name}: lower end of its 95 % interval", "ms")
        yield Column(f"{name}_high", "float", f"{name}: upper end of its 95 % interval; inf: past the deadline", "ms")


def _declared() -> tuple[Column, ...]:
    tokens = [entry for entry in RESPONSES if entry.name in TOKEN_SUMS]
    metrics = [
        *((metric, QUANTILES) for metric in LATENCY_METRICS),
        *((metric, MEDIAN) for metric in OTHER_METRICS),
    ]
    columns = [*COUNTS, *_rate_docs(), *tokens, *_per_turn_docs(), USD, USD_PER_MINUTE]
    columns += [column for metric, quantiles in metrics for column in _metric_docs(metric, quantiles)]
    columns.append(Column("note", "str", "which quantiles have too few turns"))
    columns += TRANSCRIPTION
    columns.append(Column("metrics_version", "int", "version of the metrics' definitions"))
    # A count that is also a numerator keeps its first place and meaning.
    unique: dict[str, Column] = {}
    for column in columns:
        unique.setdefault(column.name, column)
    return tuple(unique.values())


SUMMARY: tuple[Column, ...] = _declared()
"""Every column of a summary, after those it was grouped by."""
