"""Shipped data is found from a source tree and from an installed package alike."""

from pathlib import Path

import pytest

from realtime_lab import resources
from realtime_lab.errors import RealtimeLabError


def test_source_tree_has_data_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / "data" / "speech").mkdir(parents=True)
    package = tmp_path / "realtime_lab"
    package.mkdir()
    assert resources.data_dir(package) == tmp_path / "data"


def test_wheel_has_data_inside_the_package(tmp_path: Path) -> None:
    inside = tmp_path / "realtime_lab" / "_data"
    inside.mkdir(parents=True)
    (tmp_path / "data" / "speech").mkdir(parents=True)
    assert resources.data_dir(tmp_path / "realtime_lab") == inside


def test_somebody_elses_data_folder_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(RealtimeLabError, match="shipped data is missing"):
        resources.data_dir(tmp_path / "realtime_lab")


def test_data_path_finds_a_shipped_file() -> None:
    assert resources.data_path("scripts/orders/scripts.toml").is_file()


@pytest.mark.parametrize("name", ["../pyproject.toml", "speech/../../pyproject.toml", "/etc/hostname"])
def test_data_path_does_not_lead_out_of_the_data(name: str) -> None:
    with pytest.raises(RealtimeLabError, match="under the data folder"):
        resources.data_path(name)


def test_unknown_data_is_named() -> None:
    with pytest.raises(RealtimeLabError, match="no shipped data named 'scripts/nothing'"):
        resources.data_path("scripts/nothing")
