"""Events folded into facts: one record per input item and one per response, keyed by their ids.

The fold takes events in any order and any number of times. A fact about when something was received is the earliest
time it was; everything else is read from the events' own ids and offsets, never from their place in the log. What
the facts mean for turns is decided in `endpointing` and `rows`.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ, first_audible_sample
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import AudioRef, Item, Response, TokenLogprob, TranscriptionUsage
from realtime_lab.recording.events import Recording


class Received(NamedTuple):
    """When an event came: its wall time, and its rank for logs without times."""

    rank: float
    """The wall time, or the position in the log where there is none."""
    at_ms: float | None
    """Wall time; None in a log without clocks."""


class AudioPiece(NamedTuple):
    """One delta of output audio."""

    rank: float
    place: tuple[int, int, int]
    """Output index, content index, offset: the order of deltas that came at once."""
    at_ms: float | None
    length_ms: float
    audible_ms: float | None
    """First audible sample, ms from the piece's start; None when silent throughout."""


@dataclass
class InputItem:
    """One stretch of input audio that the server made an item of."""

    item_id: str
    audio_start_ms: float | None = None
    audio_end_ms: float | None = None
    started: Received | None = None
    stopped: Received | None = None
    committed: Received | None = None
    implied: Received | None = None
    """When it must have been taken, where the server only answered it: the client's commit, or the response."""
    client_commit: bool = False
    """Committed by the client, so that audio_end_ms is where its audio ended."""
    announced: bool = True
    """The server said where it ends; if not, audio_end_ms is how much it had been sent when it acted."""
    timed_out: bool = False
    """Made by the idle timeout."""
    transcript: str | None = None
    transcribed: Received | None = None
    transcription_failed: bool = False
    logprobs: list[TokenLogprob] | None = None
    usage: TranscriptionUsage | None = None

    @property
    def detected(self) -> bool:
        """Its end is a finding of turn detection, so that it can be early or late."""
        return self.announced and not self.client_commit


@dataclass
class ResponseFacts:
    """One response."""

    response_id: str
    created: Received | None = None
    done: Received | None = None
    final: Response | None = None
    first_output: Received | None = None
    """First delta of any kind."""
    first_text: Received | None = None
    pieces: dict[object, AudioPiece] = field(default_factory=dict)
    """Output audio, each delta once."""
    output_ids: set[str] = field(default_factory=set)
    cause: str | None = None
    """Input item that began it."""

    def ordered_pieces(self) -> list[AudioPiece]:
        """Output audio in the order it was received."""
        return sorted(self.pieces.values(), key=lambda piece: (piece.rank, piece.place))

    @property
    def begun(self) -> Received | None:
        """Its creation; where the server does not announce one, the first that was heard of it."""
        heard = [one for one in (self.first_output, self.done) if one is not None]
        return self.created or min(heard, default=None)

    @property
    def status(self) -> str:
        """As response.done says; in_progress before it."""
        return self.final.status if self.final is not None else "in_progress"

    @property
    def status_reason(self) -> str | None:
        """Why it ended so: the reason, or the code of the error."""
        details = self.final.status_details if self.final is not None else None
        if details is None:
            return None
        if isinstance(details.reason, str):
            return details.reason
        error = details.error if isinstance(details.error, dict) else {}
        code = error.get("code") or error.get("type")
        return None if code is None else str(code)

    @property
    def truncated(self) -> bool:
        """It hit max_output_tokens."""
        return self.status == "incomplete" and self.status_reason == "max_output_tokens"


@dataclass
class SessionFacts:
    """Everything the metrics of one session are made of."""

    items: dict[str, InputItem] = field(default_factory=dict)
    responses: dict[str, ResponseFacts] = field(default_factory=dict)
    previous: dict[str, str | None] = field(default_factory=dict)
    """Conversation item -> the item before it, where an event said so."""
    client_commits: list[Received] = field(default_factory=list)

    def item(self, item_id: str) -> InputItem:
        """The input item of this id, made when first met."""
        return self.items.setdefault(item_id, InputItem(item_id))

    def response(self, response_id: str) -> ResponseFacts:
        """The response of this id, made when first met."""
        return self.responses.setdefault(response_id, ResponseFacts(response_id))


def gather_facts(recording: Recording) -> SessionFacts:
    """Fold a recording's events.

    Returns:
        The facts; each response's cause is the input item that its first output item follows
        (`previous_item_id`), or, where no event says which, the item committed last before response.created. An
        input item that a server answers without a word about it is called unannounced_1, and so on.
    """
    facts = SessionFacts()
    for position, entry in enumerate(recording.events):
        fold = _FOLDS.get(type(entry.event))
        if fold is not None:
            rank = float(position) if entry.t_ms is None else entry.t_ms
            fold(facts, entry.event, Received(rank, entry.t_ms))
    _close_client_items(facts, recording)
    _close_silent_items(facts, recording)
    for response in facts.responses.values():
        response.cause = _cause(facts, response)
    return facts


def _first(known: Received | None, now: Received) -> Received:
    return now if known is None or now.rank < known.rank else known


def _started(facts: SessionFacts, event: ev.SpeechStarted, now: Received) -> None:
    item = facts.item(event.item_id)
    item.audio_start_ms, item.started = event.audio_start_ms, _first(item.started, now)


def _stopped(facts: SessionFacts, event: ev.SpeechStopped, now: Received) -> None:
    item = facts.item(event.item_id)
    item.audio_end_ms, item.stopped = event.audio_end_ms, _first(item.stopped, now)


def _committed(facts: SessionFacts, event: ev.InputAudioCommitted, now: Received) -> None:
    item = facts.item(event.item_id)
    item.committed = _first(item.committed, now)
    if event.previous_item_id is not None:
        facts.previous[event.item_id] = event.previous_item_id


def _timed_out(facts: SessionFacts, event: ev.TimeoutTriggered, now: Received) -> None:
    item = facts.item(event.item_id)
    item.timed_out, item.audio_start_ms = True, event.audio_start_ms


def _client_commit(facts: SessionFacts, event: ev.InputAudioCommit, now: Received) -> None:
    facts.client_commits.append(now)


def _transcribed(facts: SessionFacts, event: ev.TranscriptionCompleted, now: Received) -> None:
    item = facts.item(event.item_id)
    item.transcript, item.transcribed = event.transcript, _first(item.transcribed, now)
    item.logprobs = event.logprobs if isinstance(event.logprobs, list) else None
    item.usage = event.usage if isinstance(event.usage, TranscriptionUsage) else None


def _transcription_failed(facts: SessionFacts, event: ev.TranscriptionFailed, now: Received) -> None:
    facts.item(event.item_id).transcription_failed = True


def _conversation_item(facts: SessionFacts, event: ev.ItemAdded | ev.ItemDone | ev.ItemCreated, now: Received) -> None:
    if isinstance(event.item.id, str) and isinstance(event.previous_item_id, str):
        facts.previous[event.item.id] = event.previous_item_id


def _created(facts: SessionFacts, event: ev.ResponseCreated, now: Received) -> None:
    response = facts.response(event.response.id)
    response.created = _first(response.created, now)


def _done(facts: SessionFacts, event: ev.ResponseDone, now: Received) -> None:
    response = facts.response(event.response.id)
    response.done, response.final = _first(response.done, now), event.response
    for item in event.response.output:
        _output_id(response, item)


def _output_item(facts: SessionFacts, event: ev.OutputItemAdded | ev.OutputItemDone, now: Received) -> None:
    _output_id(facts.response(event.response_id), event.item)


def _output_id(response: ResponseFacts, item: Item) -> None:
    if isinstance(item.id, str):
        response.output_ids.add(item.id)


def _delta(
    facts: SessionFacts, event: ev.TextDelta | ev.AudioTranscriptDelta | ev.FunctionArgumentsDelta, now: Received
) -> None:
    response = facts.response(event.response_id)
    response.first_output = _first(response.first_output, now)
    response.output_ids.add(event.item_id)
    if isinstance(event, ev.TextDelta):
        response.first_text = _first(response.first_text, now)


def _audio_delta(facts: SessionFacts, event: ev.AudioDelta, now: Received) -> None:
    response = facts.response(event.response_id)
    response.first_output = _first(response.first_output, now)
    response.output_ids.add(event.item_id)
    payload = event.delta
    if isinstance(payload, AudioRef):
        content: object = (payload.sha256, payload.offset_samples)
        offset, rate_hz = payload.offset_samples, payload.rate_hz
        samples, audible = payload.samples, payload.audible_sample
    else:
        content, offset, rate_hz = payload, 0, SAMPLE_RATE_HZ
        samples, audible = _inline_audio(payload)
    per_ms = max(rate_hz, 1) / 1000.0
    key = event.event_id if isinstance(event.event_id, str) else (event.item_id, event.content_index, content)
    piece = AudioPiece(
        now.rank,
        (event.output_index, event.content_index, offset),
        now.at_ms,
        samples / per_ms,
        None if audible is None else audible / per_ms,
    )
    known = response.pieces.get(key)
    if known is None or piece.rank < known.rank:
        response.pieces[key] = piece


def _inline_audio(payload: str) -> tuple[int, int | None]:
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        return 0, None
    pcm = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
    return len(pcm), first_audible_sample(pcm.astype(np.int16))


_FOLDS: dict[type, Callable[[SessionFacts, Any, Received], None]] = {
    ev.SpeechStarted: _started,
    ev.SpeechStopped: _stopped,
    ev.InputAudioCommitted: _committed,
    ev.TimeoutTriggered: _timed_out,
    ev.InputAudioCommit: _client_commit,
    ev.TranscriptionCompleted: _transcribed,
    ev.TranscriptionFailed: _transcription_failed,
    ev.ItemAdded: _conversation_item,
    ev.ItemDone: _conversation_item,
    ev.ItemCreated: _conversation_item,
    ev.ResponseCreated: _created,
    ev.ResponseDone: _done,
    ev.OutputItemAdded: _output_item,
    ev.OutputItemDone: _output_item,
    ev.TextDelta: _delta,
    ev.AudioTranscriptDelta: _delta,
    ev.FunctionArgumentsDelta: _delta,
    ev.AudioDelta: _audio_delta,
}


def _close_client_items(facts: SessionFacts, recording: Recording) -> None:
    """An item that the client committed ends where the audio had got to when it did."""
    for item in facts.items.values():
        if item.audio_end_ms is not None or item.committed is None or item.timed_out:
            continue
        asked = [commit for commit in facts.client_commits if commit.rank <= item.committed.rank]
        if not asked:
            continue
        at_ms = max(asked).at_ms
        item.client_commit = True
        item.audio_end_ms = None if at_ms is None else _appended_by(recording, at_ms)


def _close_silent_items(facts: SessionFacts, recording: Recording) -> None:
    """Some servers say nothing of where an input item ends, or of the item at all: what they answered must be one."""
    for item in facts.items.values():
        taken = item.stopped or item.committed
        if item.audio_end_ms is None and taken is not None and not item.timed_out and taken.at_ms is not None:
            item.audio_end_ms, item.announced = _appended_by(recording, taken.at_ms), False
    silent = not any(item.stopped or item.committed for item in facts.items.values())
    begun = sorted(response.begun for response in facts.responses.values() if response.begun is not None)
    since = -math.inf
    for response in begun:
        asked = [commit for commit in facts.client_commits if since < commit.rank <= response.rank]
        if asked and not _taken_between(facts, max(asked), response):
            _imply(facts, recording, max(asked), by_client=True)
        elif silent and not facts.client_commits:
            _imply(facts, recording, response, by_client=False)
        since = response.rank


def _taken_between(facts: SessionFacts, first: Received, last: Received) -> bool:
    taken = (item.committed for item in facts.items.values() if item.committed is not None)
    return any(first.rank <= commit.rank <= last.rank for commit in taken)


def _imply(facts: SessionFacts, recording: Recording, at: Received, *, by_client: bool) -> None:
    """Note the item that must have been taken at `at`: the one whose start was announced last, or a nameless one."""
    started = [item for item in facts.items.values() if item.implied is None and item.started is not None]
    before = [item for item in started if item.started is not None and item.started.rank <= at.rank]
    if before and not by_client:
        item = max(before, key=lambda one: one.started or at)
    else:
        count = sum(name.startswith("unannounced_") for name in facts.items)
        item = facts.item(f"unannounced_{count + 1}")
    item.implied, item.client_commit, item.announced = at, by_client, False
    item.audio_end_ms = None if at.at_ms is None else _appended_by(recording, at.at_ms)


def _appended_by(recording: Recording, at_ms: float) -> float:
    """Audio time appended by wall time `at_ms`."""
    reached = 0.0
    for run in recording.appends:
        if run.sent_ms is None:
            whole_frames_ms = math.floor(at_ms / run.frame_ms) * run.frame_ms
            reached = max(reached, min(run.end_ms, whole_frames_ms)) if whole_frames_ms >= run.start_ms else reached
        else:
            frames = sum(sent_ms <= at_ms for sent_ms in run.sent_ms)
            reached = max(reached, min(run.end_ms, run.start_ms + frames * run.frame_ms)) if frames else reached
    return reached


def _cause(facts: SessionFacts, response: ResponseFacts) -> str | None:
    before = {facts.previous[item] for item in response.output_ids if item in facts.previous} - response.output_ids
    if before:
        return next((item for item in sorted(filter(None, before)) if item in facts.items), None)
    if response.begun is None:
        return None
    commits = [
        (taken.rank, item.item_id)
        for item in facts.items.values()
        if (taken := item.committed or item.stopped or item.implied) is not None and taken.rank <= response.begun.rank
    ]
    return max(commits)[1] if commits else None
