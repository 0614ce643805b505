"""The mocked server against recorded sessions of real services, on the very clip they heard.

Outside truth: speech_started and speech_stopped of OpenAI's, Azure OpenAI's and Azure Voice Live's gpt-realtime in
pydantic-ai's test cassettes (MIT), which were sent the clip in appends of 100 ms. Clip and logs are not part of this
project: without them this is skipped.
"""

import base64
import json

import numpy as np
import pytest

from realtime_lab.protocol import event_to_builtins
from realtime_lab.server import PROFILES, Engine

AGAIN_MS = 7_488
"""The clip was sent again that long after, in one session."""
OPENAI = {"silence_duration_ms": 200, "prefix_padding_ms": 300}
VOICE_LIVE = {"silence_duration_ms": 500, "prefix_padding_ms": 400}


@pytest.fixture(scope="module")
def clip(root):
    path = root.parent / "shared" / "cases" / "real" / "marcelo_24khz.pcm"
    if not path.is_file():
        pytest.skip("the recorded clip is not beside this project")
    return np.fromfile(path, "<i2")


def offsets(profile, clip, asked, times=1, append_bytes=4800):
    """(audio_start_ms, audio_end_ms) of what a server of this profile hears in a session."""
    raw = np.zeros(times * AGAIN_MS * 24, "<i2")
    for number in range(times):
        raw[number * AGAIN_MS * 24 :][: len(clip)] = clip
    engine, t_ms, found = Engine(PROFILES[profile], 0), 1_000.0, []
    engine.start(0.0)
    session = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad", **asked}}}}
    engine.receive_frame(json.dumps({"type": "session.update", "session": session}), t_ms)
    for start in range(0, raw.nbytes, append_bytes):
        audio = base64.b64encode(raw.tobytes()[start : start + append_bytes]).decode()
        t_ms += append_bytes / 48
        engine.receive_frame(json.dumps({"type": "input_audio_buffer.append", "audio": audio}), t_ms)
        found += [event_to_builtins(event) for _, event in engine.take_due(t_ms)]
    starts = [event["audio_start_ms"] for event in found if event["type"] == "input_audio_buffer.speech_started"]
    ends = [event["audio_end_ms"] for event in found if event["type"] == "input_audio_buffer.speech_stopped"]
    return list(zip(starts, ends, strict=True))


@pytest.mark.parametrize("append_bytes", [4800, 960, 7777])
@pytest.mark.parametrize("profile", ["openai", "documented"])
def test_speech_starts_and_stops_where_openai_heard_it(clip, profile, append_bytes):
    """Three times of three, without any late frames, however the audio is cut into appends."""
    real = [(1460, 4256), (8948, 11744), (16436, 19232)]
    assert offsets(profile, clip, OPENAI, 3, append_bytes) == real


@pytest.mark.parametrize(("asked", "real"), [(OPENAI, (1556, 4224)), (VOICE_LIVE, (1456, 4512))])
def test_with_its_profile_azure_is_met_too_and_without_it_is_not(clip, asked, real):
    """Azure OpenAI in three sessions, Azure Voice Live in one: 3 frames later, 1 sooner."""
    assert offsets("azure", clip, asked) == [real]
    assert offsets("openai", clip, asked) == [(real[0] - 96, real[1] + 32)]


def test_silence_is_gpt_realtimes_own_where_nobody_asks(clip):
    assert offsets("openai", clip, {}) == [(1460, 4256)]
    assert offsets("documented", clip, {}) == [(1460, 4032 + 512)]
