"""What a session can be held with. A target is a value that says where and how; it opens nothing and holds no key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from realtime_lab.errors import ConfigError, MissingExtraError, Problem, RecordingError
from realtime_lab.recording import Recording, load_recording, recording_to_bytes
from realtime_lab.server.engine.profile import Profile, find_profile
from realtime_lab.server.hearing.semantic import EndOfTurnMaker
from realtime_lab.server.plugged import Plugged, plugged
from realtime_lab.server.recogniser.transcriber import SIMULATED, WHISPER, default_transcriber, transcriber_problem
from realtime_lab.server.recogniser.weights import EXTRA, HOW_TO_INSTALL, whisper_installed

OPENAI_URL = "https://api.openai.com/v1"
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com")
_PAID_HOSTS = (".openai.com", *_AZURE_HOSTS)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MIXED = re.compile(r"[a-z].*[0-9]|[0-9].*[a-z]")
"""Lower case and digits in one long name are more likely a key."""
_LONGEST_MIXED = 24
_CALIBRATED = re.compile(r" \(calibrated (.+)\)$")
_KEY_HEADERS = ("authorization", "api-key")


@dataclass(frozen=True)
class Mocked:
    """The server that listens, on the virtual clock: free, offline, deterministic."""

    profile: Profile
    """Its defaults and delays."""
    transcriber: str = SIMULATED
    """What transcribes: "whisper", "simulated", or a folder of Whisper weights."""
    end_of_turn: Plugged | None = None
    """What estimates the end of a turn for semantic_vad; None: the recogniser's punctuation, where there is one."""
    kind: ClassVar[str] = "mocked"
    paid: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Stands in every row."""
        calibration = self.profile.calibration
        told = "" if calibration is None else f" (calibrated {calibration.on} against {calibration.against})"
        estimate = "" if self.end_of_turn is None else f", end of turn by {self.end_of_turn}"
        return f"mocked:{self.profile.name}{estimate}{told}"

    @property
    def estimates(self) -> bool:
        """Whether anything estimates the end of a turn, so that semantic_vad can be asked for."""
        return self.end_of_turn is not None or self.transcriber != SIMULATED


@dataclass(frozen=True)
class Live:
    """A Realtime service behind a socket. It names the variable that holds the key, and never holds the key.

    Raises:
        ConfigError: If the address, a header or a number cannot be used.
    """

    url: str
    """Base address, ending in /v1 as a rule; http, https, ws or wss."""
    api_key_env: str | None = "OPENAI_API_KEY"
    """Name of the environment variable with the key; None: the server wants none."""
    model: str | None = None
    """What the address asks for; None: the configuration's model."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers of the connection, as (name, value); they are not for keys."""
    dialect: Literal["ga", "flat"] = "ga"
    """Wire shape of session.update: "ga" for today's services, "flat" for older ones."""
    key_header: Literal["authorization", "api-key"] = "authorization"
    """The header that carries the key."""
    confirms: bool = True
    """Whether it answers session.update with session.updated; if not, it is believed to have done what was asked."""
    paid: bool = False
    """Whether it costs money, so that a sweep needs a cap."""
    sessions: int = 8
    """Sessions one worker process holds at a time."""
    stall_s: float = 20.0
    """How long a response may say nothing before the session has failed, seconds."""
    client_secrets: bool = False
    """Whether each session is opened with a client secret that the key was changed for, instead of the key."""
    service: str = "live"
    """First half of the name."""
    from_file: bool = field(default=False, compare=False, repr=False)
    """Whether a file named it: it then gets no key until the caller has named its address too (`key_to`)."""
    kind: ClassVar[str] = "live"

    def __post_init__(self) -> None:
        problems = _url_problems(self.url, self.api_key_env) + _header_problems(self.headers)
        problems += _variable_problems(self.api_key_env)
        for name, allowed in (("dialect", ("ga", "flat")), ("key_header", _KEY_HEADERS)):
            if getattr(self, name) not in allowed:
                problems.append(Problem(name, getattr(self, name), " or ".join(map(repr, allowed))))
        if type(self.sessions) is not int or not 1 <= self.sessions <= 200:
            problems.append(Problem("sessions", self.sessions, "1 to 200"))
        if not 0 < self.stall_s <= 600:
            problems.append(Problem("stall_s", self.stall_s, "more than 0 and at most 600 seconds"))
        if problems:
            raise ConfigError(problems)

    @property
    def name(self) -> str:
        """Stands in every row."""
        return f"{self.service}:{urlsplit(self.url).netloc}"

    def socket_url(self, model: str | None, session_type: str = "realtime") -> str:
        """Where the WebSocket is, for one model; a transcription session is asked for in place of a model."""
        scheme, netloc, path, query, _ = urlsplit(self.url)
        asked = urlencode({"model": self.model or model or ""}) if self.model or model else ""
        if session_type == "transcription":
            asked = urlencode({"intent": session_type})
        return urlunsplit(
            (_SCHEMES[scheme], netloc, path.rstrip("/") + "/realtime", "&".join(filter(None, (query, asked))), "")
        )

    def rest_url(self, path: str) -> str:
        """Where a REST endpoint is, such as "realtime/client_secrets"."""
        scheme, netloc, base, query, _ = urlsplit(self.url)
        plain = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        return urlunsplit((plain, netloc, f"{base.rstrip('/')}/{path}", query, ""))

    @property
    def local(self) -> bool:
        """Whether it is on this machine, so that no proxy stands between."""
        return urlsplit(self.url).hostname in _LOOPBACK


@dataclass(frozen=True, eq=False)
class Replay:
    """Recorded sessions that answer again; equal when they hold the same recordings. Use `replay`."""

    recordings: tuple[Recording, ...] = field(repr=False)
    """Empty where a study names a replay whose recordings it does not hold."""
    name: str
    """Stands in every row: "replay:" and what answered first."""
    digest: str
    """16 hex digits of the recordings' bytes."""
    kind: ClassVar[str] = "replay"
    paid: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Replay) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))


Target = Mocked | Live | Replay
TARGETS = (Mocked, Live, Replay)
"""The kinds of targets."""


class Recorded(Protocol):
    """What holds recordings, such as a study."""

    def recordings(self) -> Iterable[Recording]:
        """Its recordings."""
        ...


def replay(recordings: Recorded | Recording | str | Path | Iterable[Recording | str | Path]) -> Replay:
    """A target that answers with recorded sessions: no server, no cost, and the same events at the same times.

    It answers for exactly the configurations, scripts and conditions that were recorded.

    Args:
        recordings: A study, a recording, a recording's file, or several of the latter two.

    Raises:
        RecordingError: If a file cannot be read, or there is no recording.
    """
    given: Iterable[Any]
    if isinstance(recordings, (Recording, str, Path)):
        given = [recordings]
    else:
        given = recordings.recordings() if hasattr(recordings, "recordings") else recordings
    kept = tuple(load_recording(one) if isinstance(one, (str, Path)) else one for one in given)
    if not kept or not all(isinstance(one, Recording) for one in kept):
        raise RecordingError("replay: give one recording or more, a study that has some, or names of recording files")
    digest = hashlib.sha256(b"".join(hashlib.sha256(recording_to_bytes(one)).digest() for one in kept)).hexdigest()
    names = {one.header.target.removeprefix("replay:") for one in kept}
    return Replay(kept, f"replay:{names.pop() if len(names) == 1 else 'several'}"[:120], digest[:16])


def calibrated_against(targets: Iterable[str]) -> str | None:
    """What the mocked servers among some targets were calibrated against, and when.

    Args:
        targets: Names of targets, as they stand in rows.

    Returns:
        Such as "2026-05-01 against api.openai.com"; None where one of them was not, or none was mocked.
    """
    names = {name.removeprefix("replay:") for name in targets}
    found = [_CALIBRATED.search(name) for name in sorted(names) if name.startswith(Mocked.kind)]
    told = dict.fromkeys(match[1] for match in found if match is not None)
    return " and ".join(told) if found and None not in found else None


def mocked(
    profile: str | Path | Profile = "documented",
    *,
    transcriber: str | Path | None = None,
    end_of_turn: EndOfTurnMaker | str | None = None,
) -> Mocked:
    """The mocked target.

    Args:
        profile: A shipped profile's name ("documented", "observed", "openai", "azure"), a profile file, such as
            `calibrate` writes, or a profile of your own.
        transcriber: What transcribes. "whisper": Whisper tiny.en on the audio as the server hears it, with the
            log-probabilities of its tokens. "simulated": the script's own words, without log-probabilities. Or a
            folder of other Whisper weights in ctranslate2's layout. Default: "whisper" where the extra `whisper` is
            installed, else "simulated".
        end_of_turn: What estimates the end of a turn, for semantic_vad: a callable, or "module:name" to import it. It
            is given what a session hears and returns an `EndOfTurn`, anew for each session. Its name is part of the
            target's. Workers import it, so a sweep takes a module's own function or class, or a partial of one.
            Default: the recogniser's punctuation.

    Raises:
        ProfileError: If there is no such profile, or its file has mistakes.
        ConfigError: If `transcriber` is neither a name nor a folder, or `end_of_turn` cannot be called or found.
        MissingExtraError: If it needs the extra `whisper`, which is not installed.
    """
    found = profile if isinstance(profile, Profile) else find_profile(profile)
    estimate = None if end_of_turn is None else plugged("end_of_turn", end_of_turn)
    if transcriber is None:
        return Mocked(found, default_transcriber(), estimate)
    chosen = str(transcriber) if isinstance(transcriber, Path) else transcriber
    problem = transcriber_problem(chosen)
    if problem is not None:
        raise ConfigError([problem])
    if chosen == WHISPER and not whisper_installed():
        raise MissingExtraError(f"transcriber='whisper' takes a recogniser; {HOW_TO_INSTALL}", EXTRA)
    return Mocked(found, chosen, estimate)


def live(
    url: str,
    *,
    api_key_env: str | None = "OPENAI_API_KEY",
    model: str | None = None,
    headers: dict[str, str] | None = None,
    dialect: Literal["ga", "flat"] = "ga",
    confirms: bool = True,
    paid: bool | None = None,
    sessions: int = 8,
    stall_s: float = 20.0,
    client_secrets: bool = False,
) -> Live:
    """Any Realtime-compatible service, by its base address.

    Args:
        url: Base address, such as "http://127.0.0.1:8765/v1".
        api_key_env: Name of the environment variable with the key; None for a server that wants none.
        model: The model in the address; default: the configuration's.
        headers: More headers of the connection; not for keys.
        dialect: "ga" as today's services speak, "flat" for older ones.
        confirms: Whether it answers session.update with session.updated.
        paid: Whether it costs money; default: whether it is known to.
        sessions: Sessions one worker process holds at a time.
        stall_s: How long a response may say nothing, seconds.
        client_secrets: Open sessions with client secrets (POST /realtime/client_secrets; with the "flat" dialect POST
            /realtime/sessions), renewed when near their end and kept in memory only.

    Raises:
        ConfigError: If one of these cannot be used.
    """
    return Live(
        url,
        api_key_env,
        model,
        tuple(sorted((headers or {}).items())),
        dialect,
        confirms=confirms,
        paid=known_to_cost(url) if paid is None else paid,
        sessions=sessions,
        stall_s=stall_s,
        client_secrets=client_secrets,
    )


def known_to_cost(url: str) -> bool:
    """Whether an address is that of a service that is known to cost money."""
    host = "" if _url_problems(url, None) else "." + (urlsplit(url).hostname or "")
    return host.endswith(_PAID_HOSTS)


def usual_variable(url: str) -> str:
    """The environment variable in which the key of an address's service usually is."""
    host = "." + (urlsplit(url).hostname or "")
    return "AZURE_OPENAI_API_KEY" if host.endswith(_AZURE_HOSTS) else "OPENAI_API_KEY"


def openai(
    *,
    api_key_env: str = "OPENAI_API_KEY",
    url: str = OPENAI_URL,
    model: str | None = None,
    sessions: int = 8,
    client_secrets: bool = False,
) -> Live:
    """OpenAI's Realtime service; paid. The arguments are those of `live`."""
    return Live(url, api_key_env, model, paid=True, sessions=sessions, service="openai", client_secrets=client_secrets)


def azure(
    endpoint: str,
    deployment: str,
    *,
    api_key_env: str = "AZURE_OPENAI_API_KEY",
    sessions: int = 8,
    client_secrets: bool = False,
) -> Live:
    """Azure's Realtime service; paid.

    Args:
        endpoint: The resource's address, such as "https://name.openai.azure.com".
        deployment: The deployment's name, which stands where others have a model.
        api_key_env: Name of the environment variable with the key.
        sessions: Sessions one worker process holds at a time.
        client_secrets: Open sessions with client secrets; see `live`.

    Raises:
        ConfigError: If the endpoint is no address.
    """
    base = endpoint.rstrip("/")
    return Live(
        base if base.endswith("/v1") else f"{base}/openai/v1",
        api_key_env,
        deployment,
        key_header="api-key",
        paid=True,
        sessions=sessions,
        service="azure",
        client_secrets=client_secrets,
    )


def _url_problems(url: object, api_key_env: str | None) -> list[Problem]:
    allowed = "an address such as 'https://host/v1'"
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return [Problem("url", url if isinstance(url, str) else type(url).__name__, allowed)]
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return [Problem("url", url, allowed, str(error))]
    if parts.username or parts.password or "key=" in parts.query.lower():
        return [Problem("url", "(not shown)", allowed, "keys do not belong in it: name a variable in api_key_env")]
    if parts.scheme not in _SCHEMES or not host:
        return [Problem("url", url, allowed, "it begins with http, https, ws or wss")]
    if api_key_env is not None and _SCHEMES[parts.scheme] == "ws" and host not in _LOOPBACK:
        return [Problem("url", url, "https or wss where a key is sent", "or api_key_env=None")]
    return []


def _variable_problems(name: object) -> list[Problem]:
    """Whether a key was given where the name of its variable belongs."""
    if name is None:
        return []
    plain = isinstance(name, str) and _VARIABLE.fullmatch(name) is not None
    if plain and not (len(str(name)) > _LONGEST_MIXED and _MIXED.search(str(name))):
        return []
    hint = "set the variable before Python starts; a key itself does not belong here"
    return [Problem("api_key_env", "(not shown)", "the name of an environment variable, such as OPENAI_API_KEY", hint)]


def _header_problems(headers: object) -> list[Problem]:
    problems: list[Problem] = []
    pairs = headers if isinstance(headers, tuple) else ()
    for name, value in pairs:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            problems.append(Problem("headers", name, "names of letters, digits and dashes"))
        elif name.lower() in _KEY_HEADERS:
            problems.append(Problem("headers", name, "headers that carry no key", "name a variable in api_key_env"))
        elif not isinstance(value, str) or not value.isprintable() or not value.isascii():
            problems.append(Problem(f"headers[{name!r}]", "(not shown)", "one line of plain characters"))
    return problems
