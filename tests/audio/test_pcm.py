"""Sample arithmetic and levels."""

import numpy as np
import pytest

from realtime_lab.audio import pcm


def test_the_grid_is_a_whole_number_of_samples() -> None:
    assert pcm.GRID_SAMPLES == 768 and pcm.GRID_SAMPLES * 1000 == pcm.GRID_MS * pcm.SAMPLE_RATE_HZ


@pytest.mark.parametrize(("ms", "samples"), [(0, 0), (1, 24), (256.0, 6144), (0.02, 0), (0.03, 1), (1 / 48, 1)])
def test_milliseconds_go_to_the_nearest_sample(ms: float, samples: int) -> None:
    assert pcm.ms_to_samples(ms) == samples


def test_pcm_survives_the_way_through_floats() -> None:
    every = np.arange(-32_768, 32_768).astype(np.int16)
    assert np.array_equal(pcm.as_pcm16(pcm.as_float(every)), every)


def test_floats_outside_the_range_are_held_at_its_ends() -> None:
    assert pcm.as_pcm16(np.array([-2.0, 1.0, 2.0])).tolist() == [-32_768, 32_767, 32_767]


def test_levels() -> None:
    assert pcm.level_dbfs(np.full(10, 0.1)) == pytest.approx(-20)
    assert pcm.level_dbfs(np.zeros(4)) == float("-inf") and pcm.level_dbfs(np.zeros(0)) == float("-inf")


def test_first_audible_sample_is_the_start_of_the_first_loud_window() -> None:
    sound = np.zeros(24_000, np.int16)
    sound[1_000:] = 200  # -44 dBFS, from inside the fifth window on
    assert pcm.first_audible_sample(sound) == 960


def test_a_window_just_under_the_bound_is_not_audible() -> None:
    quiet, loud = np.full(480, 103, np.int16), np.full(480, 104, np.int16)  # -50 dBFS is 103.6
    assert pcm.first_audible_sample(quiet) is None and pcm.first_audible_sample(loud) == 0


def test_a_short_last_window_counts_as_it_is() -> None:
    sound = np.concatenate([np.zeros(240, np.int16), np.full(10, 500, np.int16)])
    assert pcm.first_audible_sample(sound) == 240
    assert pcm.first_audible_sample(np.zeros(0, np.int16)) is None


def test_the_key_is_the_hash_of_the_bytes() -> None:
    assert pcm.pcm_key(np.zeros(2, np.int16)) == "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"


def test_an_interval_shifts_and_has_a_length() -> None:
    assert pcm.Interval(10, 30).shifted(5) == (15, 35) and pcm.Interval(10, 30).length_ms == 20
