"""The cap on what a sweep may spend: reserved before a trial is sent, settled from what its responses were billed.

Prices are those of the services' public pages in 2026, USD per million tokens; cached input is billed here as it is
there. A model without a known price cannot be capped in money, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime_lab.audio import Script
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem

__all__ = ["Budget", "Price", "price_of", "trial_ceiling_usd"]


@dataclass(frozen=True)
class Price:
    """USD per million tokens."""

    text_in: float
    text_cached: float
    text_out: float
    audio_in: float
    audio_cached: float
    audio_out: float


_LARGE = Price(4.0, 0.40, 24.0, 32.0, 0.40, 64.0)
_PRICES = {
    "gpt-realtime-2.1": _LARGE,
    "gpt-realtime-2": _LARGE,
    "gpt-realtime-1.5": Price(4.0, 0.40, 16.0, 32.0, 0.40, 64.0),
    "gpt-realtime-2.1-mini": Price(0.60, 0.06, 2.40, 10.0, 0.30, 20.0),
}
_TRANSCRIPTION_USD_PER_MINUTE = 0.017
"""The dearest transcription model's; nothing else is known beforehand."""
_ANSWER_S = 30.0
"""Length of an answer that is reserved for; few are longer."""
_TEXT_PER_TURN = 150
_INSTRUCTIONS = 500


def price_of(model: str | None) -> Price | None:
    """The price of a model; None when it is not known, which is never taken for free."""
    return _PRICES.get(model or "")


def trial_ceiling_usd(price: Price, config: SessionConfig, script: Script, script_ms: float) -> float:
    """What a trial is reserved before anything is known of its kind: long answers, and nothing cached.

    The whole conversation is billed again at each response: user audio at one token per 100 ms, the assistant's at
    one per 50 ms.
    """
    turns = max(len(script.turns), 1)
    heard, said = script_ms / 100.0 / turns, _ANSWER_S * 1000.0 / 50.0
    limit = config.get("max_output_tokens", None)
    if isinstance(limit, int):
        said = min(said, float(limit))
    billed_again = turns * (turns + 1) / 2.0
    audio_in = heard * billed_again + said * (turns * (turns - 1) / 2.0)
    text_in = turns * _INSTRUCTIONS + _TEXT_PER_TURN * billed_again
    tokens = audio_in * price.audio_in + text_in * price.text_in
    tokens += turns * (said * price.audio_out + _TEXT_PER_TURN * price.text_out)
    transcribed = config.get("audio.input.transcription", None) is not None
    return tokens / 1e6 + (script_ms / 60_000.0 * _TRANSCRIPTION_USD_PER_MINUTE if transcribed else 0.0)


def billed_usd(price: Price, responses: Iterable[Mapping[str, Any]]) -> float | None:
    """What a trial's responses were billed; None when one of them does not say."""
    total = 0.0
    for row in responses:
        if row.get("input_tokens") is None:
            return None
        text_in, audio_in = row.get("input_text_tokens"), row.get("input_audio_tokens")
        text_out, audio_out = row.get("output_text_tokens"), row.get("output_audio_tokens")
        if text_in is None or audio_in is None:
            text_in, audio_in = 0, row["input_tokens"]
        if text_out is None or audio_out is None:
            text_out, audio_out = 0, row.get("output_tokens") or 0
        text_cached, audio_cached = row.get("cached_text_tokens") or 0, row.get("cached_audio_tokens") or 0
        total += (text_in - text_cached) * price.text_in + text_cached * price.text_cached
        total += (audio_in - audio_cached) * price.audio_in + audio_cached * price.audio_cached
        total += text_out * price.text_out + audio_out * price.audio_out
    return total / 1e6


class Budget:
    """What may be spent, is reserved and is spent.

    Args:
        max_usd: The cap.
        prices: Price and first reservation, USD, of every trial by its number.

    Raises:
        PlanError: If the cap is no amount of money.
    """

    def __init__(self, max_usd: float, prices: Mapping[int, tuple[Price, float]]) -> None:
        if type(max_usd) not in (int, float) or not 0 < max_usd < float("inf"):
            raise PlanError([Problem("max_usd", max_usd, "an amount of money, more than 0")])
        self.max_usd = float(max_usd)
        self.spent_usd = 0.0
        self._prices = prices
        self._reserved: dict[int, float] = {}

    def reserve(self, number: int) -> bool:
        """Set money aside for a trial; False when there is not enough left."""
        wanted = self._prices[number][1]
        if self.spent_usd + sum(self._reserved.values()) + wanted > self.max_usd:
            return False
        self._reserved[number] = wanted
        return True

    def settle(self, number: int, responses: Iterable[Mapping[str, Any]] | None) -> None:
        """A trial is over: spend what it was billed, or all that was set aside where nobody says.

        Args:
            number: The trial.
            responses: Its response rows; None when it failed.
        """
        reserved = self._reserved.pop(number, 0.0)
        billed = None if responses is None else billed_usd(self._prices[number][0], responses)
        self.spent_usd += reserved if billed is None else billed

    def release(self, number: int) -> None:
        """A trial was never begun."""
        self._reserved.pop(number, None)
