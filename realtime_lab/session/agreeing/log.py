"""A recorded session as both sides said it, event by event, in today's names; and the order that can be compared.

Everything in a log is hostile: nothing here trusts a field to be there, or to be of any kind. Events of the older,
flat dialect are read as today's, so that both sides of the comparison speak one language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from realtime_lab.config.wire import FLAT, fold
from realtime_lab.errors import RecordingError
from realtime_lab.protocol.codec import FLAT_NAMES
from realtime_lab.recording.importing.entries import read_entries, read_log
from realtime_lab.recording.importing.frames import Direction, Frame, clock_of, frame_of, times_ms
from realtime_lab.recording.importing.log import todays_session

TRANSCRIPTION = "conversation.item.input_audio_transcription."
"""What types of transcription events begin with: they come beside everything else."""
MOST_EVENTS = 200_000
"""An hour of 20 ms appends is 180,000."""
_TODAY = {**FLAT_NAMES, "conversation.item.created": "conversation.item.added"}
_PARTS_TODAY = {"audio": "output_audio", "text": "output_text"}


class Step(NamedTuple):
    """One event."""

    direction: Direction
    kind: str
    """Its type, by today's name."""
    fields: Mapping[str, Any]
    """What it says, in today's shape."""
    t_ms: float | None = None
    """Wall time; None where there is none."""


@dataclass(frozen=True)
class Logged:
    """One session of a log."""

    name: str
    """The file, and which session of it where it holds several."""
    steps: tuple[Step, ...]
    flat: bool
    """Whether it was held in the older dialect."""
    problems: tuple[str, ...] = ()
    """What could not be read."""

    def server(self) -> list[Step]:
        """What the service said, in order."""
        return [step for step in self.steps if step.direction == "server"]

    def first(self, kind: str) -> Step | None:
        """The first event of a type."""
        return next((step for step in self.steps if step.kind == kind), None)


def inner(fields: Any, *path: str) -> Any:
    """What stands at a path; None where nothing does."""
    for name in path:
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def read_sessions(path: str | Path) -> list[Logged]:
    """The sessions in a log, one for each `session.created` in it.

    Raises:
        RecordingError: If the file cannot be read, holds no event, or more than a session has.
    """
    path = Path(path)
    frames: list[Frame] = []
    problems: list[str] = []
    for entry in read_entries(read_log(path)):
        frame = None if entry.fields is None else frame_of(entry.place, entry.fields)
        if frame is None:
            problems.append(f"{entry.place}: {entry.problem or 'no event in it'}")
            continue
        frames.append(frame)
        if len(frames) > MOST_EVENTS:
            raise RecordingError(f"{path} holds more than {MOST_EVENTS:,} events: cut it into sessions", path)
    if not frames:
        first = f": {problems[0]}" if problems else ""
        raise RecordingError(f"{path}: no line of it holds a Realtime event{first}", path)
    clock, why = clock_of(frames, None)
    if why and any(frame.stamps for frame in frames):
        problems.append(why)
    parts = list(_sessions(frames))
    names = [path.name] if len(parts) == 1 else [f"{path.name} ({number})" for number in range(1, len(parts) + 1)]
    return [
        _logged(name, part, [times_ms(frame, clock) for frame in part], problems)
        for name, part in zip(names, parts, strict=True)
    ]


def _sessions(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    part: list[Frame] = []
    begun = False
    for frame in frames:
        if frame.fields["type"] == "session.created":
            if begun:
                yield part
                part = []
            begun = True
        part.append(frame)
    yield part


def _logged(name: str, frames: Sequence[Frame], times: Sequence[float | None], problems: Sequence[str]) -> Logged:
    sessions = [inner(frame.fields, "session") for frame in frames]
    flat = any(isinstance(one, Mapping) and todays_session(dict(one)) != one for one in sessions)
    flat = flat or any(frame.fields["type"] in _TODAY for frame in frames)
    steps = [
        Step(frame.direction, str(fields["type"]), fields, at)
        for frame, at in zip(frames, times, strict=True)
        for fields in [_today(frame.fields) if flat else frame.fields]
    ]
    return Logged(name, tuple(steps), flat, tuple(problems))


def _today(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event of the flat dialect in today's shape: its session, its response, and the parts of an answer."""
    made = {**fields, "type": _TODAY.get(str(fields["type"]), fields["type"])}
    if isinstance(made.get("session"), Mapping):
        made["session"] = todays_session(dict(made["session"]))
    response = made.get("response")
    if isinstance(response, Mapping):
        tree = dict(response)
        fold(tree, FLAT)
        output = tree.get("output")
        made["response"] = {**tree, "output": [*map(_item, output)]} if isinstance(output, list) else tree
    return {**made, "item": _item(made["item"])} if "item" in made else made


def _item(item: Any) -> Any:
    content = inner(item, "content")
    if inner(item, "role") != "assistant" or not isinstance(content, list):
        return item
    return {**item, "content": [*map(_part, content)]}


def _part(part: Any) -> Any:
    kind = inner(part, "type")
    return {**part, "type": _PARTS_TODAY.get(kind, kind)} if isinstance(kind, str) else part


def group(step: Step) -> str:
    """The kind of event among those whose fields are alike, such as "conversation.item.added (user)"."""
    item, kind = inner(step.fields, "item"), step.kind
    of: Any = None
    if kind.startswith("conversation.item.") and item is not None:
        of = inner(item, "role") or inner(item, "type")
    elif kind.startswith("response.output_item."):
        of = inner(item, "type")
    elif kind.startswith("response.content_part."):
        of = inner(step.fields, "part", "type")
    elif kind == "response.done":
        status = inner(step.fields, "response", "status")
        of = None if status == "completed" else status
    elif kind == "error":
        of = inner(step.fields, "error", "code") or inner(step.fields, "error", "type")
    return f"{kind} ({of})" if isinstance(of, str) else kind


def label_of(step: Step) -> str:
    """The same, with the first delta of a stream named so."""
    return f"{group(step)}, first" if step.kind.endswith(".delta") else group(step)


@dataclass
class Chain:
    """A server's events in the order that can be compared: no transcription, and of each stream the first delta."""

    labels: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    times: list[float | None] = field(default_factory=list)
    limits: tuple[int, str] | None = None
    """How many events came before the first rate limits, and whether an answer was over by then; they come some 30 ms
    behind what they belong to, so their place among the events of a next answer is a race."""
    _streams: set[tuple[object, ...]] = field(default_factory=set)
    _responses: int = 0

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Chain:
        """The chain of a server's events."""
        chain = cls()
        for step in steps:
            chain.add(step)
        return chain

    def add(self, step: Step) -> str | None:
        """Take the next event; its label, or None when its place is not compared."""
        if step.kind.startswith(TRANSCRIPTION):
            return None
        if step.kind == "rate_limits.updated":
            self.counts[step.kind] += 1
            if self.limits is None:
                done = any(label.startswith("response.done") for label in self.labels)
                self.limits = len(self.labels), "after response.done" if done else "after response.created"
            return None
        self._responses += step.kind == "response.created"
        if step.kind.endswith(".delta"):
            stream = (step.kind, self._responses, str(inner(step.fields, "item_id")))
            if stream in self._streams:
                return None
            self._streams.add(stream)
        label = label_of(step)
        self.labels.append(label)
        self.times.append(step.t_ms)
        self.counts[label] += 1
        return label
