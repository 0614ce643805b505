"""What was recognised in a turn, against what was said: its transcript, errors, and log-probabilities.

The transcripts of a turn's items are joined in order, with one space. They are scored only when all of them came, the
turn was played to its end, and no item reaches into another turn; else the word error rate is null and says why.

Which characters of a transcript each token wrote is told by bytes: a token may be part of a word or of a character.

Servers give a token as text and as UTF-8 bytes. The bytes of all tokens, one after another, are the transcript's, but
for white space: the first token usually begins with a space that the transcript does not have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.reading import Row, SessionView
from realtime_lab.analysis.rows.taking import TurnTaking
from realtime_lab.analysis.text.alignment import character_errors, count_edits
from realtime_lab.analysis.text.normaliser import CHARACTERS, normalise, normaliser_for
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.recording.events import ReferenceTurn

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


def transcription_columns(view: SessionView, taking: TurnTaking) -> Row:
    """The columns of a turn that are about its transcript."""
    items = _items_of(taking)
    spoken = [item.transcript for item in items if item.transcript is not None]
    row: Row = {"transcript": " ".join(spoken) if spoken else None}
    row.update(_states(view, items, len(spoken)))
    row.update(_logprob_columns(items))
    normaliser = normaliser_for(view.asked.language, taking.turn.text)
    if reason := _unscored(view, taking, row["transcription"]):
        return row | {"normaliser": normaliser, "wer_reason": reason}
    return row | score_columns(taking.turn.text or "", row["transcript"] or "", normaliser)


def score_columns(reference: str, transcript: str, normaliser: str) -> Row:
    """The errors of a transcript, as columns of a turn.

    Args:
        reference: What was said.
        transcript: What was recognised.
        normaliser: Name of the normaliser, see `normaliser`.
    """
    said, heard = (tuple(word.text for word in normalise(text, normaliser)) for text in (reference, transcript))
    edits, total = character_errors(said, heard, "" if normaliser == CHARACTERS else " ")
    row: Row = {
        "normaliser": normaliser,
        "n_ref_characters": total,
        "n_character_errors": edits,
        "cer": edits / total if total else None,
    }
    if normaliser == CHARACTERS:
        return row | {"wer_reason": "a language without spaces has a character error rate only"}
    counts = count_edits(said, heard)
    return row | {
        "n_ref_words": counts.n_reference,
        "n_hits": counts.hits,
        "n_substitutions": counts.substitutions,
        "n_deletions": counts.deletions,
        "n_insertions": counts.insertions,
        "wer": counts.wer,
        "wer_reason": None if said else "the reference has no words",
    }


def spans_in_turn(taking: TurnTaking) -> dict[str, list[Span]]:
    """By item: where its tokens stand in the turn's transcript. Items whose tokens do not spell it are left out."""
    spans: dict[str, list[Span]] = {}
    offset = 0
    for item in _items_of(taking):
        if item.transcript is None:
            continue
        found = token_spans(item.transcript, [token_bytes(token) for token in item.logprobs or ()])
        if found is not None:
            spans[item.item_id] = [Span(start + offset, end + offset) for start, end in found]
        offset += len(item.transcript) + 1
    return spans


def silence_columns(view: SessionView, turn: ReferenceTurn) -> Row:
    """Transcripts of what is no speech, by the turn they follow; null where no transcript was asked for."""
    heard = [item.transcript for item in view.silent_items.get(turn.index, ()) if item.transcript is not None]
    if not view.asked.transcribes and not heard:
        return {}
    worded = [text for text in heard if normalise(text, normaliser_for(view.asked.language, text))]
    return {"n_silent_transcripts": len(heard), "n_hallucinations": len(worded)}


def _items_of(taking: TurnTaking) -> list[InputItem]:
    closing = [] if taking.closing is None else [taking.closing]
    return [*taking.cuts, *closing, *taking.late]


def _states(view: SessionView, items: Sequence[InputItem], n_spoken: int) -> Row:
    if not view.asked.transcribes and not n_spoken:
        return {"transcription": "not asked", "logprobs": "not asked"}
    if items and n_spoken == len(items):
        state = "completed"
    else:
        state = "failed" if any(item.transcription_failed for item in items) else "missing"
    unseen = "not given" if view.asked.gives_logprobs else "not asked"
    given = any(item.logprobs for item in items)
    return {"transcription": state, "logprobs": "given" if given else unseen}


def _unscored(view: SessionView, taking: TurnTaking, state: str) -> str | None:
    """Why there is nothing to score."""
    turn = taking.turn
    if state != "completed":
        return f"no transcript: {state}" if _items_of(taking) or state == "not asked" else "no transcript: never heard"
    if turn.text is None:
        return "no reference text"
    if taking.merged:
        return "one item spans this turn and another"
    if view.recording.audio_ms < turn.speech_ms[-1].end_ms:
        return "the turn was not played to its end"
    return None


def _logprob_columns(items: Sequence[InputItem]) -> Row:
    logprobs = [token.logprob for item in items for token in item.logprobs or () if math.isfinite(token.logprob)]
    if not logprobs:
        return {}
    first = items[0].logprobs[0].logprob if items[0].logprobs else math.nan
    mean = math.fsum(logprobs) / len(logprobs)
    return {
        "n_tokens": len(logprobs),
        "mean_logprob": mean,
        "min_logprob": min(logprobs),
        "confidence": math.exp(min(mean, 0.0)),
        "first_token_logprob": first if math.isfinite(first) else None,
    }
