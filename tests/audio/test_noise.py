"""Loops of noise: level, colour, seam and seed."""

import numpy as np
import pytest

from realtime_lab.audio import noise

N = 1 << 15


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def octave_db(samples: np.ndarray, low_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / 24_000)
    return 10 * np.log10(power[(frequency >= low_hz) & (frequency < 2 * low_hz)].sum())


def voices(count: int) -> list[np.ndarray]:
    return [np.sin(np.arange(3_000) * (0.02 + 0.005 * n)) for n in range(count)]


@pytest.mark.parametrize("loop", [noise.white_loop, noise.pink_loop, lambda r, n: noise.babble_loop(r, voices(8), n)])
def test_a_loop_has_unit_level_and_depends_on_the_seed_alone(loop) -> None:
    once, again, other = loop(rng(), N), loop(rng(), N), loop(rng(2), N)
    assert np.sqrt(np.mean(once**2)) == pytest.approx(1) and len(once) == N
    assert np.array_equal(once, again) and not np.array_equal(once, other)


def test_colours() -> None:
    white, pink = noise.white_loop(rng(), N), noise.pink_loop(rng(), N)
    assert octave_db(white, 4_000) - octave_db(white, 500) == pytest.approx(9, abs=1)
    assert octave_db(pink, 4_000) - octave_db(pink, 500) == pytest.approx(0, abs=1)


def test_a_loop_joins_its_own_beginning() -> None:
    pink = noise.pink_loop(rng(), N)
    assert abs(pink[0] - pink[-1]) < 5 * np.std(np.diff(pink))


def test_the_shipped_loop_length_keeps_frames_apart() -> None:
    assert noise.LOOP_SAMPLES % 256 == 0 and noise.LOOP_SAMPLES % 768 != 0


def test_babble_needs_several_clips() -> None:
    with pytest.raises(ValueError, match="at least 6 clips, not 5"):
        noise.babble_loop(rng(), voices(5), N)


def test_babble_never_rests() -> None:
    crowd = noise.babble_loop(rng(), voices(8), N)
    windows = np.sqrt(np.mean(crowd[: N // 480 * 480].reshape(-1, 480) ** 2, axis=1))
    assert windows.min() > 0.1


@pytest.mark.parametrize(("hz", "low", "high"), [(1_000, -1, 1), (2_500, -1, 1), (100, -999, -30), (5_000, -999, -30)])
def test_the_telephone_passes_300_to_3400_hz(hz: int, low: float, high: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(24_000) / 24_000)
    heard = noise.telephone_channel(tone)
    assert len(heard) == len(tone)
    middle = slice(6_000, 18_000)
    gain_db = 20 * np.log10(np.std(heard[middle]) / np.std(tone[middle]))
    assert low < gain_db < high


def test_the_telephone_does_not_delay() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1_000 * np.arange(24_000) / 24_000)
    heard = noise.telephone_channel(tone)
    assert np.corrcoef(tone[6_000:18_000], heard[6_000:18_000])[0, 1] > 0.99
