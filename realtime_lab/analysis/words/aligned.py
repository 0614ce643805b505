"""The words of transcripts: each with its place in the alignment and how sure the recogniser was of it.

A word's confidence is made of the tokens that hold a part of it, found by their characters; the product of their
probabilities is the probability of the word as written. A token that holds parts of two words counts for both. Words
whose tokens do not spell the transcript, or lack a log-probability, have no confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from realtime_lab.analysis.columns import TURNS, WORDS
from realtime_lab.analysis.rows.frames import frame_of_rows, tokens_df, turns_df
from realtime_lab.analysis.text.alignment import align
from realtime_lab.analysis.text.normaliser import Word, normalise, normaliser_for
from realtime_lab.recording.events import Recording

CONFIDENCES = ("confidence", "confidence_min", "confidence_geometric")
"""Columns that say how sure a recogniser was of a word: product, minimum, geometric mean over its tokens."""

Row = dict[str, Any]


class Token(NamedTuple):
    """One token of a turn's transcript."""

    start: int
    """First character in the transcript."""
    end: int
    logprob: float | None


def word_rows(reference: str | None, transcript: str, normaliser: str, tokens: Sequence[Token]) -> list[Row]:
    """The words of one transcript in the order of the alignment.

    Args:
        reference: What was said; None: there is nothing to align with.
        transcript: What was recognised.
        normaliser: Name of the normaliser, see `normaliser`.
        tokens: Its tokens, in order; empty without log-probabilities.
    """
    rows: list[Row] = []
    heard = normalise(transcript, normaliser)
    said = normalise(reference, normaliser) if reference is not None else ()
    held = _held_by(heard, tokens)
    for operation, before, after in _places(reference, transcript, normaliser):
        row: Row = {"word_index": len(rows), "operation": operation, "normaliser": normaliser}
        row["reference_word"] = None if before is None else said[before].text
        if after is not None:
            word = heard[after]
            right = None if operation is None else operation == "equal"
            row |= {"word": word.text, "char_start": word.start, "char_end": word.end, "right": right}
            row |= _sureness(held[after])
        rows.append(row)
    return rows


@lru_cache(maxsize=4096)
def _places(
    reference: str | None, transcript: str, normaliser: str
) -> tuple[tuple[str | None, int | None, int | None], ...]:
    heard = [word.text for word in normalise(transcript, normaliser)]
    if reference is None:
        return tuple((None, None, place) for place in range(len(heard)))
    return tuple(align([word.text for word in normalise(reference, normaliser)], heard))


def _held_by(words: Sequence[Word], tokens: Sequence[Token]) -> list[list[Token]]:
    """For each word the tokens that hold a part of it."""
    found: list[list[Token]] = []
    first = 0
    for word in words:
        while first < len(tokens) and tokens[first].end <= word.start:
            first += 1
        here = []
        for token in tokens[first:]:
            if token.start >= word.end:
                break
            if token.end > word.start:
                here.append(token)
        found.append(here)
    return found


def _sureness(tokens: Sequence[Token]) -> Row:
    logprobs = [token.logprob for token in tokens]
    known = [value for value in logprobs if value is not None]
    if not known or len(known) < len(logprobs):
        return {}
    total = math.fsum(known)
    return {
        "n_tokens": len(known),
        "sum_logprob": total,
        "confidence": math.exp(min(total, 0.0)),
        "confidence_min": math.exp(min(*known, 0.0)),
        "confidence_geometric": math.exp(min(total / len(known), 0.0)),
    }


def words_frame(turns: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """The words of every transcript, with the keys and settings of their turns.

    Args:
        turns: A turns frame, such as `study.turns_df()`.
        tokens: The tokens frame of the same sessions.

    Returns:
        One row per word of a turn's transcript and per word of its reference that was not recognised. A turn whose
        transcript cannot be scored has its recognised words, with nothing to hold them against.
    """
    own = {entry.name for entry in TURNS}
    keys = [name for name in turns.columns if name not in own]
    by_turn = _tokens_by_turn(tokens)
    places: list[int] = []
    rows: list[Row] = []
    for place, turn in enumerate(_told(turns)):
        made = word_rows(
            turn.reference, turn.transcript, turn.normaliser, by_turn.get((turn.trial, turn.attempt, turn.turn), ())
        )
        for row in made:
            row.update(turn=turn.turn, speaker=turn.speaker)
        places += [place] * len(made)
        rows += made
    heard = turns[turns["transcript"].notna()]
    frame = heard[keys].iloc[places].reset_index(drop=True)
    return pd.concat([frame, frame_of_rows(rows, WORDS)], axis=1)


def words_df(recording: Recording) -> pd.DataFrame:
    """One row per word of a recording's transcripts, and per word of its references that was not recognised."""
    return words_frame(turns_df(recording), tokens_df(recording))


class _Told(NamedTuple):
    trial: object
    attempt: object
    turn: int
    reference: str | None
    transcript: str
    normaliser: str
    speaker: str | None


def _told(turns: pd.DataFrame) -> Iterator[_Told]:
    """Turns with a transcript; those that were not scored have no reference."""
    heard = turns[turns["transcript"].notna()]
    columns = [_plain(heard, name) for name in ("trial", "attempt", "turn", "reference_text", "transcript")]
    others = [_plain(heard, name) for name in ("normaliser", "speaker", "n_ref_characters")]
    for (trial, attempt, turn, reference, transcript), (normaliser, speaker, scored) in zip(
        zip(*columns, strict=True), zip(*others, strict=True), strict=True
    ):
        named = normaliser or normaliser_for(None, transcript)
        yield _Told(trial, attempt, turn, None if scored is None else reference, transcript, named, speaker)


def _tokens_by_turn(tokens: pd.DataFrame) -> Mapping[tuple[object, object, object], Sequence[Token]]:
    placed = tokens[tokens["turn"].notna() & tokens["char_start"].notna()]
    found: dict[tuple[object, object, object], list[Token]] = {}
    columns = [_plain(placed, name) for name in ("trial", "attempt", "turn", "char_start", "char_end", "logprob")]
    for trial, attempt, turn, start, end, logprob in zip(*columns, strict=True):
        found.setdefault((trial, attempt, turn), []).append(Token(start, end, logprob))
    for held in found.values():
        held.sort(key=lambda token: (token.start, token.end))
    return found


def _plain(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [None] * len(frame)
    return np.where(frame[name].isna(), None, frame[name].astype(object)).tolist()  # type: ignore[call-overload,no-any-return]


_HEARING = ("script", "condition", "turn", "word_index", "operation", "reference_word", "word", *CONFIDENCES)


def distinct_words(words: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Each hearing of the same audio once: words that repeats or other settings heard the same to the last digit.

    A mocked server hears a repeat exactly as it heard the first time, so counting it again would only pretend that
    there is more to go by.

    Args:
        words: As `words_frame` gives them.
        by: Columns that are told apart all the same.
    """
    names = [name for name in dict.fromkeys((*by, *_HEARING)) if name in words.columns]
    return words.drop_duplicates(names, ignore_index=True)
