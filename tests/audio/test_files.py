"""Reading audio files of many kinds, and refusing what cannot be trusted."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_lab.audio import files
from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.errors import AudioError

RAMP = (np.arange(-600, 600) * 50).astype(np.int16)


def wav(path: Path, samples: np.ndarray, rate: int = 24_000, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def test_a_24_khz_wav_is_read_as_it_is(tmp_path: Path) -> None:
    assert np.array_equal(files.read_audio(wav(tmp_path / "a.wav", RAMP)), RAMP)


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wider_samples_keep_their_upper_16_bits(tmp_path: Path, subtype: str) -> None:
    path = wav(tmp_path / "a.wav", RAMP.astype(np.float64) / 32_768, subtype=subtype)
    assert np.array_equal(files.read_audio(path), RAMP)


def riff(kind: int, rate: int, bits: int, data: bytes, size: int | None = None) -> bytes:
    """A WAV of one channel, as its format says; `size` is what the header claims the data to be."""
    size = len(data) if size is None else size
    fmt = struct.pack("<IHHIIHH", 16, kind, 1, rate, rate * bits // 8, bits // 8, bits)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size) + data


@pytest.mark.parametrize(("kind", "decode"), [(7, decode_ulaw), (6, decode_alaw)])
def test_g711_in_a_wav(tmp_path: Path, kind: int, decode: Callable[[bytes], np.ndarray]) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(riff(kind, 24_000, 8, bytes(range(256))))
    assert np.array_equal(files.read_audio(path), decode(bytes(range(256))))


def test_flac_is_read_as_it_is(tmp_path: Path) -> None:
    assert np.array_equal(files.read_audio(wav(tmp_path / "a.flac", RAMP)), RAMP)


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 8_000), ("a.wav", 44_100), ("a.flac", 16_000), ("a.mp3", 48_000)])
def test_any_rate_keeps_length_and_level(tmp_path: Path, name: str, rate: int) -> None:
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    read = files.read_audio(wav(tmp_path / name, tone, rate)).astype(float) / 32_768
    assert len(read) == pytest.approx(24_000, abs=2_000 if name == "a.mp3" else 1)
    assert np.sqrt(np.mean(read[8_000:16_000] ** 2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)


def test_a_resampled_click_stays_where_it_was(tmp_path: Path) -> None:
    click = np.zeros(16_000, np.int16)
    click[8_000] = 20_000
    read = files.read_audio(wav(tmp_path / "a.wav", click, 16_000))
    assert len(read) == 24_000 and int(np.abs(read.astype(int)).argmax()) == 12_000


def test_one_channel_of_two_is_chosen_never_mixed(tmp_path: Path) -> None:
    path = wav(tmp_path / "call.wav", np.stack([RAMP, -RAMP], axis=1))
    assert np.array_equal(files.read_audio(path, channel=1), -RAMP)
    assert files.audio_channels(path) == 2
    with pytest.raises(AudioError, match="has 2 channels: say channel=0 or channel=1"):
        files.read_audio(path)
    with pytest.raises(AudioError, match="no channel 2: it has 2, numbered from 0"):
        files.read_audio(path, channel=2)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    wav(tmp_path / "order.wav", RAMP)
    with pytest.raises(AudioError, match=r"did you mean 'order\.wav'") as caught:
        files.read_audio(tmp_path / "ordr.wav")
    assert caught.value.path == str(tmp_path / "ordr.wav")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a folder"):
        files.read_audio(tmp_path)


@pytest.mark.parametrize(
    "content", [b"no audio at all, just words", b"RIFF\x04\0\0\0WAVE", b"fLaC" + bytes(100), b"\0"]
)
def test_what_is_not_audio_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="is not audio that can be read") as caught:
        files.read_audio(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"):
        files.read_audio(tmp_path / "a.wav")


def test_a_wav_without_samples(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        files.read_audio(wav(tmp_path / "a.wav", RAMP[:0]))


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_file_cut_in_half(tmp_path: Path, name: str) -> None:
    path = wav(tmp_path / name, np.tile(RAMP, 20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"is cut short|is damaged after"):
        files.read_audio(path)


def test_a_header_that_promises_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(1, 24_000, 16, RAMP.tobytes(), size=1_000_000))
    with pytest.raises(AudioError, match="promises 1000000 bytes of audio and holds 2400"):
        files.read_audio(path)


def test_a_header_of_unknown_length_is_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(1, 24_000, 16, RAMP.tobytes())[:40] + b"\xff\xff\xff\xff" + RAMP.tobytes())
    assert np.array_equal(files.read_audio(path), RAMP)


def test_eight_hours_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path, size = tmp_path / "night.wav", 8 * 3_600 * 8_000
    path.write_bytes(riff(1, 8_000, 8, b"", size))
    with path.open("r+b") as stream:
        stream.truncate(44 + size)  # sparse: nothing is written
    with pytest.raises(AudioError, match=r"is 8\.0 hours long; the limit is 2"):
        files.read_audio(path)


def test_an_absurd_sample_rate(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="says 100 samples a second"):
        files.read_audio(wav(tmp_path / "a.wav", RAMP, 100))


def test_samples_that_are_not_numbers(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", np.array([0.0, float("nan"), 0.1]), subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        files.read_audio(path)


def test_the_length_is_told_without_reading(tmp_path: Path) -> None:
    assert files.audio_length_ms(wav(tmp_path / "a.wav", RAMP)) == 50.0
