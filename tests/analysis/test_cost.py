"""The cost formulas: by modality, cached apart, unknown where something is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime_lab.analysis.cost import Price, TranscriptionPrice, response_usd, transcription_usd, usage_of

PRICE = Price(4.0, 0.4, 24.0, 32.0, 0.4, 64.0)
ROW = {
    "input_tokens": 300,
    "input_text_tokens": 100,
    "input_audio_tokens": 200,
    "cached_text_tokens": 50,
    "cached_audio_tokens": 100,
    "output_tokens": 150,
    "output_text_tokens": 50,
    "output_audio_tokens": 100,
}


def usd(row):
    return float(response_usd(PRICE, usage_of(row)))


def test_each_modality_has_its_price_and_cached_input_its_own():
    assert usd(ROW) == (50 * 4 + 50 * 0.4 + 100 * 32 + 100 * 0.4 + 50 * 24 + 100 * 64) / 1e6


def test_a_response_that_was_billed_nothing_costs_nothing():
    assert usd(dict.fromkeys(ROW, 0)) == 0.0


@pytest.mark.parametrize("missing", ["input_tokens", "output_tokens"])
def test_usage_that_is_not_told_makes_the_cost_unknown(missing):
    parts = [name for name in ROW if missing.partition("_")[0] in name]
    assert math.isnan(usd({**ROW, **dict.fromkeys(parts)}))


def test_tokens_of_unknown_modality_are_billed_as_audio():
    assert usd({"input_tokens": 10, "output_tokens": 5}) == (10 * 32 + 5 * 64) / 1e6


def test_a_column_and_its_rows_cost_the_same():
    rows = [ROW, {**ROW, "cached_text_tokens": None}, {"input_tokens": 10, "output_tokens": 5}, {}]
    columns = {name: np.array([np.nan if row.get(name) is None else row[name] for row in rows]) for name in ROW}
    assert np.array_equal(response_usd(PRICE, columns.__getitem__), [usd(row) for row in rows], equal_nan=True)


def test_transcripts_cost_by_token_or_by_minute():
    by_token, by_minute = TranscriptionPrice(2.5, 10.0), TranscriptionPrice(per_minute=0.017)
    usage = usage_of({"transcription_input_tokens": 100, "transcription_output_tokens": 20, "transcription_s": 30.0})
    assert float(transcription_usd(by_token, usage)) == (100 * 2.5 + 20 * 10) / 1e6
    assert float(transcription_usd(by_minute, usage)) == pytest.approx(0.017 / 2)
    assert math.isnan(transcription_usd(by_token, usage_of({"transcription_s": 30.0})))
