"""Transcriber and end-of-turn estimate of one session, made of a recogniser and the audio that the session heard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from realtime_lab.errors import Problem
from realtime_lab.server.engine.transcribing import Asked, Pending, Recognition
from realtime_lab.server.hearing.heard import HeardAudio, HeardSpan
from realtime_lab.server.recogniser.recogniser import Recogniser, open_recogniser
from realtime_lab.server.recogniser.weights import whisper_installed

WHISPER, SIMULATED = "whisper", "simulated"
"""Transcribers by name; a path is a folder of weights."""


Submit = Callable[[Callable[[], Recognition]], "Future[Recognition]"]


@dataclass
class RecognisingTranscriber:
    """A Transcriber.

    Args:
        recogniser: What recognises.
        audio: What was heard.
        submit: Runs a function on another thread, for a session that must not wait; None: it waits.
    """

    recogniser: Recogniser
    audio: HeardAudio
    submit: Submit | None = None
    segments: list[str] = field(default_factory=list)
    """Names of what was recognised so far: equal names, equal samples and equal questions."""

    @property
    def name(self) -> str:
        """What recognises, with its version."""
        return self.recogniser.name

    def begin(self, start_ms: float, end_ms: float, asked: Asked) -> Pending:
        """Begin to transcribe a span."""
        span = self.audio.span(start_ms, end_ms)
        if span is None:
            message = f"Audio from {start_ms:.0f} ms is no longer kept: commit shorter turns."
            lost = Recognition(self.name, None, code="audio_not_kept", message=message)
            return lambda: lost
        if self.submit is None:
            return lambda: self._noted(self.recogniser.recognise(span, asked))
        future = self.submit(partial(self._guarded, span, asked))
        return lambda: self._noted(future.result()) if future.done() else None

    def _guarded(self, span: HeardSpan, asked: Asked) -> Recognition:
        """On another thread: a fault ends in an event, as a service's would."""
        try:
            return self.recogniser.recognise(span, asked)
        except Exception as error:
            message = f"The recogniser failed: {type(error).__name__}."
            return Recognition(self.name, None, code="transcription_failed", message=message)

    def _noted(self, found: Recognition) -> Recognition:
        if found.segment is not None:
            self.segments.append(found.segment)
        return found


@dataclass
class PunctuationEndOfTurn:
    """An EndOfTurn: the probability that the recogniser ends its sentence after the last word it hears.

    Args:
        recogniser: What recognises.
        audio: What was heard.
    """

    recogniser: Recogniser
    audio: HeardAudio

    @property
    def name(self) -> str:
        """What estimates, with its version."""
        return f"terminal punctuation of {self.recogniser.name}"

    def probability(self, start_ms: float, end_ms: float) -> float:
        """Probability that whoever speaks in [start_ms, end_ms) has finished; 0 when no word is heard."""
        span = self.audio.span(start_ms, end_ms)
        found = None if span is None else self.recogniser.recognise(span, Asked())
        return 0.0 if found is None or found.finished is None else found.finished


def find_recogniser(transcriber: str) -> Recogniser | None:
    """The recogniser that a target names: "whisper" or a folder of weights; None for "simulated".

    Raises:
        MissingExtraError: If the `whisper` extra is not installed.
        ConfigError: If a folder holds no weights, or the extra's are not the published ones.
    """
    if transcriber == SIMULATED:
        return None
    return open_recogniser(None if transcriber == WHISPER else Path(transcriber))


def default_transcriber() -> str:
    """What transcribes where nobody says: "whisper" where the extra is installed, else "simulated"."""
    return WHISPER if whisper_installed() else SIMULATED


def transcriber_problem(transcriber: object) -> Problem | None:
    """What is wrong with the name of a transcriber; None when it can be used."""
    folder = isinstance(transcriber, str) and Path(transcriber).is_dir()
    if transcriber in (WHISPER, SIMULATED) or folder:
        return None
    allowed = f"{WHISPER!r}, {SIMULATED!r} or a folder of Whisper weights"
    return Problem("transcriber", transcriber, allowed, "as ctranslate2 converts them")
