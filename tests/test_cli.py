"""The command line: what it builds, what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import math
import warnings

import pandas as pd
import pytest
from typer.testing import CliRunner

from realtime_lab import cli, errors, load_scripts
from realtime_lab.cli import commands, printed


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *words: runner.invoke(cli.app, [str(word) for word in words])


def _raising(error):
    def sweep(*args, **options):
        raise error

    return sweep


def test_the_demo_covers_24_turn_detection_and_2_token_settings_and_the_oracle_in_2_conditions():
    plan = cli.demo_plan(seed=7)
    settings = {tuple(sorted(trial.setting.items())) for trial in plan.trials}
    assert len(settings) == 24 * 2 + 1 and plan.settings[-1] == {"commit_delay_ms": 0.0}
    assert len({trial.condition.name for trial in plan.trials}) == 2
    turns = sum(len(script.turns) for script in plan.scripts)
    assert turns >= 20
    assert len(plan.trials) == (24 * 2 + 1) * 2 * len(plan.scripts) * plan.repeats


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
def test_an_error_of_ours_is_one_line_and_exit_code_3(run, monkeypatch, tmp_path, error):
    monkeypatch.setattr(commands, "_sweep", _raising(error))
    ended = run("demo", "--out", tmp_path / "out")
    assert (ended.exit_code, ended.stderr) == (3, f"realtime-lab: {error}\n")


def test_an_interrupt_says_how_to_go_on_and_ends_with_130(run, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "_sweep", _raising(KeyboardInterrupt()))
    ended = run("demo", "--out", tmp_path / "out")
    assert ended.exit_code == 130
    assert ended.stderr == "\nrealtime-lab: interrupted; the same command goes on from here.\n"


def test_a_fault_of_the_package_is_not_hidden(run, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "_sweep", _raising(ZeroDivisionError("ours")))
    assert isinstance(run("demo", "--out", tmp_path / "out").exception, ZeroDivisionError)


def test_an_output_folder_that_cannot_be_made_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = run("demo", "--out", tmp_path / "file" / "out")
    assert (ended.exit_code, ended.stderr) == (3, f"realtime-lab: {tmp_path / 'file' / 'out'}: Not a directory\n")


def test_a_plan_that_is_not_there_is_one_line(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("sweep", "none.toml", "--store", "s.sqlite")
    assert ended.exit_code == 3
    assert len(ended.stderr.splitlines()) == 1
    assert "'none.toml'" in ended.stderr


@pytest.mark.parametrize("words", [["demo", "--workers", "0"], ["check"], ["chekc"], ["check", "--wher"], ["--x"]])
def test_a_wrong_command_line_is_a_mistake_like_any_other_and_no_verdict(run, words):
    assert run(*words).exit_code == 3


def test_without_a_command_the_commands_are_listed(run):
    listed = run()
    assert "demo" in listed.output
    assert "sweep" in listed.output


def _summary_row(silence_ms, condition, **given):
    row = {
        "silence_duration_ms": silence_ms,
        "condition": condition,
        "cutoff_rate": 0.25,
        "cutoff_rate_low": 0.124,
        "cutoff_rate_high": 0.5,
        "n_response_latency_ms": 20,
        "response_latency_ms_p50": 812.4,
        "response_latency_ms_p50_low": 790.0,
        "response_latency_ms_p50_high": math.inf,
    }
    return {**row, **given}


def test_each_condition_has_a_table_with_a_line_per_setting():
    few = {f"response_latency_ms_p50{end}": None for end in ("", "_low", "_high")}
    rows = [
        _summary_row(200, "clean"),
        _summary_row(200, "babble_3dB", response_latency_ms_p50=math.inf, response_latency_ms_p50_low=4000.0),
        _summary_row(1000, "clean", cutoff_rate=None, n_response_latency_ms=3, **few),
    ]
    frame = pd.DataFrame(rows)
    measured = [name for name in frame if name.startswith(("cutoff", "response"))]
    frame = frame.astype(dict.fromkeys(measured, "Float64"))
    assert printed.settings_table(frame, ["silence_duration_ms"]).splitlines() == [
        "clean:",
        "silence_duration_ms  cut off       answer after ms",
        "200                  25 % (12-50)  812 (790-late)",
        "1000                 -             - (n = 3)",
        "",
        "babble_3dB:",
        "silence_duration_ms  cut off       answer after ms",
        "200                  25 % (12-50)  late (4000-late)",
    ]


def test_where_logprobs_came_the_table_says_what_each_setting_did_to_transcripts():
    frame = pd.DataFrame([_summary_row(200, "clean", wer=0.0617, mean_logprob=-0.214)])
    assert printed.settings_table(frame, ["silence_duration_ms"]).splitlines() == [
        "clean:",
        "silence_duration_ms  cut off       answer after ms  wrong words  logprob",
        "200                  25 % (12-50)  812 (790-late)   6 %          -0.21",
    ]


def test_the_demo_counts_unique_segments_or_says_that_transcripts_are_simulated():
    heard = pd.DataFrame({"segments": ["a b", None, "b c b"], "transcription_engine": ["whisper x"] * 3})
    assert printed.heard_lines(heard).splitlines()[-1] == "3 unique segments of 5."
    simulated = pd.DataFrame({"segments": [None], "transcription_engine": ["simulated: words of the reference"]})
    assert "simulated" in printed.heard_lines(simulated) and "realtime_lab[whisper]" in printed.heard_lines(simulated)


def test_a_long_table_ends_with_how_many_are_left_out():
    frame = pd.DataFrame([_summary_row(silence_ms, "clean") for silence_ms in range(70)])
    lines = printed.settings_table(frame, ["silence_duration_ms"]).splitlines()
    assert lines[-1] == "... and 10 more settings in the study"
    assert len(lines) == 2 + 60 + 1


def test_one_mistake_is_one_line_and_more_are_a_line_each(run, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text('scripts = "orders"\n[space]\nsilence_duration_mss = [200]\n')
    ended = run("sweep", plan, "--store", tmp_path / "s.sqlite")
    assert ended.exit_code == 3
    assert len(ended.stderr.splitlines()) == 1
    assert "silence_duration_ms" in ended.stderr
    plan.write_text('scripts = "order"\nrepeats = 0\n[space]\nsilence_duration_mss = [200]\n')
    ended = run("sweep", plan, "--store", tmp_path / "s.sqlite")
    assert ended.stderr.splitlines()[0] == "realtime-lab: 3 mistakes in the sweep plan:"
    assert len(ended.stderr.splitlines()) == 4
    assert not (tmp_path / "s.sqlite").exists()


def test_a_small_sweep_prints_its_table_and_the_same_command_resumes_it(run, tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "s.sqlite"
    script = load_scripts("orders")[0].id
    plan.write_text(f'scripts = {{set = "orders", ids = ["{script}"]}}\n[space]\nsilence_duration_ms = [200, 700]\n')
    for _ in range(2):
        ended = run("sweep", plan, "--store", store, "--workers", 1)
        assert (ended.exit_code, ended.exception) == (0, None)
        assert [line.split()[0] for line in ended.stdout.splitlines()[4:6]] == ["200", "700"]
        assert "Which to take: n too small: " in ended.stdout and ended.stdout.endswith(f"Written:\n  {store}\n")


def test_a_sweep_of_which_nothing_came_says_so_and_ends_with_1(run, tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "s.sqlite"
    script = load_scripts("orders")[0].id
    plan.write_text(
        f'scripts = {{set = "orders", ids = ["{script}"]}}\n[space]\nsilence_duration_ms = [200]\n'
        '[target]\nkind = "live"\nurl = "ws://127.0.0.1:9/v1"\n'
    )
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        ended = run("sweep", plan, "--store", store, "--workers", 1, "--max-seconds", 100)
    assert ended.exit_code == 1 and "Written" not in ended.stdout
    assert "\nrealtime-lab: no trial is complete, there is nothing to read: 1 of 1 trial failed (" in ended.stderr
    assert ended.stderr.endswith(f"\nrealtime-lab: no trial is complete, so there is nothing to show of {store}\n")


def test_a_warning_is_a_line_of_its_own(run, monkeypatch, tmp_path):
    def sweep(*args, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("2 of 4 trials failed", RuntimeWarning, stacklevel=1)
        raise errors.ScriptError("no audio here")

    monkeypatch.setattr(commands, "_sweep", sweep)
    ended = run("demo", "--out", tmp_path / "out")
    assert ended.stderr == "realtime-lab: 2 of 4 trials failed\nrealtime-lab: no audio here\n"


def test_a_study_of_another_plan_is_one_line(run, tmp_path):
    plan, store = tmp_path / "plan.toml", tmp_path / "s.sqlite"
    script = load_scripts("orders")[0].id
    for silence_ms in (200, 300):
        plan.write_text(
            f'scripts = {{set = "orders", ids = ["{script}"]}}\n[space]\nsilence_duration_ms = [{silence_ms}]\n'
        )
        ended = run("sweep", plan, "--store", store, "--workers", 1)
    assert ended.exit_code == 3
    assert len(ended.stderr.splitlines()) == 1
    assert str(store) in ended.stderr
