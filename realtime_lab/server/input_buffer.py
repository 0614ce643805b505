"""The input audio buffer: what is in it, and what becomes of it when it is committed or cleared. Bytes are not kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item
from realtime_lab.server.conversation import USER_AUDIO_TOKEN_MS, Conversation
from realtime_lab.server.outbox import Outbox
from realtime_lab.server.transcribing import Transcribing

__all__ = ["MIN_COMMIT_MS", "InputBuffer"]

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
        item = Item(id=item_id, object="realtime.item", type="message", status="completed", role="user", content=[part])
        self.conversation.add(item, audio=math.ceil((end_ms - start_ms) / USER_AUDIO_TOKEN_MS))
        self.outbox.send(t_ms, ev.InputAudioCommitted(item_id=item_id, previous_item_id=previous))
        self.outbox.send(t_ms, ev.ItemAdded(item=item, previous_item_id=previous))
        self.outbox.send(t_ms, ev.ItemDone(item=item, previous_item_id=previous))
        self.transcribing.begin(t_ms, item_id, start_ms, end_ms)

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
