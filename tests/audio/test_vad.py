"""The detector on a stream: when it starts afresh, and that a passage heard at once is one heard frame by frame."""

import numpy as np
import pytest

from realtime_lab.audio import clean, load_scripts
from realtime_lab.audio.causal import resample_causally
from realtime_lab.audio.render import Renderer
from realtime_lab.audio.silero import Silero
from realtime_lab.audio.vad import FrameVad, passage_probabilities

SILENCE = np.zeros((12, 768), np.int16)


@pytest.fixture(scope="module")
def speech():
    """Frames of a turn, without the tail in which a detector gives up by itself."""
    return Renderer(load_scripts("orders")[0], clean()).turn(0).pcm.reshape(-1, 768)[:40]


def fed(frames):
    vad = FrameVad()
    return np.array([vad.feed(frame) for frame in frames], dtype=np.float32)


def test_a_passage_at_once_is_the_same_passage_frame_by_frame(speech):
    """Also where the session's first frame comes again, twice."""
    frames = np.concatenate([speech, speech[:1], speech])
    assert np.array_equal(passage_probabilities(frames.ravel()), fed(frames))
    assert passage_probabilities(np.zeros(0, np.int16)).shape == (0,)


def test_the_sessions_first_frame_starts_it_afresh(speech):
    assert np.array_equal(fed([*speech, *speech]), np.tile(fed(speech), 2))


def test_digital_silence_starts_nothing_afresh(speech):
    """A client that opens with zeros: in its later zeros the network still remembers the speech before them."""
    frames = np.concatenate([SILENCE, speech[8:20], SILENCE])
    plain = Silero().probabilities(resample_causally(frames.ravel(), 24_000, 16_000, 768).reshape(-1, 512))
    assert not np.array_equal(plain[24:], fed(SILENCE))  # which is what a fresh start would give
    assert np.array_equal(fed(frames), plain)
    assert np.array_equal(passage_probabilities(frames.ravel()), plain)
