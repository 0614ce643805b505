"""The spectral gate: the same by frames and in one piece, quieter noise, untouched speech."""

import numpy as np
import pytest

from realtime_lab.audio import load_scripts, pink
from realtime_lab.audio.noise_reduction import NOISE_REDUCTIONS, FrameGate, reduce_noise
from realtime_lab.session import Stage

RATES = (24_000, 8_000)


def decibels(pcm):
    return 10 * np.log10(np.mean(pcm.astype(float) ** 2))


def noise(seconds, rate_hz, level=800, seed=0):
    samples = seconds * rate_hz // (rate_hz * 32 // 1000) * (rate_hz * 32 // 1000)
    return np.random.default_rng(seed).normal(0, level, samples).astype(np.int16)


@pytest.mark.parametrize("kind", NOISE_REDUCTIONS)
@pytest.mark.parametrize("rate_hz", RATES)
def test_frame_by_frame_equals_in_one_piece_and_starts_afresh_where_the_first_frame_comes_again(kind, rate_hz):
    pcm = noise(1, rate_hz)
    whole = reduce_noise(pcm, kind, rate_hz)
    gate = FrameGate(kind, rate_hz)
    frames = pcm.reshape(-1, rate_hz * 32 // 1000)
    twice = [np.concatenate([gate.feed(frame) for frame in frames]) for _ in range(2)]
    assert whole.dtype == np.int16 and len(whole) == len(pcm)
    assert np.array_equal(twice[0], whole) and np.array_equal(twice[1], whole)


@pytest.mark.parametrize("rate_hz", RATES)
def test_what_comes_later_changes_nothing_before(rate_hz):
    pcm = noise(1, rate_hz)
    other = pcm.copy()
    half = len(pcm) // 64 * 32
    other[half:] = 5000
    first, second = (reduce_noise(samples, "far_field", rate_hz)[:half] for samples in (pcm, other))
    assert np.array_equal(first, second)


def test_steady_noise_is_turned_down_more_for_rooms_than_for_headsets():
    pcm = noise(3, 24_000)
    near, far = (decibels(reduce_noise(pcm, kind)[24_000:]) for kind in ("near_field", "far_field"))
    assert far < near - 3 < decibels(pcm) - 9


def test_speech_stands_out_further_from_noise_than_before():
    """A shipped sentence in pink noise at 5 dB: the level of speech over that of the noise between grows."""
    script = load_scripts("orders")[0]
    passage = Stage().renderer(script, pink(snr_db=5)).turn(0)
    spoken = np.zeros(len(passage.pcm), bool)
    for part in passage.speech_ms:
        spoken[int(part.start_ms * 24) : int(part.end_ms * 24)] = True
    quiet = ~spoken
    quiet[: 24 * 100] = False
    cleaned = reduce_noise(passage.pcm, "far_field")

    def contrast(pcm):
        return decibels(pcm[spoken]) - decibels(pcm[quiet])

    assert contrast(cleaned) > contrast(passage.pcm) + 6
    assert decibels(cleaned[spoken]) > decibels(passage.pcm[spoken]) - 6


def test_clean_digital_silence_stays_silent():
    assert not reduce_noise(np.zeros(24_000 // 32 * 32 // 768 * 768, np.int16), "near_field").any()
