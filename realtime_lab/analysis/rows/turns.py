"""The row of one reference turn and of one response, to the letter of the columns' definitions.

A turn that was cut has no latency from its end here: what the server did then stands in the rows of its responses,
sign and all. No latency is ever clamped. A response begun by a cut is premature, and has its lead in its row.
"""

from __future__ import annotations

from realtime_lab.analysis.columns import RESPONSES, TURNS
from realtime_lab.analysis.rows.facts import InputItem, ResponseFacts
from realtime_lab.analysis.rows.reading import Row, SessionView, difference, received_ms
from realtime_lab.analysis.rows.taking import TurnTaking
from realtime_lab.analysis.rows.transcription import silence_columns, transcription_columns
from realtime_lab.recording.events import ReferenceTurn

_RESPONSE_NAMES = tuple(entry.name for entry in RESPONSES)
USAGE_NAMES = tuple(entry.name for entry in RESPONSES if entry.unit == "tokens")
"""Columns that count what a response was billed for."""


def response_row(view: SessionView, response: ResponseFacts) -> Row:
    """The row of a response."""
    item = None if response.cause is None else view.items.get(response.cause)
    kind, taking = view.cause(item)
    end_ms = None if taking is None else taking.turn.speech_ms[-1].end_ms
    sent_ms = None if end_ms is None else view.sent_at(end_ms)
    row: Row = dict.fromkeys(_RESPONSE_NAMES)
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


_TURN_NAMES = tuple(entry.name for entry in TURNS)


def excluded_row(view: SessionView, turn: ReferenceTurn) -> Row:
    """The row of a turn in which, by its reference, nobody speaks."""
    row: Row = dict.fromkeys(_TURN_NAMES)
    row.update(turn=turn.index, outcome="excluded", outcome_reason="the reference has no speech")
    row.update(speaker=turn.speaker, reference_text=turn.text, **silence_columns(view, turn))
    return row


def turn_row(view: SessionView, taking: TurnTaking) -> Row:
    """The row of a turn with speech."""
    turn, closing = taking.turn, taking.closing
    response = next(iter(view.begun_by(closing)), None)
    outcome, reason = _outcome(view, taking, response)
    row: Row = dict.fromkeys(_TURN_NAMES)
    row.update(
        turn=turn.index,
        outcome=outcome,
        outcome_reason=reason,
        start_ms=turn.speech_ms[0].start_ms,
        end_ms=turn.speech_ms[-1].end_ms,
        n_holds=taking.n_holds,
        n_cut_holds=taking.n_cut_holds,
        n_cuts=len(taking.cuts),
        cut=taking.cut,
        merged=taking.merged,
        false_starts=taking.false_starts,
        observed_ms=_observed_ms(view, turn, outcome, failed=response is not None and response.done is not None),
        onset_clip_ms=_onset_clip_ms(taking),
        yield_latency_ms=_yield_latency_ms(view, taking),
        item_id=None if closing is None else closing.item_id,
        speaker=turn.speaker,
        reference_text=turn.text,
        awaits_endpoint=view.asked.finds_endpoints,
        awaits_response=view.asked.responds,
        awaits_audio=view.asked.speaks,
        awaits_transcription=view.asked.transcribes,
        has_clocks=view.has_clocks,
    )
    row.update(_response_columns(view, taking, response))
    row.update(transcription_columns(view, taking))
    row.update(silence_columns(view, turn))
    if closing is not None and not taking.cut:
        row.update(_latencies(view, turn, closing, response))
    return row


def _outcome(view: SessionView, taking: TurnTaking, response: ResponseFacts | None) -> tuple[str, str | None]:
    closed, turn = taking.closing is not None, taking.turn
    if closed and (not view.asked.responds or (response is not None and response.first_output is not None)):
        return "answered", None
    if response is not None and response.done is not None and response.status != "completed":
        why = f": {response.status_reason}" if response.status_reason else ""
        return "missed", f"response {response.status} before any output{why}"
    what = "response" if closed else "endpoint"
    # When the next turn has begun, the script gave this one no more time than it had. Audio ends on a whole frame.
    went_on = turn.index != view.takings[-1].turn.index
    frame_ms = max((run.frame_ms for run in view.recording.appends), default=0.0)
    if turn.complete and (went_on or view.recording.audio_ms + frame_ms >= turn.deadline_ms):
        return "missed", f"no {what} before the deadline"
    return "censored", f"the observation ended before the {what}"


def _response_columns(view: SessionView, taking: TurnTaking, response: ResponseFacts | None) -> Row:
    premature = sum(len(view.begun_by(item)) for item in taking.cuts)
    others = sum(len(view.begun_by(item)) for item in (taking.closing, *taking.late))
    row: Row = {"n_responses": premature + others, "n_premature": premature}
    if response is not None:
        row.update(
            response_id=response.response_id,
            response_status=response.status,
            truncated=response.truncated,
            output_tokens=usage_columns(response)["output_tokens"],
            **response_clocks(taking.closing, response),
        )
    return row


def _latencies(view: SessionView, turn: ReferenceTurn, closing: InputItem, response: ResponseFacts | None) -> Row:
    end_ms = turn.speech_ms[-1].end_ms
    sent_ms = view.sent_at(end_ms)
    stopped, committed = received_ms(closing.stopped), received_ms(closing.committed)
    created = None if response is None else received_ms(response.created)
    first_output = None if response is None else received_ms(response.first_output)
    delay_ms = difference(closing.audio_end_ms, end_ms) if closing.detected else None
    endpoint_ms = difference(stopped, sent_ms)
    return {
        "endpoint_delay_ms": delay_ms,
        "endpoint_latency_ms": endpoint_ms,
        "response_latency_ms": difference(audible_at(response), sent_ms),
        "first_byte_latency_ms": difference(first_output, sent_ms),
        "transcription_latency_ms": difference(received_ms(closing.transcribed), sent_ms),
        "endpoint_lag_ms": difference(endpoint_ms, delay_ms),
        "commit_lag_ms": difference(committed, stopped),
        "created_lag_ms": difference(created, committed),
        "first_byte_lag_ms": difference(first_output, created),
        "audible_lag_ms": difference(audible_at(response), first_output),
    }


def _observed_ms(view: SessionView, turn: ReferenceTurn, outcome: str, failed: bool) -> float | None:
    """How long an unanswered turn was watched: to its deadline, to the next turn or to the end of the audio.

    A response that failed was watched for good: it would never have been heard, however long one had waited.
    """
    if outcome not in ("missed", "censored"):
        return None
    end_ms = turn.speech_ms[-1].end_ms
    if failed:
        return turn.deadline_ms - end_ms
    starts = (taking.turn.speech_ms[0].start_ms for taking in view.takings)
    following = min((start for start in starts if start > end_ms), default=view.recording.audio_ms)
    return max(0.0, min(following, turn.deadline_ms, view.recording.audio_ms) - end_ms)


def _onset_clip_ms(taking: TurnTaking) -> float | None:
    first = next((entry.item for entry in taking.items), None)
    if first is None or first.audio_start_ms is None:
        return None
    return max(0.0, first.audio_start_ms - taking.turn.speech_ms[0].start_ms)


def _yield_latency_ms(view: SessionView, taking: TurnTaking) -> float | None:
    """Of the first onset in the turn that fell into a response."""
    for part in taking.turn.speech_ms:
        onset_ms = view.sent_at(part.start_ms)
        if onset_ms is None:
            continue
        ends = (_yielded_at(response, onset_ms) for response in view.responses)
        if (end_ms := min((end for end in ends if end is not None), default=None)) is not None:
            return end_ms - onset_ms
    return None


def _yielded_at(response: ResponseFacts, onset_ms: float) -> float | None:
    """When a response under way at wall time `onset_ms` fell silent: its cancellation, or its last audio."""
    created_ms = received_ms(response.created)
    if created_ms is None or created_ms > onset_ms:
        return None
    if response.status == "cancelled":
        end_ms = received_ms(response.done)
    else:
        end_ms = max((piece.at_ms for piece in response.pieces.values() if piece.at_ms is not None), default=None)
    return end_ms if end_ms is not None and end_ms > onset_ms else None
