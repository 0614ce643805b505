"""The command line: what it builds, what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from realtime_lab import cli, errors


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(cli.app, [str(word) for word in words])


def _raising(error):
    def sweep(*args):
        raise error

    return sweep


def test_the_demo_covers_24_turn_detection_and_2_token_settings_in_2_conditions():
    plan = cli.demo_plan(seed=7)
    settings = {tuple(sorted(trial.setting.items())) for trial in plan.trials}
    assert len(settings) == 24 * 2
    assert len({trial.condition.name for trial in plan.trials}) == 2
    turns = sum(len(script.turns) for script in plan.scripts)
    assert turns >= 20
    assert len(plan.trials) == 24 * 2 * 2 * len(plan.scripts)


def test_the_same_seed_is_the_same_demo_and_another_is_not():
    assert cli.demo_plan(7).hash == cli.demo_plan(7).hash != cli.demo_plan(8).hash


@pytest.mark.parametrize(
    "error",
    [
        errors.StudyMismatchError("study.sqlite belongs to another plan"),
        errors.UnmodelledError("the mocked server ignores audio.output.voice"),
        errors.ScriptError("no audio here"),
    ],
)
def test_an_error_of_ours_is_one_line_and_exit_code_2(run, monkeypatch, tmp_path, error):
    monkeypatch.setattr(cli, "_sweep", _raising(error))
    ended = run("demo", "--out", tmp_path / "out")
    assert (ended.exit_code, ended.stderr) == (2, f"realtime-lab: {error}\n")


def test_an_interrupt_says_how_to_go_on_and_ends_with_130(run, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_sweep", _raising(KeyboardInterrupt()))
    ended = run("demo", "--out", tmp_path / "out")
    assert ended.exit_code == 130
    assert ended.stderr == "\nrealtime-lab: interrupted; the same command goes on from here.\n"


def test_a_fault_of_the_package_is_not_hidden(run, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_sweep", _raising(ZeroDivisionError("ours")))
    assert isinstance(run("demo", "--out", tmp_path / "out").exception, ZeroDivisionError)


def test_an_output_folder_that_cannot_be_made_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = run("demo", "--out", tmp_path / "file" / "out")
    assert (ended.exit_code, ended.stderr) == (2, f"realtime-lab: {tmp_path / 'file' / 'out'}: Not a directory\n")


def test_a_plan_that_is_not_there_is_one_line(run, tmp_path):
    ended = run("sweep", tmp_path / "none.toml", "--store", tmp_path / "s.sqlite")
    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert str(tmp_path / "none.toml") in ended.stderr


def test_workers_below_one_are_refused(run):
    assert run("demo", "--workers", "0").exit_code == 2


def test_without_a_command_the_commands_are_listed(run):
    listed = run()
    assert "demo" in listed.output
    assert "sweep" in listed.output
