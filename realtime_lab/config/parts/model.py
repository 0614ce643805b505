"""The objects a session hands to the model or its operator: tools, tracing, truncation, prompt, reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from realtime_lab.config.parts.part import Part
from realtime_lab.config.specs import Choice, Flag, JsonList, JsonObject, Nested, Number, Text, TextList, Whole


class FunctionTool(Part):
    """A function the model may call."""

    place: ClassVar[str] = "tools"

    type: Annotated[Literal["function"], Choice(options=("function",))] = "function"
    """Kind of tool."""
    name: Annotated[str, Text(empty=False)]
    """Name of the function."""
    description: Annotated[str | None, Text()] = None
    """When and how to call it."""
    parameters: Annotated[Mapping[str, object] | None, JsonObject()] = None
    """Its parameters as a JSON Schema."""


class McpTool(Part):
    """Tools of a remote Model Context Protocol server."""

    place: ClassVar[str] = "tools"

    type: Annotated[Literal["mcp"], Choice(options=("mcp",))] = "mcp"
    """Kind of tool."""
    server_label: Annotated[str, Text(empty=False)]
    """Name under which the server's tools appear."""
    server_url: Annotated[str | None, Text()] = None
    """Address of the server."""
    connector_id: Annotated[str | None, Text()] = None
    """The vendor's own connector, in place of an address."""
    tunnel_id: Annotated[str | None, Text()] = None
    """The vendor's tunnel, in place of an address."""
    server_description: Annotated[str | None, Text()] = None
    """What the server is for."""
    authorization: Annotated[str | None, Text()] = None
    """Access token for the server; hidden wherever the configuration is shown."""
    headers: Annotated[Mapping[str, object] | None, JsonObject(holds=(str,), nullable=True)] = None
    """HTTP headers for the server; hidden wherever the configuration is shown."""
    allowed_tools: Annotated[tuple[str, ...] | Mapping[str, object] | None, JsonList(lists=True, nullable=True)] = None
    """Names of the tools that may be used, or a filter."""
    require_approval: Annotated[
        str | Mapping[str, object] | None, JsonList(options=("always", "never"), nullable=True)
    ] = None
    """Which tools need approval before each call."""
    defer_loading: Annotated[bool | None, Flag()] = None
    """Whether the tools are found by search instead of being listed."""
    allowed_callers: Annotated[tuple[str, ...] | None, TextList(nullable=True)] = None
    """Ways in which the tools may be called."""


class FunctionChoice(Part):
    """Makes the model call one function."""

    place: ClassVar[str] = "tool_choice"

    type: Annotated[Literal["function"], Choice(options=("function",))] = "function"
    """Kind of tool."""
    name: Annotated[str, Text(empty=False)]
    """Name of the function."""


class McpChoice(Part):
    """Makes the model call a tool of one server."""

    place: ClassVar[str] = "tool_choice"

    type: Annotated[Literal["mcp"], Choice(options=("mcp",))] = "mcp"
    """Kind of tool."""
    server_label: Annotated[str, Text(empty=False)]
    """Label of the server."""
    name: Annotated[str | None, Text(nullable=True)] = None
    """Name of the tool."""


class Tracing(Part):
    """What the vendor's own log of the session is filed under."""

    place: ClassVar[str] = "tracing"

    workflow_name: Annotated[str | None, Text()] = None
    """Name of the workflow."""
    group_id: Annotated[str | None, Text()] = None
    """Group, such as one study."""
    metadata: Annotated[Mapping[str, object] | None, JsonObject()] = None
    """Anything else to find it by."""


class TokenLimits(Part):
    """Token limits of the truncation."""

    place: ClassVar[str] = "truncation.token_limits"

    post_instructions: Annotated[int | None, Whole(minimum=0, maximum=2**31 - 1)] = None
    """Most tokens the conversation may hold after the instructions."""


class RetentionRatio(Part):
    """Truncation that keeps a share of the conversation."""

    place: ClassVar[str] = "truncation"

    type: Annotated[Literal["retention_ratio"], Choice(options=("retention_ratio",))] = "retention_ratio"
    """Kind of truncation."""
    retention_ratio: Annotated[float, Number(minimum=0, maximum=1)]
    """Share of the conversation's tokens to keep when it grows too long."""
    token_limits: Annotated[TokenLimits | None, Nested(parts=(TokenLimits,))] = None
    """Limits that start it earlier."""


class Prompt(Part):
    """A prompt stored with the vendor."""

    place: ClassVar[str] = "prompt"

    id: Annotated[str, Text(empty=False)]
    """Its id."""
    version: Annotated[str | None, Text(nullable=True)] = None
    """Its version, or null for the current one."""
    variables: Annotated[Mapping[str, object] | None, JsonObject(holds=(str, dict), nullable=True)] = None
    """Values for its variables: texts, or objects of the vendor's input types."""


class Reasoning(Part):
    """How much a reasoning model thinks."""

    place: ClassVar[str] = "reasoning"

    effort: Annotated[
        Literal["minimal", "low", "medium", "high", "xhigh"] | None,
        Choice(options=("minimal", "low", "medium", "high", "xhigh")),
    ] = None
    """Effort of a reasoning model."""
