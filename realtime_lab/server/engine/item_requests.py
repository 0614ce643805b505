"""Answers to conversation.item.create, retrieve, delete and truncate."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import ContentPart, Item
from realtime_lab.server.engine.conversation import (
    MAX_ITEM_BYTES,
    MAX_ITEMS,
    Conversation,
    heard_tokens,
    item_problem,
    text_tokens,
)
from realtime_lab.server.engine.outbox import Draws, Outbox
from realtime_lab.server.engine.refusals import in_words
from realtime_lab.server.engine.responder import AUDIO_TOKEN_MS

_PCM_BYTES_PER_MS = 48


@dataclass
class ItemRequests:
    """What a client may ask about single items.

    Args:
        conversation: Where they are.
        outbox: Where answers go.
        draws: Names items that come without an id.
    """

    conversation: Conversation
    outbox: Outbox
    draws: Draws

    def create(self, event: ev.ItemCreate, t_ms: float) -> None:
        """Add an item; refused when it has a mistake, its id is taken or the item before it is not known."""
        problem = item_problem(event.item)
        if problem is not None:
            self.outbox.error(t_ms, problem.code, in_words(problem, "item"), f"item.{problem.path}", event)
            return
        item_id = self.draws.new_id("item") if event.item.id is UNSET else event.item.id
        after = None if event.previous_item_id is UNSET else event.previous_item_id
        if item_id in self.conversation:
            message = f"Error adding item: an item with id '{item_id}' already exists."
            self.outbox.error(t_ms, "item_create_duplicate_item_id", message, "item.id", event)
            return
        if after not in (None, "root") and after not in self.conversation:
            message = f"Error adding item: the previous item with id '{str(after)[:100]}' does not exist."
            self.outbox.error(t_ms, "item_create_invalid_previous_item_id", message, "previous_item_id", event)
            return
        if event.item.type == "function_call_output" and not self._called(event.item):
            message = f"Tool call ID '{str(event.item.call_id)[:100]}' not found in conversation."
            self.outbox.error(t_ms, "invalid_tool_call_id", message, "item.call_id", event)
            return
        self._add(event.item, str(item_id), after, t_ms)

    def _add(self, given: Item, item_id: str, after: str | None, t_ms: float) -> None:
        text, audio = item_tokens(given)
        content = UNSET if given.content is UNSET else [_without_audio(part) for part in given.content]
        status = UNSET if given.type == "function_call_output" else "completed"
        item = msgspec.structs.replace(given, id=item_id, status=status, content=content)
        if not self.conversation.takes(item):
            message = (
                f"The conversation is full: {MAX_ITEMS:,} items, {MAX_ITEM_BYTES:,} bytes of them made by a client."
            )
            self.outbox.error(t_ms, "conversation_full", message, "item")
            return
        previous = self.conversation.last_id() if after is None else after
        before = None if previous == "root" else previous
        self.conversation.add(item, text=text, audio=audio, after=after)
        self.outbox.send(t_ms, ev.ItemAdded(item=item, previous_item_id=before))
        self.outbox.send(t_ms, ev.ItemDone(item=item, previous_item_id=before))

    def _called(self, output: Item) -> bool:
        return any(
            item.type == "function_call" and item.call_id == output.call_id for item in self.conversation.items()
        )

    def retrieve(self, event: ev.ItemRetrieve, t_ms: float) -> None:
        """Send an item back, as it is by now."""
        if self._known(event, "item_retrieve_invalid_item_id", t_ms):
            self.outbox.send(t_ms, ev.ItemRetrieved(item=self.conversation.retrieved(event.item_id, t_ms)))

    def delete(self, event: ev.ItemDelete, t_ms: float) -> None:
        """Forget an item."""
        if self._known(event, "item_delete_invalid_item_id", t_ms):
            self.conversation.delete(event.item_id)
            self.outbox.send(t_ms, ev.ItemDeleted(item_id=event.item_id))

    def truncate(self, event: ev.ItemTruncate, t_ms: float) -> None:
        """Keep only what the caller heard of an assistant item."""
        if not self._known(event, "item_truncate_invalid_item_id", t_ms):
            return
        for name, value in (("content_index", event.content_index), ("audio_end_ms", event.audio_end_ms)):
            if value < 0:
                message = f"Invalid '{name}': integer below minimum value. Expected a value >= 0, but got {value}."
                self.outbox.error(t_ms, "integer_below_min_value", message, name, event)
                return
        item = self.conversation.item(event.item_id)
        parts = item.content if item.role == "assistant" and isinstance(item.content, list) else []
        if parts and event.content_index >= len(parts):
            message = f"Invalid 'content_index': the item has no content part {event.content_index}."
            self.outbox.error(t_ms, "invalid_value", message, "content_index", event)
            return
        sounds = parts and parts[event.content_index].type == "output_audio"
        if not sounds or not self.conversation.has_audio(event.item_id, t_ms):
            # In the service's words, which it says before an item's first audio too (livekit/agents issue 6157).
            message = "Only model output audio messages can be truncated"
            self.outbox.error(t_ms, "unsupported_content_type", message, cause=event)
            return
        held_ms = self.conversation.audio_tokens(event.item_id) * AUDIO_TOKEN_MS
        if event.audio_end_ms > held_ms:
            message = f"Audio content of {held_ms}ms is already shorter than {event.audio_end_ms}ms."
            self.outbox.error(t_ms, "invalid_value", message, "audio_end_ms", event)
            return
        self.conversation.truncate(event.item_id, math.ceil(event.audio_end_ms / AUDIO_TOKEN_MS))
        kept = ev.ItemTruncated(
            item_id=event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
        )
        self.outbox.send(t_ms, kept)

    def _known(self, event: ev.ItemRetrieve | ev.ItemDelete | ev.ItemTruncate, code: str, t_ms: float) -> bool:
        if event.item_id in self.conversation:
            return True
        message = f"The item with id '{event.item_id[:100]}' does not exist."
        self.outbox.error(t_ms, code, message, "item_id", event)
        return False


def item_tokens(item: Item) -> tuple[int, int]:
    """Text and audio tokens of an item that a client made; its audio is taken for 24 kHz PCM."""
    parts = item.content if isinstance(item.content, list) else []
    texts = [item.arguments, item.output, *(part.text for part in parts)]
    sounds = [part.audio for part in parts if isinstance(part.audio, str)]
    audio_ms = sum(len(base64.b64decode(sound)) / _PCM_BYTES_PER_MS for sound in sounds)
    text = sum(text_tokens(text) for text in texts if isinstance(text, str))
    return text, heard_tokens(audio_ms)


def _without_audio(part: ContentPart) -> ContentPart:
    """The part as events carry it: audio is not sent back."""
    return part if part.audio is UNSET else msgspec.structs.replace(part, audio=UNSET)
