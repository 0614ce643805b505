"""The package as others get it: pins, metadata, licences, and a wheel that carries its data."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RESOURCES = "from realtime_lab import load_scripts; print([s.content_hash for s in load_scripts('orders')])"


@pytest.fixture(scope="module")
def project(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins(root) -> dict[str, str]:
    lines = (root / ".ci" / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines)


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def _requirements(project: dict) -> list[Requirement]:
    listed = list(project["project"]["dependencies"])
    for group in (*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()):
        listed += group
    return [Requirement(line) for line in listed]


def test_every_pin_is_one_name_and_one_version(root):
    text = (root / ".ci" / "constraints.txt").read_text()
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.!+]*", line) for line in lines)
    assert lines == sorted(set(lines))
    assert len({line.partition("==")[0] for line in lines}) == len(lines)


def test_every_requirement_is_pinned_to_a_version_it_allows(project, pins):
    for requirement in _requirements(project):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pinned), f"{requirement} does not allow {pinned}"


def test_the_installers_themselves_are_pinned(pins):
    assert {"uv", "hatchling"} <= pins.keys()


def test_every_runtime_dependency_says_what_it_is_for(root, project):
    text = (root / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") : text.index("[project.optional-dependencies]")]
    lines = [line for line in block.splitlines() if line.lstrip().startswith('"')]
    assert len(lines) == len(project["project"]["dependencies"])
    assert all(re.search(r'",  # \w.{8,}', line) for line in lines)


def test_python_3_11_to_3_13(project):
    assert project["project"]["requires-python"] == ">=3.11,<3.14"


def test_no_lock_file_and_no_index_address_is_kept(root):
    assert "uv.lock" in (root / ".gitignore").read_text().split()
    for path in (root / "pyproject.toml", *(root / ".ci").iterdir()):
        if path.is_file():
            assert "://" not in path.read_text(), path.name


def test_the_wheel_carries_the_package_and_its_data_and_nothing_else(root, wheel):
    names = set(wheel.namelist())
    data = {f"realtime_lab/_data/{p.relative_to(root / 'data')}" for p in (root / "data").rglob("*") if p.is_file()}
    assert len(data) > 40
    assert data <= names
    assert {"realtime_lab/__init__.py", "realtime_lab/py.typed", "realtime_lab/cli/commands.py"} <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"realtime_lab"}


def test_the_wheels_metadata_names_every_licence(root, wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["License-Expression"] == "MIT AND BSD-2-Clause AND CC-BY-SA-3.0"
    files = metadata.get_all("License-File")
    shipped = {str(p.relative_to(root)) for p in (root / "data").rglob("LICENSE*")}
    assert len(shipped) >= 2
    assert set(files) == {"LICENSE", *shipped}
    assert all(name.replace("METADATA", f"licenses/{file}") in wheel.namelist() for file in files)


def test_the_wheel_installs_the_command(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt"))
    assert "realtime-lab = realtime_lab.cli:main" in wheel.read(name).decode().splitlines()


def test_the_data_is_found_in_a_wheel_as_in_a_source_tree(root, wheel, tmp_path):
    wheel.extractall(tmp_path)
    found = []
    for place in (root, tmp_path):
        env = {**os.environ, "PYTHONPATH": str(place), "PYTHONSAFEPATH": "1"}
        code = f"import realtime_lab; print(realtime_lab.__file__); {RESOURCES}"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        origin, scripts = done.stdout.splitlines()
        assert Path(origin).is_relative_to(place)
        found.append(scripts)
    assert found[0] == found[1]
    assert len(found[0]) > 64
