"""What tokens cost: prices as values, and the one formula, for single rows and whole columns alike.

Cost is derived, never stored: the same usage can be priced by any table. A price or a count that is not known makes
the cost unknown (NaN), never 0. Reading price tables from files is not done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime_lab.analysis.columns import Column

RESPONSE_USD = Column("usd", "float", "what its tokens cost by the price table; null: not known", "USD", "", True)
TRIAL_USD = Column(
    "usd", "float", "what its responses and transcripts cost by the price table; null: not known", "USD", "", True
)
TRANSCRIPTION_USD = Column("transcription_usd", "float", "of this, its transcripts", "USD", "", True)

Floats = NDArray[np.float64]
_PER = 1e6


@dataclass(frozen=True)
class Price:
    """USD per million tokens of a model."""

    text_in: float
    text_cached: float
    text_out: float
    audio_in: float
    audio_cached: float
    audio_out: float


@dataclass(frozen=True)
class TranscriptionPrice:
    """USD per million tokens, or per minute of audio, of a transcription model."""

    token_in: float | None = None
    token_out: float | None = None
    per_minute: float | None = None
    """None: it is priced by tokens."""


@dataclass(frozen=True)
class PriceTable:
    """Prices that stood at one time."""

    as_of: str
    """When, such as "2026" or "2026-03-01"."""
    source: str
    """Who said so."""
    models: Mapping[str, Price] = field(default_factory=dict)
    transcription: Mapping[str, TranscriptionPrice] = field(default_factory=dict)

    def price(self, model: object) -> Price | None:
        """The price of a model; None: not known."""
        return self.models.get(model) if isinstance(model, str) else None

    def __repr__(self) -> str:
        return f"<PriceTable {self.as_of}: {', '.join((*self.models, *self.transcription))}>"


def response_usd(price: Price, tokens: Callable[[str], Floats]) -> Floats:
    """What responses cost.

    Args:
        price: Of their model.
        tokens: Gives a column of counts by its name in `columns.RESPONSES`, NaN where nothing is said.

    Returns:
        USD for each; NaN where the input or output was not told. Where the modalities were not told apart, all is
        billed as audio, the dearer one.
    """
    told, spoken = tokens("input_tokens"), tokens("output_tokens")
    text_in, audio_in = tokens("input_text_tokens"), tokens("input_audio_tokens")
    text_out, audio_out = tokens("output_text_tokens"), tokens("output_audio_tokens")
    in_parts, out_parts = ~np.isnan(text_in + audio_in), ~np.isnan(text_out + audio_out)
    text_in, audio_in = np.where(in_parts, text_in, 0.0), np.where(in_parts, audio_in, told)
    text_out, audio_out = np.where(out_parts, text_out, 0.0), np.where(out_parts, audio_out, spoken)
    text_cached, audio_cached = (
        np.where(in_parts, np.nan_to_num(tokens(f"cached_{kind}_tokens")), 0.0) for kind in ("text", "audio")
    )
    total = (text_in - text_cached) * price.text_in + text_cached * price.text_cached
    total = total + (audio_in - audio_cached) * price.audio_in + audio_cached * price.audio_cached
    found: Floats = (total + text_out * price.text_out + audio_out * price.audio_out) / _PER
    return np.where(np.isnan(told), np.nan, found)


def transcription_usd(price: TranscriptionPrice, usage: Callable[[str], Floats]) -> Floats:
    """What the transcripts of sessions cost.

    Args:
        price: Of the transcription model.
        usage: Gives a column of `columns.TRIALS` by its name, NaN where nothing is said.

    Returns:
        USD for each; NaN where the usage that the price is for was not told.
    """
    if price.per_minute is not None:
        return usage("transcription_s") / 60.0 * price.per_minute
    counted = usage("transcription_input_tokens") * (price.token_in or 0.0)
    return (counted + usage("transcription_output_tokens") * (price.token_out or 0.0)) / _PER


def usage_of(row: Mapping[str, Any]) -> Callable[[str], Floats]:
    """One row as the columns that the formulas read."""

    def column(name: str) -> Floats:
        value = row.get(name)
        return np.array(np.nan if value is None else float(value))

    return column
