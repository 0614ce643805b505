"""The README keeps its word: its commands exist, its example runs, its links and its picture lead somewhere."""

from __future__ import annotations

import operator
import re
import subprocess
import sys

import pytest

import realtime_lab as rl


@pytest.fixture(scope="module")
def readme(root) -> str:
    return (root / "README.md").read_text()


def _blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)


def _commands(readme: str) -> list[list[str]]:
    return [line.partition("#")[0].split() for line in _blocks(readme, "sh")[0].splitlines()]


def test_the_two_commands_run_a_script_that_knows_them(readme, root):
    commands = _commands(readme)
    assert [words[:2] for words in commands] == [["python3", ".ci/up"]] * 2
    usage = subprocess.run([sys.executable, root / ".ci" / "up"], capture_output=True, text=True)
    assert usage.returncode == 1
    for words in commands:
        assert f"    {' '.join(words)} " in usage.stderr


def test_ci_runs_the_second_command(readme, root):
    assert " ".join(_commands(readme)[1]) in (root / ".ci" / "run").read_text()


def test_the_example_runs_as_it_stands(readme, tmp_path):
    (example,) = _blocks(readme, "python")
    assert sum(1 for line in example.splitlines() if line.strip()) <= 10
    command = [sys.executable, "-W", "error", "-c", example]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "response_latency_ms_p50" in done.stdout and "<NA>" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"study.sqlite", "tradeoff.png"}


def test_links_and_the_picture_lead_to_files(readme, root):
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", readme) if not target.startswith("https://")]
    assert len(targets) >= 5
    assert not [target for target in targets if not (root / target).exists()]


def test_the_promised_options_exist(readme):
    usage = subprocess.run([sys.executable, "-m", "realtime_lab.cli", "demo", "--help"], capture_output=True, text=True)
    for option in ("--out", "--seed", "--workers"):
        assert f"`{option}`" in readme
        assert option in usage.stdout


def test_every_name_and_every_command_it_tells_of_exists(readme):
    for name in sorted(set(re.findall(r"`[^`]*?\brl\.([\w.]+)\(", readme))):
        assert callable(operator.attrgetter(name)(rl)), name
    for name in sorted(set(re.findall(r"\bstudy\.(\w+)\(", readme))):
        assert callable(getattr(rl.Study, name)), name
    told = sorted(set(re.findall(r"realtime-lab (\w+)", readme)))
    usage = subprocess.run([sys.executable, "-m", "realtime_lab.cli", "--help"], capture_output=True, text=True).stdout
    assert len(told) >= 4
    assert [command for command in told if not re.search(rf"\b{command}\b", usage)] == []
