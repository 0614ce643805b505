"""The server that listens: client events and audio in, server events with their due times out. No I/O, no clock.

The theory. The engine holds the session's settings, the conversation, the endpointer and at most one active response.
A caller tells it what arrived and when (`receive`, `hear`), asks when it wants to speak next (`next_due_ms`) and
takes what is due (`take_due`). A response's events are all laid out when it is created; cancelling it drops those not
yet taken. Audio reaches it as bytes (behind a socket, frame by frame) or as stretches whose speech probabilities are
known (on the virtual clock); both run the same endpointing and give the same events at the same audio times.

| input | idle | speech open | response active |
|---|---|---|---|
| speech starts | speech_started | - | and, if interrupt_response, the response is cancelled |
| speech stops | - | speech_stopped, committed, item; response if create_response | error if one is still active |
| commit | committed, item | the same, speech closed | the same |
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import UNSET

from realtime_lab.audio.g711 import decode_alaw, decode_ulaw
from realtime_lab.clock import Agenda
from realtime_lab.errors import Problem
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import (
    ContentPart,
    ErrorDetail,
    Item,
    Response,
    StatusDetails,
    TranscriptionUsage,
)
from realtime_lab.server.conversation import USER_AUDIO_TOKEN_MS, Conversation, text_tokens
from realtime_lab.server.endpointing import FRAME_MS, Endpointer, EndpointRule, Track, Transition
from realtime_lab.server.profile import Profile
from realtime_lab.server.responder import (
    ResponsePlan,
    assistant_item,
    generation_ms,
    plan_response,
    schedule,
)
from realtime_lab.server.settings import Settings, TurnDetection
from realtime_lab.server.vad import FrameVad

__all__ = ["Engine", "Stretch", "Transcriber"]

MIN_COMMIT_MS = 100
"""The service refuses to commit less audio than this."""
_SESSION_LIFE_S = 3600


class Transcriber(Protocol):
    """Turns a span of the session's audio into text."""

    name: str
    """What it is, with its version; stands in every row."""

    def transcribe(self, start_ms: float, end_ms: float) -> str | None:
        """The text spoken in [start_ms, end_ms) of audio time; None when it cannot tell."""
        ...


class Stretch(Protocol):
    """Audio whose speech probabilities are known."""

    def track(self, rule: EndpointRule) -> Track:
        """The stretch under `rule`'s thresholds."""
        ...


@dataclass(eq=False)
class _Run:
    """A response on its way."""

    response_id: str
    item_id: str
    plan: ResponsePlan
    created_ms: float
    done_ms: float
    cancelled: bool = False


@dataclass(eq=False)
class _IdleTimer:
    """Fires when nobody speaks after a response; `armed` goes false when somebody does."""

    armed: bool = True


_Entry = tuple[ev.Event | _IdleTimer, _Run | None]


@dataclass
class Engine:
    """One session on the server.

    Args:
        profile: Defaults and delays.
        seed: Decides every draw of this session.
        model: The model in the connection's URL, if any.
        transcriber: What reads the user's audio; None when there is nothing that can.
        opened_unix_s: Wall date of the session's start, for `expires_at` only.
    """

    profile: Profile
    seed: int
    model: str | None = None
    transcriber: Transcriber | None = None
    opened_unix_s: int = 0
    settings: Settings = field(init=False)
    conversation: Conversation = field(default_factory=Conversation)

    def __post_init__(self) -> None:
        self.settings = Settings(self.profile, self.model)
        self._agenda: Agenda[_Entry] = Agenda()
        self._tag = hashlib.sha256(f"session {self.seed}".encode()).hexdigest()[:12]
        self._counts: dict[str, int] = {}
        self._detection: TurnDetection | None = None
        self._endpointer = Endpointer(EndpointRule(0.5, 500))
        self._frames = 0
        self._vad: FrameVad | None = None
        self._pending = b""
        self._uncommitted_from_ms = 0.0
        self._heard_ms = 0.0
        self._speech_item: str | None = None
        self._speech_start_ms = 0.0
        self._run: _Run | None = None
        self._idle: _IdleTimer | None = None
        self._use_settings()

    # --- what a shell calls -------------------------------------------------------------------------------------

    def start(self, t_ms: float) -> None:
        """The connection is open: announce the session."""
        self._send(t_ms, ev.SessionCreated(session=self.session()))

    def receive(self, event: ev.AnyEvent, t_ms: float) -> None:
        """Take one client event that arrived at `t_ms`."""
        handler = _HANDLERS.get(type(event))
        if handler is None:
            self._refuse_unknown(event, t_ms)
        else:
            handler(self, event, t_ms)

    def hear(self, stretch: Stretch, start: int, stop: int, arrival_ms: Callable[[int], float]) -> int:
        """Take frames [start, stop) of a stretch, up to and including the first change of speech.

        Args:
            stretch: Audio whose first frame lies on the session's 32 ms grid.
            start: First frame, within the stretch.
            stop: Frame to stop before.
            arrival_ms: Wall time at which a frame of the session (counted from its first) has wholly arrived.

        Returns:
            The frame within the stretch after the last one taken.
        """
        if self._detection is None:
            self._frames += stop - start
            self._heard_ms = self._frames * FRAME_MS
            return stop
        self._endpointer.frame = self._frames
        transition = self._endpointer.scan(stretch.track(self._detection.rule), start, stop)
        taken = self._endpointer.frame - self._frames
        self._frames = self._endpointer.frame
        self._heard_ms = self._frames * FRAME_MS
        if transition is not None:
            self._on_transition(transition, arrival_ms(transition.frame))
        return start + taken

    def next_due_ms(self) -> float | None:
        """When the engine next has something to send; None when it waits for the client."""
        while (due_ms := self._agenda.next_due_ms()) is not None:
            _, run = self._agenda.peek()
            if run is None or not run.cancelled:
                return due_ms
            self._agenda.pop_due(due_ms)
        return None

    def take_due(self, t_ms: float) -> list[tuple[float, ev.Event]]:
        """The events due at or before `t_ms`, as (due_ms, event), in order."""
        taken: list[tuple[float, ev.Event]] = []
        while (row := self._agenda.pop_due(t_ms)) is not None:
            due_ms, (entry, run) = row
            if isinstance(entry, _IdleTimer):
                self._on_idle(entry, due_ms)
            elif run is None or not run.cancelled:
                entry.event_id = self._new_id("event")
                taken.append((due_ms, entry))
        return taken

    def session(self) -> dict[str, Any]:
        """The session object as the service reports it."""
        return {
            **self.settings.effective,
            "object": "realtime.session",
            "id": f"sess_{self._tag}",
            "expires_at": self.opened_unix_s + _SESSION_LIFE_S,
        }

    # --- sending ------------------------------------------------------------------------------------------------

    def _new_id(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._tag}_{self._counts[kind]:04d}"

    def _send(self, t_ms: float, event: ev.Event, run: _Run | None = None) -> None:
        self._agenda.put(t_ms + self.profile.event_ms, (event, run))

    def _error(self, t_ms: float, cause: ev.AnyEvent, code: str, message: str, param: str | None = None) -> None:
        event_id = cause.event_id if isinstance(cause, ev.Event) and cause.event_id is not UNSET else None
        detail = ErrorDetail(
            type="invalid_request_error", code=code, message=message, param=param, event_id=event_id or None
        )
        self._send(t_ms, ev.ErrorEvent(error=detail))

    def _refuse_unknown(self, event: ev.AnyEvent, t_ms: float) -> None:
        if isinstance(event, ev.UnknownEvent) and event.problem:
            self._error(t_ms, event, "invalid_type", f"{event.type}: {event.problem}")
        else:
            self._error(t_ms, event, "invalid_value", f"Unsupported event type: '{ev.event_type(event)}'.", "type")

    # --- session ------------------------------------------------------------------------------------------------

    def _on_update(self, event: ev.SessionUpdate, t_ms: float) -> None:
        problem = self.settings.update(event.session)
        if problem is not None:
            self._error(t_ms, event, problem.code, _say(problem), f"session.{problem.path}")
            return
        self._use_settings()
        self._send(t_ms, ev.SessionUpdated(session=self.session()))

    def _use_settings(self) -> None:
        self._detection = self.settings.turn_detection()
        if self._detection is not None:
            self._endpointer.rule = self._detection.rule
        if self._detection is None:
            self._endpointer.stop_now()
            self._speech_item = None

    # --- audio --------------------------------------------------------------------------------------------------

    def _on_append(self, event: ev.InputAudioAppend, t_ms: float) -> None:
        try:
            raw = base64.b64decode(str(event.audio), validate=True)
        except binascii.Error:
            self._error(t_ms, event, "invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio")
            return
        width = 2 if self.settings.input_rate_hz() == 24_000 else 1
        frame_bytes = width * self.settings.input_rate_hz() * FRAME_MS // 1000
        self._heard_ms += len(raw) / width * 1000 / self.settings.input_rate_hz()
        self._pending += raw
        while len(self._pending) >= frame_bytes:
            frame, self._pending = self._pending[:frame_bytes], self._pending[frame_bytes:]
            self._hear_frame(frame, t_ms)

    def _hear_frame(self, raw: bytes, t_ms: float) -> None:
        self._frames += 1
        if self._detection is None:
            return
        if self._vad is None:
            self._vad = FrameVad(self.settings.input_rate_hz())
        self._endpointer.frame = self._frames - 1
        transition = self._endpointer.step(self._vad.feed(self._decode(raw)))
        if transition is not None:
            self._on_transition(transition, t_ms)

    def _decode(self, raw: bytes) -> np.ndarray[Any, np.dtype[np.int16]]:
        kind = self.settings.effective["audio"]["input"]["format"]["type"]
        if kind == "audio/pcmu":
            return decode_ulaw(raw)
        return decode_alaw(raw) if kind == "audio/pcma" else np.frombuffer(raw, dtype="<i2")

    def _on_transition(self, transition: Transition, t_ms: float) -> None:
        detection = self._detection
        assert detection is not None
        if transition.kind == "started":
            self._speech_item = self._new_id("item")
            onset_ms = transition.edge_frame * FRAME_MS
            self._speech_start_ms = max(0.0, onset_ms - detection.prefix_padding_ms)
            self._disarm_idle()
            self._send(t_ms, ev.SpeechStarted(item_id=self._speech_item, audio_start_ms=round(self._speech_start_ms)))
            if detection.interrupt_response:
                self._cancel(t_ms, "turn_detected")
            return
        end_ms = (transition.edge_frame + 1) * FRAME_MS + detection.rule.silence_duration_ms
        item_id = self._speech_item or self._new_id("item")
        self._send(t_ms, ev.SpeechStopped(item_id=item_id, audio_end_ms=round(end_ms)))
        self._commit(t_ms, item_id, self._speech_start_ms, end_ms)
        if detection.create_response:
            self._respond(t_ms, None)

    def _on_commit(self, event: ev.InputAudioCommit, t_ms: float) -> None:
        if self._heard_ms - self._uncommitted_from_ms < MIN_COMMIT_MS:
            held = self._heard_ms - self._uncommitted_from_ms
            message = (
                f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of audio, "
                f"but buffer only has {held:.2f}ms of audio."
            )
            self._error(t_ms, event, "input_audio_buffer_commit_empty", message)
            return
        item_id = self._speech_item or self._new_id("item")
        self._endpointer.stop_now()
        self._commit(t_ms, item_id, self._uncommitted_from_ms, self._heard_ms)

    def _on_clear(self, event: ev.InputAudioClear, t_ms: float) -> None:
        self._uncommitted_from_ms = self._heard_ms
        self._endpointer.stop_now()
        self._speech_item = None
        self._send(t_ms, ev.InputAudioCleared())

    def _commit(self, t_ms: float, item_id: str, start_ms: float, end_ms: float) -> None:
        previous = self.conversation.last_id()
        self._speech_item = None
        self._uncommitted_from_ms = self._heard_ms
        part = ContentPart(type="input_audio", transcript=None)
        item = Item(id=item_id, object="realtime.item", type="message", status="completed", role="user", content=[part])
        self.conversation.add(item, audio=math.ceil((end_ms - start_ms) / USER_AUDIO_TOKEN_MS))
        self._send(t_ms, ev.InputAudioCommitted(item_id=item_id, previous_item_id=previous))
        self._send(t_ms, ev.ItemAdded(item=item, previous_item_id=previous))
        self._send(t_ms, ev.ItemDone(item=item, previous_item_id=previous))
        if self.settings.effective["audio"]["input"]["transcription"] is not None:
            self._transcribe(t_ms, item_id, start_ms, end_ms)

    def _transcribe(self, t_ms: float, item_id: str, start_ms: float, end_ms: float) -> None:
        due_ms = t_ms + self.profile.transcription.draw(self._rng("transcription"))
        text = None if self.transcriber is None else self.transcriber.transcribe(start_ms, end_ms)
        if text is None:
            message = "This server has nothing that can transcribe this audio."
            error = {"type": "server_error", "code": "transcription_unavailable", "message": message, "param": None}
            self._send(due_ms, ev.TranscriptionFailed(item_id=item_id, content_index=0, error=error))
            return
        usage = TranscriptionUsage(type="duration", seconds=round((end_ms - start_ms) / 1000, 3))
        if text:
            self._send(due_ms, ev.TranscriptionDelta(item_id=item_id, content_index=0, delta=text, logprobs=None))
        done = ev.TranscriptionCompleted(item_id=item_id, content_index=0, transcript=text, usage=usage, logprobs=None)
        self._send(due_ms, done)

    def _rng(self, purpose: str) -> np.random.Generator:
        count = self._counts[purpose] = self._counts.get(purpose, 0) + 1
        label = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")
        return np.random.default_rng([self.seed, label, count])

    # --- responses ----------------------------------------------------------------------------------------------

    def _active(self, t_ms: float) -> _Run | None:
        run = self._run
        return run if run is not None and not run.cancelled and t_ms < run.done_ms else None

    def _on_create(self, event: ev.ResponseCreate, t_ms: float) -> None:
        active = self._active(t_ms)
        if active is not None:
            message = f"Conversation already has an active response in progress: {active.response_id}."
            self._error(t_ms, event, "conversation_already_has_active_response", message)
            return
        options = event.response if isinstance(event.response, dict) else None
        self._respond(t_ms, options)

    def _respond(self, t_ms: float, options: dict[str, Any] | None) -> None:
        active = self._active(t_ms)
        if active is not None:
            message = f"Conversation already has an active response in progress: {active.response_id}."
            detail = ErrorDetail(
                type="invalid_request_error", code="conversation_already_has_active_response", message=message
            )
            self._send(t_ms, ev.ErrorEvent(error=detail))
            return
        effective = {**self.settings.effective, **(options or {})}
        modality = effective["output_modalities"][0]
        limit = effective["max_output_tokens"]
        limit = math.inf if limit in ("inf", None) else float(limit)
        plan = plan_response(
            self.profile, self._rng("response"), modality, limit, effective["audio"]["output"].get("speed", 1.0)
        )
        self._lay_out(t_ms, plan, effective)

    def _lay_out(self, t_ms: float, plan: ResponsePlan, effective: dict[str, Any]) -> None:
        created_ms = t_ms + plan.create_ms
        run = _Run(self._new_id("resp"), self._new_id("item"), plan, created_ms, math.inf)
        previous = self.conversation.last_id()
        self._run = run
        self._disarm_idle()
        usage = self.conversation.bill(effective["instructions"] or "", plan.text_tokens, plan.audio_tokens)
        base = Response(
            id=run.response_id,
            conversation_id=f"conv_{self._tag}",
            output_modalities=[plan.modality],
            max_output_tokens=effective["max_output_tokens"],
        )
        self._send(created_ms, ev.ResponseCreated(response=base), run)
        end_ms = created_ms
        rate_hz = self.settings.output_rate_hz()
        for offset_ms, event in schedule(self.profile, plan, run.response_id, run.item_id, previous, rate_hz):
            end_ms = created_ms + offset_ms
            self._send(end_ms, event, run)
        run.done_ms = end_ms
        status = "incomplete" if plan.truncated else "completed"
        details = StatusDetails(type=status, reason="max_output_tokens") if plan.truncated else None
        item = assistant_item(plan, run.item_id, status)
        self.conversation.add(item, text=plan.text_tokens, audio=plan.audio_tokens)
        done = msgspec.structs.replace(base, status=status, status_details=details, output=[item], usage=usage)
        self._send(end_ms, ev.ResponseDone(response=done), run)
        self._arm_idle(run)

    def _on_cancel(self, event: ev.ResponseCancel, t_ms: float) -> None:
        active = self._active(t_ms)
        wanted = event.response_id
        if active is None or (wanted is not UNSET and wanted != active.response_id):
            self._error(t_ms, event, "response_cancel_not_active", "Cancellation failed: no active response found.")
            return
        self._cancel(t_ms, "client_cancelled")

    def _cancel(self, t_ms: float, reason: str) -> None:
        run = self._active(t_ms)
        if run is None:
            return
        run.cancelled = True
        self._disarm_idle()
        if t_ms < run.created_ms:
            self.conversation.delete(run.item_id)
            return
        share = self._generated(run, t_ms)
        text, audio = math.floor(run.plan.text_tokens * share), math.floor(run.plan.audio_tokens * share)
        item = assistant_item(run.plan, run.item_id, "incomplete", share)
        self.conversation.delete(run.item_id)
        usage = self.conversation.bill(self.settings.effective["instructions"] or "", text, audio)
        started = t_ms >= run.created_ms + run.plan.first_byte_ms
        if started:
            self.conversation.add(item, text=text, audio=audio)
        done = Response(
            id=run.response_id,
            status="cancelled",
            status_details=StatusDetails(type="cancelled", reason=reason),
            conversation_id=f"conv_{self._tag}",
            output_modalities=[run.plan.modality],
            max_output_tokens=self.settings.effective["max_output_tokens"],
            output=[item] if started else [],
            usage=usage,
        )
        self._send(t_ms, ev.ResponseDone(response=done))

    def _generated(self, run: _Run, t_ms: float) -> float:
        elapsed_ms = t_ms - run.created_ms - run.plan.first_byte_ms
        return min(1.0, max(0.0, elapsed_ms / max(generation_ms(self.profile, run.plan), 1.0)))

    # --- idle timeout -------------------------------------------------------------------------------------------

    def _arm_idle(self, run: _Run) -> None:
        wait_ms = None if self._detection is None else self._detection.idle_timeout_ms
        if wait_ms is None:
            return
        played_ms = max(run.done_ms, run.created_ms + run.plan.first_byte_ms + run.plan.audio_ms)
        self._idle = _IdleTimer()
        self._agenda.put(played_ms + wait_ms, (self._idle, None))

    def _disarm_idle(self) -> None:
        if self._idle is not None:
            self._idle.armed = False

    def _on_idle(self, timer: _IdleTimer, t_ms: float) -> None:
        if not timer.armed:
            return
        item_id = self._new_id("item")
        start_ms, end_ms = self._uncommitted_from_ms, self._heard_ms
        event = ev.TimeoutTriggered(item_id=item_id, audio_start_ms=round(start_ms), audio_end_ms=round(end_ms))
        self._send(t_ms, event)
        self._commit(t_ms, item_id, start_ms, end_ms)
        self._respond(t_ms, None)

    # --- conversation -------------------------------------------------------------------------------------------

    def _on_item_create(self, event: ev.ItemCreate, t_ms: float) -> None:
        item_id = event.item.id if event.item.id is not UNSET else self._new_id("item")
        after = event.previous_item_id if event.previous_item_id is not UNSET else None
        if item_id in self.conversation:
            message = f"Error adding item: an item with id '{item_id}' already exists."
            self._error(t_ms, event, "item_create_duplicate_item_id", message, "item.id")
            return
        if after not in (None, "root") and after not in self.conversation:
            message = f"Error adding item: the previous item with id '{after}' does not exist."
            self._error(t_ms, event, "item_create_invalid_previous_item_id", message, "previous_item_id")
            return
        item = msgspec.structs.replace(event.item, id=item_id, object="realtime.item", status="completed")
        previous = self.conversation.last_id() if after is None else after
        self.conversation.add(item, text=_item_text_tokens(item), after=after)
        self._send(t_ms, ev.ItemAdded(item=item, previous_item_id=None if previous == "root" else previous))
        self._send(t_ms, ev.ItemDone(item=item, previous_item_id=None if previous == "root" else previous))

    def _known_item(self, event: ev.ItemRetrieve | ev.ItemDelete | ev.ItemTruncate, code: str, t_ms: float) -> bool:
        if event.item_id in self.conversation:
            return True
        self._error(t_ms, event, code, f"The item with id '{event.item_id}' does not exist.", "item_id")
        return False

    def _on_retrieve(self, event: ev.ItemRetrieve, t_ms: float) -> None:
        if self._known_item(event, "item_retrieve_invalid_item_id", t_ms):
            self._send(t_ms, ev.ItemRetrieved(item=self.conversation.item(event.item_id)))

    def _on_delete(self, event: ev.ItemDelete, t_ms: float) -> None:
        if self._known_item(event, "item_delete_invalid_item_id", t_ms):
            self.conversation.delete(event.item_id)
            self._send(t_ms, ev.ItemDeleted(item_id=event.item_id))

    def _on_truncate(self, event: ev.ItemTruncate, t_ms: float) -> None:
        if not self._known_item(event, "item_truncate_invalid_item_id", t_ms):
            return
        self.conversation.truncate(event.item_id, math.ceil(event.audio_end_ms / 50))
        self._send(
            t_ms,
            ev.ItemTruncated(item_id=event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms),
        )


def _say(problem: Problem) -> str:
    if problem.code == "missing_required_parameter":
        return f"Missing required parameter: 'session.{problem.path}'."
    if problem.code == "unknown_parameter":
        return f"Unknown parameter: 'session.{problem.path}'."
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"Invalid 'session.{problem.path}': allowed: {problem.allowed}.{hint}"


def _item_text_tokens(item: Item) -> int:
    texts = [item.arguments, item.output, *(part.text for part in item.content or [])]
    return sum(text_tokens(text) for text in texts if isinstance(text, str))


_HANDLERS: dict[type, Callable[[Engine, Any, float], None]] = {
    ev.SessionUpdate: Engine._on_update,
    ev.InputAudioAppend: Engine._on_append,
    ev.InputAudioCommit: Engine._on_commit,
    ev.InputAudioClear: Engine._on_clear,
    ev.ItemCreate: Engine._on_item_create,
    ev.ItemRetrieve: Engine._on_retrieve,
    ev.ItemDelete: Engine._on_delete,
    ev.ItemTruncate: Engine._on_truncate,
    ev.ResponseCreate: Engine._on_create,
    ev.ResponseCancel: Engine._on_cancel,
}
