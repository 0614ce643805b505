"""Reading audio files of any usual kind as 24 kHz mono PCM16.

WAV (integers, floats, mu-law, A-law), FLAC, MP3 and whatever else libsndfile knows, at any sample rate. A file that
cannot be trusted is refused in one line; several channels are never mixed down silently.
"""

from __future__ import annotations

import difflib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, as_pcm16
from realtime_lab.errors import AudioError

MAX_AUDIO_S = 2 * 3_600
"""Longest file that is read, s: a call, not a day's archive."""

_MIN_RATE_HZ, _MAX_RATE_HZ = 4_000, 384_000
_BLOCK_FRAMES = 1 << 18
# Writers that cannot seek back leave these in place of a length.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000)


def read_audio(
    path: str | Path,
    channel: int | None = None,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    span: tuple[int, int] | None = None,
) -> NDArray[np.int16]:
    """Read one channel of an audio file.

    Args:
        path: The file.
        channel: Which channel, from 0. Needed when there are several.
        sample_rate_hz: Rate of the result, Hz.
        span: Only the samples of the result from the first position up to the second, so that a short stretch of a
            long file takes little memory; what lies outside the file is left out.

    Returns:
        int16 samples, shape (n,); the rate is changed with soxr's high quality filter, which is linear in phase.

    Raises:
        AudioError: If the file is missing, empty, cut short, too long, not audio, or has several channels and
            `channel` does not say which.
    """
    path = Path(path)
    with _opened(path) as file:
        chosen = _channel(path, file.channels, channel)
        resampler = soxr.ResampleStream(file.samplerate, sample_rate_hz, 1, dtype="float64", quality="HQ")
        parts: list[NDArray[np.int16]] = []
        done = 0
        for block in _blocks(path, file, chosen):
            part = as_pcm16(resampler.resample_chunk(block))
            parts.append(_inside(part, done, span))
            done += len(part)
            if span is not None and done >= span[1]:
                return np.concatenate(parts)
        parts.append(_inside(as_pcm16(resampler.resample_chunk(np.zeros(0), last=True)), done, span))
    return np.concatenate(parts)


def _inside(part: NDArray[np.int16], position: int, span: tuple[int, int] | None) -> NDArray[np.int16]:
    """What of `part`, which begins at `position`, lies in `span`: a copy, so that the rest is let go."""
    if span is None:
        return part
    return part[max(span[0] - position, 0) : max(span[1] - position, 0)].copy()


def audio_channels(path: str | Path) -> int:
    """How many channels an audio file has.

    Raises:
        AudioError: If it cannot be read as audio.
    """
    with _opened(Path(path)) as file:
        return int(file.channels)


def audio_length_ms(path: str | Path) -> float:
    """How long an audio file says it is, ms.

    Raises:
        AudioError: If it cannot be read as audio.
    """
    with _opened(Path(path)) as file:
        return 1_000.0 * int(file.frames) / int(file.samplerate)


def _opened(path: Path) -> soundfile.SoundFile:
    if not path.is_file():
        raise AudioError(_missing(path), path)
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes)", path)
    _check_wav_length(path)
    try:
        file = soundfile.SoundFile(os.fsencode(path))  # a name need not be text
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise AudioError(f"{path} is not audio that can be read (WAV, FLAC, MP3, ...): {error}", path) from error
    try:
        _check_header(path, file)
    except AudioError:
        file.close()
        raise
    return file


def _missing(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder, not an audio file"
    known = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, known, n=1)
    return f"there is no file {path}" + (f"; did you mean {near[0]!r}?" if near else "")


def _check_header(path: Path, file: soundfile.SoundFile) -> None:
    rate, frames = int(file.samplerate), int(file.frames)
    if not _MIN_RATE_HZ <= rate <= _MAX_RATE_HZ:
        raise AudioError(f"{path} says {rate} samples a second; {_MIN_RATE_HZ} to {_MAX_RATE_HZ} can be read", path)
    if frames == 0:
        raise AudioError(f"{path} holds no samples", path)
    if frames > MAX_AUDIO_S * rate:
        hours = frames / rate / 3_600
        limit = MAX_AUDIO_S / 3_600
        raise AudioError(f"{path} says it is {hours:.1f} hours long; the limit is {limit:g}: cut it into calls", path)


def _check_wav_length(path: Path) -> None:
    """Refuse a RIFF file whose data chunk promises more bytes than follow; libsndfile would read on regardless."""
    with path.open("rb") as stream:
        head = stream.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        end = path.stat().st_size
        while len(chunk := stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", chunk)
            if name == b"data":
                left = end - stream.tell()
                if size not in _UNKNOWN_SIZES and size > left:
                    raise AudioError(f"{path} is cut short: it promises {size} bytes of audio and holds {left}", path)
                return
            stream.seek(size + size % 2, 1)


def _channel(path: Path, channels: int, channel: int | None) -> int:
    if channel is None:
        if channels == 1:
            return 0
        names = " or ".join(f"channel={index}" for index in range(min(channels, 8)))
        raise AudioError(f"{path} has {channels} channels: say {names} (they are never mixed down silently)", path)
    if not 0 <= channel < channels:
        raise AudioError(f"{path} has no channel {channel}: it has {channels}, numbered from 0", path)
    return channel


def _blocks(path: Path, file: soundfile.SoundFile, channel: int) -> Iterator[NDArray[np.float64]]:
    """The chosen channel as float64 blocks; the frames the header promised must all be there."""
    got = 0
    while True:
        try:
            block = file.read(_BLOCK_FRAMES, dtype="float64", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path} is damaged after {got / file.samplerate:.2f} s: {error}", path) from error
        if not len(block):
            break
        if not np.isfinite(block).all():
            raise AudioError(f"{path} holds samples that are not numbers", path)
        got += len(block)
        # A file may lie about its length in either direction.
        if got > MAX_AUDIO_S * file.samplerate:
            raise AudioError(f"{path} is longer than {MAX_AUDIO_S / 3_600:g} hours: cut it into calls", path)
        yield np.ascontiguousarray(block[:, channel])
    if got < file.frames:
        promised, held = file.frames / file.samplerate, got / file.samplerate
        raise AudioError(f"{path} is cut short: it promises {promised:.2f} s and holds {held:.2f} s", path)
