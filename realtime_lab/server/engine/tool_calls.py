"""Function calls of the mocked model: whether it calls, which function, and arguments that fit the schema.

Nothing here understands a conversation. With tool_choice "auto" the model calls at the profile's rate, and never twice
in a row: after a function's output it speaks. Arguments are drawn, field by field, from the function's JSON Schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAX_DEPTH = 4
_MAX_FIELDS = 24
_WORDS = ("Friday", "two", "blue", "Berlin", "large", "order", "seven", "morning")
CHARACTERS_PER_TOKEN = 4
"""The rule of thumb for tokens of a text."""


@dataclass(frozen=True)
class ToolCall:
    """One call of a function."""

    name: str
    arguments: str
    """JSON text."""

    @property
    def tokens(self) -> int:
        """Output tokens it costs."""
        return max(1, math.ceil((len(self.name) + len(self.arguments)) / CHARACTERS_PER_TOKEN))

    def cut_to(self, tokens: int) -> ToolCall:
        """The part of it that fits into so many tokens; its name always does."""
        kept = max(0, tokens * CHARACTERS_PER_TOKEN - len(self.name))
        return ToolCall(self.name, self.arguments[:kept])


def chosen_tool(
    rng: np.random.Generator, tools: Sequence[Mapping[str, Any]], choice: object, answered: bool, rate: float
) -> Mapping[str, Any] | None:
    """The function to call now; None when the model speaks.

    Args:
        rng: The response's own generator.
        tools: The session's functions, on the wire.
        choice: tool_choice, on the wire.
        answered: Whether the conversation ends with a function's output.
        rate: Share of turns in which "auto" calls.
    """
    if isinstance(choice, Mapping):
        return next((tool for tool in tools if tool.get("name") == choice.get("name")), None)
    if not tools or choice == "none":
        return None
    if choice != "required" and (answered or rng.random() >= rate):
        return None
    return tools[int(rng.integers(len(tools)))]


def unknown_choice(tools: Sequence[Mapping[str, Any]], choice: object) -> str | None:
    """The name of the function that tool_choice asks for and that no tool has; None when all is well."""
    if not isinstance(choice, Mapping) or chosen_tool(np.random.default_rng(0), tools, choice, False, 0) is not None:
        return None
    return str(choice.get("name"))


def tool_call(rng: np.random.Generator, tool: Mapping[str, Any]) -> ToolCall:
    """A call of `tool` with drawn arguments."""
    schema = tool.get("parameters")
    value = _value(rng, schema, 0) if isinstance(schema, Mapping) else {}
    arguments = value if isinstance(value, dict) else {}
    return ToolCall(str(tool.get("name", "")), json.dumps(arguments))


def _value(rng: np.random.Generator, schema: object, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    options = schema.get("enum")
    if isinstance(options, (list, tuple)) and options:
        return options[int(rng.integers(len(options)))]
    for name in ("anyOf", "oneOf"):
        branches = schema.get(name)
        if isinstance(branches, (list, tuple)) and branches:
            return _value(rng, branches[int(rng.integers(len(branches)))], depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, (list, tuple)) and kind else kind
    return _of_kind(rng, kind, schema, depth)


def _of_kind(rng: np.random.Generator, kind: object, schema: Mapping[str, Any], depth: int) -> Any:
    if kind == "object":
        fields = schema.get("properties")
        rows = list(fields.items())[:_MAX_FIELDS] if isinstance(fields, Mapping) else []
        required = schema.get("required")
        wanted = required if isinstance(required, (list, tuple)) else ()
        return {name: _value(rng, inner, depth + 1) for name, inner in rows if name in wanted or rng.random() < 0.5}
    if kind == "array":
        count = max(1, min(int(_bound(schema, "minItems", 1)), _MAX_FIELDS))
        return [_value(rng, schema.get("items"), depth + 1) for _ in range(count)]
    if kind in ("integer", "number"):
        low = _bound(schema, "minimum", 1.0)
        high = max(low, _bound(schema, "maximum", low + 9))
        drawn = low + (high - low) * rng.random()
        return min(math.ceil(drawn), math.floor(high)) if kind == "integer" else round(drawn, 3)
    if kind == "boolean":
        return bool(rng.integers(2))
    return None if kind == "null" else _WORDS[int(rng.integers(len(_WORDS)))]


def _bound(schema: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = schema.get(name)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if usable else otherwise  # type: ignore[arg-type]
