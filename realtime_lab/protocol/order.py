"""The order checker: does a session's stream of server events keep the documented order?

The theory. One VAD turn of one input item: speech_started, speech_stopped, committed, item added, item done. One
response: created, then per output item output_item.added, item added, per part content_part.added, deltas, the
stream's own done, content_part.done, then item done and output_item.done (the beta had them the other way round), and
response.done last. Nothing of a response comes before its created or after its done; audio time never runs backwards;
rate limits, errors and transcription may stand anywhere (what ends a transcription after its item's commit; text may be
streamed while the caller speaks). A cancelled or failed response may end at any point, with response.done still last. A
client's commit, its clearing of the buffer and turn detection that is switched off end open speech without
speech_stopped; a deleted item's id may be used again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.protocol import events as ev

_INPUT_STEPS = {"started": 0, "stopped": 1, "committed": 2, "added": 3, "done": 4}
_PARTS = (
    ev.ContentPartAdded,
    ev.TextDelta,
    ev.TextDone,
    ev.AudioDelta,
    ev.AudioDone,
    ev.AudioTranscriptDelta,
    ev.AudioTranscriptDone,
    ev.ContentPartDone,
)


@dataclass
class _ResponseState:
    open_items: dict[str, str] = field(default_factory=dict)
    """Item id -> the furthest step it reached: added, part, stream_done, part_done, done."""
    done: bool = False


@dataclass
class _Checker:
    violations: list[str] = field(default_factory=list)
    input_step: dict[str, int] = field(default_factory=dict)
    last_audio_ms: float = 0.0
    open_speech: str | None = None
    responses: dict[str, _ResponseState] = field(default_factory=dict)
    started: bool = False
    deleted: set[str] = field(default_factory=set)

    def say(self, position: int, text: str) -> None:
        self.violations.append(f"event {position}: {text}")


def check_order(events: Iterable[ev.AnyEvent]) -> list[str]:
    """Check one session's server events, in the order they were received.

    Args:
        events: Server events of one session; client events are skipped.

    Returns:
        One sentence per violation; empty when the order is as documented.
    """
    checker = _Checker()
    for position, event in enumerate(events):
        if isinstance(event, ev.ClientEvent | ev.UnknownEvent):
            continue
        if not checker.started and not isinstance(event, (ev.SessionCreated, ev.ErrorEvent)):
            checker.say(position, f"{ev.event_type(event)} before session.created")
        checker.started = True
        _check_input(checker, position, event)
        _check_response(checker, position, event)
    return checker.violations


def _check_input(checker: _Checker, position: int, event: ev.AnyEvent) -> None:
    match event:
        case ev.SpeechStarted():
            if checker.open_speech is not None:
                checker.say(position, f"speech_started while {checker.open_speech} still has speech")
            checker.open_speech = event.item_id
            _step(checker, position, event.item_id, "started")
        case ev.SpeechStopped():
            if checker.open_speech != event.item_id:
                checker.say(position, f"speech_stopped for {event.item_id}, which has no open speech")
            checker.open_speech = None
            if event.audio_end_ms is not None:
                _audio_time(checker, position, event.audio_end_ms)
            _step(checker, position, event.item_id, "stopped")
        case ev.InputAudioCommitted():
            if checker.open_speech == event.item_id:
                checker.open_speech, checker.input_step[event.item_id] = None, _INPUT_STEPS["stopped"]
            _step(checker, position, event.item_id, "committed")
        case ev.InputAudioCleared():
            checker.open_speech = None
        case ev.SessionUpdated() if not _detects_turns(event.session):
            checker.open_speech = None
        case ev.ItemDeleted():
            checker.deleted.add(event.item_id)
        case ev.ItemAdded() | ev.ItemDone() if event.item.role == "user":
            step = "added" if isinstance(event, ev.ItemAdded) else "done"
            _step(checker, position, str(event.item.id), step)
        case ev.ItemCreated() if checker.input_step.get(str(event.item.id)) == _INPUT_STEPS["committed"]:
            _step(checker, position, str(event.item.id), "added")  # Azure Voice Live's name, with item done after it
        case ev.TranscriptionCompleted() | ev.TranscriptionFailed():
            if checker.input_step.get(event.item_id, -1) < _INPUT_STEPS["committed"]:
                checker.say(position, f"transcription of {event.item_id} before its commit")
        case _:
            pass


def _detects_turns(session: dict[str, Any]) -> bool:
    audio = session.get("audio")
    heard = audio.get("input") if isinstance(audio, dict) else session
    return not isinstance(heard, dict) or heard.get("turn_detection", True) is not None


def _audio_time(checker: _Checker, position: int, audio_ms: float) -> None:
    if audio_ms < checker.last_audio_ms:
        checker.say(position, f"audio time runs back from {checker.last_audio_ms} to {audio_ms} ms")
    checker.last_audio_ms = audio_ms


def _step(checker: _Checker, position: int, item_id: str, step: str) -> None:
    wanted = _INPUT_STEPS[step]
    anew = step == "added" and item_id in checker.deleted
    reached = None if anew else checker.input_step.get(item_id)
    starts = {_INPUT_STEPS["started"], _INPUT_STEPS["committed"], _INPUT_STEPS["added"]}
    if (reached is None and wanted not in starts) or (reached is not None and wanted != reached + 1):
        checker.say(position, f"input item {item_id} reaches '{step}' out of order")
    checker.input_step[item_id] = wanted


def _check_response(checker: _Checker, position: int, event: ev.AnyEvent) -> None:
    match event:
        case ev.ResponseCreated():
            if event.response.id in checker.responses:
                checker.say(position, f"response {event.response.id} created twice")
            checker.responses[event.response.id] = _ResponseState()
        case ev.ResponseDone():
            state = _open_response(checker, position, event.response.id, "response.done")
            if state is not None:
                unfinished = [key for key, step in state.open_items.items() if step != "done"]
                if event.response.status == "completed" and unfinished:
                    checker.say(position, f"response {event.response.id} completed with open item {unfinished[0]}")
                state.done = True
        case ev.OutputItemAdded() | ev.OutputItemDone():
            _output_item(checker, position, event)
        case ev.FunctionArgumentsDelta() | ev.FunctionArgumentsDone():
            _part(checker, position, event.response_id, event.item_id, "part")
        case _ if isinstance(event, _PARTS):
            _part(checker, position, event.response_id, event.item_id, _part_step(event))
        case _:
            pass


def _open_response(checker: _Checker, position: int, response_id: str, what: str) -> _ResponseState | None:
    state = checker.responses.get(response_id)
    if state is None:
        checker.say(position, f"{what} before response.created of {response_id}")
    elif state.done:
        checker.say(position, f"{what} after response.done of {response_id}")
    return state


def _output_item(checker: _Checker, position: int, event: ev.OutputItemAdded | ev.OutputItemDone) -> None:
    state = _open_response(checker, position, event.response_id, ev.event_type(event))
    if state is None:
        return
    item_id = str(event.item.id)
    adding = isinstance(event, ev.OutputItemAdded)
    if adding == (item_id in state.open_items):
        checker.say(position, f"{ev.event_type(event)} of {item_id} out of order")
    state.open_items[item_id] = "added" if adding else "done"


def _part_step(event: object) -> str:
    if isinstance(event, ev.ContentPartAdded):
        return "part"
    return "part_done" if isinstance(event, ev.ContentPartDone) else "stream"


_ALLOWED_BEFORE = {
    "part": {"added", "part", "part_done"},
    "stream": {"part", "stream"},
    "part_done": {"part", "stream"},
}


def _part(checker: _Checker, position: int, response_id: str, item_id: str, step: str) -> None:
    state = _open_response(checker, position, response_id, f"a {step} event")
    if state is None:
        return
    reached = state.open_items.get(item_id)
    if reached not in _ALLOWED_BEFORE[step]:
        checker.say(position, f"content of {item_id} ({step}) after '{reached}'")
    state.open_items[item_id] = step
