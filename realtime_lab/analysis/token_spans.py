"""Which characters of a transcript each of its tokens wrote, by bytes: a token may be part of a word or of a character.

Servers give a token as text and as UTF-8 bytes. The bytes of all tokens, one after another, are the transcript's, but
for white space: the first token usually begins with a space that the transcript does not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from realtime_lab.protocol.items import TokenLogprob

__all__ = ["Span", "token_bytes", "token_spans"]

_SPACES = b" \t\n\r\x0b\x0c"


class Span(NamedTuple):
    """A stretch of a text, in characters."""

    start: int
    end: int
    """One past the last; equal to `start` for a token of white space alone."""


def token_bytes(token: TokenLogprob) -> bytes:
    """A token's bytes, as given or else those of its text."""
    if token.bytes is None:
        return token.token.encode("utf-8", "replace")
    return bytes(value & 0xFF for value in token.bytes)


def token_spans(transcript: str, tokens: Sequence[bytes]) -> list[Span] | None:
    """Where each token stands in the transcript.

    Args:
        transcript: The text.
        tokens: Bytes of its tokens, in order.

    Returns:
        One span per token, white space at its ends left out; tokens that share a character both have it. None when the
        tokens do not spell the transcript.
    """
    written = transcript.encode("utf-8", "surrogatepass")
    solid = [token.translate(None, _SPACES) for token in tokens]
    if b"".join(solid) != written.translate(None, _SPACES):
        return None
    places = _solid_places(transcript)
    spans: list[Span] = []
    place = 0
    for token in solid:
        start = places[place - 1] + 1 if place else 0
        if token:
            start = places[place]
            place += len(token)
        spans.append(Span(start, places[place - 1] + 1 if token else start))
    return spans


def _solid_places(transcript: str) -> list[int]:
    """For each byte that is not white space, the position of its character."""
    places: list[int] = []
    for place, char in enumerate(transcript):
        data = char.encode("utf-8", "surrogatepass")
        if data not in _SPACES:
            places += [place] * len(data)
    return places
