"""Client secrets of live sessions, asked for over REST with httpx, renewed near their end, kept in memory only.

A secret opens the session it was asked for, so there is one for each target and configuration; the API key itself then
travels in the REST request alone, never in the WebSocket's. Whatever goes wrong becomes a RemoteError without a cause,
because what a client library raises holds the request and with it the key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from realtime_lab import background
from realtime_lab.config import Session, SessionConfig
from realtime_lab.errors import ConfigError, Problem, RemoteError
from realtime_lab.session.live.key import Secret, key_of, scrubbed, scrubbed_bytes
from realtime_lab.session.targets import Live

TIMEOUT_S = 20.0
"""For the whole of an answer, however it drips."""
MAX_ANSWER_BYTES = 4_000_000
NEAR_EXPIRY_S = 30.0


@dataclass(frozen=True)
class ClientSecret:
    """A short-lived key for one client, and the session it is for."""

    value: Secret
    """The key; its repr shows nothing."""
    expires_at: int | None
    """Seconds since 1970; None when the service does not say."""
    session: Session
    """The session it opens."""

    def near_expiry(self, now_unix_s: float | None = None) -> bool:
        """Whether it has, or is about to, run out.

        Args:
            now_unix_s: Seconds since 1970; default: now.
        """
        now_unix_s = time.time() if now_unix_s is None else now_unix_s
        return self.expires_at is not None and self.expires_at - now_unix_s < NEAR_EXPIRY_S


def create_client_secret(target: Live, config: SessionConfig, *, seconds: int = 600) -> ClientSecret:
    """Ask for a client secret (POST /realtime/client_secrets).

    Args:
        target: The service.
        config: The session it is for.
        seconds: How long it shall live, 10 to 7200.

    Raises:
        ConfigError: If the key's variable is not set.
        RemoteError: If the service refuses, fails or cannot be reached.
    """
    body = {"expires_after": {"anchor": "created_at", "seconds": seconds}, "session": config.to_wire("ga")}
    return _ask(target, "realtime/client_secrets", body)


def create_session(target: Live, config: SessionConfig) -> ClientSecret:
    """Ask for a session the older way (POST /realtime/sessions), in the shape that has turn_detection on top.

    Raises:
        ConfigError: If the key's variable is not set.
        RemoteError: If the service refuses, fails or cannot be reached.
    """
    return _ask(target, "realtime/sessions", config.to_wire("seed"))


def _ask(target: Live, path: str, body: dict[str, Any]) -> ClientSecret:
    """Ask for a secret. No frame that an error passes holds a key or an answer in which one may stand."""
    key = key_of(target)
    outcome = _exchange(target, path, body, key)
    if isinstance(outcome, RemoteError):
        raise outcome
    return outcome


class _KeyAuth(httpx.Auth):
    """Puts the key into the request at the last moment."""

    def __init__(self, target: Live, key: Secret | None) -> None:
        self._header, self._key = target.key_header, key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._key is not None:
            prefix = "" if self._header == "api-key" else "Bearer "
            request.headers[self._header] = prefix + self._key.reveal()
        yield request


_asking: ContextVar[bool] = ContextVar("asking", default=False)


class _Hush(logging.Filter):
    """Drops what the transport logs of our own requests, and of nobody else's.

    Its debug output holds whatever headers a server sends back, and a server may send the key back.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not _asking.get()


_HUSH = _Hush()


@contextmanager
def _hushed() -> Iterator[None]:
    for name in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"httpcore.{name}").addFilter(_HUSH)  # once, however often it is added
    token = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(token)


def _exchange(target: Live, path: str, body: dict[str, Any], key: Secret | None) -> ClientSecret | RemoteError:
    outcome = background.run(_posted(target, path, body, key))
    if isinstance(outcome, RemoteError):
        return outcome
    status, request_id, answer = outcome
    if not 200 <= status < 300:
        return _refusal(target, status, answer, request_id, key)
    try:
        return _read(answer)
    except ConfigError as error:
        text = f"{target.name}: the answer cannot be read: {scrubbed(str(error.errors[0]), key)[:300]}"
        return RemoteError(text, code="unreadable_answer", status=status)


async def _posted(
    target: Live, path: str, body: dict[str, Any], key: Secret | None
) -> tuple[int, str | None, object] | RemoteError:
    """Status, request id and JSON of an answer. On a loop, because only there a deadline holds for all of it."""
    headers = [*target.headers, ("Accept-Encoding", "identity")]
    options: dict[str, Any] = {"auth": _KeyAuth(target, key), "timeout": TIMEOUT_S, "trust_env": not target.local}
    try:
        with _hushed():
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpx.AsyncClient(**options) as client,
                client.stream("POST", target.rest_url(path), json=body, headers=headers) as response,
            ):
                data = await _bounded(response)
                data = None if data is None else scrubbed_bytes(data, key)  # also what is granted may repeat the key
    except TimeoutError:
        return RemoteError(f"{target.name} has not answered within {TIMEOUT_S:g} s", code="timeout")
    except httpx.HTTPError as error:
        said = scrubbed(f"{type(error).__name__}: {error}", key)[:300]
        return RemoteError(f"{target.name} cannot be reached: {said}", code=_code(error))
    return response.status_code, response.headers.get("x-request-id"), _json(data)


async def _bounded(response: httpx.Response) -> bytes | None:
    """The body as it came; None where it is too long, or packed, which nobody asked for."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None
    data = bytearray()
    async for piece in response.aiter_raw():
        data += piece
        if len(data) > MAX_ANSWER_BYTES:
            return None
    return bytes(data)


def _read(answer: object) -> ClientSecret:
    """A secret in either endpoint's answer."""
    told: dict[str, Any] = answer if isinstance(answer, dict) else {}
    session = told.get("session")
    if isinstance(told.get("client_secret"), dict):
        session = {name: told[name] for name in told if name != "client_secret"}
        told = told["client_secret"]
    value, expires_at = told.get("value"), told.get("expires_at")
    if not isinstance(value, str) or not value:
        raise ConfigError([Problem("value", None, "a client secret")])
    return ClientSecret(Secret(value), expires_at if type(expires_at) is int else None, Session.from_wire(session))


def _json(data: bytes | None) -> object:
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None


def _refusal(target: Live, status: int, answer: object, request_id: str | None, key: Secret | None) -> RemoteError:
    told = answer.get("error") if isinstance(answer, dict) else None
    told = told if isinstance(told, dict) else {}
    message = told.get("message")
    said = scrubbed(message, key)[:500] if isinstance(message, str) else "no readable answer"

    def text(name: str) -> str | None:
        value = told.get(name)
        return scrubbed(value, key)[:200] if isinstance(value, str) else None

    return RemoteError(
        f"{target.name} answered {status}: {said}",
        code=text("code") or text("type"),
        status=status,
        param=text("param"),
        request_id=None if request_id is None else scrubbed(request_id, key)[:200],
    )


def _code(error: httpx.HTTPError) -> str:
    return "timeout" if isinstance(error, httpx.TimeoutException) else "unreachable"


MAX_TRIES = 3
_FIRST_WAIT_S = 0.5
_MOST_KEPT = 256
Mint = Callable[[Live, SessionConfig], ClientSecret]


def mint(target: Live, config: SessionConfig) -> ClientSecret:
    """Ask for a secret where the target's dialect has its endpoint.

    Raises:
        RemoteError: If the service refuses, fails or cannot be reached.
    """
    if target.model is not None:  # a deployment's name stands where others have a model
        config = config.with_values({"model": target.model})
    return create_session(target, config) if target.dialect == "flat" else create_client_secret(target, config)


class SecretKeeper:
    """Secrets at hand.

    Args:
        mint: Asks for a secret.
        now_unix_s: The wall clock, seconds since 1970.
        wait: Waits so many seconds.
    """

    def __init__(
        self, mint: Mint = mint, now_unix_s: Callable[[], float] = time.time, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._mint, self._now_unix_s, self._wait = mint, now_unix_s, wait
        self._kept: OrderedDict[tuple[Live, str], ClientSecret] = OrderedDict()

    def key_for(self, target: Live, config: SessionConfig) -> Secret:
        """The secret for a session about to begin; a new one when the one at hand is near its end.

        Raises:
            ConfigError: If the key's variable is not set.
            RemoteError: If the service refuses, or fails three times.
        """
        place = (target, json.dumps(config.to_wire("ga"), sort_keys=True))
        kept = self._kept.pop(place, None)
        if kept is None or kept.near_expiry(self._now_unix_s()):
            kept = self._ask(target, config)
        self._kept[place] = kept
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept.value

    def _ask(self, target: Live, config: SessionConfig) -> ClientSecret:
        wait_s = _FIRST_WAIT_S
        for _ in range(MAX_TRIES - 1):
            try:
                return self._mint(target, config)
            except RemoteError as error:
                if not _may_pass(error):
                    raise
            self._wait(wait_s)
            wait_s *= 2
        return self._mint(target, config)

    def __repr__(self) -> str:
        return f"<SecretKeeper: {len(self._kept)} secrets>"


def _may_pass(error: RemoteError) -> bool:
    return error.status is None or error.status == 429 or error.status >= 500


@lru_cache(maxsize=1)
def secret_keeper() -> SecretKeeper:
    """This process's secrets."""
    return SecretKeeper()
