"""The mocked service's HTTP side: who may connect, and the two REST endpoints. Bytes and sockets are `serve`'s.

Requests are parsed by h11; nothing here keeps or prints a key.

It keeps the client secrets that it gave out: which session each opens, and until when.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError
from realtime_lab.server.engine.profile import Profile
from realtime_lab.server.engine.settings import Settings

REALTIME_PATH = "/v1/realtime"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_SECRET_LIFE_S = 600


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    access: Literal["unknown", "granted", "expired"] = "unknown"
    """What its key is among the client secrets that were given out."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    def query(self, name: str) -> str | None:
        """A parameter of the query; None when it is absent."""
        values = parse_qs(urlsplit(self.target).query).get(name)
        return values[0] if values else None

    @property
    def upgrades(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def key(self) -> str | None:
        """The key it carries, in either of the two headers services use."""
        bearer = self.headers.get("authorization", "")
        return bearer[7:].strip() if bearer.lower().startswith("bearer ") else self.headers.get("api-key")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    """More headers."""

    def encoded(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.body).encode()


def _error(status: int, message: str, code: str | None = None, param: str | None = None) -> Reply:
    fault = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Reply(status, {"error": fault})


def refusal(request: Request) -> Reply | None:
    """Why a request may not come in; None when it may. Only this machine's own programs and pages may."""
    host = _hostname("//" + request.headers.get("host", ""))
    if host not in _LOOPBACK:
        return _error(403, "This server answers on 127.0.0.1 and localhost only.", "foreign_host")
    origin = request.headers.get("origin")
    if origin is not None and _hostname(origin) not in _LOOPBACK:
        return _error(403, "Pages of other hosts may not use this server.", "foreign_origin")
    return None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def wrong_key() -> Reply:
    """The answer to a request without the key it needs."""
    return _error(401, "Incorrect API key provided.", "invalid_api_key")


def answer(request: Request, profile: Profile, seed: int, now_unix_s: int) -> Reply:
    """Answer a request that is no WebSocket.

    Args:
        request: What was asked.
        profile: Whose defaults a session starts from.
        seed: Names sessions and secrets.
        now_unix_s: Wall date, for expiry dates.
    """
    if request.path == f"{REALTIME_PATH}/client_secrets":
        make = _client_secret
    elif request.path == f"{REALTIME_PATH}/sessions":
        make = _session
    else:
        return _error(404, f"Unknown path: {request.path[:100]}", "not_found")
    if request.method != "POST":
        return _error(405, f"{request.method[:10]} is not allowed here; POST is.", "method_not_allowed")
    try:
        body = json.loads(request.body or b"{}")
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")
    except (ValueError, RecursionError) as error:
        return _error(400, f"We could not parse the JSON body of your request: {error}", "invalid_json")
    secret = "ek_" + hashlib.sha256(f"secret {seed} {request.body!r}".encode()).hexdigest()[:32]
    return make(body, profile, secret, now_unix_s)


def _client_secret(body: dict[str, Any], profile: Profile, secret: str, now_unix_s: int) -> Reply:
    life = body.get("expires_after", {})
    seconds = life.get("seconds", _SECRET_LIFE_S) if isinstance(life, dict) else None
    if type(seconds) is not int or not 10 <= seconds <= 7200:
        return _error(400, "expires_after.seconds: allowed: 10 to 7200", "invalid_value", "expires_after.seconds")
    asked = body.get("session", {})
    if not isinstance(asked, dict):
        return _error(400, "Invalid type for 'session': expected an object.", "invalid_type", "session")
    session = _effective({"type": "realtime", **asked}, profile, now_unix_s)
    if isinstance(session, Reply):
        return session
    return Reply(200, {"value": secret, "expires_at": now_unix_s + seconds, "session": session})


def _session(body: dict[str, Any], profile: Profile, secret: str, now_unix_s: int) -> Reply:
    try:
        asked = SessionConfig.from_wire(body).to_wire("ga")
    except ConfigError as error:
        return _error(400, str(error.errors[0]), error.errors[0].code, error.errors[0].path)
    session = _effective(asked, profile, now_unix_s)
    if isinstance(session, Reply):
        return session
    session["turn_detection"] = session["audio"]["input"]["turn_detection"]
    session["client_secret"] = {"value": secret, "expires_at": now_unix_s + _SECRET_LIFE_S}
    session.pop("type")
    return Reply(200, session)


def _effective(asked: dict[str, Any], profile: Profile, now_unix_s: int) -> dict[str, Any] | Reply:
    settings = Settings(profile)
    problem = settings.update(asked)
    if problem is not None:
        return _error(400, str(problem), problem.code, f"session.{problem.path}")
    tag = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return {**settings.effective, "object": "realtime.session", "id": f"sess_{tag}", "expires_at": now_unix_s + 3600}


Access = Literal["unknown", "granted", "expired"]
_MOST = 10_000


@dataclass
class ClientSecrets:
    """What was given out, by the secret."""

    _given: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict, repr=False)

    def remember(self, reply: Reply) -> None:
        """Keep the secret in an answer to either REST endpoint, if one is there."""
        body = reply.body
        told, session = (body["client_secret"], body) if "client_secret" in body else (body, body.get("session"))
        if reply.status == 200 and isinstance(session, dict):
            if len(self._given) >= _MOST:
                self._given.pop(next(iter(self._given)))
            self._given[told["value"]] = (told["expires_at"], session)

    def access(self, key: str | None, now_unix_s: float) -> Access:
        """Whether `key` is a secret that was given out and still opens a session."""
        if key not in self._given:
            return "unknown"
        return "granted" if now_unix_s < self._given[key][0] else "expired"

    def session(self, key: str | None) -> dict[str, Any] | None:
        """The session that a secret opens; None for any other key."""
        return self._given[key][1] if key in self._given else None
