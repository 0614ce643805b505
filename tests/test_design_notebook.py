"""The notebook this library is made for, line by line: own calls, a mocked sweep, a live check, a report."""

import matplotlib.axes
import numpy as np
import soundfile
from live_servers import serving

import realtime_lab as rl
from realtime_lab.resources import data_path


def make_calls(folder):
    """Two calls of two channels: a caller with a pause, and an agent that answers."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    clips = sorted(data_path("speech/cards").glob("*.flac"))
    for number in range(2):
        first, second, agent = (soundfile.read(clips[(number + k) % len(clips)])[0] for k in (0, 2, 1))
        rest = np.zeros(9_600)  # 600 ms at 16 kHz
        caller = np.concatenate([first, rest, second, np.zeros(len(agent) + 24_000)])
        other = np.zeros(len(caller))
        other[-len(agent) - 12_000 : -12_000] = agent
        call = np.stack([caller, other], axis=1) + rng.normal(0, 1e-4, (len(caller), 2))
        soundfile.write(folder / f"call{number}.wav", call, 16_000)
    return folder


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_calls(tmp_path / "calls")
    calls = rl.load_scripts(folder, caller=0, agent=1)
    rl.explore(calls[0])
    base = rl.SessionConfig(
        model="gpt-realtime-2.1",
        turn_detection=rl.ServerVad(),
        transcription=rl.Transcription(model="gpt-4o-transcribe"),
        logprobs=True,
    )
    plan = rl.SweepPlan(
        base,
        {"silence_duration_ms": [200, 350, 500, 700], "threshold": [0.3, 0.5, 0.7], "max_output_tokens": [64, "inf"]},
        calls,
        conditions=[rl.clean(), rl.babble(snr_db=3)],
        repeats=2,
        seed=7,
    )
    assert plan.estimate(rl.openai()).trials == 24 * 2 * 2 * 2
    study = rl.run_sweep(plan, progress=False)
    again = rl.run_sweep(plan, progress=False)
    assert study.trials_df().equals(again.trials_df())
    best = study.best(minimize="response_latency_ms_p50", where="cutoff_rate <= 1", condition="clean")
    assert best.sentence and (best.config is None or best.config.to_code())
    assert isinstance(rl.plots.tradeoff(study), matplotlib.axes.Axes)

    few = plan.only(plan.control)
    with serving() as server:
        live = rl.run_sweep(few, target=rl.live(server.url, api_key_env=None), progress=False)
    assert set(live.trials_df()["state"]) == {"complete"}
    assert rl.compare(study, live)
    page = rl.report(live, tmp_path / "for_pm.html").read_text(encoding="utf-8")
    assert "live:127.0.0.1" in page
    assert "<audio" not in page  # the calls are private
