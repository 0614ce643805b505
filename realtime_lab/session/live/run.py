"""A session with a live service, from plain synchronous code: connect, hold, try again where that is allowed, record.

At most three connections are made for a session, one after a fault that no other connection would mend, and none
after audio has been sent: a session is never paid for twice.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from realtime_lab import background
from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.render import Renderer
from realtime_lab.audio.script import Script
from realtime_lab.config import SessionConfig
from realtime_lab.recording.events import Header, Recording
from realtime_lab.session.client_turns import BY_SCRIPT, ClientTurns
from realtime_lab.session.live.audio import without_audio
from realtime_lab.session.live.faults import RATE_LIMITED, LiveFault
from realtime_lab.session.live.key import Secret, key_of, scrubbed, scrubbed_bytes
from realtime_lab.session.live.session import Call, LiveConnection
from realtime_lab.session.stage import Stage
from realtime_lab.session.targets import Live

MAX_CONNECTIONS = 3
TAINTED_LAG_MS = 50.0
"""A session whose event loop was ever later than this is flagged."""
TAINTED_PACING_MS = 20.0
"""So is one whose appends left later than this, at the 99th percentile."""
STAGGER_S = 0.0137
"""Between the beginnings of sessions held together, so that their appends are not due at the same moments."""
_FIRST_WAIT_S = 0.5
_FORMAT = "audio/pcm"


@dataclass(frozen=True)
class LiveEnd:
    """How the last connection of a session ended."""

    connection: LiveConnection
    fault: LiveFault | None
    connections: int
    limited: bool = False
    """Whether one of them was refused for being one too many."""


@dataclass(frozen=True)
class LiveRequest:
    """A session to hold with a live target."""

    config: SessionConfig
    script: Script
    condition: Condition
    target: Live
    seed: int
    stage: Stage
    """Rendered audio shared between sessions."""
    frame_ms: float = 20.0
    """Audio in one append."""
    client_turns: ClientTurns = BY_SCRIPT
    """How the client ends turns where the server detects none."""


def run_live(request: LiveRequest) -> Recording:
    """Hold one session with a live target; blocks, and runs on the process's background loop.

    Returns:
        The recording; a session that failed says why in its header.

    Raises:
        ConfigError: If the key's variable is not set, or the configuration cannot be said in the target's dialect.
        AudioError: If a clip cannot be read.
    """
    (outcome,) = run_live_together([request])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run_live_together(requests: Sequence[LiveRequest]) -> list[Recording | Exception]:
    """Hold sessions side by side on the process's background loop, each begun a moment after the one before.

    Everything is rendered before the first one begins and nothing is computed before the last one is over.

    Returns:
        One recording per request, or the error for which it could not be begun.
    """
    # Rendering and the detector would take the loop's time from sessions that are being held.
    prepared = [_prepared(request) for request in requests]
    calls = [one.call for one in prepared if isinstance(one, _Prepared)]
    ends = iter(background.run(hold_all(calls)))
    return [_recording(next(ends), one.request, one.key) if isinstance(one, _Prepared) else one for one in prepared]


@dataclass(frozen=True)
class _Prepared:
    request: LiveRequest
    call: Call
    key: Secret | None


def _prepared(request: LiveRequest) -> _Prepared | Exception:
    try:
        return _Prepared(request, *live_call(request))
    except Exception as error:
        return error


def live_call(request: LiveRequest) -> tuple[Call, Secret | None]:
    """What a connection for `request` needs, everything rendered; and the key."""
    target, stage = request.target, request.stage
    key = _session_key(request)
    requested = request.config.to_wire("ga")
    renderer = _rendered(stage, request.script, request.condition, requested)
    call = Call(
        url=target.socket_url(requested.get("model"), request.config.session_type),
        headers=_headers(target, key),
        scrub=partial(scrubbed_bytes, key=key),
        update=_update(request.config, target),
        requested=requested,
        confirms=target.confirms,
        dialect=target.dialect,
        stall_ms=target.stall_s * 1000.0,
        frame_ms=request.frame_ms,
        renderer=renderer,
        client_turns=request.client_turns,
        wire=lambda placement, format_type: stage.wire(placement.passage, format_type),
    )
    return call, key


def _session_key(request: LiveRequest) -> Secret | None:
    """What opens the session: the key, or a client secret that it was changed for."""
    if not request.target.client_secrets:
        return key_of(request.target)
    from realtime_lab.session.live.secrets import secret_keeper  # httpx, which other sessions do without

    return secret_keeper().key_for(request.target, request.config)


async def hold_all(calls: Sequence[Call]) -> list[LiveEnd]:
    """Hold connections side by side, each begun a moment after the one before."""
    return await asyncio.gather(*(_hold(call, number * STAGGER_S) for number, call in enumerate(calls)))


def _rendered(stage: Stage, script: Script, condition: Condition, requested: dict[str, Any]) -> Renderer:
    """The renderer, with every passage made beforehand: nothing is computed while time is measured."""
    renderer = stage.renderer(script, condition)
    asked = ((requested.get("audio") or {}).get("input") or {}).get("format") or {}
    passages = [renderer.fixed()[0]] if script.timing == "fixed" else map(renderer.turn, range(len(script.turns)))
    for passage in (*passages, renderer.idle()):
        _ = stage.wire(passage, asked.get("type", _FORMAT)).data
    return renderer


def _update(config: SessionConfig, target: Live) -> dict[str, Any]:
    """What session.update carries; the model stands in the address and may not change."""
    update = config.to_wire(target.dialect)
    return {name: value for name, value in update.items() if name != "model"}


def _headers(target: Live, key: Secret | None) -> list[tuple[str, str]]:
    headers = [("User-Agent", f"realtime_lab ({platform.python_implementation()})"), *target.headers]
    if target.dialect == "flat" and target.service == "openai":
        headers.append(("OpenAI-Beta", "realtime=v1"))
    if key is not None and target.key_header == "api-key" and not target.client_secrets:
        headers.append(("api-key", key.reveal()))
    elif key is not None:
        headers.append(("Authorization", f"Bearer {key.reveal()}"))
    return headers


async def _hold(call: Call, after_s: float) -> LiveEnd:
    await _pause(after_s)
    wait_s, limited = _FIRST_WAIT_S, False
    for number in range(1, MAX_CONNECTIONS + 1):
        connection = LiveConnection(call)
        try:
            await connection.hold()
            return LiveEnd(connection, None, number, limited)
        except LiveFault as fault:
            limited = limited or fault.name == RATE_LIMITED
            # Audio that was sent is billed: a second connection would pay for the same turn twice.
            if not fault.again or fault.fatal or connection.began or number == MAX_CONNECTIONS:
                return LiveEnd(connection, fault, number, limited)
            await _pause(wait_s if fault.wait_s is None else fault.wait_s)
        wait_s *= 2
    raise AssertionError("unreachable")


def _pause(seconds: float) -> Coroutine[Any, Any, None]:
    return asyncio.sleep(seconds)


def _recording(end: LiveEnd, request: LiveRequest, key: Secret | None) -> Recording:
    script = request.script
    connection, fault = end.connection, end.fault
    microphone, caller, pace = connection.microphone, connection.caller, connection.pace
    lag_ms = round(pace.lag_ms, 3) if connection.began else None
    error_ms = None if pace.error_ms is None else round(pace.error_ms, 3)
    header = Header(
        target=request.target.name,
        script_id=script.id,
        script_hash=script.content_hash,
        condition=request.condition.name,
        seed=request.seed,
        timing=script.timing,
        reference_source=script.reference_source,
        requested=request.config.to_wire("ga"),
        effective=connection.effective,
        engine=_engine_names(connection, request),
        outcome="complete" if fault is None else "failed",
        failure=None if fault is None else scrubbed(_failure(fault), key)[:500],
        private=script.private,
        fault=None if fault is None else fault.name,
        connect_ms=None if connection.connect_ms is None else round(connection.connect_ms, 3),
        connections=end.connections,
        limited=end.limited,
        error_bound_ms=lag_ms,
        loop_lag_ms=lag_ms,
        pacing_error_ms=error_ms,
        tainted=connection.disturbed or (lag_ms or 0) > TAINTED_LAG_MS or (error_ms or 0) > TAINTED_PACING_MS,
    )
    audio_ms = 0.0 if microphone is None else microphone.audio_ms
    return Recording(
        header=header,
        reference=() if caller is None else caller.reference(audio_ms),
        appends=() if microphone is None else microphone.runs(),
        events=without_audio(connection.events(), connection.audio),
        audio_ms=audio_ms,
    )


def _engine_names(connection: LiveConnection, request: LiveRequest) -> dict[str, str]:
    names = {"client": f"websockets {version('websockets')}"}
    effective = connection.effective
    if effective is not None and effective["audio"]["input"].get("turn_detection") is None:
        names["turns"] = request.client_turns.name
    return names


def _failure(fault: LiveFault) -> str:
    """As the mocked target says it where both can say it."""
    return fault.detail if fault.name == "config_refused" else str(fault)
