"""What a run may be told: one declaration for every function that runs a plan, and for the command line."""

from __future__ import annotations

import inspect

import pytest
import typer
from sweep_fakes import small_plan

import realtime_lab as rl
from realtime_lab.cli import app
from realtime_lab.errors import ArgumentError
from realtime_lab.sweep.running.options import DEFAULTS, OPTIONS, RunOptions, help_of

TAKING = {"run_sweep": (), "start_sweep": (), "run_stages": (), "optimize": ("only",)}


@pytest.mark.parametrize("name", TAKING)
def test_every_function_shows_and_describes_the_options(name):
    function = getattr(rl, name)
    parameters = inspect.signature(function).parameters
    told = {one: OPTIONS[one] for one in OPTIONS if one not in TAKING[name]}
    assert [one.name for one in parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD] == ["plan", "target"]
    assert {one: str(parameters[one].annotation) for one in told} == {one: option.kind for one, option in told.items()}
    assert {one: parameters[one].default for one in told} == {one: DEFAULTS[one] for one in told}
    for one, option in told.items():
        assert f"{one}: {option.text}" in " ".join(function.__doc__.split())
    assert "**options" not in function.__doc__ and "only" in {*parameters, *TAKING[name]}


def test_every_option_has_a_default_and_a_meaning():
    assert list(OPTIONS) == list(DEFAULTS) == list(RunOptions.__annotations__)
    assert all(option.text.endswith(".") for option in OPTIONS.values())


@pytest.mark.parametrize("name", TAKING)
def test_an_unknown_option_names_the_nearest_and_runs_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    confirmed = {"confirm": rl.Confirm(rl.mocked())} if name == "run_stages" else {}
    with pytest.raises(ArgumentError, match=r"max_usdd = 3: allowed: .*did you mean max_usd\?"):
        getattr(rl, name)(small_plan(**confirmed), max_usdd=3)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_the_same():
    told = {param.name: param.help for param in typer.main.get_command(app).commands["sweep"].params}
    for name in ("store", "workers", "max_usd", "max_trials", "max_seconds", "keep_recordings"):
        assert told[name] == help_of(name) and OPTIONS[name].text.startswith(told[name].rstrip("."))
