"""What one response is asked to be: the session's settings with what response.create overrides, checked by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from realtime_lab.errors import Problem
from realtime_lab.protocol.items import Item
from realtime_lab.server.engine.conversation import UNSUPPORTED_CODE, item_problem
from realtime_lab.server.engine.settings import Settings, checked_session, unsupported
from realtime_lab.server.engine.tool_calls import unknown_choice

_SESSION_FIELDS = (
    "audio",
    "instructions",
    "max_output_tokens",
    "output_modalities",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "tool_choice",
    "tools",
)
_OWN_FIELDS = ("conversation", "input", "metadata")
_MAX_METADATA = 16
"""Pairs, of keys up to 64 and values up to 512 characters: documented."""


@dataclass(frozen=True)
class ResponseOptions:
    """One response's settings."""

    modality: str
    """audio or text."""
    instructions: str
    max_output_tokens: int | str
    """An integer or "inf"."""
    tools: Sequence[Mapping[str, Any]]
    tool_choice: object
    audio: Mapping[str, Any]
    """audio.output, on the wire."""
    out_of_band: bool = False
    """conversation "none": the response leaves no trace in the conversation."""
    metadata: dict[str, str] | None = None
    input: tuple[Item, ...] | None = None
    """What the model is given in place of the conversation; None: the conversation."""


def read_options(asked: Mapping[str, Any], settings: Settings) -> ResponseOptions | Problem:
    """Read response.create's options over the session's settings.

    Args:
        asked: The event's `response` object; empty when there is none.
        settings: The session's.

    Returns:
        The options, or the first mistake, whose path starts below `response`.
    """
    if not asked:
        return _options({}, settings, None)
    known = (*_SESSION_FIELDS, *_OWN_FIELDS)
    unknown = next((name for name in asked if name not in known), None)
    if unknown is not None:
        return Problem(unknown[:100], asked[unknown], f"one of {', '.join(sorted(known))}", code="unknown_parameter")
    shared = {name: asked[name] for name in _SESSION_FIELDS if name in asked}
    problem = checked_session({"type": "realtime", **shared}) or unsupported(shared) or _own_problem(asked)
    if problem is not None:
        return problem
    audio = asked.get("audio") or {}
    if audio.get("input"):
        return Problem("audio.input", "...", "audio.output", "a response has output only", "unknown_parameter")
    spoken = settings.effective["audio"]["output"]["format"]
    if (audio.get("output") or {}).get("format", spoken) != spoken:
        return Problem("audio.output.format", "...", "the session's format", code=UNSUPPORTED_CODE)
    items = _items(asked.get("input"))
    return items if isinstance(items, Problem) else _options(asked, settings, items)


def _options(asked: Mapping[str, Any], settings: Settings, items: tuple[Item, ...] | None) -> ResponseOptions | Problem:
    over = {**settings.effective, **asked}
    tools, choice = over.get("tools") or (), over.get("tool_choice") or "auto"
    missing = unknown_choice(tools, choice)
    if missing is not None:
        return Problem("tool_choice.name", missing, "the name of one of the tools")
    return ResponseOptions(
        modality=over["output_modalities"][0],
        instructions=over.get("instructions") or "",
        max_output_tokens=over.get("max_output_tokens") or "inf",
        tools=tools,
        tool_choice=choice,
        audio={**settings.effective["audio"]["output"], **((asked.get("audio") or {}).get("output") or {})},
        out_of_band=asked.get("conversation") == "none",
        metadata=asked.get("metadata"),
        input=items,
    )


def _own_problem(asked: Mapping[str, Any]) -> Problem | None:
    conversation = asked.get("conversation", "auto")
    if conversation not in ("auto", "none"):
        kind = "invalid_value" if isinstance(conversation, str) else "invalid_type"
        return Problem("conversation", conversation, '"auto" or "none"', code=kind)
    metadata = asked.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping) or not all(isinstance(value, str) for value in metadata.values()):
        return Problem("metadata", metadata, "an object of texts", code="invalid_type")
    if len(metadata) > _MAX_METADATA or any(len(key) > 64 or len(value) > 512 for key, value in metadata.items()):
        return Problem("metadata", "...", f"{_MAX_METADATA} pairs, keys of 64 and values of 512 characters at most")
    return None


def _items(given: object) -> tuple[Item, ...] | None | Problem:
    if given is None:
        return None
    if not isinstance(given, list):
        return Problem("input", given, "a list of items", code="invalid_type")
    items: list[Item] = []
    for position, entry in enumerate(given):
        try:
            item = msgspec.convert(entry, Item)
        except msgspec.ValidationError:
            return Problem(f"input[{position}]", "...", "an item", code="invalid_type")
        problem = None if item.type == "item_reference" and isinstance(item.id, str) else item_problem(item)
        if problem is not None:
            return Problem(
                f"input[{position}].{problem.path}", problem.value, problem.allowed, problem.hint, problem.code
            )
        items.append(item)
    return tuple(items)
