"""A sweep on a cluster of Dask's: nothing lost and nothing run twice, also when a worker is killed in the middle."""

from __future__ import annotations

import os
import signal
import warnings

import pytest
import sweep_fakes
from sweep_fakes import small_plan
from waiting import until

from realtime_lab.sweep import run_sweep, start_sweep

pytestmark = pytest.mark.full


@pytest.fixture
def cluster(tmp_path):
    """Two worker processes and a client; tasks are never run again by the cluster itself."""
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 0, "temporary-directory": str(tmp_path / "dask"),
        "logging.distributed": "critical",
    }  # fmt: skip
    with dask.config.set(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1") as
            cluster, Client(cluster) as client,
        ):  # fmt: skip
            yield cluster, client


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("SWEEP_LOG", str(tmp_path / "log"))
    return lambda: (tmp_path / "log").read_text().split() if (tmp_path / "log").exists() else []


def frames(study):
    return [frame.to_csv() for frame in (study.turns_df(), study.summary())]


def test_a_cluster_gives_the_same_frames(log, cluster, tmp_path):
    plan = small_plan(range(200, 230))
    executor = cluster[1].get_executor(retries=0, pure=False)
    study = run_sweep(plan, store=tmp_path / "c.sqlite", executor=executor, workers=2, progress=False,
                      run=sweep_fakes.logged)  # fmt: skip
    here = run_sweep(plan, store=tmp_path / "h.sqlite", workers=0, progress=False, run=sweep_fakes.instant)
    assert frames(study) == frames(here)
    assert sorted(log()) == sorted(trial.key for trial in plan.trials)


def test_a_worker_killed_in_the_middle_loses_nothing_and_no_finished_trial_runs_twice(log, cluster, tmp_path):
    plan = small_plan(range(200, 300))
    executor = cluster[1].get_executor(retries=0, pure=False)
    run = start_sweep(plan, store=tmp_path / "s.sqlite", executor=executor, workers=2, progress=False,
                      run=sweep_fakes.slow_logged)  # fmt: skip
    until(lambda: run.progress.done >= 20)
    victims = [info["pid"] for info in cluster[1].run(lambda: {"pid": os.getpid()}).values()]
    os.kill(victims[0], signal.SIGKILL)
    study = run.result()
    assert study.states() == {"complete": 200}
    here = run_sweep(plan, store=tmp_path / "h.sqlite", workers=0, progress=False, run=sweep_fakes.instant)
    assert frames(study) == frames(here)
    # A trial that was under way in the killed worker had to run again; one that came back never did.
    twice = {key for key in log() if log().count(key) > 1}
    lost = _lost(study)
    print(f"{len(lost)} trials were under way in the killed worker, {len(twice)} of them had ended there")
    assert twice <= lost and len(log()) <= 200 + len(lost)


def _lost(study):
    from sweep_fakes import database

    keys = [trial.key for trial in study.plan.trials]
    with database(study.path) as db:
        return {keys[n] for (n,) in db.execute("SELECT trial FROM attempts WHERE state = 'lost'")}
