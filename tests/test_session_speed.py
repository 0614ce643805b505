"""How fast sessions are on the virtual clock: full event log, speech probabilities remembered, audio by reference."""

import time

import pytest

from realtime_lab.audio import load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.session import Stage, mocked, run_session

TARGET = 1_000
"""Simulated 10 s sessions per second and core."""
WINDOWS, SESSIONS = 20, 15


@pytest.mark.full
def test_a_core_simulates_a_thousand_ten_second_sessions_a_second(capsys):
    """CPU time of this process, the best of 20 windows: whatever else the machine does takes some of the others."""
    config = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(silence_duration_ms=500),
        transcription=Transcription(model="gpt-4o-transcribe"),
    )
    stage, scripts, target = Stage(), load_scripts("orders"), mocked()
    for script in scripts:  # renders, and runs the detector once
        run_session(config, script, target, stage=stage)
    rates, events = [], 0
    for _ in range(WINDOWS):
        began_s, audio_ms = time.process_time(), 0.0
        for seed in range(SESSIONS):
            recording = run_session(config, scripts[seed % len(scripts)], target, stage=stage, seed=seed)
            audio_ms, events = audio_ms + recording.audio_ms, events + len(recording.events)
        rates.append(audio_ms / 10_000 / (time.process_time() - began_s))
    with capsys.disabled():
        print(f"\n{max(rates):.0f} sessions of 10 s per CPU second (median {sorted(rates)[WINDOWS // 2]:.0f})")
    assert events and max(rates) >= TARGET
