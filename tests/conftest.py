"""What every test gets: the --full option, a cache of its own, no keys from outside, drawing without a screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from realtime_lab.session import Stage

hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("full", max_examples=1_000, deadline=None)

os.environ["MPLBACKEND"] = "agg"  # before anything imports matplotlib


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full."""
    parser.addoption("--full", action="store_true", help="the stated counts, and the tests over ten seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples hypothesis makes."""
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this run or this machine is not made for."""
    skips: dict[str, pytest.MarkDecorator] = {}
    if not config.getoption("--full"):
        skips["full"] = pytest.mark.skip(reason="only with --full")
    if shutil.which("chromium") is None:
        skips["browser"] = pytest.mark.skip(reason="no chromium on this machine")
    for item in items:
        for marker, skip in skips.items():
            if marker in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether this run does the stated counts."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a study may be written; nothing is there yet."""
    return tmp_path / "s.sqlite"


@pytest.fixture(scope="module")
def stage() -> Stage:
    """Rendered speech and what was heard of it, made once for all tests of a file."""
    from realtime_lab.session import Stage

    return Stage()


@pytest.fixture(scope="session", autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the user's cache, and none sees a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REALTIME_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
            patch.delenv(name, raising=False)
        yield
