"""The conversation's items in order, and how many tokens of context they make. No events, no time.

Which items a client may make is said here too: kinds, roles, content, and the first mistake in one.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from realtime_lab.errors import Problem
from realtime_lab.protocol.items import ContentPart, InputTokenDetails, Item, OutputTokenDetails, Usage

UNSUPPORTED_CODE = "unsupported_value"
"""For what the service has and this server does not."""
_CONTENT = {
    "user": ("input_text", "input_audio"),
    "system": ("input_text",),
    "assistant": ("output_text", "output_audio"),
}
_KINDS = ("message", "function_call", "function_call_output")
_NEEDS = {"function_call": ("name", "arguments"), "function_call_output": ("call_id", "output")}


def item_problem(item: Item) -> Problem | None:
    """The first mistake in an item, its path starting below the item; None when the server can take it."""
    if item.type not in _KINDS:
        hint = "this server calls no remote servers" if item.type.startswith("mcp_") else ""
        code = UNSUPPORTED_CODE if hint else "invalid_value"
        return Problem("type", item.type[:100], ", ".join(_KINDS), hint, code)
    if isinstance(item.id, str) and not 0 < len(item.id) <= 100:
        return Problem("id", item.id[:100], "1 to 100 characters")
    for name in _NEEDS.get(item.type, ()):
        if not isinstance(getattr(item, name), str):
            return Problem(name, None, "text", code="missing_required_parameter")
    return _message_problem(item) if item.type == "message" else None


def _message_problem(item: Item) -> Problem | None:
    if not isinstance(item.role, str):
        return Problem("role", None, ", ".join(_CONTENT), code="missing_required_parameter")
    allowed = _CONTENT.get(item.role)
    if allowed is None:
        return Problem("role", item.role[:100], ", ".join(_CONTENT))
    if not isinstance(item.content, list):
        return Problem("content", None, "a list of content parts", code="missing_required_parameter")
    for position, part in enumerate(item.content):
        problem = _part_problem(part, allowed)
        if problem is not None:
            path = f"content[{position}].{problem.path}"
            return Problem(path, problem.value, problem.allowed, problem.hint, problem.code)
    return None


def _part_problem(part: ContentPart, allowed: tuple[str, ...]) -> Problem | None:
    if part.type == "input_image":
        return Problem("type", part.type, ", ".join(allowed), "this server sees no images", UNSUPPORTED_CODE)
    if part.type not in allowed:
        return Problem("type", part.type[:100], ", ".join(allowed))
    if part.type in ("input_text", "output_text"):
        missing = not isinstance(part.text, str)
        return Problem("text", None, "text", code="missing_required_parameter") if missing else None
    return _audio_problem(part) if part.type == "input_audio" else None


def _audio_problem(part: ContentPart) -> Problem | None:
    if not isinstance(part.audio, str):
        return Problem("audio", None, "base64-encoded audio", code="missing_required_parameter")
    try:
        base64.b64decode(part.audio, validate=True)
    except (binascii.Error, ValueError):
        return Problem("audio", "...", "base64-encoded audio")
    return None


USER_AUDIO_TOKEN_MS = 100
"""The service bills user audio at one token per 100 ms."""
_CACHE_BLOCK = 64
"""Cached input comes in whole blocks of this many tokens: 64 of 103 in the one recorded session with any."""
_FRAME_TOKENS = 4
"""What the instructions and each item cost beside their words: a five-word instruction and one spoken item were 14 text
tokens in 4 of 4 recorded public sessions (pydantic-ai's test cassettes)."""


MAX_ITEMS = 5_000
MAX_ITEM_BYTES = 16 * 1024 * 1024
"""Of all items that a client made itself, as JSON: a hundred times what a model reads."""


def heard_tokens(audio_ms: float) -> int:
    """Tokens of user audio: whole ones only (2,796 ms were 27 and 2,668 ms 26 in 5 of 5 recorded public sessions)."""
    return math.floor(audio_ms / USER_AUDIO_TOKEN_MS)


def input_tokens(instructions: str, items: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Text and audio tokens of a response's input: its instructions, and items of (text, audio) tokens each."""
    texts = [text_tokens(instructions)] if instructions else []
    texts += [text for text, _ in items]
    return sum(texts) + _FRAME_TOKENS * len(texts), sum(audio for _, audio in items)


def text_tokens(text: str) -> int:
    """Tokens in a text by the rule of thumb of four characters to a token."""
    return math.ceil(len(text) / 4)


class Output(NamedTuple):
    """What a response gave, in tokens."""

    text_tokens: int = 0
    """Reasoning included."""
    audio_tokens: int = 0
    reasoning_tokens: int | None = None
    """None where the model does not reason."""

    @property
    def said_tokens(self) -> int:
        """Of the text, what stays in the conversation."""
        return self.text_tokens - (self.reasoning_tokens or 0)


@dataclass
class _Entry:
    item: Item
    text_tokens: int
    audio_tokens: int
    audio_from_ms: float = -math.inf
    """When the first audio of it was given."""
    transcript: tuple[float, str] = (math.inf, "")
    """From when on its audio has a transcript, and which."""


@dataclass
class Conversation:
    """Items in order."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _last_input: tuple[int, int] = (0, 0)
    """Text and audio tokens of the previous response's input and output: what can be cached."""
    _made_bytes: dict[str, int] = field(default_factory=dict)
    """Of the items that the client made."""
    _made: int = 0

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._entries

    def item(self, item_id: str) -> Item:
        """The item with that id."""
        return self._entries[item_id].item

    def retrieved(self, item_id: str, t_ms: float) -> Item:
        """The item as it is at `t_ms`: with its transcript, once that is completed."""
        entry = self._entries[item_id]
        from_ms, text = entry.transcript
        if t_ms < from_ms:
            return entry.item
        # A copy: events that carried the item stay as they were sent.
        parts = [
            msgspec.structs.replace(part, transcript=text) if part.type == "input_audio" else part
            for part in entry.item.content or []
        ]
        return msgspec.structs.replace(entry.item, content=parts)

    def transcribe(self, item_id: str, text: str, from_ms: float) -> None:
        """Give an item's audio its transcript, from `from_ms` on; one that was deleted meanwhile gets none."""
        if item_id in self._entries:
            self._entries[item_id].transcript = (from_ms, text)

    def takes(self, item: Item) -> bool:
        """Whether there is room for an item that a client makes; it is counted then, until it is deleted."""
        size = len(msgspec.json.encode(item))
        if len(self._entries) >= MAX_ITEMS or self._made + size > MAX_ITEM_BYTES:
            return False
        self._made_bytes[str(item.id)] = size
        self._made += size
        return True

    def last_id(self) -> str | None:
        """Id of the newest item; None when there is none."""
        return next(reversed(self._entries), None)

    def add(
        self,
        item: Item,
        *,
        text: int = 0,
        audio: int = 0,
        after: str | None = None,
        audio_from_ms: float = -math.inf,
    ) -> None:
        """Add an item of `text` and `audio` tokens at the end, or after the item `after` ("root": at the start).

        Its audio is there from `audio_from_ms` on.
        """
        entry = _Entry(item, text, audio, audio_from_ms)
        item_id = str(item.id)
        if after is None or after == self.last_id():
            self._entries[item_id] = entry
            return
        rows = list(self._entries.items())
        position = 0 if after == "root" else 1 + [key for key, _ in rows].index(after)
        rows.insert(position, (item_id, entry))
        self._entries = dict(rows)

    def items(self) -> list[Item]:
        """All items in order."""
        return [entry.item for entry in self._entries.values()]

    def delete(self, item_id: str) -> None:
        """Remove an item, if it is there."""
        if item_id in self._entries:
            self._keep_cached_before(item_id)
            del self._entries[item_id]
            self._made -= self._made_bytes.pop(item_id, 0)

    def update(self, item: Item, *, text: int, audio: int) -> None:
        """Put another version of an item, of `text` and `audio` tokens, in its place: what of it was given."""
        item_id = str(item.id)
        whole = self._last_input
        self._keep_cached_before(item_id)
        cached = self._last_input
        self._last_input = (min(whole[0], cached[0] + text), min(whole[1], cached[1] + audio))
        self._entries[item_id] = _Entry(item, text, audio, self._entries[item_id].audio_from_ms)

    def audio_tokens(self, item_id: str) -> int:
        """Audio tokens of one item."""
        return self._entries[item_id].audio_tokens

    def has_audio(self, item_id: str, t_ms: float) -> bool:
        """Whether any audio of an item had been given by `t_ms`."""
        entry = self._entries[item_id]
        return entry.audio_tokens > 0 and entry.audio_from_ms <= t_ms

    def truncate(self, item_id: str, audio_tokens: int) -> None:
        """Keep `audio_tokens` of an assistant item and drop its text, as the service does."""
        self._keep_cached_before(item_id)
        entry = self._entries[item_id]
        parts = [
            part if part.transcript is UNSET else msgspec.structs.replace(part, transcript="")
            for part in entry.item.content or []
        ]
        # A copy: events that carried the item stay as they were sent.
        item = msgspec.structs.replace(entry.item, content=parts)
        self._entries[item_id] = _Entry(item, 0, min(entry.audio_tokens, audio_tokens))

    def bill(self, instructions: str, output: Output, kept: bool = True) -> Usage:
        """Usage of a response given now: the whole conversation is input once more, what was there before is cached.

        Args:
            instructions: The response's.
            output: What it gives.
            kept: Whether its item is in the conversation afterwards.
        """
        text, audio = input_tokens(
            instructions, [(entry.text_tokens, entry.audio_tokens) for entry in self._entries.values()]
        )
        cached = (min(self._last_input[0], text), min(self._last_input[1], audio))
        if kept:
            self._last_input = (text + output.said_tokens, audio + output.audio_tokens)
        return usage((text, audio), cached, output)

    def _keep_cached_before(self, item_id: str) -> None:
        """A changed item ends what can be cached: input is cached from its start on only."""
        text = audio = 0
        for key, entry in self._entries.items():
            if key == item_id:
                break
            text, audio = text + entry.text_tokens + _FRAME_TOKENS, audio + entry.audio_tokens
        self._last_input = (min(self._last_input[0], text), min(self._last_input[1], audio))


def usage(given: tuple[int, int], cached: tuple[int, int], output: Output) -> Usage:
    """Usage from (text, audio) tokens of the input and of what of it can be cached, and the output."""
    cached_text, cached_audio = (tokens // _CACHE_BLOCK * _CACHE_BLOCK for tokens in cached)
    details = InputTokenDetails(
        text_tokens=given[0],
        audio_tokens=given[1],
        cached_tokens=cached_text + cached_audio,
        cached_tokens_details={"text_tokens": cached_text, "audio_tokens": cached_audio, "image_tokens": 0},
    )
    return with_output(Usage(input_tokens=sum(given), input_token_details=details), output)


def with_output(used: Usage, output: Output) -> Usage:
    """The same input with another output."""
    text, audio, reasoning = output
    return msgspec.structs.replace(
        used,
        total_tokens=used.input_tokens + text + audio,
        output_tokens=text + audio,
        output_token_details=OutputTokenDetails(
            text_tokens=text, audio_tokens=audio, reasoning_tokens=UNSET if reasoning is None else reasoning
        ),
    )
