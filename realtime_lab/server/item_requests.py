"""Answers to conversation.item.create, retrieve, delete and truncate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from realtime_lab.protocol import events as ev
from realtime_lab.protocol.items import Item
from realtime_lab.server.conversation import Conversation, text_tokens
from realtime_lab.server.outbox import Draws, Outbox
from realtime_lab.server.responder import AUDIO_TOKEN_MS

__all__ = ["ItemRequests"]


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
        """Add an item; refused when its id is taken or the item before it is not known."""
        item_id = self.draws.new_id("item") if event.item.id is UNSET else event.item.id
        after = None if event.previous_item_id is UNSET else event.previous_item_id
        if item_id in self.conversation:
            message = f"Error adding item: an item with id '{item_id}' already exists."
            self.outbox.error(t_ms, "item_create_duplicate_item_id", message, "item.id", event)
            return
        if after not in (None, "root") and after not in self.conversation:
            message = f"Error adding item: the previous item with id '{after}' does not exist."
            self.outbox.error(t_ms, "item_create_invalid_previous_item_id", message, "previous_item_id", event)
            return
        item = msgspec.structs.replace(event.item, id=item_id, object="realtime.item", status="completed")
        previous = self.conversation.last_id() if after is None else after
        before = None if previous == "root" else previous
        self.conversation.add(item, text=_tokens(item), after=after)
        self.outbox.send(t_ms, ev.ItemAdded(item=item, previous_item_id=before))
        self.outbox.send(t_ms, ev.ItemDone(item=item, previous_item_id=before))

    def retrieve(self, event: ev.ItemRetrieve, t_ms: float) -> None:
        """Send an item back."""
        if self._known(event, "item_retrieve_invalid_item_id", t_ms):
            self.outbox.send(t_ms, ev.ItemRetrieved(item=self.conversation.item(event.item_id)))

    def delete(self, event: ev.ItemDelete, t_ms: float) -> None:
        """Forget an item."""
        if self._known(event, "item_delete_invalid_item_id", t_ms):
            self.conversation.delete(event.item_id)
            self.outbox.send(t_ms, ev.ItemDeleted(item_id=event.item_id))

    def truncate(self, event: ev.ItemTruncate, t_ms: float) -> None:
        """Keep only what the caller heard of an assistant item."""
        if self._known(event, "item_truncate_invalid_item_id", t_ms):
            self.conversation.truncate(event.item_id, math.ceil(event.audio_end_ms / AUDIO_TOKEN_MS))
            kept = ev.ItemTruncated(
                item_id=event.item_id, content_index=event.content_index, audio_end_ms=event.audio_end_ms
            )
            self.outbox.send(t_ms, kept)

    def _known(self, event: ev.ItemRetrieve | ev.ItemDelete | ev.ItemTruncate, code: str, t_ms: float) -> bool:
        if event.item_id in self.conversation:
            return True
        self.outbox.error(t_ms, code, f"The item with id '{event.item_id}' does not exist.", "item_id", event)
        return False


def _tokens(item: Item) -> int:
    texts = [item.arguments, item.output, *(part.text for part in item.content or [])]
    return sum(text_tokens(text) for text in texts if isinstance(text, str))
