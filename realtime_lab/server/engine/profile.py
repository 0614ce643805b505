"""What a server is like: its defaults, how it hears, how long it takes; and the JSON file of that, a hostile one.

Figures of the shipped profiles are priors: read from public recordings where there are any (`priors` says from how
many, and has those of single models), guesses otherwise; no service was calibrated, and reports say so. A profile that
was fitted to recordings of a service carries its calibration with it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from realtime_lab.errors import ConfigError, Problem, ProfileError
from realtime_lab.server.engine.limits import Limits
from realtime_lab.server.hearing.endpointing import FRAME_MS, MAX_LATE_FRAMES, MAX_SOON_FRAMES

VAD_FIELDS = ("threshold", "prefix_padding_ms", "silence_duration_ms")
"""Fields of server_vad that decide where turns begin and end; a profile has a default for each."""

_MAX_SIGMA = 3.0
_MAX_TEXT = 400


@dataclass(frozen=True)
class LogNormal:
    """A log-normal distribution by its median and the standard deviation of its logarithm."""

    median: float
    sigma: float
    upper_sigma: float | None = None
    """The standard deviation above the median where the tail is heavier or lighter than that; None: the same."""

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        return self.at(float(rng.standard_normal()))

    def at(self, z: float) -> float:
        """The value `z` standard deviations above the median."""
        sigma = self.sigma if z < 0 or self.upper_sigma is None else self.upper_sigma
        return math.exp(math.log(self.median) + sigma * z)

    def problems(self, path: str) -> Iterator[Problem]:
        """What is wrong with it."""
        if not (math.isfinite(self.median) and 0 < self.median <= 1e7):
            yield Problem(f"{path}.median", self.median, "more than 0")
        for name in ("sigma", "upper_sigma"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= _MAX_SIGMA:
                yield Problem(f"{path}.{name}", value, f"0 to {_MAX_SIGMA:g}")


@dataclass(frozen=True)
class Calibration:
    """Which service a profile was fitted to, when, and how far."""

    against: str
    """Host of the service."""
    on: str
    """Date, as whoever calibrated gave it."""
    sessions: int
    """Sessions it was fitted to."""
    audio_minutes: float
    """Audio sent in them."""
    measured: tuple[str, ...] = ()
    """Fields of the profile that were told to 10 %."""
    rough: tuple[str, ...] = ()
    """Fields that were measured, but not told to 10 %."""
    unknown: tuple[str, ...] = ()
    """Fields that could not be told and are priors still."""

    @property
    def statement(self) -> str:
        """What was calibrated, when, against what, in one sentence without its full stop."""
        heard = f"{self.sessions} sessions, {self.audio_minutes:.1f} minutes of audio"
        parts = (("", self.measured), ("roughly ", self.rough), ("still priors ", self.unknown))
        told = "; ".join(f"{how}{', '.join(names)}" for how, names in parts if names)
        return f"calibrated on {self.on} against {self.against} ({heard}): {told}"


class ModelDefaults(NamedTuple):
    """Where a model's sessions start from otherwise than documented."""

    silence_duration_ms: float
    voice: str
    instructions: str = ""


OWN_INSTRUCTIONS = "(instructions of the service's own)"
"""That there are some is known of a model; their text is the service's."""
SEEN_DEFAULTS = {
    **dict.fromkeys(("gpt-realtime", "gpt-realtime-global-standard"), ModelDefaults(200, "alloy", OWN_INSTRUCTIONS)),
    **dict.fromkeys(("gpt-realtime-2", "gpt-realtime-2.1", "gpt-realtime-2.1-mini"), ModelDefaults(500, "marin")),
}
"""What session.created said in recorded public sessions (pydantic-ai's test cassettes, July to September 2026), which
is the same with OpenAI and Azure: gpt-realtime in 5 of 5 (Voice Live's one names it gpt-realtime-global-standard),
gpt-realtime-2 and -2.1-mini in 1 or 2 each, gpt-realtime-2.1 taken to be as its mini. Nothing is known of the latters'
instructions."""


def documented_defaults() -> dict[str, Any]:
    """The effective session of the public documentation, in today's wire shape."""
    return {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": None,
                "transcription": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                    "idle_timeout_ms": None,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
        },
    }


@dataclass(frozen=True)
class Profile:
    """How a server behaves in time. All times in ms, all distributions are of one event's delay.

    Raises:
        ProfileError: If a figure is none that a server can have.
    """

    name: str
    """Its name, which stands in every row."""
    note: str = "priors from public recordings, not measured on a live service"
    """Where the figures come from."""
    threshold: float = 0.5
    """Default of turn_detection.threshold."""
    prefix_padding_ms: float = 300
    """Default of turn_detection.prefix_padding_ms."""
    silence_duration_ms: float = 500
    """Default of turn_detection.silence_duration_ms: 500 in the documentation."""
    by_model: bool = False
    """Whether sessions start from SEEN_DEFAULTS instead, where it knows their model."""
    threshold_bias: float = 0.0
    """Added to the threshold asked for: where on our detector's scale the server starts to hear speech."""
    hysteresis: float = 0.15
    """See EndpointRule."""
    onset_late_ms: float = 0.0
    """How much later than our detector the server hears speech begin; whole frames of 32 ms."""
    offset_late_ms: float = 0.0
    """How much later than our detector the server hears speech end; whole frames of 32 ms, one of them below 0."""
    event_ms: float = 65.0
    """From the server's decision to its event at the client; on the virtual clock the way there takes no time, so this
    is the round trip."""
    connect: LogNormal = field(default=LogNormal(40.0, 0.3))
    """From beginning to connect to the server's decision to announce the session."""
    create: LogNormal = field(default=LogNormal(30.0, 0.8))
    """From the commit to response.created."""
    first_byte: LogNormal = field(default=LogNormal(575.0, 0.35))
    """From response.created to the first output delta."""
    transcript_lead: LogNormal = field(default=LogNormal(122.0, 0.4))
    """From the first delta of a spoken answer, which is text, to its first audio."""
    transcription: LogNormal = field(default=LogNormal(540.0, 0.3))
    """From the commit to transcription.completed."""
    leading_silence: LogNormal = field(default=LogNormal(57.0, 0.46, 0.67))
    """Silence the model speaks before its first audible sample."""
    response_s: LogNormal = field(default=LogNormal(3.2, 0.6))
    """Length of a spoken response at speed 1, seconds, without its leading silence."""
    text_tokens: LogNormal = field(default=LogNormal(11.0, 0.6))
    """Length of a text response, tokens."""
    reasoning_tokens: LogNormal = field(default=LogNormal(29.0, 0.5))
    """Text tokens that a reasoning model spends before it answers."""
    words_per_s: float = 3.25
    """Words a response speaks per second."""
    realtime_factor: float = 11.8
    """Seconds of audio the server sends per second."""
    text_tokens_per_s: float = 60.0
    """Output tokens per second of a text response."""
    audio_delta_ms: int = 250
    """Audio in one output_audio.delta."""
    tool_call_rate: float = 0.3
    """Share of turns in which the model calls a function when it may choose."""
    limits: Limits = field(default=Limits())
    """What an account may use, and how long a session lives."""
    calibration: Calibration | None = None
    """Which service it was fitted to; None: priors."""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ProfileError(problems)

    def defaults(self, model: str | None = None) -> dict[str, Any]:
        """The session a client finds at session.created, with this model."""
        session = documented_defaults()
        detection = session["audio"]["input"]["turn_detection"]
        for name in VAD_FIELDS:
            detection[name] = getattr(self, name)
        seen = SEEN_DEFAULTS.get(model or session["model"]) if self.by_model else None
        if seen is not None:
            detection["silence_duration_ms"] = seen.silence_duration_ms
            session["audio"]["output"]["voice"], session["instructions"] = seen.voice, seen.instructions
        return session

    @property
    def onset_late_frames(self) -> int:
        """`onset_late_ms` in frames."""
        return round(self.onset_late_ms / FRAME_MS)

    @property
    def offset_late_frames(self) -> int:
        """`offset_late_ms` in frames."""
        return round(self.offset_late_ms / FRAME_MS)

    def save(self, path: str | Path) -> Path:
        """Write the profile as JSON; `load` reads it back equal."""
        return save_profile(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile file.

        Raises:
            ProfileError: If the file is missing, is no profile or has mistakes; all of them are in `.errors`.
        """
        return load_profile(Path(path))


LIMITS: dict[str, tuple[float, float]] = {
    "threshold": (0, 1),
    "prefix_padding_ms": (0, 10_000),
    "silence_duration_ms": (0, 10_000),
    "threshold_bias": (-1, 1),
    "hysteresis": (0, 1),
    "event_ms": (0, 10_000),
    "words_per_s": (0.1, 20),
    "realtime_factor": (0.1, 1000),
    "text_tokens_per_s": (0.1, 100_000),
    "audio_delta_ms": (10, 5000),
}
"""Least and most of every plain figure."""


def _problems(profile: Profile) -> Iterator[Problem]:
    for name in ("name", "note"):
        text = getattr(profile, name)
        if not text.isprintable() or not 0 < len(text) <= (80 if name == "name" else 2 * _MAX_TEXT):
            yield Problem(name, text[:80], "a short line of text")
    for name, (least, most) in LIMITS.items():
        value = getattr(profile, name)
        if not least <= value <= most:
            yield Problem(name, value, f"{least:g} to {most:g}")
    for name, least in (("onset_late_ms", 0), ("offset_late_ms", -MAX_SOON_FRAMES * FRAME_MS)):
        value = getattr(profile, name)
        if not least <= value <= MAX_LATE_FRAMES * FRAME_MS or value % FRAME_MS:
            yield Problem(name, value, f"{least} to {MAX_LATE_FRAMES * FRAME_MS} in steps of {FRAME_MS}")
    for entry in fields(profile):
        value = getattr(profile, entry.name)
        if isinstance(value, LogNormal):
            yield from value.problems(entry.name)
    yield from profile.limits.problems()
    if not 0 <= profile.tool_call_rate <= 1:
        yield Problem("tool_call_rate", profile.tool_call_rate, "0 to 1")
    if profile.calibration is not None:
        yield from _calibration_problems(profile.calibration)


def _calibration_problems(calibration: Calibration) -> Iterator[Problem]:
    known = {entry.name for entry in fields(Profile)}
    for name in ("against", "on"):
        text = getattr(calibration, name)
        if not text.isprintable() or not 0 < len(text) <= _MAX_TEXT:
            yield Problem(f"calibration.{name}", text[:80], "a short line of text")
    for name in ("measured", "rough", "unknown"):
        strange = [text for text in getattr(calibration, name) if text not in known]
        if strange:
            yield Problem(f"calibration.{name}", strange[0][:80], "names of a profile's fields")


_DOCUMENTED = Profile(name="documented")

_OPENAI = replace(
    _DOCUMENTED,
    name="openai",
    note="turn detection and defaults as in recorded public sessions of OpenAI (n = 3 turns, one clip, gpt-realtime); "
    "times are priors, not measured on a live service",
    by_model=True,
)
_AZURE = replace(
    _OPENAI,
    name="azure",
    note="turn detection and defaults as in recorded public sessions of Azure OpenAI and Azure Voice Live (n = 4, one "
    "clip, gpt-realtime); times are priors, not measured on a live service",
    onset_late_ms=96,
    offset_late_ms=-32,
)
PROFILES = {
    "documented": _DOCUMENTED,
    "observed": replace(_DOCUMENTED, name="observed", silence_duration_ms=200),
    "openai": _OPENAI,
    "azure": _AZURE,
}
"""The shipped profiles by name. `documented` holds wherever none is named: what OpenAI's documentation says, the same
for every model; `observed` differs in its silence only. `openai` and `azure` are what recorded public sessions
(pydantic-ai's test cassettes, one clip) show: with no lateness our detector starts and ends speech where OpenAI did in
3 of 3 turns; Azure started 3 frames later and ended 1 sooner in 4 of 4 sessions."""


FORMAT_VERSION = 1
MAX_BYTES = 100_000
_FIELDS = tuple(entry.name for entry in dataclasses.fields(Profile))


def find_profile(name: object) -> Profile:
    """A shipped profile by its name, or the one in a file.

    Raises:
        ProfileError: If there is neither, or the file has mistakes.
    """
    if isinstance(name, str) and name in PROFILES:
        return PROFILES[name]
    if not isinstance(name, (str, Path)) or not str(name).isprintable() or not Path(name).is_file():
        allowed = " or ".join(repr(known) for known in sorted(PROFILES))
        raise ProfileError([Problem("profile", name, f"{allowed}, or a profile file", "or give a Profile")])
    return load_profile(Path(name))


def save_profile(profile: Profile, path: Path) -> Path:
    """Write `profile` to `path`; see `Profile.save`."""
    document = {"format_version": FORMAT_VERSION, "profile": dataclasses.asdict(profile)}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return path


def load_profile(path: Path) -> Profile:
    """Read the profile in `path`; see `Profile.load`."""
    shown = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError([Problem("profile", shown, "a profile file", str(error.strerror))]) from None
    if len(data) > MAX_BYTES:
        raise ProfileError([Problem("profile", shown, f"a file of at most {MAX_BYTES:,} bytes")])
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError([Problem("profile", shown, "a JSON file", str(error))]) from None
    return _profile(document)


def _profile(document: Any) -> Profile:
    if not isinstance(document, dict) or not isinstance(document.get("profile"), dict):
        raise ProfileError([Problem("profile", "(no profile)", "an object with format_version and profile")])
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        hint = "another version of this package wrote it"
        raise ProfileError([Problem("format_version", version, str(FORMAT_VERSION), hint)])
    table: dict[str, Any] = document["profile"]
    unknown = [name for name in table if name not in _FIELDS]
    if unknown:
        raise ProfileError([Problem(f"profile.{name[:80]}", "(not read)", _near(name)) for name in unknown[:20]])
    try:
        return msgspec.convert(table, Profile)
    except ProfileError:
        raise
    except (msgspec.ValidationError, ConfigError) as error:
        raise ProfileError([Problem("profile", "(not read)", "a profile's figures", str(error))]) from None


def _near(name: str) -> str:
    near = difflib.get_close_matches(name[:80], _FIELDS, n=1, cutoff=0.5)
    return f"a profile's fields; did you mean {near[0]}?" if near else "a profile's fields"
