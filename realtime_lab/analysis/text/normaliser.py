"""Texts to the words that are compared: which spellings count as the same, by language. No alignment here.

Every normaliser has a name with a version; a change of its rules is a new version, and rows of different normalisers
are never pooled. Words keep their place in the text, so that what was heard can be traced to the tokens it came from.

- `english-1`: case, punctuation and apostrophes do not count; a hyphen parts words; contractions of not, am, are, have
  and will are the two words they stand for (`you're` is `you are`), others one (`it's` is `its`); letters with points
  are one word (`A.M.` is `am`); `Mr`, `Mrs` and `Dr` are written out; hesitations (uh, um, hm, mm, mhm) are left out;
  numbers are their digits, as `english_numbers` says; `%`, `&` and a currency's sign are the words they are read as.
- `words-1`: case, punctuation and apostrophes do not count. Numbers stay as they are written. For every other language
  that parts its words with spaces.
- `characters-1`: as words-1, but every character is compared on its own, for languages without spaces. There is a
  character error rate and no word error rate.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from realtime_lab.analysis.text.numbers import number_at, ordinal_at

ENGLISH, WORDS, CHARACTERS = "english-1", "words-1", "characters-1"

_WITHOUT_SPACES = frozenset("bo dz ja km lo my th wuu yue zh".split())
"""Languages, by ISO 639 code, that write no space between words."""
_SCRIPTS_WITHOUT_SPACES = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Japanese kana
    (0x3400, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_APOSTROPHES = "'’‘ʼ＇"
_HESITATIONS = frozenset("uh uhh um umm hm hmm mm mmm mhm".split())
_WRITTEN_OUT = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_CONTRACTED = {"n't": "not", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will"}
_IRREGULAR = {"wo": "will", "ca": "can", "sha": "shall"}
"""What is left of `won't`, `can't` and `shan't`."""
_SIGNS = {"%": "percent", "&": "and", "$": "dollars", "€": "euros", "£": "pounds"}
_CURRENCIES = "$€£"
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f])"
_ENGLISH_WORD = re.compile(
    rf"""
      (?P<initials> [^\W\d_](?:\.[^\W\d_])+\b\.? )
    | (?P<ordinal>  [0-9]+(?:st|nd|rd|th)(?!\w) )
    | (?P<numeral>  [0-9]+(?:,[0-9]{{3}})+(?![0-9])(?:\.[0-9]+)? | [0-9]+(?:\.[0-9]+)? )
    | (?P<word>     {_LETTER}(?:{_LETTER}|[0-9]|[{_APOSTROPHES}](?={_LETTER}))* | [^\W_] )
    | (?P<sign>     [%&$€£] )
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Word(NamedTuple):
    """One word as it is compared."""

    text: str
    start: int
    """First character in the text it was read from."""
    end: int
    """One past its last character."""


@lru_cache(maxsize=1024)
def normaliser_for(language: str | None, text: str | None) -> str:
    """The normaliser of a language.

    Args:
        language: Its code, such as `en` or `zh-TW`; None when nobody says.
        text: The reference; without a language its letters decide between English and languages without spaces.
    """
    if language:
        primary = re.split("[-_]", language.casefold(), maxsplit=1)[0]
        return ENGLISH if primary == "en" else CHARACTERS if primary in _WITHOUT_SPACES else WORDS
    letters = [ord(char) for char in text or "" if char.isalpha()]
    unspaced = sum(any(low <= code <= high for low, high in _SCRIPTS_WITHOUT_SPACES) for code in letters)
    return CHARACTERS if 2 * unspaced > len(letters) else ENGLISH


@lru_cache(maxsize=1024)
def normalise(text: str, normaliser: str) -> tuple[Word, ...]:
    """The words of a text, with their places in it.

    Raises:
        ValueError: If there is no such normaliser.
    """
    if normaliser == ENGLISH:
        return tuple(_joined_numbers(_english_words(text)))
    if normaliser == WORDS:
        return tuple(_spaced_words(text))
    if normaliser == CHARACTERS:
        return tuple(_characters(text))
    raise ValueError(f"normaliser = {normaliser!r}: allowed: {ENGLISH}, {WORDS}, {CHARACTERS}")


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate({ord(char): None for char in _APOSTROPHES})


def _english_words(text: str) -> list[Word]:
    words: list[Word] = []
    money: Word | None = None
    for found in _ENGLISH_WORD.finditer(text):
        raw, kind = found[0], found.lastgroup
        place = found.span()
        if kind == "sign" and raw in _CURRENCIES:
            money = Word(_SIGNS[raw], *place)
            continue
        said = _SIGNS[raw] if kind == "sign" else _folded(raw)
        said = said.replace(".", "") if kind == "initials" else said.replace(",", "") if kind == "numeral" else said
        if kind == "word" and (parts := _contraction(raw, place[0])):
            words += parts
        elif said and said not in _HESITATIONS:
            words.append(Word(_WRITTEN_OUT.get(said, said), *place))
        if money is not None and kind == "numeral":
            words.append(money)  # `$5` is read `5 dollars`
        money = None
    return words


def _contraction(raw: str, start: int) -> list[Word]:
    """Both words of a contraction, each with its own letters; empty when it is none."""
    plain = raw.casefold().translate({ord(char): "'" for char in _APOSTROPHES})
    if plain == "cannot":
        return [Word("can", start, start + 3), Word("not", start + 3, start + 6)]
    for ending, second in _CONTRACTED.items():
        first = plain.removesuffix(ending)
        if first and len(first) < len(plain) == len(raw) and first.isalpha():
            middle = start + len(first)
            written = _IRREGULAR.get(first, first) if second == "not" else first
            return [Word(_folded(written), start, middle), Word(second, middle, start + len(raw))]
    return []


def _joined_numbers(words: Sequence[Word]) -> Iterator[Word]:
    texts = [word.text for word in words]
    place = 0
    while place < len(words):
        found = ordinal_at(texts, place) or number_at(texts, place)
        if found is None:
            yield words[place]
            place += 1
            continue
        said, count = found
        taken = words[place : place + count]
        yield Word(said, min(word.start for word in taken), max(word.end for word in taken))
        place += count


def _spaced_words(text: str) -> Iterator[Word]:
    start: int | None = None
    for place, char in enumerate(text):
        if _is_of_word(char) or (start is not None and char in _APOSTROPHES):
            start = place if start is None else start
        elif start is not None:
            yield from _word(text, start, place)
            start = None
    if start is not None:
        yield from _word(text, start, len(text))


def _word(text: str, start: int, end: int) -> Iterator[Word]:
    while end > start and text[end - 1] in _APOSTROPHES:
        end -= 1
    if said := _folded(text[start:end]):
        yield Word(said, start, end)


def _characters(text: str) -> Iterator[Word]:
    for place, char in enumerate(text):
        if _is_of_word(char):
            yield from (Word(part, place, place + 1) for part in _folded(char) if _is_of_word(part))


@lru_cache(maxsize=4096)
def _is_of_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"
