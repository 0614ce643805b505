"""The recogniser: a span of heard audio to a Recognition, the same for the same samples wherever they were heard.

A span is taken as it was heard, trimmed of silence at its ends, brought to 16 kHz and given to Whisper; what comes of
it is remembered in memory and in the user's cache folder, by the hash of the trimmed samples. The trimming rule: a
window of 20 ms, counted from the span's start, is silent when its RMS is 30 dB or more under that of the span's
loudest; what lies more than 200 ms before the first or behind the last window that is not silent is left out. So it
depends on the samples alone, and how much silence is around a turn changes neither transcript nor cost where a line
is quiet. Where it is loud nothing is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from realtime_lab.audio.file_cache import FileCache, cache_folder
from realtime_lab.audio.pcm import as_float, as_pcm16
from realtime_lab.server.engine.transcribing import Asked, Recognition
from realtime_lab.server.hearing.heard import HeardSpan
from realtime_lab.server.recogniser.weights import Weights, find_weights
from realtime_lab.server.recogniser.whisper import WHISPER_RATE_HZ, WhisperModel, runtime_name

VERSION = 2
"""Of everything here and below that decides what is recognised; cached results of another are not used."""
WINDOW_MS = 20
SILENT_BELOW_DB = 30.0
KEPT_SILENCE_MS = 200


class SpeechModel(Protocol):
    """What turns 16 kHz samples into a Recognition."""

    @property
    def name(self) -> str:
        """What it is, with its version."""
        ...

    def recognise(self, samples: NDArray[np.int16], asked: Asked) -> Recognition:
        """Write down what is said in int16 samples at 16 kHz."""
        ...


class Recogniser:
    """Recognises spans, each content once.

    Args:
        model: What recognises; it is asked only for what is not remembered.
        folder: The cache folder; None: in memory only.
    """

    def __init__(self, model: SpeechModel, folder: Path | None) -> None:
        self.name = model.name
        self._model = model
        kind = hashlib.sha256(f"{model.name} {VERSION}".encode()).hexdigest()[:16]
        self._files = FileCache(folder, f"segments/{kind}", ".json")
        self._known: dict[str, Recognition] = {}
        self._names: dict[Hashable, str] = {}

    def key(self, span: HeardSpan, asked: Asked) -> str:
        """What the span's recognition is remembered under: a hash of its trimmed samples and of what is asked."""
        name = (span.name, span.rate_hz, asked.language, asked.prompt)
        found = self._names.get(name) if span.name is not None else None
        if found is None:
            found = _key(trimmed(span.samples(), span.rate_hz), span.rate_hz, asked)
            if span.name is not None:
                self._names[name] = found
        return found

    def recognise(self, span: HeardSpan, asked: Asked) -> Recognition:
        """What is said in a span."""
        key = self.key(span, asked)
        if key not in self._known:
            found = _read(self._files.get(key))
            if found is None:
                found = self._model.recognise(_at_16_khz(trimmed(span.samples(), span.rate_hz), span.rate_hz), asked)
                self._files.put(key, msgspec.json.encode(found))
            self._known[key] = replace(found, segment=key[:12])
        return self._known[key]


@dataclass(frozen=True)
class Whisper:
    """A SpeechModel: Whisper with the weights in one folder, loaded when first needed."""

    weights: Weights

    @cached_property
    def name(self) -> str:
        """Weights, library and arithmetic."""
        return f"{self.weights.name} ({runtime_name()})"

    @cached_property
    def _model(self) -> WhisperModel:
        return WhisperModel(self.weights)

    def recognise(self, samples: NDArray[np.int16], asked: Asked) -> Recognition:
        """Write down what is said in int16 samples at 16 kHz; nothing, where there is no sound at all."""
        language = None if asked.language is None else asked.language.lower().partition("-")[0]
        if language is not None and language not in self._model.languages:
            known = "English only" if not self._model.multilingual else f"{len(self._model.languages)} languages"
            message = f"{self.name} knows {known}, and transcription.language is {asked.language!r}."
            return Recognition(self.name, None, code="language_not_supported", message=message)
        if not samples.any():
            return Recognition(self.name, "", (), language, finished=0.0)
        vocabulary = self._model.vocabulary
        prompt = vocabulary.encode(f" {asked.prompt.strip()}") if asked.prompt.strip() else []
        decoded = self._model.decode(samples, language, prompt)
        tokens = vocabulary.logprobs(decoded.numbers, decoded.logprobs)
        text = b"".join(bytes(token.bytes or ()) for token in tokens).decode("utf-8", "replace")
        return Recognition(
            self.name, text, tokens, decoded.language, prompt_tokens=len(prompt), finished=decoded.finished
        )


@lru_cache(maxsize=2)
def open_recogniser(folder: Path | None = None) -> Recogniser:
    """The recogniser of this process with the weights in `folder`; None: those of the `whisper` extra.

    Raises:
        MissingExtraError: If the extra is not installed.
        ConfigError: If the folder holds no weights, or the extra's are not the published ones.
    """
    return Recogniser(Whisper(find_weights(folder)), cache_folder())


def trimmed(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """`samples` without the silence at their ends, as the module's rule has it; a view."""
    step = rate_hz * WINDOW_MS // 1000
    if not len(samples):
        return samples
    starts = np.arange(0, len(samples), step)
    energy = np.add.reduceat(np.square(samples.astype(np.float64)), starts)
    power = energy / np.minimum(step, len(samples) - starts)
    sounding = np.flatnonzero(power > power.max() * 10.0 ** (-SILENT_BELOW_DB / 10.0))
    first, last = (int(sounding[0]), int(sounding[-1]) + 1) if len(sounding) else (0, 0)
    kept = rate_hz * KEPT_SILENCE_MS // 1000
    return samples[max(0, first * step - kept) : last * step + kept]


def _key(samples: NDArray[np.int16], rate_hz: int, asked: Asked) -> str:
    said = repr((rate_hz, asked.language, asked.prompt)).encode()
    digest = hashlib.sha256(len(said).to_bytes(4, "big") + said)
    digest.update(np.ascontiguousarray(samples, dtype="<i2").tobytes())
    return digest.hexdigest()


def _at_16_khz(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    if rate_hz == WHISPER_RATE_HZ:
        return samples
    # In floats: soxr dithers integers, from a seed that differs from call to call.
    return as_pcm16(soxr.resample(as_float(samples), rate_hz, WHISPER_RATE_HZ))


def _read(data: bytes | None) -> Recognition | None:
    try:
        return None if data is None else msgspec.json.decode(data, type=Recognition)
    except msgspec.DecodeError:
        return None  # damaged: it is computed again
