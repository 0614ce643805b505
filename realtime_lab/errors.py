"""The exceptions this package raises; nothing else lives here.

```
RealtimeLabError
├── ConfigError            a session configuration has mistakes (all of them, in .errors)
│   ├── ArgumentError      what a function is asked, such as a limit or a column, has mistakes
│   ├── PlanError          a sweep plan has mistakes
│   ├── ProfileError       a server's profile has mistakes
│   └── RequirementError   what a study is checked for has mistakes
├── UnmodelledError        a mocked sweep over a field the mocked server ignores
├── AudioError             an audio file cannot be read (.path)
├── ScriptError            a script set or folder cannot be used (.path)
├── RecordingError         a recording cannot be read
├── StudyError             a study file cannot be used (.path)
│   ├── StudyLockedError   another process is writing it
│   ├── StudyMismatchError it belongs to another plan
│   ├── StudyVersionError  it was written by another schema version
│   ├── StudyDamagedError  its bytes are damaged
│   └── StudyUnwritableError  the disk is full, or fails (.full, .reason)
├── MissingExtraError      an optional dependency is needed (.extra)
├── ProtocolError          the peer sent something that is not the Realtime protocol
└── RemoteError            the service refused or failed (.code, .status, .param)
```

Local mistakes and remote faults are different types, so `except RemoteError` never hides a typo.
"""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ArgumentError",
    "AudioError",
    "ConfigError",
    "MissingExtraError",
    "PlanError",
    "Problem",
    "ProfileError",
    "ProtocolError",
    "RealtimeLabError",
    "RecordingError",
    "RemoteError",
    "RequirementError",
    "ScriptError",
    "StudyDamagedError",
    "StudyError",
    "StudyLockedError",
    "StudyMismatchError",
    "StudyUnwritableError",
    "StudyVersionError",
    "UnmodelledError",
]


class RealtimeLabError(Exception):
    """Base of every error this package raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the lines that led here but for this package's own, and the message, which says all."""
        own = str(Path(__file__).parent)
        frames = [
            frame
            for frame in traceback.extract_tb(self.__traceback__)
            if not frame.filename.startswith(own) and not _OF_IPYTHON.search(frame.filename)
        ]
        cause = [] if self.__cause__ is None else [f"because of {type(self.__cause__).__name__}: {self.__cause__}"]
        return [*map(_frame_line, frames[-_FRAMES_SHOWN:]), f"{type(self).__name__}: {self}", *cause]


_OF_IPYTHON = re.compile(r"[/\\](IPython|ipykernel)[/\\]")
_FRAMES_SHOWN = 4


def _frame_line(frame: traceback.FrameSummary) -> str:
    where = "the cell" if "ipykernel_" in frame.filename or "ipython-input" in frame.filename else frame.filename
    return f"{where}, line {frame.lineno}: {frame.line or ''}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a configuration or plan."""

    path: str
    """Dotted path of the field, such as `audio.input.turn_detection.threshold`."""
    value: object
    """The value that was given."""
    allowed: str
    """What is allowed there, in words."""
    hint: str = ""
    """What to do, often the nearest known name."""
    code: str = "invalid_value"
    """The service's own code for this kind of mistake."""

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        text = f"{self.path} = {shown}: allowed: {self.allowed}"
        return f"{text} ({self.hint})" if self.hint else text


def nearest_hint(name: object, known: Iterable[str]) -> str:
    """The question which known name was meant by a wrong one, empty when none is alike."""
    near = difflib.get_close_matches(str(name)[:80], list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


class ConfigError(RealtimeLabError, ValueError):
    """A configuration has one or more mistakes, reported together.

    Attributes:
        errors: Every mistake found, in field order.
    """

    subject = "session configuration"

    def __init__(self, errors: Sequence[Problem]) -> None:
        self.errors: tuple[Problem, ...] = tuple(errors)
        count = len(self.errors)
        head = f"{count} mistake{'s' if count != 1 else ''} in the {self.subject}:"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.errors)]))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.errors,)


class ArgumentError(ConfigError):
    """What a function or command is asked has one or more mistakes, reported together."""

    subject = "arguments"


class PlanError(ConfigError):
    """A sweep plan has one or more mistakes, reported together."""

    subject = "sweep plan"


class ProfileError(ConfigError):
    """A server's profile has one or more mistakes, reported together."""

    subject = "profile"


class RequirementError(ConfigError):
    """What a study is to be checked for has one or more mistakes, reported together."""

    subject = "requirements"


class UnmodelledError(RealtimeLabError):
    """A mocked sweep varies a field that the mocked server ignores, so its answer would be noise."""


class _FileError(RealtimeLabError):
    """An error about one file."""

    def __init__(self, message: str, path: str | Path | None = None) -> None:
        super().__init__(message)
        self.path = None if path is None else str(path)


class AudioError(_FileError):
    """An audio file is missing, empty, damaged or of an unknown format."""


class ScriptError(_FileError):
    """A script set, label file or folder of recordings cannot be used."""


class RecordingError(_FileError):
    """A recording cannot be read."""


class StudyError(_FileError):
    """A study file cannot be used."""


class StudyLockedError(StudyError):
    """Another process is writing this study."""


class StudyMismatchError(StudyError):
    """The study file belongs to another plan."""


class StudyVersionError(StudyError):
    """The study was written by another schema version."""


class StudyDamagedError(StudyError):
    """The study's bytes are damaged; `realtime-lab salvage` copies what is whole."""


class StudyUnwritableError(StudyError):
    """The study cannot be written now: the disk is full, fails or is read-only.

    Attributes:
        reason: Why, in a few words.
        full: Whether the disk is full, so that room is all it takes.
    """

    def __init__(self, message: str, path: str | Path | None = None, *, reason: str = "", full: bool = False) -> None:
        super().__init__(message, path)
        self.reason, self.full = reason, full


class MissingExtraError(RealtimeLabError):
    """Something needs an optional dependency that is not installed."""

    def __init__(self, message: str, extra: str) -> None:
        super().__init__(message)
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (str(self), self.extra)


class ProtocolError(RealtimeLabError):
    """The peer sent a frame that is not part of the Realtime protocol."""


class RemoteError(RealtimeLabError):
    """The service refused or failed.

    Attributes:
        code: The service's error code, when it gave one.
        status: The HTTP status, when there was one.
        param: The parameter the service complained about.
        request_id: The service's id of the request, to quote to its support.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.param = param
        self.request_id = request_id
