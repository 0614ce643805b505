"""The base of every configuration object: all mistakes at once, equality, hash, plain form and repr."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from realtime_lab.config.frozen_json import MAX_DEPTH, canonical_text, parsed
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.problems import Flaw, in_field_order, problems_of, spec_of
from realtime_lab.errors import ConfigError, Problem

Kind = TypeVar("Kind", bound="Part")


class Part(BaseModel):
    """Base of every configuration object: frozen, hashable, equal when the same fields are set to the same values."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    place: ClassVar[str] = ""
    """Dotted path under which this object stands in a session."""
    group: ClassVar[bool] = False
    """Whether the object only groups others, so that an empty one says nothing and is left out."""

    if not TYPE_CHECKING:

        def __init__(self, **values: object) -> None:
            _fill(self, values)

        # pydantic then validates nested objects without calling this constructor, and so reports all mistakes at once.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Show what each keyword accepts in the signature; pydantic's own would show None for what is not set."""
        show_signature(cls, {name: str(spec_of(cls, name)) for name in cls.model_fields})

    @classmethod
    def model_validate(cls: type[Kind], obj: Any, **_options: Any) -> Kind:
        """Build from a mapping; like the constructor it raises ConfigError only."""
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, Mapping) or not all(isinstance(key, str) for key in obj):
            raise ConfigError([Problem(cls.place or "session", masked(obj), "a JSON object", code="invalid_type")])
        return cls(**obj)

    @classmethod
    def model_validate_json(cls: type[Kind], json_data: str | bytes | bytearray, **_options: Any) -> Kind:
        """Build from the JSON text of an object; like the constructor it raises ConfigError only."""
        return cls.model_validate(parsed(json_data))

    def to_dict(self) -> dict[str, object]:
        """The fields that are set, as plain dicts and lists in declaration order; unset ones are left out."""
        tree: dict[str, object] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in self.model_fields_set or (name == "type" and value is not None):
                entry = plain(value)
                if not (isinstance(value, Part) and value.group and not entry):
                    tree[name] = entry
        return tree

    def to_json(self) -> str:
        """The canonical JSON text: sorted keys, ASCII, nothing that is unset."""
        return canonical_text(self.to_dict())

    def is_set(self, name: str) -> bool:
        """Whether a field of this object was given, if only as None."""
        return name in self.model_fields_set

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Part):
            return NotImplemented
        return type(self) is type(other) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.to_json()))

    def __repr__(self) -> str:
        fields = shortened(masked(self.to_dict()))
        assert isinstance(fields, dict)
        constant = type(self).model_fields["type"].default if "type" in fields else None
        shown = [f"{name}={value!r}" for name, value in fields.items() if name != "type" or value != constant]
        return f"{type(self).__name__}({', '.join(shown)})"

    __str__ = __repr__


def plain(value: object, depth: int = 0) -> object:
    """Copy a value into plain dicts and lists: parts, mappings, sequences and arrays at any depth; other values stay.

    Raises:
        ConfigError: It nests too deep, as a cycle does, or a key is not text.
    """
    if depth > MAX_DEPTH:
        raise ConfigError([Problem("session", "...", f"objects nested at most {MAX_DEPTH} deep")])
    if isinstance(value, Part):
        return value.to_dict()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                problem = Problem("session", masked(key), "text as the key of an object", code="invalid_type")
                raise ConfigError([problem])
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    tolist = getattr(value, "tolist", None)  # numpy's scalars and arrays, which sweeps' axes are made of
    return plain(tolist(), depth + 1) if callable(tolist) else value


class _Unset:
    """What a signature shows for a field that may be left out."""

    def __repr__(self) -> str:
        return "unset"


_UNSET = _Unset()


def show_signature(part: type[Part], words: Mapping[str, str]) -> None:
    """Give a class the signature that notebooks show: keywords only, each with what it accepts."""
    required = {name for name, field in part.model_fields.items() if field.is_required()}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=text,
            default=inspect.Parameter.empty if name in required else _UNSET,
        )
        for name, text in words.items()
    ]
    part.__signature__ = inspect.Signature(parameters)


def settle(part: Part, tree: dict[str, object]) -> list[Flaw]:
    """Fill a new object from plain values; the mistakes are returned, and the object is unusable if there are any."""
    try:
        part.__pydantic_validator__.validate_python(tree, self_instance=part)
    except ValidationError as error:
        return problems_of(error, type(part), part.place)
    return []


def _fill(part: Part, values: Mapping[str, object]) -> None:
    tree = plain(values)
    assert isinstance(tree, dict)
    flaws = settle(part, tree)
    # Raised here, after the handler, so that no traceback carries pydantic's error and its copy of the input.
    if flaws:
        raise ConfigError(in_field_order(flaws, type(part)))
