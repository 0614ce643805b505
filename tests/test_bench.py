"""Benches: every one runs, its figures say what was promised, and two files of them can be held against each other."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from realtime_lab.bench import BENCHES, Figure, Results, compare_results, load_results, run_benches, save_results
from realtime_lab.cli import app
from realtime_lab.errors import RealtimeLabError


def results(*figures, **more):
    told = {"package": "0.1.0", "python": "3.11.7", "machine": "x86_64 Linux", "cores": 2, "quick": False}
    return Results(figures=list(figures), **(told | more))


RATE = Figure(name="rate", value=100.0, unit="1/s", better="higher", target=90.0)
TIME = Figure(name="time", value=2.0, unit="s", better="lower", target=1.0)


def test_a_target_is_met_in_its_own_direction():
    assert (RATE.met, TIME.met) == (True, False)
    assert Figure(name="x", value=1.0, unit="s", better="lower").met is None
    assert ">= 90" in str(RATE) and str(RATE).endswith("met")
    assert str(TIME).endswith("NOT MET")


def test_results_come_back_from_their_file(tmp_path):
    path = save_results(results(RATE, TIME), tmp_path / "r.json")
    assert load_results(path) == results(RATE, TIME)
    assert json.loads(path.read_text())["figures"][0]["value"] == 100.0


@pytest.mark.parametrize("text", ["", "[]", '{"figures": 3}', "{" * 100_000, '{"format_version": 9}'])
def test_what_is_no_file_of_results_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(RealtimeLabError, match=r"r\.json") as caught:
        load_results(tmp_path / "r.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(RealtimeLabError, match="cannot be read"):
        load_results(tmp_path / "none.json")


def test_two_runs_side_by_side_say_what_became_better_or_worse():
    slower = Figure(name="rate", value=50.0, unit="1/s", better="higher")
    same = Figure(name="time", value=2.1, unit="s", better="lower")
    lines = list(compare_results(results(RATE, TIME), results(slower, same, python="3.12.1")))
    assert lines[0] == "not the same python: 3.11.7 and 3.12.1"
    assert lines[1].endswith("WORSE") and "x 0.5" in lines[1]
    assert lines[2].endswith("alike")
    quicker = Figure(name="time", value=1.0, unit="s", better="lower")
    assert next(compare_results(results(TIME), results(quicker))).endswith("better")


def test_what_was_none_before_and_has_no_ratio_is_judged_by_its_target():
    none, grown, little = (
        Figure(name="growth", value=value, unit="MB", better="lower", target=10.0) for value in (0.0, 50.0, 3.0)
    )
    for before, after, said in ((none, grown, "WORSE"), (none, little, "alike"), (none, none, "alike")):
        (line,) = compare_results(results(before), results(after))
        assert line.endswith(said) and " x " not in line


def test_an_unknown_bench_is_named_with_those_there_are():
    with pytest.raises(RealtimeLabError, match=r"no bench 'sesions'.*sessions"):
        run_benches(["sesions"])


def test_the_command_writes_figures_and_compares_files(tmp_path):
    out = tmp_path / "r.json"
    done = CliRunner().invoke(app, ["bench", "endpointing", "--quick", "--json", str(out)])
    assert done.exit_code in (0, 1) and "endpointing cells" in done.output
    (figure,) = load_results(out).figures
    assert figure.value > 1e5 and (done.exit_code == 0) == figure.met
    held = CliRunner().invoke(app, ["bench", "--compare", str(out), str(out)])
    assert held.exit_code == 0 and held.output.rstrip().endswith("alike")


@pytest.mark.full
@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_gives_its_figures(name):
    found = run_benches([name], quick=True).figures
    assert found and all(math.isfinite(figure.value) and figure.unit for figure in found)
    assert all(figure.value >= 0 for figure in found if "more at the end" not in figure.unit)  # growth may be negative
    for figure in found:
        print(figure)
