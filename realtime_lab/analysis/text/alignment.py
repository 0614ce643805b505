"""Reference and hypothesis against each other: the fewest edits, and the error rates that follow from them.

Words in, counts out; what a word is, `normaliser` decides. Where several alignments take equally few edits, the one is
taken that rapidfuzz gives, which is also jiwer's, so that hits and everything made of them agree with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Operation = Literal["equal", "substitute", "delete", "insert"]


class Edits(NamedTuple):
    """What became of a reference."""

    hits: int
    substitutions: int
    deletions: int
    """Reference words that were not recognised."""
    insertions: int
    """Recognised words that nobody said."""

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def n_reference(self) -> int:
        """Words of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def n_hypothesis(self) -> int:
        """Words recognised."""
        return self.hits + self.substitutions + self.insertions

    @property
    def wer(self) -> float | None:
        """Word error rate: edits over reference words; None without any."""
        return _over(self.errors, self.n_reference)

    @property
    def mer(self) -> float | None:
        """Match error rate: edits over all places of the alignment; None for an empty reference."""
        return _over(self.errors, self.hits + self.errors) if self.n_reference else None

    @property
    def wil(self) -> float | None:
        """Word information lost: 1 - hits² / (reference words · recognised words); None for an empty reference.

        Morris, Maier and Green, From WER and RIL to MER and WIL, Interspeech 2004.
        """
        if not self.n_reference:
            return None
        return 1.0 - self.hits**2 / (self.n_reference * self.n_hypothesis) if self.n_hypothesis else 1.0


class Pair(NamedTuple):
    """One place of an alignment."""

    operation: Operation
    reference: int | None
    """Position of the reference word; None for an insertion."""
    hypothesis: int | None
    """Position of the recognised word; None for a deletion."""


def _over(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[Pair]:
    """The alignment, place by place, in order."""
    from rapidfuzz.distance import Levenshtein

    for part in Levenshtein.opcodes(*_numbered(reference, hypothesis)):
        said, heard = range(part.src_start, part.src_end), range(part.dest_start, part.dest_end)
        if part.tag == "insert":
            yield from (Pair("insert", None, place) for place in heard)
        elif part.tag == "delete":
            yield from (Pair("delete", place, None) for place in said)
        else:
            operation: Operation = "equal" if part.tag == "equal" else "substitute"
            yield from (Pair(operation, *places) for places in zip(said, heard, strict=True))


@lru_cache(maxsize=4096)
def count_edits(reference: tuple[str, ...], hypothesis: tuple[str, ...]) -> Edits:
    """How many hits, substitutions, deletions and insertions the alignment has."""
    from rapidfuzz.distance import Levenshtein

    tags = [edit.tag for edit in Levenshtein.editops(*_numbered(reference, hypothesis))]
    substitutions, deletions, insertions = (tags.count(tag) for tag in ("replace", "delete", "insert"))
    return Edits(len(reference) - substitutions - deletions, substitutions, deletions, insertions)


@lru_cache(maxsize=4096)
def character_errors(reference: tuple[str, ...], hypothesis: tuple[str, ...], between: str = " ") -> tuple[int, int]:
    """(edits, reference characters), the words being written with `between` between them."""
    from rapidfuzz.distance import Levenshtein

    said, heard = between.join(reference), between.join(hypothesis)
    return Levenshtein.distance(said, heard), len(said)


def _numbered(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[list[int], list[int]]:
    """Words as numbers: equal words, equal numbers."""
    numbers: dict[str, int] = {}
    first = [numbers.setdefault(word, len(numbers)) for word in reference]
    return first, [numbers.setdefault(word, len(numbers)) for word in hypothesis]
