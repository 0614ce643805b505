"""Servers that differ from the shipped profiles in everything, and sessions held with them, for fits to find out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from realtime_lab.audio import babble, clean, load_scripts
from realtime_lab.config import ServerVad, SessionConfig, Transcription
from realtime_lab.server import PROFILES, LogNormal
from realtime_lab.session import mocked, run_session

HIDDEN = replace(
    PROFILES["documented"],
    name="hidden",
    threshold=0.62,
    prefix_padding_ms=180,
    silence_duration_ms=350,
    threshold_bias=0.08,
    hysteresis=0.2,
    onset_late_ms=64,
    offset_late_ms=32,
    event_ms=25.0,
    connect=LogNormal(120.0, 0.2),
    create=LogNormal(80.0, 0.25),
    first_byte=LogNormal(900.0, 0.2),
    transcription=LogNormal(400.0, 0.25),
    leading_silence=LogNormal(150.0, 0.25),
    response_s=LogNormal(2.0, 0.25),
    text_tokens=LogNormal(30.0, 0.25),
    words_per_s=3.1,
    realtime_factor=6.0,
    text_tokens_per_s=45.0,
    audio_delta_ms=100,
)
CONDITIONS = (clean(), babble(3))


def drawn_server(seed):
    """A server whose every figure is drawn."""
    rng = np.random.default_rng([seed, 77])

    def between(low, high):
        return float(rng.uniform(low, high))

    def delays(low, high):
        return LogNormal(between(low, high), between(0.1, 0.4))

    return replace(
        PROFILES["documented"],
        name=f"drawn{seed}",
        threshold=round(between(0.35, 0.7), 2),
        prefix_padding_ms=round(between(50, 500)),
        silence_duration_ms=round(between(200, 700)),
        threshold_bias=round(between(-0.15, 0.15), 2),
        hysteresis=round(between(0.05, 0.25), 2),
        onset_late_ms=32 * int(rng.integers(0, 5)),
        offset_late_ms=32 * int(rng.integers(0, 5)),
        event_ms=round(between(5, 60), 1),
        connect=delays(50, 400),
        create=delays(30, 200),
        first_byte=delays(300, 1200),
        transcription=delays(200, 900),
        leading_silence=delays(80, 300),
        response_s=delays(1.0, 4.0),
        text_tokens=delays(15, 60),
        words_per_s=between(2, 4),
        realtime_factor=between(2, 10),
        text_tokens_per_s=between(20, 100),
        audio_delta_ms=int(rng.choice([50, 100, 200])),
    )


def conversation(profile, stage, *, seed=0, scripts=2, conditions=CONDITIONS, transcribe=True, text=True, repeats=1):
    """Mocked sessions with a hidden server: the defaults and three thresholds asked for, in every condition."""
    recordings = []
    asked = [ServerVad()] + [
        ServerVad(threshold=level, silence_duration_ms=silence, prefix_padding_ms=100)
        for level, silence in ((0.3, 500), (0.5, 300), (0.7, 500))
    ]
    transcription = Transcription(model="gpt-4o-transcribe") if transcribe else None
    for repeat in range(repeats):
        for script in load_scripts("orders")[5 - scripts :]:
            for condition in conditions:
                for number, detection in enumerate(asked):
                    config = SessionConfig(
                        model="gpt-realtime",
                        turn_detection=detection,
                        output_modalities=["text"] if text and number == 1 else ["audio"],
                        **({"transcription": transcription} if transcription else {}),
                    )
                    here = [seed, repeat, len(recordings)]
                    draws = int(np.random.default_rng(here).integers(2**31))
                    recordings.append(
                        run_session(
                            config,
                            script,
                            mocked(profile, transcriber="simulated"),
                            condition=condition,
                            stage=stage,
                            seed=draws,
                        )
                    )
    return recordings


def hidden_value(profile, figure):
    """The true value of a finding's figure."""
    name, _, part = figure.partition(".")
    value = getattr(profile, name)
    if part in ("median", "sigma"):
        return getattr(value, part)
    if part:
        return value.at({"p95": 1.6449, "p99": 2.3263}[part])
    return value


def far_off(fit, profile):
    """Findings that are told and more than a tenth from the truth (thresholds: .05; frames: any), as text."""
    wrong = []
    for finding in fit.findings:
        if finding.verdict != "told":
            continue
        truth = hidden_value(profile, finding.name)
        allowed = 0.05 if finding.name == "threshold_bias" else max(0.1 * truth, 0.015)
        if abs(finding.value - truth) > allowed + 1e-9:
            wrong.append(f"{finding.name}: {finding.value:g} for {truth:g}")
    return wrong
