"""Whisper on ctranslate2: 16 kHz audio in, tokens with their true log-probabilities out. It knows nothing of sessions.

Deterministic: one thread, 8-bit weights, greedy choice. A log-probability is the log-softmax over all tokens that may
follow, as in OpenAI's own decoding, which rules out the tokens that a model's `config.json` names.
"""

from __future__ import annotations

import importlib.metadata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.errors import ConfigError, Problem
from realtime_lab.server.whisper_features import FRAMES_PER_S, WHISPER_RATE_HZ, log_mel
from realtime_lab.server.whisper_tokens import Vocabulary, read_vocabulary
from realtime_lab.server.whisper_weights import Weights

__all__ = ["COMPUTE_TYPE", "Decoded", "WhisperModel", "runtime_name"]

COMPUTE_TYPE = "int8"
"""Arithmetic of the weights. Word errors on the shipped speech are those of float32, at two thirds of the time."""
MIN_FRAMES = 1_500
"""Shortest window the encoder is given, 10 ms frames. On shorter ones it repeats itself: 184 % word errors at 1 s more
than the audio, 4 % from 15 s on."""
MAX_FRAMES = 3_000
"""The window it was trained on."""
_MARGIN_FRAMES = 100
_CHUNK_SEARCH_S = (20, 29)
_MAX_TOKENS_PER_S = 10
_SPARE_TOKENS = 16
_CONTEXT_TOKENS = 448
MAX_PROMPT_TOKENS = 223
"""Whisper looks back on this many tokens at most."""
MAX_COMPRESSION_RATIO = 2.4
"""A text that zlib makes smaller than this repeats itself (Whisper's own limit)."""
NO_SPEECH_PROBABILITY = 0.6
"""Nothing was said when the model thinks so by this much, and ... (Whisper's own limit)"""
NO_SPEECH_LOGPROB = -1.0
"""... when the mean log-probability of what it wrote all the same is lower than this (Whisper's own limit)."""


class Decoded(NamedTuple):
    """What the model wrote for one window, or for several in a row."""

    numbers: tuple[int, ...]
    """Text tokens."""
    logprobs: tuple[float, ...]
    """Natural logarithm of each one's probability."""
    finished: float
    """Probability of punctuation that ends a sentence after the last word; 0 when there is no word."""
    language: str
    """ISO 639-1 code."""


@dataclass(frozen=True)
class _Window:
    """One pass of the model."""

    numbers: tuple[int, ...]
    logprobs: tuple[float, ...]
    finished: float
    no_speech: float
    repeats: bool


class WhisperModel:
    """A loaded model; it takes about 100 MB for tiny.en and a third of a second.

    Args:
        weights: Which.

    Raises:
        ConfigError: If the files cannot be read as a Whisper model.
    """

    def __init__(self, weights: Weights) -> None:
        import ctranslate2  # 40 MB that only recognition needs

        self._storage = ctranslate2.StorageView
        try:
            self.vocabulary: Vocabulary = read_vocabulary(weights.folder)
            self._model = ctranslate2.models.Whisper(
                str(weights.folder), device="cpu", compute_type=COMPUTE_TYPE, intra_threads=1, inter_threads=1
            )
        except (OSError, ValueError, RuntimeError) as error:
            allowed = "a Whisper model that ctranslate2 can load"
            raise ConfigError([Problem("transcriber", str(weights.folder), allowed, str(error))]) from None
        self.multilingual = bool(self._model.is_multilingual)
        self._end = self.vocabulary.end_of_text

    def decode(self, samples: NDArray[np.int16], language: str | None, prompt: Sequence[int]) -> Decoded:
        """Write down what is said.

        Args:
            samples: int16 at 16 kHz, of any length.
            language: ISO 639-1 code, one of `languages`; None: found out from the first window.
            prompt: Tokens of a text that guides it.
        """
        numbers: list[int] = []
        logprobs: list[float] = []
        finished = 0.0
        for chunk in _chunks(samples):
            language = language or self._detect(chunk)
            window = self._window(chunk, language, prompt[-MAX_PROMPT_TOKENS:])
            if window.numbers:
                numbers += window.numbers
                logprobs += window.logprobs
                finished = window.finished
        return Decoded(tuple(numbers), tuple(logprobs), finished, language or "en")

    @property
    def languages(self) -> frozenset[str]:
        """Languages it can be told, by ISO 639 code."""
        return frozenset(self.vocabulary.languages) if self.multilingual else frozenset({"en"})

    def _detect(self, samples: NDArray[np.int16]) -> str:
        if not self.multilingual:
            return "en"
        best, _ = self._model.detect_language(self._features(samples, MAX_FRAMES))[0][0]
        return str(best).strip("<|>")

    def _window(self, samples: NDArray[np.int16], language: str, prompt: Sequence[int]) -> _Window:
        """One window; once more in the longest one if the model repeats itself; empty when nothing was said."""
        n_frames = len(samples) * FRAMES_PER_S // WHISPER_RATE_HZ
        window = self._once(samples, max(MIN_FRAMES, n_frames + _MARGIN_FRAMES), language, prompt)
        if window.repeats:
            window = self._once(samples, MAX_FRAMES, language, prompt)
        silent = window.no_speech > NO_SPEECH_PROBABILITY
        if silent and (not window.logprobs or float(np.mean(window.logprobs)) < NO_SPEECH_LOGPROB):
            return _Window((), (), 0.0, window.no_speech, repeats=False)
        return window

    def _once(self, samples: NDArray[np.int16], n_frames: int, language: str, prompt: Sequence[int]) -> _Window:
        start = self._start(language, prompt)
        room = min(_SPARE_TOKENS + _MAX_TOKENS_PER_S * len(samples) // WHISPER_RATE_HZ, _CONTEXT_TOKENS // 2)
        result = self._model.generate(
            self._features(samples, min(n_frames, MAX_FRAMES)),
            [start],
            beam_size=1,
            # The library gives text at most half of this, and what the start leaves of it.
            max_length=min(_CONTEXT_TOKENS, max(2 * room, room + len(start))),
            return_logits_vocab=True,
            return_no_speech_prob=True,
        )[0]
        steps = [_log_softmax(np.array(step, dtype=np.float64)) for step in result.logits[0]]
        cut = len(steps) == len(result.sequences_ids[0])  # no step decided to end
        text = [pair for pair in zip(result.sequences_ids[0], steps, strict=False) if pair[0] < self._end]
        written = tuple(number for number, _ in text)
        data = b"".join(self.vocabulary.data(number) for number in written)
        return _Window(
            written,
            tuple(float(step[number]) for number, step in text),
            self._finished(written, [step for _, step in text] + steps[len(written) :][:1]),
            result.no_speech_prob,
            repeats=cut or len(data) > MAX_COMPRESSION_RATIO * len(zlib.compress(data)),
        )

    def _finished(self, written: Sequence[int], steps: Sequence[NDArray[np.float64]]) -> float:
        """Probability that the sentence ends after its last word, whatever was then written."""
        words = [place for place, number in enumerate(written) if number not in self.vocabulary.punctuation]
        if not words or words[-1] + 1 >= len(steps):
            return 0.0
        return float(np.exp(steps[words[-1] + 1][list(self.vocabulary.terminal)]).sum())

    def _start(self, language: str, prompt: Sequence[int]) -> list[int]:
        numbers = self.vocabulary.numbers
        start = [numbers["<|startofprev|>"], *prompt] if prompt else []
        start.append(numbers["<|startoftranscript|>"])
        if self.multilingual:
            start += [self.vocabulary.languages[language], numbers["<|transcribe|>"]]
        return [*start, numbers["<|notimestamps|>"]]

    def _features(self, samples: NDArray[np.int16], n_frames: int) -> Any:
        return self._storage.from_array(log_mel(samples, n_frames, self._model.n_mels)[None])


def runtime_name() -> str:
    """The library that runs the model, with its version and arithmetic."""
    return f"ctranslate2 {importlib.metadata.version('ctranslate2')} {COMPUTE_TYPE}"


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the softmax; tokens that were ruled out have the lowest float as logit, and probability 0."""
    shifted: NDArray[np.float64] = logits - logits.max()
    return shifted - float(np.log(np.exp(shifted).sum()))


def _chunks(samples: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    """Pieces the model can take, cut where it is quietest between 20 and 29 s."""
    while len(samples) > (MAX_FRAMES - _MARGIN_FRAMES) * WHISPER_RATE_HZ // FRAMES_PER_S:
        first, last = (second * WHISPER_RATE_HZ for second in _CHUNK_SEARCH_S)
        step = WHISPER_RATE_HZ // 10
        power = np.square(samples[first:last].astype(np.float64)).reshape(-1, step).sum(axis=1)
        cut = first + int(np.argmin(power)) * step + step // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples
