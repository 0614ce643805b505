"""English numbers, spelled or in numerals, as strings of digits: `thirteen` and `13` are one word, `13`.

The rule: a run of numbers is one word, its digits one after another. `five five five`, `555` and `5 5 5` are all `555`,
`twenty twenty five` and `2025` are `2025`, `one hundred and five` is `105`, `ten thousand` and `10,000` are `10000`.
`oh` after a number is a zero, `point` between numbers a point. Ordinals are `1st` to `99th`. `hundred`, `thousand` and
so on with no number before them stay words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split()
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_CARDINALS = {word: value for value, word in enumerate(_SMALL)} | {
    word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)
}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth".split(),
        start=1,
    )
} | {word[:-1] + "ieth": value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_NUMERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_ORDINAL_NUMERAL = re.compile(r"[0-9]+(?:st|nd|rd|th)")
_ZEROS = ("oh", "o")
_LONGEST_VALUE = 6
"""Digits of a numeral that a scale word may multiply, as in `2 million`."""


def ordinal_at(words: Sequence[str], place: int) -> tuple[str, int] | None:
    """The ordinal that starts at `place`, such as `21st`, and how many words it is; None when there is none."""
    word = words[place]
    if _ORDINAL_NUMERAL.fullmatch(word):
        return word, 1
    if word in _ORDINALS:
        return _ordinal(_ORDINALS[word]), 1
    following = words[place + 1] if place + 1 < len(words) else ""
    if word in _TENS and 0 < _ORDINALS.get(following, 0) < 10:
        return _ordinal(_CARDINALS[word] + _ORDINALS[following]), 2
    return None


def _ordinal(value: int) -> str:
    last = "th" if 10 < value % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{last}"


def number_at(words: Sequence[str], place: int) -> tuple[str, int] | None:
    """The run of numbers that starts at `place`, as digits, and how many words it is; None when there is none."""
    run = _Run()
    at = place
    while at < len(words) and ordinal_at(words, at) is None:
        following = words[at + 1] if at + 1 < len(words) else ""
        if not run.take(words[at], following):
            break
        at += 1
    return (run.finish(), at - place) if at > place else None


class _Run:
    """Numbers read one word at a time."""

    def __init__(self) -> None:
        self._digits = ""
        self._group: int | None = None
        """The part below the next scale word; None before its first word."""
        self._total = 0
        self._scale: int | None = None
        """The last scale word; only a smaller one may follow it."""

    def take(self, word: str, following: str) -> bool:
        """Read a word; False when the run ends before it."""
        if word in _CARDINALS:
            self._cardinal(_CARDINALS[word])
        elif word == "hundred" and self._group is not None and 0 < self._group < 100:
            self._group *= 100
        elif word in _SCALES:
            return self._take_scale(_SCALES[word])
        elif _NUMERAL.fullmatch(word):
            self._numeral(word, following)
        elif word in _ZEROS and self._begun:
            self._flush()
            self._digits += "0"
        else:
            return self._take_link(word, following)
        return True

    @property
    def _begun(self) -> bool:
        return bool(self._digits) or self._pending

    @property
    def _pending(self) -> bool:
        return self._group is not None or self._scale is not None

    def _cardinal(self, value: int) -> None:
        group = self._group
        if group is None:
            if self._scale is not None and value == 0:
                self._flush()
            self._group = value
        elif value and _has_room(group, value):
            self._group = group + value
        else:
            self._flush()
            self._group = value

    def _take_scale(self, scale: int) -> bool:
        if not self._group or (self._scale is not None and scale >= self._scale):
            return False
        self._total += self._group * scale
        self._group, self._scale = None, scale
        return True

    def _numeral(self, word: str, following: str) -> None:
        value = int(word) if "." not in word and len(word) <= _LONGEST_VALUE and word[0] != "0" else 0
        if value and following in _SCALES:  # `2 million`
            if self._group is not None or (self._scale is not None and _SCALES[following] >= self._scale):
                self._flush()
            self._group = value
            return
        if self._scale is not None and self._group is None and 0 < value < self._scale:
            self._group = value  # `2 thousand 5`
            return
        self._flush()
        self._digits += word

    def _take_link(self, word: str, following: str) -> bool:
        """`and` after a hundred or a scale, `point` between numbers."""
        number_follows = following in _CARDINALS or bool(_NUMERAL.fullmatch(following))
        if word == "and" and number_follows:
            after_hundred = self._group is not None and self._group >= 100 and self._group % 100 == 0
            return after_hundred or (self._group is None and self._scale is not None)
        if word == "point" and number_follows and self._begun:
            self._flush()
            self._digits += "."
            return True
        return False

    def _flush(self) -> None:
        if self._pending:
            self._digits += str(self._total + (self._group or 0))
        self._group, self._total, self._scale = None, 0, None

    def finish(self) -> str:
        """The digits."""
        self._flush()
        return self._digits


def _has_room(group: int, value: int) -> bool:
    """`five` after `twenty`, and anything below a hundred after `two hundred`."""
    tens = group % 100
    return (group >= 100 and tens == 0) or (value < 10 and tens >= 20 and tens % 10 == 0)
