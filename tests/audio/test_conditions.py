"""Conditions as values."""

import re

import pytest

from realtime_lab.audio import Condition, babble, clean, pink, telephone, white
from realtime_lab.audio.conditions import CONDITION_KINDS
from realtime_lab.errors import ConfigError


def test_names() -> None:
    every = (clean(), white(10), pink(2.5), babble(-3), telephone())
    assert [condition.name for condition in every] == ["clean", "white_10dB", "pink_2.5dB", "babble_-3dB", "telephone"]


@pytest.mark.parametrize("condition", [clean(), white(10), pink(2.5), babble(-3), telephone()])
def test_a_condition_comes_back_from_its_dictionary(condition: Condition) -> None:
    assert Condition.from_dict(condition.to_dict()) == condition


def test_whole_and_broken_numbers_of_db_are_the_same_condition() -> None:
    assert babble(3) == babble(3.0) and hash(babble(3)) == hash(babble(3.0))


@pytest.mark.parametrize("snr_db", [None, float("nan"), float("inf"), 100, -30, True, "3"])
def test_a_noise_level_must_be_a_sensible_number(snr_db: object) -> None:
    with pytest.raises(ConfigError, match="a number of dB from -20 to 60"):
        Condition("babble", snr_db)  # type: ignore[arg-type]


def test_clean_has_no_noise_level() -> None:
    with pytest.raises(ConfigError, match="leave snr_db out"):
        Condition("clean", 3.0)


@pytest.mark.parametrize("values", [{"kind": "rain"}, {}, {"kind": ["clean"]}])
def test_an_unknown_kind_names_the_known_ones(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=re.escape(" | ".join(CONDITION_KINDS))):
        Condition.from_dict(values)


def test_every_unknown_key_is_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        Condition.from_dict({"kind": "white", "snr": 3, "level": 2})
    assert [problem.path for problem in caught.value.errors] == ["condition.snr", "condition.level"]
