"""Recordings made by hand, for the tests of analysis; the tests here are that they obey the documented order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from realtime_lab.audio.pcm import Interval
from realtime_lab.protocol import check_order
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import (
    AudioRef,
    ContentPart,
    InputTokenDetails,
    Item,
    OutputTokenDetails,
    Response,
    StatusDetails,
    TokenLogprob,
    Usage,
)
from realtime_lab.recording.events import AppendRun, Header, RecordedEvent, Recording, ReferenceTurn

PREFIX_MS = 300.0


def wire(silence_ms: float | None = 500.0, **changes: Any) -> dict[str, Any]:
    """A configuration in today's wire shape."""
    detection: dict[str, Any] = {"type": "server_vad", "prefix_padding_ms": PREFIX_MS}
    if silence_ms is not None:
        detection["silence_duration_ms"] = silence_ms
    heard: dict[str, Any] = {"turn_detection": changes.pop("turn_detection", detection)}
    heard["transcription"] = changes.pop("transcription", None)
    return {"type": "realtime", "audio": {"input": heard}, **changes}


def usage(output_tokens: int = 30) -> Usage:
    """What a response was billed for, with cached input."""
    return Usage(
        total_tokens=100 + output_tokens,
        input_tokens=100,
        output_tokens=output_tokens,
        input_token_details=InputTokenDetails(
            text_tokens=40,
            audio_tokens=60,
            cached_tokens=50,
            cached_tokens_details={"text_tokens": 20, "audio_tokens": 30},
        ),
        output_token_details=OutputTokenDetails(text_tokens=10, audio_tokens=output_tokens - 10),
    )


@dataclass
class Hand:
    """Builds one recording event by event; audio is perfectly paced in 20 ms frames, so sent_at(a) is a rounded up."""

    turns: list[list[tuple[float, float]]]
    config: dict[str, Any] = field(default_factory=wire)
    audio_ms: float = 60_000.0
    frame_ms: float = 20.0
    deadline_ms: float = 5_000.0
    complete: bool = True
    texts: list[str | None] | None = None
    log: list[RecordedEvent] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.say(-20.0, ev.SessionCreated(session={"id": "sess_1"}))

    def say(self, t_ms: float, event: ev.Event, direction: str = "server") -> None:
        event.event_id = f"event_{next(self._ids)}"
        self.log.append(RecordedEvent(t_ms, direction, event))

    def item(self, item_id: str, onset: float, end: float | None, *, net: float = 10.0) -> None:
        """The server hears speech at `onset` and takes the turn at `end` (None: never), audio time."""
        self.say(onset + net, ev.SpeechStarted(item_id=item_id, audio_start_ms=onset - PREFIX_MS))
        if end is not None:
            self.say(end + net, ev.SpeechStopped(item_id=item_id, audio_end_ms=end))
            self.commit(item_id, end + net)

    def commit(self, item_id: str, t_ms: float) -> None:
        item = Item(id=item_id, type="message", role="user", status="completed")
        self.say(t_ms, ev.InputAudioCommitted(item_id=item_id))
        self.say(t_ms, ev.ItemAdded(item=item, previous_item_id=None))
        self.say(t_ms, ev.ItemDone(item=item, previous_item_id=None))

    def answer(
        self,
        after: str,
        created: float,
        *,
        first: float = 600.0,
        silent_ms: float = 0.0,
        audible_ms: float = 400.0,
        status: str = "completed",
        reason: str | None = None,
        output_tokens: int = 30,
        linked: bool = True,
        text: bool = False,
        error: dict[str, Any] | None = None,
    ) -> str:
        """A response created at wall time `created`, its first delta `first` later, after the item `after`."""
        response_id, item_id = f"resp_{after}", f"out_{after}"
        ids: dict[str, Any] = {"response_id": response_id, "item_id": item_id}
        self.say(created, ev.ResponseCreated(response=Response(id=response_id)))
        at = created + first
        output = Item(id=item_id, type="message", role="assistant")
        if audible_ms or silent_ms or text:
            self.say(at, ev.OutputItemAdded(response_id=response_id, output_index=0, item=output))
            self.say(at, ev.ItemAdded(item=output, previous_item_id=after if linked else None))
            self.say(at, ev.ContentPartAdded(**ids, part=ContentPart(type="audio")))
            at = self._deltas(at, ids, silent_ms, audible_ms, text)
            self.say(at, ev.OutputItemDone(response_id=response_id, output_index=0, item=output))
        details = None if reason is None and error is None else StatusDetails(reason=reason or "error", error=error)
        if error is not None and details is not None:
            details = StatusDetails(type="failed", error=error)
        done = Response(id=response_id, status=status, status_details=details, usage=usage(output_tokens))
        self.say(at + 5, ev.ResponseDone(response=done))
        return response_id

    def _deltas(self, at: float, ids: dict[str, Any], silent_ms: float, audible_ms: float, text: bool) -> float:
        if text:
            self.say(at, ev.TextDelta(**ids, delta="Sure."))
            self.say(at, ev.TextDone(**ids, text="Sure."))
            return at
        samples = 0
        for length_ms, audible in ((silent_ms, None), (audible_ms, 0)):
            if length_ms:
                ref = AudioRef(
                    sha256=ids["response_id"],
                    offset_samples=samples,
                    samples=round(length_ms * 24),
                    audible_sample=audible,
                )
                self.say(at, ev.AudioDelta(**ids, delta=ref))
                samples += ref.samples
                at += 50.0
        return at

    def transcript(self, item_id: str, t_ms: float, text: str, logprobs: list[TokenLogprob] | None = None) -> None:
        event = ev.TranscriptionCompleted(item_id=item_id, transcript=text)
        event.logprobs = logprobs
        self.say(t_ms, event)

    def build(self) -> Recording:
        reference = tuple(
            ReferenceTurn(
                index=index,
                speech_ms=tuple(Interval(*part) for part in speech),
                deadline_ms=(speech[-1][1] if speech else 0.0) + self.deadline_ms,
                complete=self.complete,
                text=f"turn {index}" if self.texts is None else self.texts[index],
                speaker="ann",
            )
            for index, speech in enumerate(self.turns)
        )
        header = {"target": "mocked:documented", "script_id": "s", "script_hash": "h", "condition": "clean", "seed": 0}
        run = AppendRun(
            start_ms=0.0,
            samples=round(self.audio_ms * 24),
            sha256="a" * 64,
            offset_samples=0,
            frame_ms=self.frame_ms,
        )
        return Recording(
            header=Header(**{**header, "requested": self.config, **self.header}),
            reference=reference,
            appends=(run,),
            events=tuple(sorted(self.log, key=lambda entry: entry.t_ms)),
            audio_ms=self.audio_ms,
        )


def one_turn(**changes: Any) -> Hand:
    """A turn with one hold (1 to 2 s and 2.4 to 3 s), taken at 3.56 s and answered at 4.2 s."""
    hand = Hand([[(1000.0, 2000.0), (2400.0, 3000.0)]], **changes)
    hand.item("a", 1060.0, 3560.0)
    hand.answer("a", 3600.0)
    return hand


def test_a_handmade_recording_obeys_the_documented_order():
    assert check_order(one_turn().build().server_events()) == []
