"""One recording to rows: turns, responses, tokens, and the trial's own figures, as `columns` declares them.

Plain Python, without pandas, because workers run it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from realtime_lab.analysis.columns import TRIALS
from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.reading import Row, SessionView
from realtime_lab.analysis.rows.transcription import spans_in_turn, token_bytes
from realtime_lab.analysis.rows.turns import USAGE_NAMES, excluded_row, response_row, turn_row
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.recording.events import Recording

_SERVERS_OWN = ("id", "object", "expires_at")
"""What differs from session to session and is no configuration."""


class SessionRows(NamedTuple):
    """One session as rows; every row has every column of its table, in the table's order."""

    turns: list[Row]
    """One per reference turn."""
    responses: list[Row]
    """One per response."""
    tokens: list[Row]
    """One per transcription token with a log-probability."""
    trials: list[Row]
    """One: the session as a whole."""


def session_rows(recording: Recording) -> SessionRows:
    """Compute every metric of one recording.

    Args:
        recording: A session, whole or broken off; its events in any order, each any number of times.

    Returns:
        Its rows, a function of the recording alone.
    """
    view = SessionView(recording)
    takings = {taking.turn.index: taking for taking in view.takings}
    turns = [
        turn_row(view, takings[turn.index]) if turn.index in takings else excluded_row(view, turn)
        for turn in recording.reference
    ]
    responses = [response_row(view, response) for response in view.responses]
    return SessionRows(turns, responses, _token_rows(view), [_trial_row(view, responses)])


def _token_rows(view: SessionView) -> list[Row]:
    rows: list[Row] = []
    spans = {item_id: found for taking in view.takings for item_id, found in spans_in_turn(taking).items()}
    for item in sorted(view.items.values(), key=_by_commit):
        taking = view.cause(item).taking
        placed = spans.get(item.item_id)
        for index, token in enumerate(item.logprobs or ()):
            start, end = (None, None) if placed is None else placed[index]
            rows.append(
                {
                    "turn": None if taking is None else taking.turn.index,
                    "item_id": item.item_id,
                    "token_index": index,
                    "token": token.token,
                    "logprob": token.logprob if math.isfinite(token.logprob) else None,
                    "bytes_hex": token_bytes(token).hex(),
                    "char_start": start,
                    "char_end": end,
                }
            )
    return rows


def _by_commit(item: InputItem) -> tuple[float, str]:
    return (math.inf if item.committed is None else item.committed.rank), item.item_id


def _trial_row(view: SessionView, responses: list[Row]) -> Row:
    header = view.recording.header
    row: Row = dict.fromkeys(entry.name for entry in TRIALS)
    row.update(
        outcome=header.outcome,
        failure=header.failure,
        timing=header.timing,
        reference_source=header.reference_source,
        vad=header.engine.get("vad"),
        transcription_engine=header.engine.get("transcription"),
        segments=" ".join(header.segments) or None,
        profile=header.engine.get("profile"),
        differences=_differences(header.requested, header.effective),
        audio_s=view.recording.audio_ms / 1000.0,
        n_turns=len(view.recording.reference),
        n_responses=len(responses),
        n_false_starts=sum(taking.false_starts for taking in view.takings),
    )
    for name in USAGE_NAMES:
        row[name] = _total(response[name] for response in responses)
    billed = [item.usage for item in view.items.values() if item.usage is not None]
    row["transcription_input_tokens"] = _total(usage.input_tokens for usage in billed)
    row["transcription_output_tokens"] = _total(usage.output_tokens for usage in billed)
    row["transcription_s"] = _total(usage.seconds for usage in billed)
    return row


def _differences(requested: Mapping[str, Any], effective: Mapping[str, Any] | None) -> str | None:
    """What the server says otherwise than asked, field by field; None where nothing is, or it says nothing."""
    if effective is None:
        return None
    said = {name: value for name, value in effective.items() if name not in _SERVERS_OWN}
    return _difference_text(json.dumps(requested, sort_keys=True), json.dumps(said, sort_keys=True))


@lru_cache(maxsize=512)
def _difference_text(requested: str, effective: str) -> str | None:
    try:
        asked, said = (SessionConfig.from_wire(json.loads(text), strict=False) for text in (requested, effective))
    except ConfigError:
        return None
    return "; ".join(map(str, asked.diff(said))) or None


def _total(values: Iterable[Any]) -> Any:
    """Sum of the numbers among the values; None without any."""
    known = [value for value in values if isinstance(value, (int, float))]
    return sum(known) if known else None
