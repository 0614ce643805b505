"""Which conversation items a client may make: kinds, roles and content, and the first mistake in one."""

from __future__ import annotations

import base64
import binascii

from realtime_lab.errors import Problem
from realtime_lab.protocol.items import ContentPart, Item

__all__ = ["UNSUPPORTED_CODE", "item_problem"]

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
