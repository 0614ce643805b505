"""Running sweeps: the same frames whatever the workers, nothing twice, nothing lost, every way to be interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sweep_fakes
from sweep_fakes import BASE, script, small_plan
from waiting import until

from realtime_lab.config import resolve_path
from realtime_lab.errors import (
    PlanError,
    RealtimeLabError,
    StudyLockedError,
    StudyMismatchError,
    UnmodelledError,
)
from realtime_lab.session import mocked
from realtime_lab.sweep import Study, SweepPlan, run_sweep, start_sweep

TESTS = str(Path(__file__).parents[2] / "helpers")
QUIET = {"workers": 0, "progress": False}


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A file in which the fakes leave a line per session, as a list of those lines."""
    monkeypatch.setenv("SWEEP_LOG", str(tmp_path / "log"))
    return lambda: (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []


def frames(study):
    return [study.trials_df(), study.turns_df(), study.responses_df(), study.tokens_df(), study.summary()]


def test_frames_are_equal_byte_for_byte_whatever_the_workers(tmp_path):
    plan = small_plan(range(200, 230), repeats=2)
    studies = [
        run_sweep(plan, store=tmp_path / f"{name}.sqlite", run=sweep_fakes.instant, progress=False, **how)
        for name, how in {"here": {"workers": 0}, "one": {"workers": 1}, "two": {"workers": 2}}.items()
    ]
    with ThreadPoolExecutor(3) as threads:
        studies.append(
            run_sweep(plan, store=tmp_path / "t.sqlite", run=sweep_fakes.instant, progress=False, executor=threads)
        )
    first, *others = [frames(study) for study in studies]
    for other in others:
        for one, two in zip(first, other, strict=True):
            pd.testing.assert_frame_equal(one, two)
            assert one.to_csv().encode() == two.to_csv().encode()


def test_a_pool_of_the_standard_library_works(store):
    with ProcessPoolExecutor(1) as pool:
        study = run_sweep(small_plan(), store=store, run=sweep_fakes.instant, progress=False, executor=pool)
    assert study.states() == {"complete": 6}


def test_finished_trials_are_not_run_again(store, log):
    for _ in range(2):
        study = run_sweep(small_plan(), store=store, run=sweep_fakes.logged, **QUIET)
    assert study.states() == {"complete": 6}
    assert sorted(log()) == sorted(trial.key for trial in small_plan().trials)


def test_the_store_is_named_by_the_plan_when_nobody_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = run_sweep(small_plan(), run=sweep_fakes.instant, **QUIET)
    assert study.path == Path("runs") / f"{small_plan().hash}.sqlite"
    other = run_sweep(small_plan(), mocked("observed"), run=sweep_fakes.instant, **QUIET)
    assert other.path.name == f"{small_plan().hash}-mocked-observed.sqlite"
    assert set(other.turns_df().target) == {"mocked:observed"}


def test_a_failing_trial_is_kept_with_its_reason_and_the_same_call_runs_only_it_again(store, log, monkeypatch):
    plan = small_plan()
    with pytest.warns(RuntimeWarning, match=r"^2 of 6 trials failed \(2 × ValueError: 300 is not today\)") as warned:
        study = run_sweep(plan, store=store, run=sweep_fakes.bad_at_300, **QUIET)
    assert warned[0].filename == __file__  # of who called
    frame = study.trials_df()
    bad = frame[frame.silence_duration_ms == 300]
    assert set(bad.state) == {"failed"} and set(bad.error) == {"ValueError: 300 is not today"}
    assert len(study.turns_df()) == 8
    assert set(study.turns_df().silence_duration_ms) == {200, 400}
    monkeypatch.setenv("SWEEP_MENDED", "1")
    study = run_sweep(plan, store=store, run=sweep_fakes.bad_at_300, **QUIET)
    assert study.states() == {"complete": 6}
    assert len(log()) == 6
    frame = study.trials_df()
    assert frame[frame.silence_duration_ms == 300].attempt.tolist() == [2, 2]


def test_a_worker_that_dies_costs_its_trial_another_try(store, log):
    study = run_sweep(small_plan(), store=store, run=sweep_fakes.deadly_once, workers=2, progress=False)
    assert study.states() == {"complete": 6}
    assert log() == ["killed"]
    assert set(study.trials_df().attempt) == {1}


def test_a_trial_that_kills_every_worker_fails_alone(store):
    plan = small_plan(range(290, 320), scripts=("a",))
    with pytest.warns(RuntimeWarning, match="1 of 30 trials failed"):
        study = run_sweep(plan, store=store, run=sweep_fakes.deadly_at_300, workers=1, progress=False)
    frame = study.trials_df()
    assert study.states() == {"complete": 29, "failed": 1}
    error = frame[frame.state == "failed"].error.item()
    assert error == "the worker process ended with status 7, twice on this trial"


def test_a_limit_on_trials_leaves_the_rest_for_the_next_call_and_says_so(store, log):
    with pytest.warns(RuntimeWarning, match=r"4 of 6 trials were left out: max_trials = 2 was reached"):
        study = run_sweep(small_plan(), store=store, run=sweep_fakes.logged, max_trials=2, **QUIET)
    assert study.states() == {"complete": 2, "planned": 4}
    assert run_sweep(small_plan(), store=store, run=sweep_fakes.logged, max_trials=4, **QUIET).states() == {
        "complete": 6
    }
    assert sorted(log()) == sorted(trial.key for trial in small_plan().trials)


def test_a_limit_on_time_finishes_what_is_under_way_and_leaves_the_rest(store):
    run = start_sweep(
        small_plan(range(200, 400)), store=store, run=sweep_fakes.slow, workers=0, progress=False, max_seconds=0.2
    )
    with pytest.warns(RuntimeWarning, match=r"trials were left out: max_seconds = 0.2 was reached"):
        states = run.result().states()
    assert set(states) == {"complete", "planned"} and sum(states.values()) == 400
    assert run.progress.state == "stopped"


@pytest.mark.parametrize("limits", [{"max_trials": 0}, {"max_trials": 1.5}, {"max_seconds": 0}, {"max_seconds": "1"}])
def test_a_limit_that_is_none_is_refused_before_anything_is_made(store, limits):
    with pytest.raises(PlanError, match=next(iter(limits))):
        start_sweep(small_plan(), store=store, **limits)
    assert not store.exists()


def test_rows_that_are_not_declared_fail_their_trial(store):
    with pytest.warns(RuntimeWarning, match="surprise"):
        study = run_sweep(small_plan(), store=store, run=sweep_fakes.undeclared, **QUIET)
    assert study.states() == {"failed": 6}


def test_a_function_that_workers_cannot_import_fails_with_the_reason(store):
    local = sweep_fakes.__class__("made_here")
    exec("def run(task): ...", vars(local))
    local.run.__module__ = "no_such_module"
    sys.modules["no_such_module"] = local
    try:
        with pytest.warns(RuntimeWarning, match="no_such_module"):
            study = run_sweep(small_plan(), store=store, run=local.run, workers=1, progress=False)
    finally:
        del sys.modules["no_such_module"]
    assert study.states() == {"failed": 6}


def test_workers_that_cannot_start_end_the_sweep_in_one_line(store, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RealtimeLabError, match="workers=0 runs the sweep in this process"):
        run_sweep(small_plan(), store=store, run=sweep_fakes.instant, workers=1, progress=False)
    assert Study.open(store).states() == {"planned": 6}
    assert [path.name for path in store.parent.iterdir()] == ["s.sqlite"]


def test_an_executor_that_breaks_keeps_what_was_done(store):
    class Broken(ThreadPoolExecutor):
        def submit(self, *args, **kwargs) -> Future:
            raise RuntimeError("cannot schedule new futures")

    with pytest.raises(RealtimeLabError, match="can no longer be sent"):
        run_sweep(small_plan(), store=store, run=sweep_fakes.instant, progress=False, executor=Broken(1))
    assert Study.open(store).states() == {"planned": 6}


def test_a_print_in_a_session_disturbs_nothing(store):
    assert run_sweep(small_plan(), store=store, run=sweep_fakes.talkative, workers=1, progress=False).states() == {
        "complete": 6
    }


def test_cancel_is_quick_keeps_what_came_back_and_leaves_no_process(store):
    plan = small_plan(range(200, 400))
    run = start_sweep(plan, store=store, run=sweep_fakes.slow, workers=2, progress=False)
    until(lambda: run.progress.done >= 3)
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 1
    states = run.result().states()
    assert run.progress.state == "cancelled"
    assert states["complete"] == run.progress.done >= 3
    assert "running" not in states and states["cancelled"] >= 1
    assert [path.name for path in store.parent.iterdir()] == ["s.sqlite"]
    until(lambda: not _threads(), 2)
    done = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "realtime_lab.sweep.workers.child"], capture_output=True
    )
    assert done.stdout == b""
    run.cancel()
    assert run_sweep(plan, store=store, run=sweep_fakes.instant, **QUIET).states() == {"complete": 400}


def _threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("realtime-lab-")]


def test_cancel_ends_sessions_that_never_end(store):
    run = start_sweep(small_plan(), store=store, run=sweep_fakes.endless, workers=2, progress=False)
    until(lambda: run.progress.running >= 4)
    run.cancel()
    states = run.result().states()
    # A batch handed out but not begun counts as planned.
    assert states["cancelled"] >= 1 and states["cancelled"] + states["planned"] == 6


def test_a_cancelled_sweep_in_this_process_stops_between_batches(store):
    run = start_sweep(small_plan(range(200, 600)), store=store, run=sweep_fakes.slow, workers=0, progress=False)
    until(lambda: run.progress.done)
    run.cancel()
    assert 0 < run.result().states()["complete"] < 800


def test_a_growing_study_can_be_read_and_three_clicks_are_one_sweep(store):
    plan = small_plan(range(200, 240))
    run = start_sweep(plan, store=store, run=sweep_fakes.slow, workers=1, progress=False)
    for _ in range(2):
        with pytest.raises(StudyLockedError, match="this very process"):
            start_sweep(plan, store=store, run=sweep_fakes.slow, workers=1)
    until(lambda: run.progress.done >= 3)
    assert 6 <= len(run.study.turns_df()) <= 160
    assert "of 80 trials" in repr(run)
    run.result()
    assert len(run.study.turns_df()) == 160


def test_a_study_of_another_plan_is_refused(store):
    run_sweep(small_plan(), store=store, run=sweep_fakes.instant, **QUIET)
    with pytest.raises(StudyMismatchError, match="they differ in seed"):
        run_sweep(small_plan(seed=9), store=store, run=sweep_fakes.instant, **QUIET)


@pytest.mark.parametrize("name", ["instructions", "voice", "reasoning.effort"])
def test_a_mocked_sweep_over_an_ignored_field_is_refused_with_the_reason(store, name):
    plan = SweepPlan(BASE, {name: ["low", "high"]}, [script("a")])
    with pytest.raises(UnmodelledError, match=rf"{name}: .*allow_unmodelled=True"):
        start_sweep(plan, store=store, run=sweep_fakes.instant)
    assert not store.exists()
    study = run_sweep(plan, store=store, allow_unmodelled=True, run=sweep_fakes.instant, **QUIET)
    assert resolve_path(name) in study.plan.axes.values()


@pytest.mark.parametrize("workers", [-1, True, "two", 1.5])
def test_a_wrong_number_of_workers_is_refused(store, workers):
    with pytest.raises(PlanError, match="workers"):
        start_sweep(small_plan(), store=store, workers=workers)
    assert not store.exists()


def test_progress_is_a_few_plain_lines_where_there_is_no_terminal(store, capsys):
    run_sweep(small_plan(), store=store, workers=0, run=sweep_fakes.instant)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"sweep: 6 of 6 trials, [\d,.]+/s, finished after \d s\n", shown.err)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import sweep_fakes
from realtime_lab.sweep import run_sweep
study = run_sweep(sweep_fakes.small_plan(range(200, {end})), store={store!r}, workers=2, run=sweep_fakes.{run})
print(study.states())
"""


def write_script(tmp_path, store, run="instant", end=203):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(tests=TESTS, store=str(store), run=run, end=end))
    return path


def test_a_script_without_a_main_guard_wherever_it_is_run_from(tmp_path, store):
    """A file named like a module of the standard library, beside where the user happens to be, breaks no worker."""
    (tmp_path / "selectors.py").write_text("raise SystemExit('wrong module')")
    (tmp_path / "scripts").mkdir()
    path = write_script(tmp_path / "scripts", store)
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'complete': 6}\n", done.stderr


def test_a_script_from_standard_input(tmp_path, store):
    text = write_script(tmp_path, store).read_text()
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'complete': 6}\n", done.stderr


def run_until(path, store, enough):
    """Start a script as a terminal would and wait until its study has some complete trials."""
    # In the background of a shell interrupts are ignored, and a script inherits that from the tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    signal.signal(signal.SIGINT, before)

    def has_enough():
        assert process.poll() is None, process.stderr.read()
        return store.exists() and _complete(store) >= enough

    until(has_enough)
    return process


def _complete(store):
    if not store.exists():
        return 0
    try:
        return Study(store).states().get("complete", 0)
    except RealtimeLabError:
        return 0


def test_an_interrupt_leaves_a_study_that_the_same_command_finishes(tmp_path, store):
    path = write_script(tmp_path, store, run="slow", end=600)
    process = run_until(path, store, 5)
    with pytest.raises(StudyLockedError, match=f"by process {process.pid} on"):
        run_sweep(small_plan(range(200, 600)), store=store, run=sweep_fakes.instant, **QUIET)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert process.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")
    assert "cancelled after" in errors
    assert [entry.name for entry in tmp_path.iterdir() if "sqlite" in entry.name] == ["s.sqlite"]
    before = Study(store).states()
    assert before["complete"] >= 5 and set(before) == {"complete", "cancelled", "planned"}
    path = write_script(tmp_path, store, run="instant", end=600)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "{'complete': 800}\n", done.stderr


def test_a_killed_sweep_is_finished_by_the_same_command_with_the_same_frames(tmp_path, store, full):
    kills = 50 if full else 2
    end = 240 + 10 * kills  # enough that the last kill finds work under way
    plan = small_plan(range(200, end))
    path = write_script(tmp_path, store, run="slow", end=end)
    for _ in range(kills):
        process = run_until(path, store, _complete(store) + 3)
        workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        process.kill()
        process.communicate()
        assert len(workers) == 2
        _await_death(workers)
    resumed = run_sweep(plan, store=store, run=sweep_fakes.instant, **QUIET)
    whole = run_sweep(plan, store=tmp_path / "whole.sqlite", run=sweep_fakes.instant, **QUIET)
    for one, two in zip(frames(resumed), frames(whole), strict=True):
        assert one.to_csv().encode() == two.to_csv().encode()


def _await_death(pids):
    """Workers of a killed sweep end by themselves."""
    until(lambda: not any(_alive(int(pid)) for pid in pids), 3, "the end of its workers")


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_that_ends_with_a_sweep_under_way_closes_it(tmp_path, store):
    text = write_script(tmp_path, store, run="slow", end=400).read_text()
    text = text.replace("run_sweep", "start_sweep")
    text = text.replace("print(study.states())", "while not study.progress.done: pass")
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [entry.name for entry in tmp_path.iterdir() if "sqlite" in entry.name] == ["s.sqlite"]
    assert set(Study(store).states()) <= {"complete", "cancelled", "planned"}


def test_workers_import_neither_pandas_nor_pyarrow_nor_matplotlib():
    code = textwrap.dedent("""
        import sys, realtime_lab.sweep.workers.child, realtime_lab.sweep.workers.worker
        print(sorted({"pandas", "pyarrow", "matplotlib", "ipywidgets", "scipy"} & set(sys.modules)))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_real_sessions_give_equal_frames_here_and_in_workers(tmp_path):
    plan = SweepPlan(
        BASE.with_values({"transcription.model": "some-model"}),
        {"silence_duration_ms": [200, 500], "max_output_tokens": [64, "inf"]},
        [_short_script()],
        seed=3,
    )
    here, there = (
        run_sweep(plan, store=tmp_path / f"{workers}.sqlite", workers=workers, progress=False) for workers in (0, 2)
    )
    assert here.states() == {"complete": 4}
    for one, two in zip(frames(here), frames(there), strict=True):
        assert one.to_csv().encode() == two.to_csv().encode()
    turns = here.turns_df()
    assert set(turns.outcome) == {"answered"}
    assert turns[turns.silence_duration_ms == 200].n_cut_holds.min() > 0
    effective = here.trials_df()["effective.audio.input.turn_detection.silence_duration_ms"]
    assert effective.tolist() == here.trials_df().silence_duration_ms.tolist()
    assert {"session.created", "input_audio_buffer.speech_stopped"} <= set(here.events_df(0).type)


def _short_script():
    """One turn of the shipped speech."""
    from dataclasses import replace

    from realtime_lab.audio import load_scripts

    whole = load_scripts("edges")[0]
    return replace(whole, turns=whole.turns[:1])
