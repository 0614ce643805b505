"""Names for what a server leaves unnamed, so that its events can be told apart: unnamed_response_1, unnamed_item_1.

A response without an id is named when it is created, and what comes without a response's id belongs to the one under
way; an input item without an id is named when its speech starts or, failing that, when it is committed. No clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from realtime_lab.protocol import events as ev

__all__ = ["Names"]

_ENDED = ("completed", "cancelled", "failed", "incomplete")


@dataclass
class Names:
    """The names given in one session."""

    _response: str = ""
    """The response under way."""
    _item: str = ""
    """The input item whose speech is open."""
    _taken: str = ""
    """The input item that was committed last."""
    _responses: int = 0
    _items: int = 0

    def completed(self, event: ev.AnyEvent) -> ev.AnyEvent:
        """The event, with a name wherever it has none and needs one."""
        match event:
            case ev.ResponseCreated() | ev.ResponseDone():
                return self._of_response(event)
            case ev.SpeechStarted() | ev.SpeechStopped() | ev.InputAudioCommitted():
                return self._of_input(event)
            case ev.TranscriptionDelta() | ev.TranscriptionCompleted() | ev.TranscriptionFailed():
                if not event.item_id:
                    return msgspec.structs.replace(event, item_id=self._taken or self._item)
        if getattr(event, "response_id", None) == "":
            event = msgspec.structs.replace(event, response_id=self._response)
        if getattr(event, "item_id", None) == "":
            event = msgspec.structs.replace(event, item_id=f"{self._response}_item")
        return event

    def _of_response(self, event: ev.ResponseCreated | ev.ResponseDone) -> ev.AnyEvent:
        begins = isinstance(event, ev.ResponseCreated)
        if not event.response.id and (begins or event.response.status in _ENDED):
            if begins:
                self._responses += 1
            name = f"unnamed_response_{self._responses}" if begins else self._response
            event = msgspec.structs.replace(event, response=msgspec.structs.replace(event.response, id=name))
        if begins:
            self._response = event.response.id
        return event

    def _of_input(self, event: ev.SpeechStarted | ev.SpeechStopped | ev.InputAudioCommitted) -> ev.AnyEvent:
        if not event.item_id:
            if not self._item or isinstance(event, ev.SpeechStarted):
                self._items += 1
                self._item = f"unnamed_item_{self._items}"
            event = msgspec.structs.replace(event, item_id=self._item)
        self._item = event.item_id
        if isinstance(event, ev.InputAudioCommitted):
            self._item, self._taken = "", event.item_id
        return event
