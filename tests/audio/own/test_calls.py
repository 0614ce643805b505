"""Two-channel calls pieced together from people's speech, with holds and cuts that are known, are labelled right."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import NamedTuple

import matplotlib.axes
import numpy as np
import pytest
import soundfile

import realtime_lab as rl
from realtime_lab.audio import GRID_MS, LEAD_IN_FRAMES, SAMPLE_RATE_HZ, Interval, Renderer, clean, read_audio
from realtime_lab.audio.sets import shipped_clips

ANSWER_AFTER_MS = 600.0
NEXT_AFTER_MS = 900.0
CUT_AFTER_MS = 200.0
CROSSTALK = 10 ** (-45 / 20)


class Call(NamedTuple):
    """A call and the truth about it."""

    pcm: np.ndarray
    """Shape (n, 2): the agent on channel 0, the caller on 1."""
    turns: list[tuple[Interval, ...]]
    cut: list[bool]


def holds_of(speech):
    return [Interval(a.end_ms, b.start_ms) for a, b in pairwise(speech)]


def agents_clips(script):
    """Clips of another voice than the caller's: one longer than 1.2 s for each turn, one for cuts, and a short one."""
    voices = {turn.speaker for turn in script.turns}
    others = [clip for clip in shipped_clips() if clip.speaker not in voices]
    pcm = {clip: read_audio(clip.path) for clip in others}
    spoken = [(pcm[clip], clip.speech_span_ms) for clip in others]
    cut_out = [audio[int(span.start_ms * 24) : int(span.end_ms * 24)] for audio, span in spoken]
    long = [audio for audio in cut_out if 28_800 <= len(audio) <= 60_000]
    short = min((audio for audio in cut_out if len(audio) > 6_000), key=len)
    return long, short[: 400 * 24]


def call_of(script):
    """The script's turns with answers between them; every second hold of 300 ms or more is cut, others get an "mm"."""
    long, short = agents_clips(script)
    renderer = Renderer(script, clean())
    caller: list[tuple[int, np.ndarray]] = []
    agent: list[tuple[int, np.ndarray]] = []
    turns, cut, at_ms, holds = [], [], 500.0, 0
    for index in range(len(script.turns)):
        passage = renderer.turn(index)
        start_ms = at_ms - LEAD_IN_FRAMES * GRID_MS
        caller.append((int(start_ms * 24), passage.pcm))
        speech = tuple(part.shifted(start_ms) for part in passage.speech_ms)
        turns.append(speech)
        cut.append(False)
        for hold in holds_of(speech):
            if hold.length_ms < 300:
                continue
            holds += 1
            if holds % 2 == 0:
                agent.append((int(max(hold.start_ms + CUT_AFTER_MS, hold.end_ms - 400) * 24), long[holds % len(long)]))
                cut[-1] = True
            else:
                agent.append((int((hold.start_ms + 50) * 24), short))
        free_ms = max([speech[-1].end_ms, *((first + len(pcm)) / 24 for first, pcm in agent[-1:])])
        answer = long[index % len(long)]
        agent.append((int((free_ms + ANSWER_AFTER_MS) * 24), answer))
        at_ms = free_ms + ANSWER_AFTER_MS + len(answer) / 24 + NEXT_AFTER_MS
    return Call(mixed(caller, agent), turns, cut)


def mixed(caller, agent):
    length = max(first + len(pcm) for first, pcm in [*caller, *agent]) + SAMPLE_RATE_HZ
    rng = np.random.default_rng(0)
    sides = rng.normal(0, 20, (length, 2))
    for channel, parts in ((1, caller), (0, agent)):
        for first, pcm in parts:
            sides[first : first + len(pcm), channel] += pcm
    heard = sides + CROSSTALK * sides[:, ::-1]
    return np.clip(np.rint(heard), -32768, 32767).astype(np.int16)


def matched(truth, found):
    """How many stretches were found again, each once: with both edges within 100 ms."""
    free, hits = list(found), 0
    for one in truth:
        near = (other for other in free if max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 100.0)
        if (other := next(near, None)) is not None:
            free.remove(other)
            hits += 1
    return hits


def f1(truth, found):
    """Of stretches by call."""
    hits = sum(matched(one, other) for one, other in zip(truth, found, strict=True))
    return 2 * hits / (sum(map(len, truth)) + sum(map(len, found)))


def test_two_channel_calls_are_labelled_right(tmp_path, full, capsys):
    """The agent is on channel 0 and leaks into the caller's at -45 dB; it cuts in, and it says "mm" in holds."""
    scripts = rl.load_scripts("orders")
    scripts = scripts if full else scripts[1:3]
    truth, found, cut, flagged = [], [], [], []
    for script in scripts:
        call = call_of(script)
        soundfile.write(tmp_path / f"{script.id}.wav", call.pcm, SAMPLE_RATE_HZ)
        (own,) = rl.load_scripts(tmp_path / f"{script.id}.wav", caller=1, agent=0)
        assert own.reference_source == "two_channel" and own.private
        spans = [turn.segments[0].span_ms for turn in own.turns]
        assert matched([Interval(turn[0].start_ms, turn[-1].end_ms) for turn in call.turns], spans) == len(spans) == 4
        truth.append([hold for turn in call.turns for hold in holds_of(turn)])
        found.append([hold for turn in own.turns for hold in holds_of(turn.segments[0].speech_ms)])
        cut += call.cut
        flagged += [turn.cut_by_agent for turn in own.turns]
    score = f1(truth, found)
    with capsys.disabled():
        print(
            f"\ntwo-channel labels: F1 of holds {score:.3f} ({sum(map(len, truth))} true, {sum(map(len, found))} found)"
            f", {sum(flagged)} of {sum(cut)} turns that the agent cut flagged"
        )
    assert score >= 0.95
    assert flagged == cut and any(cut)


@pytest.mark.full
def test_twenty_unlabelled_recordings_become_a_plot_in_three_lines_and_two_minutes(tmp_path, capsys):
    number = 0
    for script in rl.load_scripts("orders"):
        renderer = Renderer(script, clean())
        for index in range(len(script.turns)):
            soundfile.write(tmp_path / f"call {number:02}.wav", renderer.turn(index).pcm, SAMPLE_RATE_HZ)
            number += 1
    base = rl.SessionConfig(model="gpt-realtime-2.1", turn_detection=rl.ServerVad())
    space = {"silence_duration_ms": [200, 350, 500, 700], "threshold": [0.3, 0.5, 0.7]}
    store = tmp_path / "study.sqlite"
    began = time.monotonic()
    calls = rl.load_scripts(tmp_path)
    loaded = time.monotonic()
    study = rl.run_sweep(rl.SweepPlan(base, space, calls), store=store, progress=False)
    axes = rl.plots.tradeoff(study)
    ended = time.monotonic()
    assert len(calls) == number == 20
    assert isinstance(axes, matplotlib.axes.Axes)
    assert set(study.trials_df()["reference_source"]) == {"automatic"}
    with capsys.disabled():
        print(f"\n20 recordings: loaded in {loaded - began:.1f} s, a trade-off plot after {ended - began:.1f} s")
    assert ended - began < 120
