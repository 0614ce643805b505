"""Rows of a screen: what turn detection alone decides, the same whether a session was held or endpointing computed.

A screen asks for no responses and no transcripts, so those columns are null and nothing is awaited in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from realtime_lab.analysis.columns import TRIALS, TURNS
from realtime_lab.analysis.rows.asked import Asked
from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.reading import Row
from realtime_lab.analysis.rows.session import SessionRows
from realtime_lab.analysis.rows.taking import TurnTaking, take_turns
from realtime_lab.recording.events import ReferenceTurn

SCREENED = tuple(
    "turn outcome n_holds n_cut_holds n_cuts cut merged false_starts endpoint_delay_ms onset_clip_ms speaker "
    "reference_text awaits_endpoint".split()
)
"""Columns of a turn that a screen fills."""
_OF_TRIAL = tuple("outcome failure timing reference_source vad profile n_turns n_false_starts vectorised".split())
_TOLERANCE_MS = 1e-6
"""Times are sums of 1/24 ms in another order: their last digits may differ."""


def screened(rows: SessionRows) -> SessionRows:
    """The rows of a session as a screen keeps them."""
    turns = [_row(TURN_NAMES, {name: row[name] for name in SCREENED}, awaited=False) for row in rows.turns]
    trial = {name: rows.trials[0].get(name) for name in _OF_TRIAL} | {"vectorised": False}
    return SessionRows(turns, [], [], [_row(TRIAL_NAMES, trial)])


TURN_NAMES = tuple(entry.name for entry in TURNS)
TRIAL_NAMES = tuple(entry.name for entry in TRIALS)


def _row(names: Sequence[str], values: Row, awaited: bool | None = None) -> Row:
    row: Row = dict.fromkeys(names)
    if awaited is not None:
        row.update(awaits_response=awaited, awaits_audio=awaited, awaits_transcription=awaited, has_clocks=awaited)
    row.update(values)
    return row


def screened_turn(turn: ReferenceTurn, items: Sequence[InputItem], asked: Asked) -> Row:
    """The row of a turn whose endpoint came in time, as a session would have it.

    Args:
        turn: The turn, in an audio time that may begin anywhere.
        items: What the server made of it, in the same audio time; the last one closes the turn.
        asked: What the session was asked to do.
    """
    (taking,) = take_turns([turn], items, asked, math.inf)
    closing, cut = taking.closing, taking.cut
    assert closing is not None and closing.audio_end_ms is not None
    values: Row = {
        "turn": turn.index,
        "outcome": "answered",
        "n_holds": taking.n_holds,
        "n_cut_holds": taking.n_cut_holds,
        "n_cuts": len(taking.cuts),
        "cut": cut,
        "merged": taking.merged,
        "false_starts": taking.false_starts,
        "endpoint_delay_ms": None if cut else closing.audio_end_ms - turn.speech_ms[-1].end_ms,
        "onset_clip_ms": _onset_clip_ms(taking),
        "speaker": turn.speaker,
        "reference_text": turn.text,
        "awaits_endpoint": True,
    }
    return _row(TURN_NAMES, values, awaited=False)


def _onset_clip_ms(taking: TurnTaking) -> float | None:
    first = next((entry.item for entry in taking.items), None)
    if first is None or first.audio_start_ms is None:
        return None
    return max(0.0, first.audio_start_ms - taking.turn.speech_ms[0].start_ms)


def screened_trial(turns: Sequence[Row], timing: str, reference_source: str, vad: str, profile: str) -> Row:
    """The row of a trial in which no session was held, from its turns' rows and what a recording would say of it."""
    values: Row = {
        "outcome": "complete",
        "timing": timing,
        "reference_source": reference_source,
        "vad": vad,
        "profile": profile,
        "n_turns": len(turns),
        "n_false_starts": sum(row["false_starts"] for row in turns),
        "vectorised": True,
    }
    return _row(TRIAL_NAMES, values)


def screened_difference(computed: SessionRows, held: SessionRows) -> str | None:
    """Where a screen's rows are not those of the session held for comparison; None when they are.

    Args:
        computed: Rows of the screen.
        held: The session's rows, as `screened` keeps them.
    """
    if len(computed.turns) != len(held.turns):
        return f"{len(computed.turns)} turns, and a session has {len(held.turns)}"
    pairs = [(f"turn {row['turn']}", row, other) for row, other in zip(computed.turns, held.turns, strict=True)]
    pairs += [("the trial", computed.trials[0], held.trials[0] | {"vectorised": True})]
    for place, row, other in pairs:
        for name, value in row.items():
            if not _same(value, other[name]):
                return f"{name} of {place} is {value!r}, and a session has {other[name]!r}"
    return None


def _same(value: object, other: object) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return abs(value - other) <= _TOLERANCE_MS
    return value == other
