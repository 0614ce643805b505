"""Causal resampling: what it computes, what it lets through, and that cutting the stream changes nothing."""

import numpy as np
import pytest
from scipy.signal import upfirdn

from realtime_lab.audio.causal import CausalResampler, _lowpass, resample_causally

RATES = [(24_000, 16_000, 2, 3), (8_000, 16_000, 2, 1), (24_000, 8_000, 1, 3)]


@pytest.mark.parametrize(("from_hz", "to_hz", "up", "down"), RATES)
def test_it_is_the_filter_it_says_however_the_stream_is_cut(from_hz, to_hz, up, down):
    """Held against scipy's polyphase filter, in frames of 32 ms and of 64 ms."""
    pcm = np.random.default_rng(1).integers(-20_000, 20_000, from_hz * 64 // 1000 * 5).astype(np.int16)
    wanted = np.rint(upfirdn(_lowpass(up, down), pcm.astype(float), up, down))[: len(pcm) * up // down]
    for frame_ms in (32, 64):
        found = resample_causally(pcm, from_hz, to_hz, from_hz * frame_ms // 1000)
        assert np.array_equal(found, np.clip(wanted, -32768, 32767).astype(np.int16))


@pytest.mark.parametrize(
    ("tone_hz", "least_db", "most_db"), [(300, -0.1, 0.1), (7_300, -0.5, 0.5), (7_900, -200, -40), (9_000, -200, -40)]
)
def test_the_band_passes_and_nothing_above_it_folds_back(tone_hz, least_db, most_db):
    """16 kHz hold up to 8 kHz: a tone above would come back as one below, which is no part of what was said."""
    time_s = np.arange(24_000 * 32 * 40 // 1000) / 24_000
    tone = np.rint(20_000 * np.sin(2 * np.pi * tone_hz * time_s)).astype(np.int16)
    heard = resample_causally(tone, 24_000, 16_000, 768)[1024:].astype(float)
    level_db = 20 * np.log10(np.sqrt(np.mean(heard**2)) * np.sqrt(2) / 20_000)
    assert least_db < level_db < most_db


def test_a_frame_must_be_whole_at_both_rates():
    with pytest.raises(ValueError, match="no whole number"):
        CausalResampler(24_000, 16_000, 767)


def test_it_hears_without_delay():
    """A click comes out within a quarter of a millisecond of where it went in; a symmetric kernel would need 4 ms."""
    click = np.zeros(768, np.int16)
    click[300] = 20_000
    assert 0 <= np.abs(resample_causally(click, 24_000, 16_000, 768)).argmax() - 200 <= 4
