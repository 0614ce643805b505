"""The row of one response, whatever began it; a response begun by a cut is premature, and stands here with its lead."""

from __future__ import annotations

from realtime_lab.analysis.columns import RESPONSES
from realtime_lab.analysis.facts import InputItem, ResponseFacts
from realtime_lab.analysis.view import Row, SessionView, difference, received_ms

__all__ = ["USAGE_NAMES", "audible_at", "response_clocks", "response_row", "usage_columns"]

_NAMES = tuple(entry.name for entry in RESPONSES)
USAGE_NAMES = tuple(entry.name for entry in RESPONSES if entry.unit == "tokens")
"""Columns that count what a response was billed for."""


def response_row(view: SessionView, response: ResponseFacts) -> Row:
    """The row of a response."""
    item = None if response.cause is None else view.items.get(response.cause)
    kind, taking = view.cause(item)
    end_ms = None if taking is None else taking.turn.speech_ms[-1].end_ms
    sent_ms = None if end_ms is None else view.sent_at(end_ms)
    row: Row = dict.fromkeys(_NAMES)
    row.update(
        response_id=response.response_id,
        turn=None if taking is None else taking.turn.index,
        cause=kind,
        item_id=None if item is None else item.item_id,
        premature=kind == "cut",
        lead_ms=difference(sent_ms, received_ms(response.created)) if kind == "cut" else None,
        endpoint_delay_ms=None if item is None or not item.detected else difference(item.audio_end_ms, end_ms),
        latency_ms=difference(audible_at(response), sent_ms),
        created_ms=received_ms(response.created),
        audio_ms=sum(piece.length_ms for piece in response.pieces.values()) if response.pieces else None,
        modality="audio" if response.pieces else "text" if response.first_text else "none",
        status=response.status,
        status_reason=response.status_reason,
        truncated=response.truncated,
    )
    row.update(response_clocks(item, response))
    row.update(usage_columns(response))
    return row


def response_clocks(item: InputItem | None, response: ResponseFacts) -> Row:
    """Times that start inside the server's own work; the first output is audio, or text in text mode.

    Args:
        item: The input item that began the response.
        response: The response.
    """
    pieces = response.ordered_pieces()
    first = pieces[0].at_ms if pieces else received_ms(response.first_text)
    return {
        "leading_silence_ms": _leading_silence_ms(response),
        "from_speech_stopped_ms": difference(first, None if item is None else received_ms(item.stopped)),
        "from_response_created_ms": difference(first, received_ms(response.created)),
    }


def audible_at(response: ResponseFacts | None) -> float | None:
    """Wall time at which a response's first audible sample was received; None when nothing audible was."""
    pieces = () if response is None else response.ordered_pieces()
    return next((piece.at_ms for piece in pieces if piece.audible_ms is not None), None)


def _leading_silence_ms(response: ResponseFacts) -> float | None:
    silence_ms = 0.0
    for piece in response.ordered_pieces():
        if piece.audible_ms is not None:
            return silence_ms + piece.audible_ms
        silence_ms += piece.length_ms
    return None


def usage_columns(response: ResponseFacts) -> Row:
    """What response.done bills, by modality; null where it does not say."""
    row: Row = dict.fromkeys(USAGE_NAMES)
    usage = None if response.final is None else response.final.usage
    if usage is None:
        return row
    row.update(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    heard, spoken = usage.input_token_details, usage.output_token_details
    if heard is not None:
        cached = heard.cached_tokens_details or {}
        row.update(
            input_text_tokens=heard.text_tokens,
            input_audio_tokens=heard.audio_tokens,
            cached_tokens=heard.cached_tokens,
            cached_text_tokens=cached.get("text_tokens"),
            cached_audio_tokens=cached.get("audio_tokens"),
        )
    if spoken is not None:
        row.update(output_text_tokens=spoken.text_tokens, output_audio_tokens=spoken.audio_tokens)
    return row
