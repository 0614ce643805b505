"""Turn taking: what a change of speech, a client's commit and a long silence do to the conversation.

| input | no speech open | speech open | a response is active |
|---|---|---|---|
| speech starts | speech_started | - | and, if interrupt_response, the response is cancelled |
| speech stops | - | speech_stopped, committed, item; response if create_response | error if it still is |
| commit | committed, item | the same, and speech is closed | the same |
| clear | cleared | the same, and speech is closed | the same |

Under server_vad speech stops after silence_duration_ms. Under semantic_vad it stops after the wait that `semantic`
makes of an end-of-turn estimate. audio_end_ms includes the silence or the wait, in whole frames of 32 ms. Nobody
speaking for idle_timeout_ms after a response was played out commits the silence, behind a system message, and makes the
model speak again.

The input audio buffer stands here too: what is in it, and what becomes of it. Bytes are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from realtime_lab.audio.pcm import grid_frames
from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item
from realtime_lab.server.engine.answering import Answering
from realtime_lab.server.engine.conversation import Conversation, heard_tokens, text_tokens
from realtime_lab.server.engine.listening import Listening
from realtime_lab.server.engine.outbox import Draws, Outbox
from realtime_lab.server.engine.settings import Settings, TurnDetection
from realtime_lab.server.engine.transcribing import Transcribing
from realtime_lab.server.hearing.endpointing import FRAME_MS, Transition
from realtime_lab.server.hearing.semantic import EndOfTurn, wait_ms

MIN_COMMIT_MS = 100
"""The service refuses to commit less audio than this."""


@dataclass
class InputBuffer:
    """The audio that belongs to no item yet.

    Args:
        conversation: Where items go.
        outbox: Where events go.
        transcribing: What transcribes committed audio.
    """

    conversation: Conversation
    outbox: Outbox
    transcribing: Transcribing
    from_ms: float = 0.0
    """Audio time at which it begins."""

    def commit(self, t_ms: float, item_id: str, start_ms: float, end_ms: float, heard_ms: float) -> None:
        """Make an item of [start_ms, end_ms) of audio time; the buffer then begins at `heard_ms`."""
        previous = self.conversation.last_id()
        self.from_ms = heard_ms
        part = ContentPart(type="input_audio", transcript=None)
        item = Item(id=item_id, type="message", status="completed", role="user", content=[part])
        self.outbox.send(t_ms, ev.InputAudioCommitted(item_id=item_id, previous_item_id=previous))
        self._add(t_ms, item, audio=heard_tokens(end_ms - start_ms))
        self.transcribing.begin(t_ms, item_id, start_ms, end_ms)

    def tell(self, t_ms: float, item_id: str, text: str) -> None:
        """Put a system message into the conversation."""
        part = ContentPart(type="input_text", text=text)
        item = Item(id=item_id, type="message", status="completed", role="system", content=[part])
        self._add(t_ms, item, text=text_tokens(text))

    def _add(self, t_ms: float, item: Item, text: int = 0, audio: int = 0) -> None:
        previous = self.conversation.last_id()
        self.conversation.add(item, text=text, audio=audio)
        self.outbox.send(t_ms, ev.ItemAdded(item=item, previous_item_id=previous))
        self.outbox.send(t_ms, ev.ItemDone(item=item, previous_item_id=previous))

    def refuse_short(self, event: ev.InputAudioCommit, t_ms: float, held_ms: float) -> bool:
        """Whether a client's commit of `held_ms` of audio is refused, as too little; says so to the client."""
        if held_ms >= MIN_COMMIT_MS:
            return False
        message = (
            f"Error committing input audio buffer: buffer too small. Expected at least {MIN_COMMIT_MS}ms of "
            f"audio, but buffer only has {held_ms:.2f}ms of audio."
        )
        self.outbox.error(t_ms, "input_audio_buffer_commit_empty", message, cause=event)
        return True


_NOBODY_SPOKE = "The user has not spoken."
"""What an idle timeout's system message says here; the service's words are in no recording that was read."""


@dataclass
class TurnTaking:
    """The turns of one session.

    Args:
        settings: The session's configuration.
        listening: Where changes of speech come from.
        buffer: Where turns are committed.
        answering: Who responds.
        outbox: Where events go.
        draws: Names items.
        end_of_turn: The estimate that semantic_vad waits for; None when there is none.
    """

    settings: Settings
    listening: Listening
    buffer: InputBuffer
    answering: Answering
    outbox: Outbox
    draws: Draws
    end_of_turn: EndOfTurn | None = None
    _detects: bool = False
    _speech_item: str | None = None
    """The item that what is heard now will belong to."""
    _speech_start_ms: float = 0.0
    _waited_frame: int | None = None
    """Last speech frame of the pause whose wait was decided by an estimate."""
    _wait_frames: int = 0

    def use_settings(self) -> None:
        """The settings were changed: when turn detection is switched off no speech is open."""
        self.listening.use_settings()
        detects = self.settings.turn_detection() is not None
        if self._detects and not detects:
            self._speech_item = None
            self.buffer.transcribing.leave()
        self._detects = detects

    def on_heard(self, t_ms: float) -> None:
        """Audio was heard at `t_ms`: without turn detection it begins an item, if the recogniser streams."""
        if self.settings.turn_detection() is None and self._speech_item is None and self.buffer.transcribing.streams:
            self._speech_item = self.draws.new_id("item")
            self._transcribe_on(t_ms, self.buffer.from_ms)

    def on_transition(self, transition: Transition, t_ms: float) -> None:
        """Speech started or paused, known at `t_ms`."""
        detection = self.settings.turn_detection()
        assert detection is not None
        if transition.kind == "started":
            self._on_speech(detection, transition.edge_frame * FRAME_MS, t_ms)
            return
        silent_frames = self._silent_frames(detection, transition)
        if silent_frames is not None:
            self._on_silence(detection, detection.rule.end_ms(transition.edge_frame + 1, silent_frames), t_ms)

    def commit(self, event: ev.InputAudioCommit, t_ms: float) -> None:
        """The client commits the buffer."""
        end_ms = self.listening.heard_ms
        if self.buffer.refuse_short(event, t_ms, end_ms + self.listening.pending_ms - self.buffer.from_ms):
            return
        item_id = self._speech_item or self.draws.new_id("item")
        self._close_speech()
        self.buffer.commit(t_ms, item_id, self.buffer.from_ms, end_ms, end_ms)

    def clear(self, t_ms: float) -> None:
        """The client throws the buffer away."""
        self.buffer.from_ms = self.listening.heard_ms
        self._close_speech()
        self.buffer.transcribing.leave()
        self.outbox.send(t_ms, ev.InputAudioCleared())

    def on_played(self, t_ms: float) -> None:
        """A response has been played out: wait for somebody to speak."""
        detection = self.settings.turn_detection()
        if detection is not None and detection.idle_timeout_ms is not None:
            from_ms = self.listening.heard_ms
            # In whole frames, as silences are: 5,030 ms were measured for 5,000 in the one recording with times.
            wait_ms = -(-detection.idle_timeout_ms // FRAME_MS) * FRAME_MS
            self.answering.wait(t_ms + wait_ms, lambda late_ms: self._on_idle(from_ms, late_ms))

    def _close_speech(self) -> None:
        self.listening.endpointer.stop_now()
        self._speech_item = None

    def _on_speech(self, detection: TurnDetection, onset_ms: float, t_ms: float) -> None:
        self._speech_item = self.draws.new_id("item")
        self._speech_start_ms = max(0.0, onset_ms - detection.prefix_padding_ms)
        self.answering.silence(t_ms)
        start_ms = round(self._speech_start_ms)
        self.outbox.send(t_ms, ev.SpeechStarted(item_id=self._speech_item, audio_start_ms=start_ms))
        if detection.interrupt_response:
            self.answering.cancel(t_ms, "turn_detected")
        self._transcribe_on(t_ms, self._speech_start_ms)

    def _transcribe_on(self, t_ms: float, start_ms: float) -> None:
        assert self._speech_item is not None
        self.buffer.transcribing.listen(t_ms, self._speech_item, start_ms, lambda: self.listening.heard_ms)

    def _silent_frames(self, detection: TurnDetection, transition: Transition) -> int | None:
        """The silence that ended speech; None when an estimate says that the pause must last longer."""
        if detection.eagerness is None:
            return detection.rule.silent_frames
        if self._waited_frame == transition.edge_frame:
            return self._wait_frames
        end_ms = (transition.frame + 1) * float(FRAME_MS)
        probability = 0.0 if self.end_of_turn is None else self.end_of_turn.probability(self._speech_start_ms, end_ms)
        frames = grid_frames(wait_ms(probability, detection.eagerness))
        self._waited_frame, self._wait_frames = transition.edge_frame, frames
        if frames <= transition.frame - transition.edge_frame:
            return frames
        self.listening.endpointer.wait_longer(frames)
        return None

    def _on_silence(self, detection: TurnDetection, end_ms: int, t_ms: float) -> None:
        assert self._speech_item is not None
        item_id, self._speech_item = self._speech_item, None
        self.outbox.send(t_ms, ev.SpeechStopped(item_id=item_id, audio_end_ms=end_ms))
        self.buffer.commit(t_ms, item_id, self._speech_start_ms, end_ms, self.listening.heard_ms)
        if detection.create_response:
            self.answering.respond(t_ms)

    def _on_idle(self, from_ms: float, t_ms: float) -> None:
        """Nobody has spoken for idle_timeout_ms: commit the silence and let the model go on."""
        item_id, end_ms = self.draws.new_id("item"), self.listening.heard_ms
        detection = self.settings.turn_detection()
        if detection is None or detection.idle_timeout_ms is None:
            return
        event = ev.TimeoutTriggered(item_id=item_id, audio_start_ms=round(from_ms), audio_end_ms=round(end_ms))
        self.outbox.send(t_ms, event)
        self.buffer.tell(t_ms, self.draws.new_id("item"), _NOBODY_SPOKE)
        self.buffer.commit(t_ms, item_id, from_ms, end_ms, end_ms)
        self.answering.respond(t_ms)
