"""The mocked model's side of the session: begins responses, cancels them, and speaks up when nobody else does.

At most one response is active. Its events are all laid out when it begins; cancelling it voids those not yet sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import Response, StatusDetails
from realtime_lab.server.conversation import Conversation
from realtime_lab.server.outbox import Draws, Outbox, Ticket
from realtime_lab.server.responder import ResponsePlan, assistant_item, generation_ms, plan_response, schedule
from realtime_lab.server.settings import Settings

__all__ = ["Answering"]


@dataclass(eq=False)
class _Run:
    """A response on its way."""

    base: Response
    item_id: str
    plan: ResponsePlan
    created_ms: float
    ticket: Ticket = field(default_factory=Ticket)
    done_ms: float = math.inf


@dataclass
class Answering:
    """The responses of one session.

    Args:
        settings: The session's configuration.
        conversation: Where items go.
        outbox: Where events go.
        draws: Ids and random draws.
        on_idle: Called with the wall time when nobody has spoken for idle_timeout_ms after a response.
    """

    settings: Settings
    conversation: Conversation
    outbox: Outbox
    draws: Draws
    on_idle: Callable[[float], None]
    _run: _Run | None = None
    _idle: Ticket = field(default_factory=Ticket)

    def respond(self, t_ms: float, options: dict[str, Any] | None = None, cause: ev.Event | None = None) -> None:
        """Begin a response at `t_ms`; an error event when one is active already.

        Args:
            t_ms: When it was asked for.
            options: What response.create overrides.
            cause: The client event that asked; None when turn detection did.
        """
        active = self._active(t_ms)
        if active is not None:
            message = f"Conversation already has an active response in progress: {active.base.id}."
            self.outbox.error(t_ms, "conversation_already_has_active_response", message, cause=cause)
            return
        effective = {**self.settings.effective, **(options or {})}
        limit = effective["max_output_tokens"]
        plan = plan_response(
            self.settings.profile,
            self.draws.rng("response"),
            effective["output_modalities"][0],
            math.inf if limit in ("inf", None) else float(limit),
            self.settings.effective["audio"]["output"].get("speed") or 1.0,
        )
        self._lay_out(t_ms, plan, effective)

    def cancel(self, t_ms: float, reason: str) -> bool:
        """Stop the active response; False when there is none.

        One that was decided on but not yet announced is dropped without a word.
        """
        run = self._active(t_ms)
        if run is None:
            return False
        run.ticket.void(t_ms)
        self.silence(t_ms)
        self.conversation.delete(run.item_id)
        if t_ms >= run.created_ms:
            self._send_cancelled(run, t_ms, reason)
        return True

    def cancel_request(self, event: ev.ResponseCancel, t_ms: float) -> None:
        """Answer response.cancel."""
        active = self._active(t_ms)
        known = active is not None and event.response_id in (UNSET, active.base.id)
        if not known or not self.cancel(t_ms, "client_cancelled"):
            message = "Cancellation failed: no active response found."
            self.outbox.error(t_ms, "response_cancel_not_active", message, cause=event)

    def silence(self, t_ms: float) -> None:
        """Somebody speaks: the idle timer stops."""
        self._idle.void(t_ms)

    def _active(self, t_ms: float) -> _Run | None:
        run = self._run
        return run if run is not None and t_ms < min(run.done_ms, run.ticket.void_from_ms) else None

    def _lay_out(self, t_ms: float, plan: ResponsePlan, effective: dict[str, Any]) -> None:
        base = Response(
            id=self.draws.new_id("resp"),
            conversation_id=f"conv_{self.draws.tag}",
            output_modalities=[plan.modality],
            max_output_tokens=effective["max_output_tokens"],
        )
        run = self._run = _Run(base, self.draws.new_id("item"), plan, t_ms + plan.create_ms)
        self.silence(t_ms)
        previous = self.conversation.last_id()
        usage = self.conversation.bill(effective["instructions"] or "", plan.text_tokens, plan.audio_tokens)
        self.outbox.send(run.created_ms, ev.ResponseCreated(response=base), run.ticket)
        end_ms, rate_hz = run.created_ms, self.settings.output_rate_hz()
        for offset_ms, event in schedule(self.settings.profile, plan, base.id, run.item_id, previous, rate_hz):
            end_ms = run.created_ms + offset_ms
            self.outbox.send(end_ms, event, run.ticket)
        run.done_ms = end_ms
        status = "incomplete" if plan.truncated else "completed"
        details = StatusDetails(type=status, reason="max_output_tokens") if plan.truncated else None
        item = assistant_item(plan, run.item_id, status)
        self.conversation.add(item, text=plan.text_tokens, audio=plan.audio_tokens)
        done = msgspec.structs.replace(base, status=status, status_details=details, output=[item], usage=usage)
        self.outbox.send(end_ms, ev.ResponseDone(response=done), run.ticket)
        self._wait_for_speech(run)

    def _send_cancelled(self, run: _Run, t_ms: float, reason: str) -> None:
        elapsed_ms = t_ms - run.created_ms - run.plan.first_byte_ms
        share = min(1.0, max(0.0, elapsed_ms / max(generation_ms(self.settings.profile, run.plan), 1.0)))
        text, audio = math.floor(run.plan.text_tokens * share), math.floor(run.plan.audio_tokens * share)
        usage = self.conversation.bill(self.settings.effective["instructions"] or "", text, audio)
        output = [assistant_item(run.plan, run.item_id, "incomplete", share)] if elapsed_ms >= 0 else []
        for item in output:
            self.conversation.add(item, text=text, audio=audio)
        details = StatusDetails(type="cancelled", reason=reason)
        done = msgspec.structs.replace(run.base, status="cancelled", status_details=details, output=output, usage=usage)
        self.outbox.send(t_ms, ev.ResponseDone(response=done))

    def _wait_for_speech(self, run: _Run) -> None:
        detection = self.settings.turn_detection()
        if detection is None or detection.idle_timeout_ms is None:
            return
        played_ms = max(run.done_ms, run.created_ms + run.plan.first_byte_ms + run.plan.audio_ms)
        self._idle = Ticket()
        self.outbox.alarm(played_ms + detection.idle_timeout_ms, self.on_idle, self._idle)
