"""SessionConfig, what a session is asked to be, and Session, what a server says that it is.

Each method hands its work to the module that knows it; nothing is sent or received here. `SessionKeywords` is what the
constructor takes, for type checkers and for the signature that notebooks show.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack, cast

from realtime_lab.config.assembly import assemble, assemble_said, assemble_wire, unheard_logprobs
from realtime_lab.config.changes import Difference, change, clear, differences
from realtime_lab.config.code import cell, one_line, session_html
from realtime_lab.config.fields import BY_PATH, FIELDS, resolve_path, treatment
from realtime_lab.config.frozen_json import overlaid, thaw
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.parts.audio import (
    Audio,
    AudioFormat,
    CustomVoice,
    NoiseReduction,
    Transcription,
    TurnDetection,
)
from realtime_lab.config.parts.model import (
    FunctionChoice,
    FunctionTool,
    McpChoice,
    McpTool,
    Prompt,
    Reasoning,
    RetentionRatio,
    Tracing,
)
from realtime_lab.config.parts.part import Part, plain, show_signature
from realtime_lab.config.problems import ConfigWarning, in_field_order, spec_of
from realtime_lab.config.shape import SessionShape
from realtime_lab.config.treatments import Treatment
from realtime_lab.config.wire import KEYWORDS, MISSING, Tree, checked_shape, lookup, written
from realtime_lab.errors import ConfigError, Problem

Given = Mapping[str, object]


class SessionKeywords(TypedDict, total=False):
    """What the constructor takes; every object may be given as a mapping."""

    session_type: Literal["realtime", "transcription"]
    model: str
    output_modalities: Sequence[str]
    instructions: str
    audio: Audio | Given
    include: Sequence[str] | None
    max_output_tokens: int | float | Literal["inf"]
    tools: Sequence[FunctionTool | McpTool | Given]
    tool_choice: str | FunctionChoice | McpChoice | Given
    tracing: Literal["auto"] | Tracing | Given | None
    truncation: Literal["auto", "disabled"] | RetentionRatio | Given
    prompt: Prompt | Given | None
    reasoning: Reasoning | Given
    parallel_tool_calls: bool
    temperature: float
    extra: Given
    turn_detection: TurnDetection | Given | None
    transcription: Transcription | Given | None
    noise_reduction: NoiseReduction | Given | None
    voice: str | CustomVoice | Given
    speed: float
    input_format: str | AudioFormat | Given
    output_format: str | AudioFormat | Given
    logprobs: bool


class SessionConfig(SessionShape):
    """What a session is asked to be, in the shape of the session object.

    A field that is not given is not sent, and its value is then the server's; None is sent as null. Equality, hash and
    JSON tell the two apart. Objects may be given as mappings anywhere. What is in `audio` may also be given flat:
    `turn_detection`, `transcription`, `noise_reduction`, `voice`, `speed`, `input_format`, `output_format` (a format's
    name will do); `logprobs=True` asks for the log-probabilities of the transcription's tokens.

    Raises:
        ConfigError: The configuration has mistakes; all of them are in `.errors`.

    Warns:
        ConfigWarning: Log-probabilities are asked for and no transcription is there to give them.

    Example:
        >>> SessionConfig(model="gpt-realtime-2.1", turn_detection=ServerVad(silence_duration_ms=500))
        SessionConfig(model='gpt-realtime-2.1', turn_detection=ServerVad(silence_duration_ms=500))
    """

    def __init__(self, **values: Unpack[SessionKeywords]) -> None:
        flaws = assemble(self, _object(plain(values)), KEYWORDS)
        if flaws:
            raise ConfigError(in_field_order(flaws, SessionShape))
        self._warn()

    if not TYPE_CHECKING:
        __init__.__pydantic_base_init__ = True

    # Reading and changing by path.

    def get(self, path: str, default: Any = None) -> Any:
        """The value of a field, or `default` when it is not set; null is None.

        Args:
            path: Any unambiguous ending of the field's path.
            default: What to return for a field that is not set.

        Raises:
            ConfigError: The path means no field, or several.
        """
        full = resolve_path(path)
        steps = tuple(full.split("."))
        node: object = self
        for step in steps:
            if not isinstance(node, Part) or not (node.is_set(step) or step in ("type", "session_type")):
                beyond = lookup(self.extra, steps)
                return default if beyond is MISSING else thaw(beyond)
            node = getattr(node, step)
        return node

    def with_values(self, changes: Mapping[str, object]) -> Self:
        """A copy with other values.

        Args:
            changes: New values by any unambiguous ending of a path. A field of an object that is not set makes the
                object; `turn_detection` takes a whole object, a mapping or None.

        Raises:
            ConfigError: With every path and value that is wrong.
        """
        tree = self.to_dict()
        problems = change(tree, changes)
        return self._again(tree, problems)

    def without(self, *paths: str) -> Self:
        """A copy in which fields are not set.

        Args:
            *paths: Any unambiguous endings of the fields' paths.

        Raises:
            ConfigError: A path means no field or several, or what is left is not a session.
        """
        tree = self.to_dict()
        for path in paths:
            clear(tree, path)
        return self._again(tree, [])

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, checked like every other: `update` is what `with_values` takes."""
        return self.with_values(update or {})

    def leaves(self) -> dict[str, object]:
        """Plain values of the fields that are set, by full path in declaration order.

        An object whose fields are known is given field by field; null, an empty object, tools and the like are values.
        """
        return _leaves(self._known_tree())

    def diff(self, other: SessionConfig) -> tuple[Difference, ...]:
        """Where another session, such as the effective one, is not what was asked for here.

        Args:
            other: What the server says.

        Returns:
            One difference for each field that is set here and is not the same there, in declaration order.
        """
        tree = other._known_tree()
        stated = {field.path: lookup(tree, tuple(field.path.split("."))) for field in FIELDS}
        return tuple(differences(self.leaves(), {path: got for path, got in stated.items() if got is not MISSING}))

    def treatments(self) -> dict[str, Treatment]:
        """How the mocked server treats each field that is set, by full path."""
        return {path: treatment(path, value) for path, value in self.leaves().items()}

    # Wire, JSON, code.

    def to_wire(self, shape: str = "ga") -> dict[str, Any]:
        """The session as it is sent.

        Args:
            shape: "ga", what today's service takes; "seed", the session object with turn_detection in both its places;
                "flat", the older names.

        Raises:
            ConfigError: A field is set that the shape cannot carry.
        """
        chosen = checked_shape(shape)
        typed = self.to_dict()
        extra = _object(typed.pop("extra", {}))
        fields = {name: value for name, value in typed.items() if name != "session_type"}
        tree = overlaid({"type": self.session_type, **fields}, extra)
        return written(tree, chosen, typed)

    @classmethod
    def from_wire(cls, obj: object, *, strict: bool = True) -> Self:
        """Read a session in any of the three shapes.

        What a server reports beyond the configuration (id, object, expires_at, client_secret) is left to `Session`.

        Args:
            obj: A JSON object.
            strict: Refuse names and values that are not known. With False, for what a server says, they are kept in
                `extra` and appear again in `to_wire`.

        Raises:
            ConfigError: It has mistakes, states one field differently in two places, or is not a JSON object.
        """
        tree = plain(obj)
        if not isinstance(tree, dict):
            raise ConfigError([Problem("session", masked(obj), "a JSON object", code="invalid_type")])
        config = cls.__new__(cls)
        flaws = assemble_wire(config, tree) if strict else assemble_said(config, tree)
        if flaws:
            raise ConfigError(in_field_order(flaws, SessionShape))
        if strict:
            config._warn()
        return config

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote, or such a text written by hand.

        Raises:
            ConfigError: It is not JSON, or has mistakes.
        """
        return cls.model_validate_json(text)

    def to_code(self, name: str = "config") -> str:
        """A Python cell that builds an equal configuration.

        Args:
            name: Variable to assign.
        """
        return cell(self.to_dict(), name)

    def __repr__(self) -> str:
        return one_line(_object(shortened(masked(self.to_dict()))))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return session_html(self.leaves(), self.extra)

    def _again(self, tree: Tree, problems: list[Problem]) -> Self:
        other = type(self).__new__(type(self))
        problems = [*problems, *in_field_order(assemble(other, tree), SessionShape)]
        if problems:
            raise ConfigError(problems)
        if not unheard_logprobs(self.to_dict()):
            other._warn()
        return other

    def _warn(self) -> None:
        message = unheard_logprobs(self.to_dict())
        if message:
            warnings.warn(message, ConfigWarning, stacklevel=3)

    def _known_tree(self) -> Tree:
        tree = self.to_dict()
        extra = _object(tree.pop("extra", {}))
        return overlaid(tree, extra)


def _object(value: object) -> Tree:
    return cast(Tree, value)


def _leaves(tree: Tree) -> dict[str, object]:
    leaves: dict[str, object] = {}
    for field in FIELDS:
        value = lookup(tree, tuple(field.path.split(".")))
        if value is MISSING:
            continue
        inner = isinstance(value, dict) and any(f"{field.path}.{name}" in _PATHS for name in value)
        if not inner:
            leaves[field.path] = value
    return leaves


_PATHS = frozenset(field.path for field in FIELDS)

show_signature(
    SessionConfig,
    {
        **{name: str(spec_of(SessionConfig, name)) for name in SessionConfig.model_fields},
        **{place.name: BY_PATH[".".join(place.path)].allowed for place in KEYWORDS},
        "logprobs": "true or false",
    },
)


_LATEST_S = 2**53


@dataclass(frozen=True)
class Session:
    """A session as a server describes it.

    Names and values that are not known are kept in `extra` and appear again in `to_wire`. A client secret is not kept:
    whoever asked for it reads it before.
    """

    id: str | None
    """The server's id of the session."""
    object: str | None
    """Kind of object, `realtime.session`."""
    expires_at: int | None
    """End of the session in seconds since 1970."""
    config: SessionConfig
    """The effective configuration."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """What the server said beyond the known fields."""
        return self.config.extra

    @classmethod
    def from_wire(cls, obj: Any) -> Session:
        """Read what a server says, in any of the three shapes.

        Raises:
            ConfigError: It is not a JSON object, or states one field differently in two places.
        """
        tree = plain(obj)
        if not isinstance(tree, dict):
            raise ConfigError([Problem("session", masked(obj), "a JSON object", code="invalid_type")])
        expires_at = tree.get("expires_at")
        return cls(
            id=_text(tree.get("id")),
            object=_text(tree.get("object")),
            expires_at=expires_at if type(expires_at) is int and 0 <= expires_at < _LATEST_S else None,
            config=SessionConfig.from_wire(tree, strict=False),
        )

    def to_wire(self, shape: str = "ga") -> dict[str, Any]:
        """The session as a server describes it, in a wire shape; see `SessionConfig.to_wire`.

        Raises:
            ConfigError: The configuration holds a field that the shape cannot carry.
        """
        said = {"id": self.id, "object": self.object, "expires_at": self.expires_at}
        return {**{name: value for name, value in said.items() if value is not None}, **self.config.to_wire(shape)}

    def differences(self, asked: SessionConfig) -> tuple[Difference, ...]:
        """Where this session is not what was asked for."""
        return asked.diff(self.config)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
