"""The client's side of a recorded session, played to the mocked server's engine on virtual time.

What a client sent is sent again once the mocked server has said what the service had said before it, and not before its
time in a log that holds times. Where a log holds nothing of the client's, as of a call by WebRTC or SIP, what it must
have asked for is told from what was answered. What a service chose by chance is taken from the log, so that one choice
makes no other difference: whether the model answers or calls, how long it speaks, and the words of a transcript. Delays
are the medians of the profile, or drawn where the question is what chance can do. Settings that the service reports are
the mocked server's from then on.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from realtime_lab.config.wire import MISSING, remove
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.codec import event_to_builtins
from realtime_lab.protocol.items import TokenLogprob
from realtime_lab.server.engine.engine import Engine
from realtime_lab.server.engine.listening import FrameListener
from realtime_lab.server.engine.profile import LogNormal, Profile
from realtime_lab.server.engine.settings import Settings
from realtime_lab.server.engine.transcribing import Asked, Pending, Recognition
from realtime_lab.session.agreeing.log import TRANSCRIPTION, Chain, Logged, Step, inner
from realtime_lab.session.agreeing.sound import Sound, encoded, told_pcm

PATIENCE_MS = 4_500.0
"""How long what the service had said is waited for: under 5 s, the shortest idle timeout."""
LONGEST_MS = 180_000.0
"""The same for an idle timeout, which is 30 s at most after the answer was played."""
MOST_EVENTS = 100_000
"""The mocked server says no more than this in answer to one log."""
_LONG_S = 60.0
"""An answer that was not given to its end would have been longer than what was given."""
_OWN = ("type", "id", "object", "model", "expires_at")
"""Fields of a session that a client does not choose, or not while it lasts."""
_REFUSALS = 32
_IMPLYING = ("session.updated", "conversation.item.added", "response.created")
"""Events of a service that answer a client."""
_ANSWERS_TO_UPDATE = ("session.updated", "error")
_IDS = frozenset({"id", "item_id", "previous_item_id", "response_id", "call_id"})


@dataclass(frozen=True)
class _Answer:
    """What the model did in one response of the log."""

    calls: bool = False
    whole: bool = True
    audio_tokens: int | None = None
    text_tokens: int | None = None


def at_medians(profile: Profile) -> Profile:
    """The profile of a server that always takes the median."""
    medians: dict[str, Any] = {
        entry.name: LogNormal(value.median, 0.0)
        for entry in fields(profile)
        if isinstance(value := getattr(profile, entry.name), LogNormal)
    }
    return replace(profile, **medians)


class Played(NamedTuple):
    """What the mocked server made of a recorded session's client."""

    said: list[Step]
    """Its events, in order, with their virtual times."""
    refused: list[str]
    """Settings that the service took and the mocked server did not; it was not asked for them."""


def play(session: Logged, sound: Sound, profile: Profile, ears: Ears, seed: int | None = None) -> Played:
    """Hold a recorded session with the mocked server.

    Args:
        session: What was recorded.
        sound: What the caller's audio was.
        profile: The mocked server's.
        ears: What hears, shared between the replays of one session.
        seed: Decides the delays; None: they are medians.
    """
    return _Replay(session, sound, profile, ears, seed).run()


class Ears:
    """A detector that is asked once: the same audio is the same to every replay of a session."""

    def __init__(self, make_vad: Callable[[int], FrameListener]) -> None:
        self._make_vad = make_vad
        self._known: list[float] = []
        self._at = 0

    def begin(self) -> None:
        """A replay begins."""
        self._at = 0

    def listener(self, rate_hz: int) -> FrameListener:
        """Listens from where the replay is."""
        return _Listener(self, rate_hz)

    def hear(self, frame: NDArray[np.int16], listener: _Listener) -> float:
        """Probability of speech in the replay's next frame."""
        if self._at == len(self._known):
            listener.vad = listener.vad or self._make_vad(listener.rate_hz)
            self._known.append(listener.vad.feed(frame))
        self._at += 1
        return self._known[self._at - 1]


@dataclass
class _Listener:
    ears: Ears
    rate_hz: int
    vad: FrameListener | None = None

    def feed(self, frame: NDArray[np.int16]) -> float:
        return self.ears.hear(frame, self)


@dataclass
class _Recorded:
    """A transcriber: the outcomes of the log's transcriptions, in the order of the items they are of."""

    outcomes: Sequence[Step | None]
    name: str = "words of the recording"
    begun: int = 0

    def begin(self, start_ms: float, end_ms: float, asked: Asked) -> Pending:
        """The next outcome; where the log has none, no words."""
        step = self.outcomes[self.begun] if self.begun < len(self.outcomes) else None
        self.begun += 1
        if step is not None and step.kind.endswith(".failed"):
            code, message = (str(inner(step.fields, "error", name) or "") for name in ("code", "message"))
            failed = Recognition(self.name, None, code=code or "transcription_failed", message=message)
            return lambda: failed
        text = "" if step is None else inner(step.fields, "transcript")
        tokens = None if step is None else _tokens(inner(step.fields, "logprobs"))
        known = Recognition(self.name, text if isinstance(text, str) else "", tokens)
        return lambda: known


def _tokens(given: object) -> tuple[TokenLogprob, ...] | None:
    try:
        return msgspec.convert(given, tuple[TokenLogprob, ...]) or None
    except msgspec.ValidationError:
        return None


class _Over:
    """An estimate for semantic_vad: the speaker has finished. What was said is not known here."""

    name = "always over"

    def probability(self, start_ms: float, end_ms: float) -> float:
        """Always 1."""
        return 1.0


@dataclass
class _Names:
    """Ids of one side, by what they name, in order."""

    known: dict[str, list[str]] = field(default_factory=dict)

    def note(self, step: Step) -> None:
        """Take the ids that an event gives out."""
        item = inner(step.fields, "item")
        if step.kind in ("conversation.item.added", "response.output_item.added"):
            self._add(f"item {inner(item, 'role') or inner(item, 'type')}", inner(item, "id"))
            if inner(item, "type") == "function_call":
                self._add("call", inner(item, "call_id"))
        elif step.kind == "response.created":
            self._add("response", inner(step.fields, "response", "id"))

    def _add(self, what: str, name: object) -> None:
        names = self.known.setdefault(what, [])
        if isinstance(name, str) and name not in names:
            names.append(name)

    def counterpart(self, name: str, other: _Names) -> str:
        """The other side's id of what `name` is the id of here; the same where there is none."""
        for what, names in self.known.items():
            if name in names:
                there = other.known.get(what, [])
                place = names.index(name)
                return there[place] if place < len(there) else name
        return name


@dataclass
class _Replay:
    session: Logged
    sound: Sound
    profile: Profile
    ears: Ears
    seed: int | None
    said: list[Step] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    chain: Chain = field(default_factory=Chain)
    now_ms: float = 0.0
    _appended_ms: float = 0.0
    _responses: int = 0
    _chosen: int = -1

    def __post_init__(self) -> None:
        if not self.sound.heard:  # it hears what the service heard, and no later than that
            self.profile = replace(self.profile, onset_late_ms=0.0, offset_late_ms=0.0, threshold_bias=0.0)
        if self.seed is None:
            self.profile = at_medians(self.profile)
        self.ears.begin()
        service = self.session.server()
        self._server_only = len(service) == len(self.session.steps)
        self._committed = 0
        self._begun_ms = next((step.t_ms for step in self.session.steps if step.t_ms is not None), None)
        self.answers = [*_answers(service)]
        self.theirs, self.ours = _Names(), _Names()
        for step in service:
            self.theirs.note(step)
        opened = self.session.first("session.created")
        session = {} if opened is None else inner(opened.fields, "session")
        model, kind = inner(session, "model"), inner(session, "type")
        asked = self.session.first("session.update")
        kind = kind or (None if asked is None else inner(asked.fields, "session", "type"))
        self.engine = Engine(
            self.profile,
            seed=self.seed or 0,
            model=model if isinstance(model, str) else None,
            transcriber=_Recorded([*_outcomes(service)]),
            make_vad=self.ears.listener,
            end_of_turn=_Over(),
            intent="transcription" if kind == "transcription" else None,
        )

    def run(self) -> Played:
        """From the handshake to the log's last event."""
        self.engine.start(0.0)
        service = Chain()
        before: str | None = "session.created"
        for place, step in enumerate(self.session.steps):
            if step.direction == "client" or place in self.sound.until_ms:
                self._wait(service, before)
                self._pass_until(step.t_ms)
            if place in self.sound.until_ms:
                self._tell(self.sound.until_ms[place])
            if step.direction == "client":
                self._send(place, step)
                continue
            if self._server_only and step.kind in _IMPLYING:
                self._wait(service, before)
                self._ask(step, service.counts["input_audio_buffer.committed"])
            before = service.add(step) or before
            if step.kind in ("session.created", "session.updated"):
                self._wait(service, before)
                self._adopt(inner(step.fields, "session"))
        self._hear_out(service)
        return Played(self.said, self.refused)

    def _pass_until(self, t_ms: float | None) -> None:
        """Let time pass until the log's; nothing where it has none."""
        if t_ms is not None and self._begun_ms is not None:
            until_ms = t_ms - self._begun_ms
            while self._advance(until_ms):
                pass
            self.now_ms = max(self.now_ms, until_ms)

    def _wait(self, service: Chain, label: str | None) -> None:
        """Let time pass until the mocked server has said `label` as often as the service by now."""
        if label is None:
            return
        times = max(service.counts[label], 1)
        until_ms = self.now_ms + (LONGEST_MS if "timeout_triggered" in label else PATIENCE_MS)
        while self.chain.counts[label] < times and self._advance(until_ms):
            pass

    def _hear_out(self, service: Chain) -> None:
        """Let time pass until everything that the service said has been said here."""
        missing = service.counts - self.chain.counts
        transcripts = sum(step.kind.startswith(TRANSCRIPTION) for step in self.session.server())
        while missing or (transcripts and not self._transcribed()):
            patience_ms = LONGEST_MS if any("timeout_triggered" in label for label in missing) else PATIENCE_MS
            if not self._advance(self.now_ms + patience_ms):
                return
            missing = service.counts - self.chain.counts

    def _transcribed(self) -> bool:
        """Whether every transcription that ended in the log has ended here."""
        ends = (f"{TRANSCRIPTION}completed", f"{TRANSCRIPTION}failed")
        theirs = sum(step.kind in ends for step in self.session.server())
        return sum(step.kind in ends for step in self.said) >= theirs

    def _advance(self, until_ms: float) -> bool:
        """Go to what the engine does next; False when that is later than `until_ms`."""
        due_ms = self.engine.next_due_ms()
        if due_ms is None or due_ms > until_ms or len(self.said) > MOST_EVENTS:
            return False
        self._choose()
        self.now_ms = max(self.now_ms, due_ms)
        for t_ms, event in self.engine.take_due(self.now_ms):
            plain = event_to_builtins(event)
            step = Step("server", str(plain["type"]), plain, t_ms)
            self.said.append(step)
            self.chain.add(step)
            self.ours.note(step)
            self._responses += step.kind == "response.created"
        return True

    def _choose(self) -> None:
        """Make the model do in its next response what it did in the log's."""
        if self._chosen == self._responses:
            return
        self._chosen = self._responses
        answer = self.answers[self._responses] if self._responses < len(self.answers) else _Answer()
        chosen: dict[str, Any] = {"tool_call_rate": float(answer.calls)}
        audio, text = (answer.audio_tokens, answer.text_tokens) if answer.whole else (_LONG_S * 20, _LONG_S * 20)
        if audio:
            # At 20 tokens a second; a shade under, so that no rounding adds one.
            chosen |= {"response_s": LogNormal(audio / 20 - 1e-3, 0.0), "leading_silence": LogNormal(1.0, 0.0)}
        if text:
            chosen["text_tokens"] = LogNormal(float(text), 0.0)
        self.engine.settings.profile = replace(self.profile, **chosen)

    def _send(self, place: int, step: Step) -> None:
        self._choose()
        event = dict(step.fields)
        if step.kind == "input_audio_buffer.append":
            if not self.sound.heard:
                return
            if place in self.sound.pieces:
                event["audio"] = self._wire(self.sound.pieces[place])
        elif step.kind == "session.update":
            event["session"] = self._acceptable(place, event.get("session"))
        else:
            event = self._spoken(self._named(event))
        self.engine.receive_frame(msgspec.json.encode(event), self.now_ms)

    def _spoken(self, event: dict[str, Any]) -> dict[str, Any]:
        """An item whose audio was left out of the log, with the clip in its place."""
        content = inner(event, "item", "content")
        if self.sound.clip is None or not isinstance(content, list):
            return event
        said = base64.b64encode(self.sound.clip.astype("<i2").tobytes()).decode()
        parts = [
            {**part, "audio": said} if inner(part, "type") == "input_audio" and inner(part, "audio") == "" else part
            for part in content
        ]
        return {**event, "item": {**event["item"], "content": parts}}

    def _ask(self, step: Step, commits: int) -> None:
        """In a log without the client's side, ask for what a service's event must be the answer to."""
        self._choose()
        item = inner(step.fields, "item")
        if step.kind == "session.updated":
            wanted = {
                "type": self.engine.settings.kind,
                **_differing(self.engine.session(), inner(step.fields, "session")),
            }
            for _ in _refusals(copy.deepcopy(self.engine.settings), wanted):
                pass
            self.engine.receive(ev.SessionUpdate(session=wanted), self.now_ms)
        elif step.kind == "response.created":
            if commits == self._committed:  # no turn that was heard began it
                self.engine.receive(ev.ResponseCreate(), self.now_ms)
            self._committed = commits
        elif step.kind == "conversation.item.added" and _is_typed(item):
            given = {name: value for name, value in item.items() if name not in ("id", "object", "status")}
            event = {"type": "conversation.item.create", "item": self._named(given)}
            self.engine.receive_frame(msgspec.json.encode(event), self.now_ms)

    def _acceptable(self, place: int, asked: Any) -> Any:
        """What a session.update asks for, without what the service took and the mocked server refuses."""
        later = (step.kind for step in self.session.steps[place + 1 :] if step.kind in _ANSWERS_TO_UPDATE)
        if next(later, None) != "session.updated" or not isinstance(asked, dict):
            return asked
        wanted = copy.deepcopy(asked)
        self.refused += _refusals(copy.deepcopy(self.engine.settings), wanted)
        return wanted

    def _wire(self, pcm: NDArray[np.int16]) -> str:
        return base64.b64encode(encoded(pcm, self.engine.settings.input_format())).decode()

    def _tell(self, until_ms: float) -> None:
        """Send what audio is missing before an event that speaks of it."""
        if until_ms <= self._appended_ms:
            return
        self._choose()
        rate_hz = self.engine.settings.input_rate_hz()
        pcm = told_pcm(self.sound.speech, self._appended_ms, until_ms, rate_hz)
        self._appended_ms = until_ms
        for start in range(0, len(pcm), rate_hz * 60):
            piece = ev.InputAudioAppend(audio=self._wire(pcm[start : start + rate_hz * 60]))
            self.engine.receive(piece, self.now_ms)

    def _named(self, value: Any, name: str = "") -> Any:
        """A client's event with the mocked server's ids in place of the service's."""
        if isinstance(value, str):
            return self.theirs.counterpart(value, self.ours) if name in _IDS else value
        if isinstance(value, Mapping):
            return {key: self._named(part, key) for key, part in value.items()}
        return [self._named(part, name) for part in value] if isinstance(value, list) else value

    def _adopt(self, reported: Any) -> None:
        """Go on with the settings that the service reports; what cannot be set here stays as it is."""
        wanted = _differing(self.engine.session(), reported)
        for _ in _refusals(self.engine.settings, {"type": self.engine.settings.kind, **wanted}):
            pass
        self.engine.turns.use_settings()


def _refusals(settings: Settings, wanted: dict[str, Any]) -> Iterator[str]:
    """Update settings; each path that is refused, which is then taken out of `wanted` and left out."""
    for _ in range(_REFUSALS):
        problem = settings.update(wanted)
        if problem is None:
            return
        path = tuple(problem.path.partition("[")[0].split("."))  # of a list, no part can be left out
        while path and remove(wanted, path) is MISSING:
            path = path[:-1]
        if not path:
            return
        yield ".".join(path)


def _is_typed(item: Any) -> bool:
    """Whether a client wrote this item, in place of a caller who spoke it."""
    content = inner(item, "content")
    spoken = isinstance(content, list) and any(inner(part, "type") == "input_audio" for part in content)
    by_client = inner(item, "role") in ("user", "system") or inner(item, "type") == "function_call_output"
    return isinstance(item, Mapping) and by_client and not spoken


def _differing(mocked: Mapping[str, Any], reported: Any) -> dict[str, Any]:
    """What must be set for one session to become another, as far as it has the same fields."""
    wanted: dict[str, Any] = {}
    for name, value in mocked.items():
        there = inner(reported, name)
        if name in _OWN or not isinstance(reported, Mapping) or name not in reported or there == value:
            continue
        if not isinstance(value, Mapping) or not isinstance(there, Mapping):
            wanted[name] = copy.deepcopy(there)  # what is refused is taken out of it, and the log stays as it was
        elif "type" in value or "model" in value:  # a choice, which goes with the fields of its kind
            same = value.get("type") == there.get("type") and "type" in value
            wanted[name] = {key: there[key] for key in there if not same or key in value}
        elif inside := _differing(value, there):
            wanted[name] = inside
    return wanted


def _answers(service: Sequence[Step]) -> Iterator[_Answer]:
    """What each response of the log was, in the order they were created."""
    calling = {
        str(inner(step.fields, "response_id"))
        for step in service
        if inner(step.fields, "item", "type") == "function_call"
    }
    done = {
        str(inner(step.fields, "response", "id")): inner(step.fields, "response")
        for step in service
        if step.kind == "response.done"
    }
    for step in service:
        if step.kind == "response.created":
            name = str(inner(step.fields, "response", "id"))
            end = done.get(name)
            details = inner(end, "usage", "output_token_details")
            audio, text = (_count(inner(details, f"{kind}_tokens")) for kind in ("audio", "text"))
            yield _Answer(name in calling, inner(end, "status") == "completed", audio, text)


def _count(value: object) -> int | None:
    """A number of tokens that an answer may have."""
    return min(value, 4_096) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _outcomes(service: Sequence[Step]) -> Iterator[Step | None]:
    """What became of the transcription of each item that was committed, in order; None where the log does not say."""
    ends = (f"{TRANSCRIPTION}completed", f"{TRANSCRIPTION}failed")
    ended = {str(inner(step.fields, "item_id")): step for step in service if step.kind in ends}
    for step in service:
        if step.kind == "input_audio_buffer.committed":
            yield ended.get(str(inner(step.fields, "item_id")))
