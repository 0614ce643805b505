"""What a mocked server would hear in one turn under settings being tried: the model behind `explore`. No widgets.

The probabilities are those of the session's own passages, the endpointer is the server's, and turns are judged by the
analysis that makes a study's rows; so the numbers are a mocked session's, without holding one at every move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from realtime_lab.analysis.rows.asked import Asked
from realtime_lab.analysis.rows.facts import InputItem
from realtime_lab.analysis.rows.taking import TurnTaking, take_turns
from realtime_lab.audio import Clip, Condition, Interval, Passage, Script, Segment, Turn
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ArgumentError, Problem
from realtime_lab.recording import ReferenceTurn
from realtime_lab.server.engine.profile import documented_defaults
from realtime_lab.server.hearing.endpointing import FRAME_MS, Endpointer, EndpointRule, Track
from realtime_lab.session import Stage
from realtime_lab.session.caller import DEADLINE_MS


@dataclass(frozen=True)
class Detection:
    """The three settings of server_vad that decide what is heard."""

    threshold: float
    silence_duration_ms: int
    prefix_padding_ms: int

    @classmethod
    def of(cls, base: SessionConfig) -> Detection:
        """What a configuration asks for; the documented defaults where it is silent or detects turns otherwise."""
        defaults = documented_defaults()["audio"]["input"]["turn_detection"]
        asked = base.turn_detection
        given = asked.to_dict() if isinstance(asked, ServerVad) else {}
        return cls(*({**defaults, **given}[name] for name in cls.__dataclass_fields__))

    def applied_to(self, base: SessionConfig) -> SessionConfig:
        """`base` with these settings; what else its server_vad says is kept."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if isinstance(base.turn_detection, ServerVad):
            return base.with_values(values)
        return base.with_values({"turn_detection": ServerVad(**values)})


@dataclass(frozen=True, eq=False)
class Heard:
    """One turn under one detection, in ms from the start of the stretch that is shown."""

    detection: Detection
    speech_ms: tuple[Interval, ...]
    """Reference speech of the turn."""
    detected_ms: tuple[Interval, ...]
    """Each item's detected speech: first speech frame to last."""
    items_ms: tuple[Interval, ...]
    """Each item's audio, padding and silence included; inf while it is open."""
    taking: TurnTaking
    """What was made of the turn."""

    @property
    def endpoint_delay_ms(self) -> float | None:
        """Silence until the turn is taken; None when it was cut or missed, as in a study's rows."""
        closing = self.taking.closing
        if closing is None or closing.audio_end_ms is None or self.taking.cut:
            return None
        return closing.audio_end_ms - self.speech_ms[-1].end_ms

    @property
    def onset_clip_ms(self) -> float | None:
        """Speech lost before the first item starts; None when nothing was heard."""
        first = next((entry.item for entry in self.taking.items), None)
        if first is None or first.audio_start_ms is None:
            return None
        return max(0.0, first.audio_start_ms - self.speech_ms[0].start_ms)

    @property
    def cuts_ms(self) -> tuple[float, ...]:
        """Where the turn was taken too early."""
        return tuple(item.audio_end_ms for item in self.taking.cuts if item.audio_end_ms is not None)

    @property
    def endpoint_ms(self) -> float | None:
        """Where the turn was taken in the end; None when it was missed."""
        return None if self.taking.closing is None else self.taking.closing.audio_end_ms


class Hearing:
    """One turn of a script on the microphone, and what the detector makes of it.

    Args:
        script: What is said.
        turn: Which of its turns, from 0.
        condition: What the line sounds like.
        base: The session that is tried; only its input format matters here.
        stage: Rendered audio to share; default: a new one.

    Raises:
        ConfigError: If the script has no such turn.
        AudioError: If a clip cannot be read.
    """

    def __init__(
        self, script: Script, turn: int, condition: Condition, base: SessionConfig, stage: Stage | None = None
    ) -> None:
        count = len(script.turns)
        if turn not in range(count):
            raise ArgumentError([Problem("turn", turn, f"a turn of script {script.id!r}: 0 to {count - 1}")])
        self.script, self.turn, self.condition = script, turn, condition
        self._stage = stage or Stage()
        self._format = str(base.get("audio.input.format.type", "audio/pcm"))
        self._tracks: dict[tuple[float, float], Track] = {}

    @cached_property
    def _passages(self) -> tuple[Passage, ...]:
        """What the microphone plays, up to the deadline of the last turn in it."""
        renderer = self._stage.renderer(self.script, self.condition)
        first = renderer.fixed()[0] if self._is_fixed else renderer.turn(self.turn)
        idle = renderer.idle()
        return first, *[idle] * math.ceil(DEADLINE_MS / (idle.n_frames * FRAME_MS))

    @property
    def _is_fixed(self) -> bool:
        return self.script.timing == "fixed"

    @cached_property
    def _turns(self) -> tuple[tuple[Interval, ...], ...]:
        """Reference speech of every turn in the passages."""
        renderer = self._stage.renderer(self.script, self.condition)
        return renderer.fixed()[1] if self._is_fixed else (renderer.turn(self.turn).speech_ms,)

    @cached_property
    def pcm(self) -> NDArray[np.int16]:
        """What the microphone plays: 24 kHz, shape (n_samples,)."""
        return np.concatenate([passage.pcm for passage in self._passages])

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Speech probability of each 32 ms frame of `pcm`, shape (n_frames,)."""
        parts = []
        for passage in self._passages:
            wire = self._stage.wire(passage, self._format)
            key = passage.key + self._format.removeprefix("audio/pcm")
            parts.append(self._stage.cache.probabilities(key, wire.heard, wire.rate_hz))
        return np.concatenate(parts)

    @property
    def speech_ms(self) -> tuple[Interval, ...]:
        """Reference speech of the turn, ms from the first sample of `pcm`."""
        return self._turns[self.turn if self._is_fixed else 0]

    def heard(self, detection: Detection) -> Heard:
        """What a server with this detection makes of the turn."""
        rule = EndpointRule(detection.threshold, detection.silence_duration_ms)
        last = len(self._turns) - 1
        references = [
            ReferenceTurn(
                index=index,
                speech_ms=speech,
                deadline_ms=speech[-1].end_ms + DEADLINE_MS,
                complete=index == last,
            )
            for index, speech in enumerate(self._turns)
        ]
        found = list(self._spans(rule, references[-1].deadline_ms))
        silence_ms = rule.silent_frames * FRAME_MS
        items = [self._item(number, span, detection, silence_ms) for number, span in enumerate(found)]
        asked = Asked(True, silence_ms, detection.prefix_padding_ms, True, True, False, False)
        taken = take_turns(references, items, asked, len(self.probabilities) * float(FRAME_MS))
        return Heard(
            detection=detection,
            speech_ms=self.speech_ms,
            detected_ms=tuple(found),
            items_ms=tuple(Interval(item.audio_start_ms or 0.0, _end_ms(item)) for item in items),
            taking=taken[self.turn if self._is_fixed else 0],
        )

    def _spans(self, rule: EndpointRule, deadline_ms: float) -> list[Interval]:
        """Detected speech up to the deadline, first speech frame to last; inf while it goes on."""
        thresholds = (rule.threshold, rule.keep_threshold)
        if thresholds not in self._tracks:
            self._tracks[thresholds] = Track.of(self.probabilities, rule)
        track, endpointer = self._tracks[thresholds], Endpointer(rule)
        stop = min(len(self.probabilities), math.floor(deadline_ms / FRAME_MS))
        spans: list[Interval] = []
        while (change := endpointer.scan(track, endpointer.frame, stop)) is not None:
            if change.kind == "started":
                spans.append(Interval(change.edge_frame * float(FRAME_MS), math.inf))
            else:
                spans[-1] = Interval(spans[-1].start_ms, (change.edge_frame + 1) * float(FRAME_MS))
        return spans

    def _item(self, number: int, span: Interval, detection: Detection, silence_ms: int) -> InputItem:
        start_ms = span.start_ms - detection.prefix_padding_ms
        # A session's first sample is the first there is; later turns have audio before them.
        begins_session = self._is_fixed or self.turn == 0
        ended = math.isfinite(span.end_ms)
        return InputItem(
            item_id=f"item_{number}",
            audio_start_ms=max(0.0, start_ms) if begins_session else start_ms,
            audio_end_ms=span.end_ms + silence_ms if ended else None,
        )


def _end_ms(item: InputItem) -> float:
    return math.inf if item.audio_end_ms is None else item.audio_end_ms


def as_script(source: Clip | Script) -> Script:
    """A script as it is; a clip as the script of one turn that says it from its first speech to its last.

    Raises:
        ConfigError: If it is neither.
    """
    if isinstance(source, Script):
        return source
    if not isinstance(source, Clip):
        raise ArgumentError([Problem("clip_or_script", source, "a Clip or a Script: load_scripts('orders')[0]")])
    turn = Turn((Segment(source),), text=source.text, speaker=source.speaker)
    private = source.licence == "private"
    return Script(source.file, (turn,), source.file, reference_source=source.reference_source, private=private)
