"""Where the shipped figures of a profile come from, and those that public recordings give for single models.

Every figure here has n, the responses or turns it was read from, and its source. A figure of a profile that was fitted
or set stays as it is; one that is still the shipped prior gives way to its model's. None of it is a calibration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import lru_cache
from typing import NamedTuple

from realtime_lab.server.engine.profile import LogNormal, Profile

_TIMED = "pydantic-ai's test cassettes with times, gpt-realtime-2.1-mini, 2026-09"
_CASSETTES = "pydantic-ai's test cassettes, gpt-realtime, 2026-07 and -08"
_EVAL = "aiewf-eval's published turns, 2026-01 to -08"
_STT = "pipecat's stt-benchmark, pull request 33"


class Source(NamedTuple):
    """What a figure was read from."""

    n: int
    """Public responses, turns or answers."""
    of: str


class Prior(NamedTuple):
    """A figure of one model."""

    value: LogNormal | int
    n: int
    of: str


SOURCES: dict[str, Source] = {
    "event_ms": Source(2, f"round trips of 67 and 63 ms; {_TIMED}"),
    "create": Source(3, f"1, 30 and 47 ms beside the round trip; {_TIMED}, and one of Azure Voice Live"),
    "first_byte": Source(989, f"between gpt-realtime and gpt-realtime-2.1; {_EVAL}"),
    "transcript_lead": Source(2, f"121 and 124 ms; {_TIMED}"),
    "transcription": Source(1_000, f"gpt-realtime-whisper, without its silence; {_STT}"),
    "leading_silence": Source(901, f"gpt-realtime-2.1; {_EVAL}"),
    "reasoning_tokens": Source(2, f"27 and 31; {_TIMED}"),
    "words_per_s": Source(8, f"spoken answers of ten words or more; {_CASSETTES}, and public traces"),
    "realtime_factor": Source(2, _TIMED),
    "audio_delta_ms": Source(13, _CASSETTES),
}
"""Of the figures every model has; those not named are guesses."""

BY_MODEL: dict[str, dict[str, Prior]] = {
    "gpt-realtime": {
        # First audio 645 ms (log sd .21) after response.created, less the transcript's lead.
        "first_byte": Prior(LogNormal(513.0, 0.24), 89, f"medians of three runs; {_EVAL}"),
        "leading_silence": Prior(LogNormal(176.0, 0.99, 0.73), 226, _EVAL),
    },
    "gpt-realtime-1.5": {"leading_silence": Prior(LogNormal(41.0, 0.49, 0.91), 222, _EVAL)},
    "gpt-realtime-2.1": {
        # First audio 757 ms (log sd .31) after response.created, less the transcript's lead.
        "first_byte": Prior(LogNormal(612.0, 0.32, 0.4), 900, _EVAL),
        "leading_silence": Prior(LogNormal(57.0, 0.46, 0.67), 901, _EVAL),
    },
    "gpt-realtime-2.1-mini": {
        "first_byte": Prior(LogNormal(335.0, 0.4), 2, f"310 and 363 ms; {_TIMED}"),
        "audio_delta_ms": Prior(400, 2, _TIMED),
    },
}
"""By the session's model, without the date of its snapshot."""

BY_RECOGNISER: dict[str, Prior] = {
    "gpt-4o-transcribe": Prior(LogNormal(440.0, 0.34, 0.4), 1_000, f"without its silence; {_STT}"),
    "gpt-realtime-whisper": Prior(LogNormal(540.0, 0.13, 0.16), 1_000, f"without its silence; {_STT}"),
    "whisper-1": Prior(LogNormal(655.0, 0.4), 1, "one public trace of 2025"),
}
"""Delay of transcription by the recogniser asked for."""

_SHIPPED = {entry.name: getattr(Profile(name="shipped"), entry.name) for entry in fields(Profile)}
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_REASONS = re.compile(r"gpt-realtime-2(\.\d+)?(-mini)?$")


def reasons(model: str | None) -> bool:
    """Whether answers of this model are billed for reasoning: gpt-realtime-2 and its successors."""
    return model is not None and _REASONS.match(_DATE.sub("", model)) is not None


@lru_cache(maxsize=256)
def paced(profile: Profile, model: str | None, recogniser: str | None) -> Profile:
    """The profile with its model's figures where it has only the shipped priors.

    Args:
        profile: The server's.
        model: The session's model.
        recogniser: The model of its transcription.
    """
    known = dict(BY_MODEL.get(_DATE.sub("", model or ""), {}))
    if recogniser in BY_RECOGNISER:
        known["transcription"] = BY_RECOGNISER[recogniser]
    mine = {name: prior.value for name, prior in known.items() if getattr(profile, name) == _SHIPPED[name]}
    return replace(profile, **mine) if mine else profile  # type: ignore[arg-type]  # names are a profile's fields


def priors_table() -> Iterator[tuple[str, str, str, str]]:
    """Rows of (figure, of which model, value, from n public responses of a source)."""
    for name, source in SOURCES.items():
        yield name, "any", _told(_SHIPPED[name]), _from(source)
    models = [(name, model, prior) for model, priors in BY_MODEL.items() for name, prior in priors.items()]
    models += [("transcription", model, prior) for model, prior in BY_RECOGNISER.items()]
    for name, model, prior in models:
        yield name, model, _told(prior.value), _from(Source(prior.n, prior.of))


def _from(source: Source) -> str:
    return f"from {source.n:,} public response{'' if source.n == 1 else 's'}: {source.of}"


def _told(value: LogNormal | float) -> str:
    if not isinstance(value, LogNormal):
        return f"{value:g}"
    upper = "" if value.upper_sigma is None else f", {value.upper_sigma:g} above"
    return f"{value.median:g} (log sd {value.sigma:g}{upper})"
