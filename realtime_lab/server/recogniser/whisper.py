"""Whisper on ctranslate2: 16 kHz audio in, tokens with their true log-probabilities out. It knows nothing of sessions.

Deterministic: one thread, 8-bit weights, greedy choice. A log-probability is the log-softmax over all tokens that may
follow, as in OpenAI's own decoding, which rules out the tokens that a model's `config.json` names. What it hears is the
log-mel spectrogram after `log_mel_spectrogram` of OpenAI's Whisper (MIT): Hann windows of 25 ms every 10 ms, mel bands
with Slaney's scale and area normalisation, log10 held within 8 of the loudest, then (x + 4) / 4.

Its vocabulary stands here too: from token numbers to bytes and back, and the special tokens.

Tokens are written in GPT-2's byte alphabet, in which every byte has a printable character; `vocabulary.txt` or
`vocabulary.json` of a model folder lists them. Encoding, which only a prompt needs, joins byte pairs in the order that
`tokenizer.json` ranks them (Sennrich et al. 2016; GPT-2's `encoder.py`, MIT).
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.errors import ConfigError, Problem
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.server.recogniser.weights import Weights

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
_ENDS = (".", "?", "!", "。", "？", "！")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of one model.

    Args:
        tokens: Every token in the byte alphabet; its number is its place.
        merges: File with the ranks of byte pairs; None: prompts cannot be encoded.
    """

    tokens: Sequence[str]
    merges: Path | None = None
    numbers: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", {token: number for number, token in enumerate(self.tokens)})

    @cached_property
    def end_of_text(self) -> int:
        """The token that ends a transcript; it and those after it stand for no text."""
        return self.numbers["<|endoftext|>"]

    @cached_property
    def languages(self) -> dict[str, int]:
        """Languages a multilingual model can be told, by ISO 639 code."""
        found = ((_LANGUAGE.fullmatch(token), number) for token, number in self.numbers.items())
        return {match[1]: number for match, number in found if match and number > self.end_of_text}

    @cached_property
    def terminal(self) -> tuple[int, ...]:
        """Tokens that end a sentence: one of .?! with nothing but quotes about it; an ellipsis is none."""
        said = ((number, self.data(number).decode("utf-8", "replace")) for number in range(self.end_of_text))
        return tuple(number for number, text in said if text.strip(" \"')”’") in _ENDS)

    @cached_property
    def punctuation(self) -> frozenset[int]:
        """Tokens without a letter or digit."""
        said = ((number, self.data(number)) for number in range(self.end_of_text))
        return frozenset(number for number, data in said if not _spells(data))

    def data(self, number: int) -> bytes:
        """UTF-8 bytes of a token; they may be part of a character."""
        alphabet = _byte_alphabet()
        return bytes(alphabet[character] for character in self.tokens[number])

    def logprobs(self, numbers: Sequence[int], values: Sequence[float]) -> tuple[TokenLogprob, ...]:
        """Tokens as the protocol gives them: joined, their bytes are the transcript, which begins without a space."""
        found: list[TokenLogprob] = []
        for number, value in zip(numbers, values, strict=True):
            data = self.data(number) if found else self.data(number).lstrip(b" ")
            if data:
                text = data.decode("utf-8", "replace")
                found.append(TokenLogprob(token=text, logprob=value, bytes=list(data)))
        return tuple(found)

    def encode(self, text: str) -> list[int]:
        """Token numbers of a text; empty when the folder has no ranks of byte pairs."""
        ranks = self._ranks
        if not ranks:
            return []
        letters = {byte: character for character, byte in _byte_alphabet().items()}
        words = ([letters[byte] for byte in word.encode()] for word in _WORDS.findall(text))
        return [self.numbers[part] for word in words for part in _merged(word, ranks) if part in self.numbers]

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        try:
            given: Any = {} if self.merges is None else json.loads(self.merges.read_bytes())["model"]["merges"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        pairs = (entry.split(" ") if isinstance(entry, str) else entry for entry in given)
        return {(pair[0], pair[1]): rank for rank, pair in enumerate(pairs)}


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a model folder.

    Raises:
        OSError: If the folder has none.
        ValueError: If it is no list of tokens, or lacks those that every Whisper model has.
    """
    listed = folder / "vocabulary.json"
    if listed.exists():
        tokens = json.loads(listed.read_bytes())
    else:
        tokens = (folder / "vocabulary.txt").read_text("utf-8").removesuffix("\n").split("\n")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("the vocabulary is no list of tokens")
    needed = ("<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>")
    missing = [name for name in needed if name not in tokens]
    if missing:
        raise ValueError(f"the vocabulary has no {missing[0]}")
    merges = folder / "tokenizer.json"
    return Vocabulary(tokens, merges if merges.exists() else None)


@lru_cache(maxsize=1)
def _byte_alphabet() -> dict[str, int]:
    """Byte by character: printable Latin-1 stands for itself, every other byte for a character from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def _merged(parts: list[str], ranks: dict[tuple[str, str], int]) -> Iterable[str]:
    """Join the neighbours of lowest rank until no two can be joined."""
    while len(parts) > 1:
        rank, place = min((ranks.get(pair, len(ranks)), place) for place, pair in enumerate(pairwise(parts)))
        if rank == len(ranks):
            break
        parts = [*parts[:place], parts[place] + parts[place + 1], *parts[place + 2 :]]
    return parts


def _spells(data: bytes) -> bool:
    """Whether bytes hold a letter, a digit, or part of a character."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return any(character.isalnum() for character in text)


WHISPER_RATE_HZ = 16_000
"""Sample rate the model was trained on."""
FRAMES_PER_S = 100
"""Spectra per second."""
_WINDOW_SAMPLES = 400
_HOP_SAMPLES = 160
_FLOOR = 1e-10
_RANGE_LOG10 = 8.0
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ, _LOG_FROM_MEL = 1_000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


def log_mel(samples: NDArray[np.int16], n_frames: int, n_mels: int = 80) -> NDArray[np.float32]:
    """Log-mel spectrogram of `samples`, with silence behind them up to `n_frames`.

    Args:
        samples: int16 at 16 kHz; what does not fit into `n_frames` of 10 ms is left out.
        n_frames: Frames wanted.
        n_mels: Mel bands: 80, or what the model says.

    Returns:
        float32, shape (n_mels, n_frames).
    """
    heard = samples[: n_frames * _HOP_SAMPLES].astype(np.float32) / np.float32(32_768.0)
    half = _WINDOW_SAMPLES // 2
    sounding = min(n_frames, len(heard) // _HOP_SAMPLES + 3)  # frames that reach into the audio
    padded = np.zeros(sounding * _HOP_SAMPLES + _WINDOW_SAMPLES, dtype=np.float32)
    padded[half : half + len(heard)] = heard[: len(padded) - half]
    mirrored = padded[half + 1 : 2 * half + 1]
    padded[:half] = mirrored[::-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::_HOP_SAMPLES][:sounding]
    spectrum = np.fft.rfft(frames * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = np.full((n_mels, n_frames), np.log10(_FLOOR), dtype=np.float32)
    bands[:, :sounding] = np.log10(np.maximum(_filters(n_mels) @ power.T, _FLOOR))
    held = np.maximum(bands, bands.max() - _RANGE_LOG10)
    return np.ascontiguousarray((held + 4.0) / 4.0, dtype=np.float32)


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    """A periodic Hann window."""
    return np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=2)
def _filters(n_mels: int) -> NDArray[np.float32]:
    """Triangular filters over the bins of the spectrum, shape (n_mels, 201)."""
    top = _LOG_FROM_MEL + np.log(WHISPER_RATE_HZ / 2 / _LOG_FROM_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, n_mels + 2)
    linear, logarithmic = mels * _LINEAR_HZ_PER_MEL, _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - _LOG_FROM_MEL))
    edges = np.where(mels < _LOG_FROM_MEL, linear, logarithmic)[:, None]
    bins = np.linspace(0.0, WHISPER_RATE_HZ / 2, _WINDOW_SAMPLES // 2 + 1)[None, :]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    area = 2.0 / (edges[2:] - edges[:-2])
    filters: NDArray[np.float64] = area * np.maximum(0.0, np.minimum(rising, falling))
    return filters.astype(np.float32)


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
