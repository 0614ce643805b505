"""A Realtime event log from anywhere as a Recording: the way in for calls that were held with another client.

Any log of events with times will do: JSON lines or an array, today's event names or the older ones, both sides of a
WebSocket or only what a server said, as in WebRTC and SIP calls. What a log does not say stays unknown: without times
of sending, latencies from the end of speech are null; without a script, so are turns. Audio is measured and let go,
secrets are taken out, and what cannot be read is named and left out. A log that kept its appends and lost their audio
gets it back from the clip that was spoken (`clip`).
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.script import REFERENCE_SOURCES, Script
from realtime_lab.config import SessionConfig
from realtime_lab.config.frozen_json import overlaid
from realtime_lab.errors import ArgumentError, ConfigError, Problem, ProtocolError, RecordingError
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import decode_client, decode_server
from realtime_lab.recording.events import AppendRun, Header, RecordedEvent, Recording, ReferenceTurn
from realtime_lab.recording.files import recording_from_bytes
from realtime_lab.recording.importing.audio import AudioLedger
from realtime_lab.recording.importing.clip import Spoken, appends_of, clip_turns, read_clip, spoken_in
from realtime_lab.recording.importing.entries import read_entries, read_log
from realtime_lab.recording.importing.frames import UNITS_MS, Frame, clock_of, frame_of, times_ms
from realtime_lab.recording.importing.reference import reference_of

HIDDEN = "***"

# Not `token`: that is also the name of a transcript's token beside its log-probability.
_SECRET_NAME = re.compile(
    r"authori[sz]ation|api[-_]?key|secret|passw(?:or)?d|bearer|credential|cookie|^headers$"
    r"|(?:access|auth|refresh|id|session|security)[-_]?token",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"\b(?:sk|ek|rk)[-_][A-Za-z0-9_-]{6,}"
    r"|\bbearer\s+[^\s\"']+"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|(?<=[?&])(?:api[-_]?key|key|token|access_token|sig|signature)=[^&\s\"']+",
    re.IGNORECASE,
)
_BULK = re.compile(r"(?:data:[\w/.+-]{1,80};base64,)?[A-Za-z0-9+/=_-]+\s*", re.ASCII)
_BULK_CHARACTERS = 1_000
_DEEPEST = 100


def scrubbed(value: Any, name: str = "", depth: int = 0) -> Any:
    """A copy of a JSON value without secrets, and without long base64 texts.

    Args:
        value: Any JSON value.
        name: The key it stands under; `authorization`, `client_secret` and their like hide the whole value.
        depth: Levels already descended; what lies deeper than 100 is left out.
    """
    if value is not None and not isinstance(value, (bool, int, float)) and _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        if len(value) >= _BULK_CHARACTERS and _BULK.fullmatch(value):
            return f"[{len(value)} characters left out]"
        return _SECRET_TEXT.sub(HIDDEN, value)
    if isinstance(value, (Mapping, list)) and depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {_SECRET_TEXT.sub(HIDDEN, key): scrubbed(item, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, name, depth + 1) for item in value]
    return value


_SHOWN_PROBLEMS = 10
_APPEND = "input_audio_buffer.append"
_OF_AUDIO = (ev.SpeechStarted, ev.SpeechStopped, ev.InputAudioCommitted, ev.InputAudioCommit)
_OF_SENDING = "response_latency_ms, endpoint_latency_ms"
"""Metrics that need to know when the caller's last sample was sent."""
_CLOCK_FIELDS = ("type", "audio_start_ms", "audio_end_ms")
_FLAT_FIELDS = frozenset(
    "modalities voice input_audio_format output_audio_format input_audio_transcription turn_detection "
    "max_response_output_tokens temperature".split()
)


def import_recording(
    path: str | Path,
    *,
    script: Script | None = None,
    reference: Sequence[ReferenceTurn] | None = None,
    reference_source: str | None = None,
    offset_ms: float = 0.0,
    time_unit: str | None = None,
    audio: str | Path | None = None,
) -> Recording:
    """Read an event log that any client or server wrote.

    Args:
        path: The log: JSON lines, a JSON array, an object that holds one, or a browser's network archive (HAR);
            gzipped or not. Each entry is an event, or holds one under a key such as `event`, `data` or `message`,
            with its time beside it as a number or a date.
        script: What the caller said, when it is known: a script made from a recording of the call's caller
            (`load_scripts`), or one with fixed timing. Without script and reference there are no turns.
        reference: The same as turns in audio time, in place of a script.
        reference_source: Who says so: human (default for `reference`), two_channel, constructed or automatic.
        offset_ms: Audio time of the session at which the script's own time is 0, ms.
        time_unit: Unit of times whose key does not say: "s", "ms", "us" or "ns"; default: told from the log.
        audio: The clip that the caller said, where the log's appends hold no audio: an audio file of one channel, or
            .pcm with 16-bit samples at 24 kHz. The caller's timeline is rebuilt from the number of appends, so that
            ends of turns have their delays without any clock. Without script and reference, where it has speech is
            the detector's finding, and the reference "automatic".

    Returns:
        The recording, private. Its frames are computed as those of any other. Lines that hold no event, clocks that
        cannot be told, and which metrics that leaves without a value, are named in a warning.

    Raises:
        RecordingError: If the file cannot be read, or holds no event at all.
        AudioError: If the clip cannot be read.
        ConfigError: If an option has a value that is not allowed.
    """
    path = Path(path)
    _check_options(script, reference, reference_source, offset_ms, time_unit)
    data = read_log(path)
    own = _own_recording(data, path)
    log = _Log(None if audio is None else read_clip(audio))
    if own is None:
        log.read(data)
        if not log.events:
            first = f": {log.problems[0]}" if log.problems else ""
            raise RecordingError(f"{path}: no line of it holds a Realtime event{first}", path)
    recording = log.recording(path, data, time_unit) if own is None else own
    turns = tuple(reference) if reference is not None else None
    if script is not None:
        turns = reference_of(script, offset_ms, recording.audio_ms)
    if turns is None and log.spoken is not None:
        turns, reference_source = clip_turns(log.spoken), reference_source or "automatic"
    log.problems += log.missing(recording, referenced=turns is not None or bool(recording.reference))
    if log.problems:
        shown = "; ".join(log.problems[:_SHOWN_PROBLEMS])
        more = f"; and {len(log.problems) - _SHOWN_PROBLEMS} more" if len(log.problems) > _SHOWN_PROBLEMS else ""
        warnings.warn(f"{path.name!r:.80}: {shown}{more}", UserWarning, stacklevel=2)
    if turns is None:
        return recording
    source = reference_source or (script.reference_source if script is not None else "human")
    header = msgspec.structs.replace(recording.header, reference_source=source)
    if script is not None:
        header = msgspec.structs.replace(header, script_id=script.id, script_hash=script.content_hash)
    return msgspec.structs.replace(recording, header=header, reference=turns)


def _check_options(
    script: Script | None,
    reference: Sequence[ReferenceTurn] | None,
    reference_source: str | None,
    offset_ms: float,
    time_unit: str | None,
) -> None:
    problems: list[Problem] = []
    if script is not None and reference is not None:
        problems.append(Problem("reference", "given", "a script or a reference, not both"))
    if reference_source is not None and reference_source not in REFERENCE_SOURCES:
        problems.append(Problem("reference_source", reference_source, ", ".join(REFERENCE_SOURCES)))
    given: object = offset_ms
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        problems.append(Problem("offset_ms", offset_ms, "a number of ms"))
    if time_unit is not None and time_unit not in UNITS_MS:
        problems.append(Problem("time_unit", time_unit, ", ".join(UNITS_MS)))
    if reference is not None and any(
        after.speech_ms and before.speech_ms and after.speech_ms[0].start_ms < before.speech_ms[-1].end_ms
        for before, after in pairwise(reference)
    ):
        problems.append(Problem("reference", "given", "turns in the order of time that do not overlap"))
    if problems:
        raise ArgumentError(problems)


def _own_recording(data: bytes, path: Path) -> Recording | None:
    """The recording, when the file is one of this package's own and whole."""
    if not re.match(rb'\s{0,100}\{"header"', data):
        return None
    try:
        return recording_from_bytes(data, str(path))
    except RecordingError:
        return None


@dataclass
class _Log:
    """What has been read of a log."""

    clip: NDArray[np.int16] | None = None
    """What the caller said, where the appends do not hold it; 24 kHz."""
    problems: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    """Every event with its times, and of its fields those that speak of audio time."""
    events: list[tuple[int, ev.AnyEvent]] = field(default_factory=list)
    """The events that are kept, each with its place among the frames; appends are not."""
    ledger: AudioLedger = field(default_factory=AudioLedger)
    requested: dict[str, Any] = field(default_factory=dict)
    effective: dict[str, Any] | None = None
    runs: list[AppendRun] = field(default_factory=list)
    """Appends that this package's own format says in so many words, as it does the next two."""
    reference: list[ReferenceTurn] = field(default_factory=list)
    header: Header | None = None
    spoken: Spoken | None = None
    """What the appends held, by the clip."""

    def read(self, data: bytes) -> None:
        """Read every entry; what holds no event is a problem."""
        for entry in read_entries(data):
            if entry.fields is None:
                self.problems.append(f"{entry.place}: {entry.problem}")
                continue
            frame = frame_of(entry.place, entry.fields)
            if frame is None:
                if not self._own_line(entry.fields):
                    self.problems.append(f"{entry.place}: no event in it")
                continue
            self._take(frame)
        for _, event in self.events:
            self.ledger.settle(event)

    def _own_line(self, fields: Mapping[str, Any]) -> bool:
        """A line of this package's own format that is no event, in a file that is damaged elsewhere."""
        try:
            if "append" in fields:
                self.runs.append(msgspec.convert(fields["append"], AppendRun))
            elif "reference" in fields:
                self.reference.append(msgspec.convert(fields["reference"], ReferenceTurn))
            elif "header" in fields:
                self.header = msgspec.convert(fields["header"], Header)
            else:
                return False
        except msgspec.ValidationError:
            return False
        return True

    def _take(self, frame: Frame) -> None:
        place = len(self.frames)
        if frame.fields["type"] == _APPEND:
            self.ledger.on_append(frame.fields.get("audio"), place)
            self.frames.append(frame._replace(fields={"type": _APPEND}))
            return
        fields = scrubbed(self.ledger.taken_out(frame.fields))
        session = fields.get("session")
        self.ledger.on_session(session)
        try:
            raw = msgspec.json.encode(fields)
            event = decode_server(raw) if frame.direction == "server" else decode_client(raw)
        except (ProtocolError, msgspec.MsgspecError, UnicodeError, ValueError) as error:
            self.problems.append(f"{frame.place}: {str(error)[:120]}")
            return
        if isinstance(event, ev.UnknownEvent) and event.problem:
            self.problems.append(f"{frame.place}: its fields are not those of {event.type:.60}; kept as it is")
        if isinstance(session, dict) and isinstance(event, ev.SessionUpdate):
            self.requested = overlaid(self.requested, todays_session(session))
        elif isinstance(session, dict) and isinstance(event, (ev.SessionCreated, ev.SessionUpdated)):
            self.effective = todays_session(session)
        self.frames.append(frame._replace(fields={name: fields[name] for name in _CLOCK_FIELDS if name in fields}))
        self.events.append((place, event))

    def recording(self, path: Path, data: bytes, time_unit: str | None) -> Recording:
        """Everything that was read."""
        times = self._wall_times(time_unit)
        runs, timed = self.ledger.runs(times)
        if self.ledger.unreadable:
            runs, timed = self._runs_of_the_clip(times)
        runs = tuple(self.runs) or runs
        audio_ms = max((run.end_ms for run in runs), default=self._heard_ms(times))
        recorded = (RecordedEvent(times[place], self.frames[place].direction, event) for place, event in self.events)
        return Recording(
            header=self.header or self._header(path, data, has_send_clock=bool(self.runs) or (bool(runs) and timed)),
            reference=tuple(self.reference),
            appends=runs,
            events=tuple(recorded),
            audio_ms=audio_ms,
        )

    def _runs_of_the_clip(self, times: Sequence[float | None]) -> tuple[tuple[AppendRun, ...], bool]:
        """The appends, where their own audio is not there, and whether all of them have a time."""
        appends = appends_of(str(frame.fields["type"]) for frame in self.frames)
        if self.clip is None or self.ledger.appended_ms:
            return (), False
        started = (event.audio_start_ms for _, event in self.events if isinstance(event, ev.SpeechStarted))
        self.spoken = spoken_in(appends, self.clip, [at for at in started if at is not None])
        if not self.spoken.whole:
            self.problems.append(f"{len(appends.places)} appends do not hold the clip: when what was said is a guess")
        runs = self.spoken.runs([times[place] for place in appends.places])
        return runs, all(run.sent_ms for run in runs)

    def missing(self, recording: Recording, *, referenced: bool) -> list[str]:
        """What the log does not say, and the metrics that have no value for it, in one line; none where all is said."""
        lost: list[str] = []
        spoken = any(isinstance(event, _OF_AUDIO) for _, event in self.events)
        if self.ledger.unreadable and self.spoken is None:
            lost.append(f"the audio of {self.ledger.unreadable} appends ({_OF_SENDING}; audio= gives it back)")
        elif not recording.appends and spoken:
            lost.append(f"appends ({_OF_SENDING})")
        if self.events and all(entry.t_ms is None for entry in recording.events):
            lost.append("times (every latency and lag)")
        if lost and spoken and not referenced:
            lost.append("a reference (every metric of turns; script=, reference= or audio= gives one)")
        unused = self.clip is not None and self.spoken is None
        said = ["audio= is not used: there is no append without audio"] if unused else []
        return [*said, *([f"missing, and without a value for it: {', '.join(lost)}"] if lost else [])]

    def _header(self, path: Path, data: bytes, *, has_send_clock: bool) -> Header:
        model = (self.effective or self.requested).get("model")
        return Header(
            target=f"imported:{model:.80}" if isinstance(model, str) else "imported",
            script_id="".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in path.stem),
            script_hash=hashlib.sha256(data).hexdigest(),
            condition="recorded",
            seed=0,
            timing="fixed",
            reference_source="none",
            requested=self.requested,
            effective=self.effective,
            private=True,
            has_send_clock=has_send_clock,
        )

    def _wall_times(self, time_unit: str | None) -> list[float | None]:
        """Wall time of every frame: 0 when the first append began to be captured, or else at the first event."""
        clock, problem = clock_of(self.frames, time_unit)
        if problem and any(frame.stamps for frame in self.frames):
            self.problems.append(f"{problem}; latencies are null")
        raw = [times_ms(frame, clock) for frame in self.frames]
        missing = [frame.place for frame, at in zip(self.frames, raw, strict=True) if at is None]
        if missing and clock:
            self.problems.append(f"{missing[0]}: an event without a time ({len(missing)} in all)")
        zero = next((at for at in raw if at is not None), 0.0)
        if self.ledger.first_append is not None:
            place, length_ms = self.ledger.first_append
            sent = raw[place]
            zero = zero if sent is None else sent - length_ms
        if self.runs:
            zero = 0.0
        return [at if at is None or zero == 0.0 else round(at - zero, 3) for at in raw]

    def _heard_ms(self, times: Sequence[float | None]) -> float:
        """Audio sent by the end, at least: what the server spoke of, and as much since as time went by."""
        spoken_of = [
            (float(at), times[place])
            for place, event in self.events
            for name in ("audio_end_ms", "audio_start_ms")
            if isinstance(event, (ev.SpeechStarted, ev.SpeechStopped, ev.TimeoutTriggered))
            and isinstance(at := getattr(event, name, None), (int, float))
        ]
        heard_ms = max((audio for audio, _ in spoken_of), default=0.0)
        known = [at for at in times if at is not None]
        later = [max(known) - at + audio for audio, at in spoken_of if at is not None]
        return max([heard_ms, *later])


def todays_session(session: dict[str, Any]) -> dict[str, Any]:
    """A session in today's wire shape, when it is one of the older shape and can be read."""
    if "audio" in session or not _FLAT_FIELDS & session.keys():
        return session
    try:
        return SessionConfig.from_wire(session, strict=False).to_wire("ga")
    except (ConfigError, TypeError, ValueError, RecursionError):
        return session
