"""Seeded noise as endless loops: white, pink, babble, and the telephone channel.

A loop is an array whose end joins its beginning, so that any number of passages can be cut from it without a seam.
Every draw comes from a generator the caller seeds; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.g711 import decode_ulaw, encode_ulaw
from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, as_float, as_pcm16

Samples = NDArray[np.float64]

LOOP_SAMPLES = 1 << 19
"""Length of a loop: 21.8 s, a power of two for the transforms, and not a multiple of the 32 ms grid."""
MIN_TALKERS = 6
"""Fewest different clips that babble is made from."""

_TALKERS = 24
_MAX_SPEED_CHANGE = 0.12
_PHONE_BAND_HZ = (300.0, 3_400.0)
_PHONE_TAPS = 721
_PINK_LOW_HZ = 40.0


def white_loop(rng: np.random.Generator, samples: int = LOOP_SAMPLES) -> Samples:
    """Gaussian white noise, RMS 1."""
    return _unit(rng.standard_normal(samples))


def pink_loop(rng: np.random.Generator, samples: int = LOOP_SAMPLES) -> Samples:
    """Gaussian pink noise (equal power per octave from 40 Hz up), RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    spectrum *= np.where(frequency >= _PINK_LOW_HZ, 1 / np.sqrt(np.maximum(frequency, _PINK_LOW_HZ)), 0.0)
    return _unit(np.fft.irfft(spectrum, samples))


def babble_loop(rng: np.random.Generator, speech: Sequence[Samples], samples: int = LOOP_SAMPLES) -> Samples:
    """A room full of people talking at once, RMS 1.

    Each of 24 talkers reads the clips in an order of its own, without a rest. Clips are made equally loud and slightly
    slower or faster (which also moves the voice), so that a few voices make a crowd. With a handful of talkers single
    words stand out, and a voice-activity detector rightly calls them speech.

    Args:
        rng: Source of the speeds and orders.
        speech: What the talkers say: clips cut to their speech, at least `MIN_TALKERS` of them.
        samples: Length of the loop.

    Raises:
        ValueError: If there are fewer than `MIN_TALKERS` clips.
    """
    if len(speech) < MIN_TALKERS:
        raise ValueError(f"babble needs at least {MIN_TALKERS} clips, not {len(speech)}")
    clips = [_unit(_at_speed(clip, 1 + rng.uniform(-_MAX_SPEED_CHANGE, _MAX_SPEED_CHANGE))) for clip in speech]
    total = np.zeros(samples)
    for _ in range(_TALKERS):
        # Each starts somewhere else, and what is said over the loop's end goes on at its beginning.
        total += np.roll(_stream(rng, clips, samples), int(rng.integers(samples)))
    return _unit(total)


def _at_speed(samples: Samples, speed: float) -> Samples:
    # Straight lines between samples are good enough for a crowd.
    return np.asarray(np.interp(np.arange(0, len(samples) - 1, speed), np.arange(len(samples)), samples))


def _stream(rng: np.random.Generator, clips: Sequence[Samples], samples: int) -> Samples:
    """Clips one after another in random order, as many as fill `samples`."""
    parts: list[Samples] = []
    missing = samples
    while missing > 0:
        for index in rng.permutation(len(clips)):
            parts.append(clips[index])
            missing -= len(clips[index])
            if missing <= 0:
                break
    return np.concatenate(parts)[:samples]


def telephone_channel(samples: Samples) -> Samples:
    """What a telephone makes of `samples`: 300 to 3,400 Hz, mu-law at 8 kHz, and back to 24 kHz.

    Args:
        samples: Floats at 24 kHz; a multiple of 3 of them. Both ends need margin: the filters know nothing outside.

    Returns:
        As many floats at 24 kHz, not delayed.
    """
    narrow = _filtered(samples, _band_pass())[::3]
    coded = as_float(decode_ulaw(encode_ulaw(as_pcm16(narrow))))
    stuffed = np.zeros(len(samples))
    stuffed[::3] = coded
    return _filtered(stuffed, 3 * _low_pass(_PHONE_BAND_HZ[1] + 300.0))


LOOPS: dict[str, Callable[[np.random.Generator], Samples]] = {"white": white_loop, "pink": pink_loop}
"""Noise by the kind of condition; babble is made of clips."""
CHANNELS: dict[str, Callable[[Samples], Samples]] = {"telephone": telephone_channel}
"""What becomes of all sound, by the kind of condition; every other kind changes nothing."""


def _low_pass(cutoff_hz: float) -> Samples:
    """Windowed sinc of gain 1 below `cutoff_hz`; the edge is about 110 Hz wide."""
    step = np.arange(_PHONE_TAPS) - _PHONE_TAPS // 2
    ratio = 2 * cutoff_hz / SAMPLE_RATE_HZ
    return np.asarray(ratio * np.sinc(ratio * step) * np.hamming(_PHONE_TAPS))


def _band_pass() -> Samples:
    low, high = _PHONE_BAND_HZ
    return _low_pass(high) - _low_pass(low)


def _filtered(samples: Samples, kernel: Samples) -> Samples:
    """Convolution with a symmetric kernel, as long as `samples` and not delayed."""
    size = len(samples) + len(kernel) - 1
    padded = 1 << (size - 1).bit_length()
    full = np.fft.irfft(np.fft.rfft(samples, padded) * np.fft.rfft(kernel, padded), padded)
    start = len(kernel) // 2
    return np.asarray(full[start : start + len(samples)])


def _unit(samples: Samples) -> Samples:
    """Scaled to RMS 1."""
    return np.asarray(samples / np.sqrt(np.mean(np.square(samples))))
