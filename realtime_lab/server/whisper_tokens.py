"""Whisper's vocabulary: from token numbers to bytes and back, and its special tokens. No model, no audio.

Tokens are written in GPT-2's byte alphabet, in which every byte has a printable character; `vocabulary.txt` or
`vocabulary.json` of a model folder lists them. Encoding, which only a prompt needs, joins byte pairs in the order that
`tokenizer.json` ranks them (Sennrich et al. 2016; GPT-2's `encoder.py`, MIT).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from realtime_lab.protocol.items import TokenLogprob

__all__ = ["Vocabulary", "read_vocabulary"]

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
