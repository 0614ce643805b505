"""The mocked model's side of the session: begins responses, cancels them, and says when nobody else spoke.

The conversation has at most one active response; beside it any number may run outside it (conversation "none"). The
events of a response are all laid out when it begins; cancelling it voids those not yet sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from realtime_lab.errors import Problem
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import Item, Response, StatusDetails, Usage
from realtime_lab.server.engine.conversation import Conversation, Output, input_tokens, usage, with_output
from realtime_lab.server.engine.item_requests import item_tokens
from realtime_lab.server.engine.limits import Meter
from realtime_lab.server.engine.outbox import Draws, Outbox, Ticket
from realtime_lab.server.engine.priors import reasons
from realtime_lab.server.engine.profile import Profile
from realtime_lab.server.engine.refusals import in_words
from realtime_lab.server.engine.responder import (
    LIMITS_MS,
    ResponsePlan,
    given_by,
    plan_call,
    plan_response,
    response_item,
    schedule,
)
from realtime_lab.server.engine.response_options import ResponseOptions, read_options
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.engine.tool_calls import chosen_tool, tool_call

_FAULT_WORDS = {
    "insufficient_quota": "You exceeded your current quota.",
    "rate_limit_exceeded": "Rate limit reached: wait, and ask again.",
}


@dataclass(eq=False)
class _Run:
    """A response on its way."""

    base: Response
    item_id: str
    plan: ResponsePlan
    pace: Profile
    """The profile with the figures of the session's model, as they were when it began."""
    options: ResponseOptions
    used: Usage
    """What it is billed for when it runs to its end."""
    created_ms: float
    asked_for: bool
    """A client asked for it, and so must hear what becomes of it."""
    ticket: Ticket = field(default_factory=Ticket)
    done_ms: float = math.inf

    def active(self, t_ms: float) -> bool:
        return t_ms < min(self.done_ms, self.ticket.void_from_ms)


@dataclass
class Answering:
    """The responses of one session.

    Args:
        settings: The session's configuration.
        conversation: Where items go.
        outbox: Where events go.
        draws: Ids and random draws.
        on_played: Called with the wall time when a response has been played out; it starts the idle timer.
    """

    settings: Settings
    conversation: Conversation
    outbox: Outbox
    draws: Draws
    on_played: Callable[[float], None]
    _run: _Run | None = None
    _aside: dict[str, _Run] = field(default_factory=dict)
    """Responses outside the conversation, by id."""
    _idle: Ticket = field(default_factory=Ticket)

    def __post_init__(self) -> None:
        self._meter = Meter(self.settings.profile.limits)

    def respond(self, t_ms: float, asked: Mapping[str, Any] | None = None, cause: ev.Event | None = None) -> None:
        """Begin a response at `t_ms`; an error event when one is active already, or what is asked has a mistake.

        Args:
            t_ms: When it was asked for.
            asked: What response.create overrides.
            cause: The client event that asked; None when turn detection did.
        """
        options = read_options(asked or {}, self.settings)
        options = self._with_items(options)
        if isinstance(options, Problem):
            param = f"response.{options.path}"
            self.outbox.error(t_ms, options.code, in_words(options, "response"), param, cause)
            return
        active = None if options.out_of_band else self._active(t_ms)
        if active is not None:
            message = f"Conversation already has an active response in progress: {active.base.id}."
            self.outbox.error(t_ms, "conversation_already_has_active_response", message, cause=cause)
            return
        fault = self._meter.fault(t_ms)
        if fault is not None:
            self._fail(t_ms, options, fault)
            return
        self._lay_out(t_ms, options, cause is not None)

    def cancel(self, t_ms: float, reason: str) -> bool:
        """Stop the conversation's active response; False when there is none.

        One that turn detection decided on and that was not yet announced is dropped without a word.
        """
        run = self._active(t_ms)
        return run is not None and self._cancel(run, t_ms, reason)

    def cancel_request(self, event: ev.ResponseCancel, t_ms: float) -> None:
        """Answer response.cancel."""
        run = self._active(t_ms)
        if event.response_id is not UNSET:
            runs = [*self._aside.values(), *([] if run is None else [run])]
            run = next((one for one in runs if one.base.id == event.response_id and one.active(t_ms)), None)
        if run is not None:
            run.asked_for = True
            self._cancel(run, t_ms, "client_cancelled")
            return
        message = "Cancellation failed: no active response found."
        param = None if event.response_id is UNSET else "response_id"
        self.outbox.error(t_ms, "response_cancel_not_active", message, param, event)

    def silence(self, t_ms: float) -> None:
        """Somebody speaks: the idle timer stops."""
        self._idle.void(t_ms)

    def wait(self, t_ms: float, ring: Callable[[float], None]) -> None:
        """Call `ring` at `t_ms`, unless somebody speaks or responds first."""
        self.outbox.alarm(t_ms, ring, self._idle)

    def _active(self, t_ms: float) -> _Run | None:
        run = self._run
        return run if run is not None and run.active(t_ms) else None

    def _with_items(self, options: ResponseOptions | Problem) -> ResponseOptions | Problem:
        """The options with referred items looked up."""
        if isinstance(options, Problem) or options.input is None:
            return options
        for position, item in enumerate(options.input):
            if item.type == "item_reference" and item.id not in self.conversation:
                return Problem(f"input[{position}].id", item.id, "the id of an item of the conversation")
        return options

    def _planned(self, profile: Profile, options: ResponseOptions) -> ResponsePlan:
        rng, thinks = self.draws.rng("response"), reasons(self.settings.effective.get("model"))
        limit = math.inf if options.max_output_tokens == "inf" else float(options.max_output_tokens)
        if options.tools:
            context = self.conversation.items() if options.input is None else options.input
            answered = bool(context) and context[-1].type == "function_call_output"
            choosing = self.draws.rng("tool choice")
            tool = chosen_tool(choosing, options.tools, options.tool_choice, answered, profile.tool_call_rate)
            if tool is not None:
                return plan_call(profile, rng, options.modality, limit, tool_call(choosing, tool), thinks)
        speed = options.audio.get("speed") or 1.0
        return plan_response(profile, rng, options.modality, limit, speed, thinks)

    def _base(self, options: ResponseOptions) -> Response:
        voice = options.audio["voice"]
        sound = {"format": options.audio["format"], "voice": voice["id"] if isinstance(voice, Mapping) else voice}
        return Response(
            id=self.draws.new_id("resp"),
            conversation_id=None if options.out_of_band else f"conv_{self.draws.tag}",
            output_modalities=[options.modality],
            max_output_tokens=options.max_output_tokens,
            audio={"output": sound},
            metadata=options.metadata,
        )

    def _lay_out(self, t_ms: float, options: ResponseOptions, asked_for: bool) -> None:
        base, pace = self._base(options), self.settings.pace()
        plan = self._planned(pace, options)
        used = self._bill(options, plan.output)
        run = _Run(base, self.draws.new_id("item"), plan, pace, options, used, t_ms + plan.create_ms, asked_for)
        self._meter.spend(t_ms, used.total_tokens)
        self.outbox.send(run.created_ms, ev.ResponseCreated(response=base), run.ticket)
        previous, end_ms = self.conversation.last_id(), run.created_ms
        rate_hz = 24_000 if options.audio["format"]["type"] == "audio/pcm" else 8_000
        second = len(self.conversation.items()) == 1
        for offset_ms, event in schedule(pace, plan, base.id, run.item_id, previous, rate_hz, second=second):
            end_ms = run.created_ms + offset_ms
            if not (options.out_of_band and isinstance(event, ev.ItemAdded | ev.ItemDone)):
                self.outbox.send(end_ms, event, run.ticket)
        run.done_ms = end_ms
        status = "incomplete" if plan.truncated else "completed"
        details = StatusDetails(type=status, reason="max_output_tokens") if plan.truncated else None
        item = response_item(plan, run.item_id, status)
        done = msgspec.structs.replace(base, status=status, status_details=details, output=[item], usage=used)
        self._send_done(end_ms, done, run.ticket)
        if plan.audio_ms:
            self.settings.spoken = True
        if options.out_of_band:
            self._aside = {key: other for key, other in self._aside.items() if other.active(t_ms)}
            self._aside[base.id] = run
            return
        self._run = run
        self.silence(t_ms)
        audio_from_ms = run.created_ms + plan.first_byte_ms + plan.lead_ms
        text, audio = plan.output.said_tokens, plan.output.audio_tokens
        self.conversation.add(item, text=text, audio=audio, audio_from_ms=audio_from_ms)
        self._wait_for_speech(run)

    def _send_done(self, t_ms: float, done: Response, ticket: Ticket | None = None) -> None:
        """End a response, and tell the limits after it, as recorded sessions of today's API do."""
        self.outbox.send(t_ms, ev.ResponseDone(response=done), ticket)
        self.outbox.alarm(t_ms + LIMITS_MS, self._send_limits, ticket or Ticket())

    def _send_limits(self, t_ms: float) -> None:
        self.outbox.send(t_ms, ev.RateLimitsUpdated(rate_limits=self._meter.report(t_ms)))

    def _bill(self, options: ResponseOptions, output: Output) -> Usage:
        instructions = options.instructions + (json.dumps(list(options.tools)) if options.tools else "")
        if options.input is None:
            return self.conversation.bill(instructions, output, kept=not options.out_of_band)
        given = [item_tokens(self._looked_up(item)) for item in options.input]
        return usage(input_tokens(instructions, given), (0, 0), output)

    def _looked_up(self, item: Item) -> Item:
        return self.conversation.item(str(item.id)) if item.type == "item_reference" else item

    def _fail(self, t_ms: float, options: ResponseOptions, code: str) -> None:
        """A response that ends as it begins, with nothing used."""
        base = self._base(options)
        self.outbox.send(t_ms, ev.ResponseCreated(response=base))
        error = {"type": code, "code": code, "message": _FAULT_WORDS[code]}
        details = StatusDetails(type="failed", error=error)
        nothing = usage((0, 0), (0, 0), Output())
        self._send_done(t_ms, msgspec.structs.replace(base, status="failed", status_details=details, usage=nothing))

    def _cancel(self, run: _Run, t_ms: float, reason: str) -> bool:
        run.ticket.void(t_ms)
        if not run.options.out_of_band:
            self.silence(t_ms)
        announced = t_ms >= run.created_ms
        if not announced and run.asked_for:
            self.outbox.send(t_ms, ev.ResponseCreated(response=run.base))
        if announced or run.asked_for:
            self._send_cancelled(run, t_ms, reason)
        else:
            self.conversation.delete(run.item_id)
        return True

    def _send_cancelled(self, run: _Run, t_ms: float, reason: str) -> None:
        given = given_by(run.pace, run.plan, run.created_ms, t_ms)
        gave = Output() if given is None else given.output
        used = with_output(run.used, gave)
        output = [] if given is None else [response_item(run.plan, run.item_id, "incomplete", given)]
        if not output:
            self.conversation.delete(run.item_id)
        elif run.item_id in self.conversation:
            self.conversation.update(output[0], text=gave.said_tokens, audio=gave.audio_tokens)
        details = StatusDetails(type="cancelled", reason=reason)
        done = msgspec.structs.replace(run.base, status="cancelled", status_details=details, output=output, usage=used)
        self._send_done(t_ms, done)

    def _wait_for_speech(self, run: _Run) -> None:
        """Start the idle timer, documented to run from response.done plus the playback time of the response's audio."""
        detection = self.settings.turn_detection()
        if detection is None or detection.idle_timeout_ms is None:
            return
        self._idle = Ticket()
        self.wait(run.done_ms + run.plan.audio_ms, self.on_played)
