"""The server hears real audio: from bytes and from remembered probabilities alike, and other sounds differently."""

import base64
import hashlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from realtime_lab.audio import babble, clean, load_scripts, read_audio
from realtime_lab.config import SemanticVad, ServerVad, SessionConfig, Transcription
from realtime_lab.protocol import event_type
from realtime_lab.protocol import events as ev
from realtime_lab.resources import data_path
from realtime_lab.server import PROFILES, Engine
from realtime_lab.server.engine.transcribing import Recognition
from realtime_lab.server.hearing.heard import HeardFrames
from realtime_lab.server.recogniser.recogniser import Recogniser
from realtime_lab.server.recogniser.transcriber import RecognisingTranscriber
from realtime_lab.session import Stage, mocked, run_session

FRAME_MS = 20.0
BYTES_PER_MS = {"audio/pcm": 48, "audio/pcmu": 8, "audio/pcma": 8}


PLAIN = PROFILES["documented"]
HARD_OF_HEARING = replace(PLAIN, name="late", threshold_bias=0.1, hysteresis=0.2, onset_late_ms=64, offset_late_ms=96)
QUICK_TO_END = replace(HARD_OF_HEARING, onset_late_ms=96, offset_late_ms=32)


@pytest.mark.parametrize(
    ("condition", "format_type", "profile", "reduction"),
    [
        (clean(), "audio/pcm", PLAIN, None),
        (babble(10), "audio/pcm", PLAIN, None),
        (clean(), "audio/pcmu", PLAIN, None),
        (babble(0), "audio/pcm", HARD_OF_HEARING, None),
        (babble(0), "audio/pcm", QUICK_TO_END, None),
        (babble(10), "audio/pcm", HARD_OF_HEARING, "far_field"),
        (clean(), "audio/pcma", PLAIN, "near_field"),
    ],
)
def test_cached_and_uncached_runs_give_equal_events(condition, format_type, profile, reduction, monkeypatch):
    """One run takes probabilities and samples passage by passage, the other hears every appended byte: same events,
    times and transcripts, though a transcript here changes with every bit of the samples."""
    monkeypatch.setattr("realtime_lab.session.virtual.find_recogniser", lambda name: Recogniser(Fingerprint(), None))
    script, stage = load_scripts("orders")[0], Stage()
    config = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(silence_duration_ms=300),
        transcription=Transcription(model="gpt-4o-transcribe"),
        input_format={"type": format_type},
        noise_reduction=None if reduction is None else {"type": reduction},
    )
    recording = run_session(config, script, mocked(profile), condition=condition, stage=stage, seed=3)
    cached = [(entry.t_ms, entry.event) for entry in recording.events if entry.direction == "server"]
    assert sum(isinstance(event, ev.SpeechStopped) for _, event in cached) >= len(script.turns)
    assert heard_from_bytes(recording, stage, format_type, profile) == cached


@pytest.mark.parametrize(
    ("format_type", "reduction", "eagerness"),
    [("audio/pcm", None, "auto"), ("audio/pcmu", "far_field", "low"), ("audio/pcm", "near_field", "high")],
)
def test_semantic_turns_are_the_same_by_bytes_and_by_passages(format_type, reduction, eagerness):
    """The estimate here changes with every bit it hears, so both runs hear the same samples at each pause."""
    script, stage = load_scripts("orders")[0], Stage()
    config = SessionConfig(
        model="gpt-realtime",
        turn_detection=SemanticVad(eagerness=eagerness),
        input_format={"type": format_type},
        noise_reduction=None if reduction is None else {"type": reduction},
    )
    recording = run_session(
        config, script, mocked(transcriber="simulated", end_of_turn=Guess), condition=babble(15), stage=stage, seed=3
    )
    cached = [(entry.t_ms, entry.event) for entry in recording.events if entry.direction == "server"]
    stops = [event.audio_end_ms for _, event in cached if isinstance(event, ev.SpeechStopped)]
    assert len(stops) >= len(script.turns) and recording.header.engine["turns"].endswith("a guess from the samples")
    assert heard_from_bytes(recording, stage, format_type, PLAIN, Guess) == cached


class Guess:
    """An end-of-turn estimate drawn from a hash of the samples."""

    name = "a guess from the samples"

    def __init__(self, audio):
        self.audio = audio

    def probability(self, start_ms, end_ms):
        return hashlib.sha256(self.audio.span(start_ms, end_ms).samples().tobytes()).digest()[0] / 255


def heard_from_bytes(recording, stage, format_type, profile, make_end_of_turn=None):
    """The server events of a fresh engine that is sent the recording's audio as appends, and its client events."""
    heard = HeardFrames()
    transcriber = RecognisingTranscriber(Recogniser(Fingerprint(), None), heard)
    end_of_turn = None if make_end_of_turn is None else make_end_of_turn(heard)
    engine = Engine(
        profile,
        recording.header.seed,
        model="gpt-realtime",
        transcriber=transcriber,
        heard=heard,
        end_of_turn=end_of_turn,
    )
    engine.start(-2 * profile.event_ms)
    steps = [(entry.t_ms, 1, entry.event) for entry in recording.events if entry.direction == "client"]
    steps += [((k + 1) * FRAME_MS, 0, append) for k, append in enumerate(appends(recording, stage, format_type))]
    said = []
    for t_ms, audio_last, event in sorted(steps, key=lambda step: step[:2]):
        said += engine.take_due(t_ms if audio_last else np.nextafter(t_ms, -np.inf))
        engine.receive(event, t_ms)
    return said + engine.take_due(recording.events[-1].t_ms)


def appends(recording, stage, format_type):
    """The recording's audio, cut into append events."""
    per_ms = BYTES_PER_MS[format_type]
    passages = {key: wire for (key, kind, _), wire in stage._wire.items() if kind == format_type}
    audio = b"".join(passages[run.sha256].data[: run.samples // 24 * per_ms] for run in recording.appends)
    size = int(FRAME_MS) * per_ms
    for start in range(0, len(audio) - size + 1, size):
        yield ev.InputAudioAppend(audio=base64.b64encode(audio[start : start + size]).decode())


class Fingerprint:
    """A SpeechModel that writes down a hash of what it hears."""

    name = "fingerprint"

    def recognise(self, samples, asked):
        return Recognition(self.name, hashlib.sha256(samples.tobytes()).hexdigest())


def seconds(pcm):
    """What the server says about some audio with two seconds of room noise behind it."""
    rng = np.random.default_rng(0)
    room = rng.normal(0, 8, 48_000).astype(np.int16)
    engine = Engine(PROFILES["documented"], 0)
    audio = np.concatenate([room[:24_000], pcm, room]).tobytes()
    for start in range(0, len(audio), 48_000):
        append = ev.InputAudioAppend(audio=base64.b64encode(audio[start : start + 48_000]).decode())
        engine.receive(append, start / 48)
    said = [event for _, event in engine.take_due(float("inf"))]
    return [
        event_type(event).rpartition(".")[2] for event in said if isinstance(event, ev.SpeechStarted | ev.SpeechStopped)
    ], said


def test_a_tone_is_not_speech():
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 24_000)).astype(np.int16)
    assert seconds(tone)[0] == []


def test_white_noise_is_not_speech():
    assert seconds(np.random.default_rng(1).normal(0, 3000, 48_000).astype(np.int16))[0] == []


def test_digital_silence_is_not_speech():
    assert seconds(np.zeros(48_000, dtype=np.int16))[0] == []


def test_a_recording_that_is_not_shipped_is_heard_as_what_it_is(tmp_path):
    """A shipped sentence, faster and higher and at another rate, from a WAV of its own: one utterance, well placed."""
    clip = next(data_path("speech/librivox").glob("*.flac"))
    samples, rate = soundfile.read(clip)
    soundfile.write(tmp_path / "mine.wav", 0.8 * samples, int(rate * 1.1), subtype="FLOAT")
    pcm = read_audio(tmp_path / "mine.wav")
    kinds, said = seconds(pcm)
    assert kinds[0] == "speech_started" and kinds[-1] == "speech_stopped"
    started = next(event for event in said if isinstance(event, ev.SpeechStarted))
    stopped = [event for event in said if isinstance(event, ev.SpeechStopped)][-1]
    assert 1000 - 300 <= started.audio_start_ms <= 2000
    assert abs(stopped.audio_end_ms - 500 - (1000 + len(pcm) / 24)) < 600
