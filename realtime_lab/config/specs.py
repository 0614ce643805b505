"""What one field accepts: a spec in the annotation checks the value, words what is allowed and gives panels the range.

A spec is annotation metadata, so the models stay plain declarations and every message, panel and table reads the same
facts. Which fields exist is said in `parts` and `shape`, not here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from realtime_lab.config.frozen_json import NotJsonError, freeze

Model = type[BaseModel]
Kind = type[str] | type[dict[str, object]]
TAG = "~"
"""Prefix of the branch names pydantic puts into an error's location; no field name begins with it."""


def refusal(code: str, hint: str = "", at: str = "", allowed: str = "") -> PydanticCustomError:
    """An error to raise from a check.

    Args:
        code: The service's code for this mistake.
        hint: What to do.
        at: The key inside the value that it is about.
        allowed: What is allowed, where the spec's own words do not say it.
    """
    # pydantic's own message template stays constant, so nothing of the input is formatted into it.
    return PydanticCustomError(code, "refused", {"hint": hint, "at": at, "allowed": allowed})


@dataclass(frozen=True, kw_only=True, repr=False)
class Spec:
    """Base of all specs."""

    nullable: bool = False
    """Whether null may be sent."""
    default: object = None
    """The documented default of the service, None where none is documented."""
    default_note: str = ""
    """What to say of that default beyond its value."""
    suggestions: tuple[str, ...] = ()
    """Values a panel may offer where any text is accepted."""

    minimum: float | None = None
    """Smallest number accepted."""
    maximum: float | None = None
    """Largest number accepted."""
    type: ClassVar[str] = "any"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts accepted, where only a few are."""
        return ()

    def __repr__(self) -> str:
        return self.words()

    def words(self) -> str:
        """What is allowed, in words."""
        return f"{self._words()}, or null" if self.nullable else self._words()

    def _words(self) -> str:
        return "any value"

    def check(self, value: object) -> object:
        """Return the normal form of a value that is not None, or raise a `refusal`."""
        return value

    def validate(self, value: object) -> object:
        """Check a value, null included."""
        if value is None:
            if self.nullable:
                return None
            raise refusal("invalid_type", "null is refused here: leave the field out instead")
        return self.check(value)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)


@dataclass(frozen=True, kw_only=True, repr=False)
class Number(Spec):
    """A finite number between two bounds."""

    type: ClassVar[str] = "number"
    _noun: ClassVar[str] = "a number"
    _code: ClassVar[str] = "decimal"

    def _words(self) -> str:
        return f"{self._noun}{_range_words(self.minimum, self.maximum)}"

    def check(self, value: object) -> object:
        return self._within(_real(value) + 0.0)  # + 0.0 turns -0.0 into 0.0: one value, one text

    def _within(self, value: float) -> float:
        if self.minimum is not None and value < self.minimum:
            raise refusal(f"{self._code}_below_min_value")
        if self.maximum is not None and value > self.maximum:
            raise refusal(f"{self._code}_above_max_value")
        return value


@dataclass(frozen=True, kw_only=True, repr=False)
class Whole(Number):
    """An integer between two bounds, or one of a few texts; 500.0 is taken for 500, as frames hold it."""

    also: tuple[str, ...] = ()
    """Texts accepted beside integers; the infinite float stands for "inf"."""
    type: ClassVar[str] = "integer"
    _noun: ClassVar[str] = "an integer"
    _code: ClassVar[str] = "integer"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts accepted beside integers."""
        return self.also

    def _words(self) -> str:
        return super()._words() + "".join(f' or "{text}"' for text in self.also)

    def check(self, value: object) -> object:
        if isinstance(value, str) and value in self.also:
            return value
        if "inf" in self.also and isinstance(value, float) and value == math.inf:
            return "inf"
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return self._within(int(value))
        number = _real(value)
        if not number.is_integer():
            raise refusal("invalid_type", "a fraction is not an integer")
        return self._within(int(number))


@dataclass(frozen=True, kw_only=True, repr=False)
class Flag(Spec):
    """True or False."""

    type: ClassVar[str] = "boolean"

    def _words(self) -> str:
        return "true or false"

    def check(self, value: object) -> object:
        if type(value).__name__ in ("bool", "bool_") and value in (True, False):
            return bool(value)
        raise refusal("invalid_type")


@dataclass(frozen=True, kw_only=True, repr=False)
class Text(Spec):
    """Any text."""

    empty: bool = True
    """Whether the empty text is accepted."""
    type: ClassVar[str] = "string"

    def _words(self) -> str:
        return "text" if self.empty else "text that is not empty"

    def check(self, value: object) -> object:
        if not isinstance(value, str):
            raise refusal("invalid_type")
        if not (value or self.empty):
            raise refusal("invalid_value")
        return _text(value)


@dataclass(frozen=True, kw_only=True, repr=False)
class Choice(Spec):
    """One of a few texts or numbers."""

    options: tuple[str | int, ...]
    type: ClassVar[str] = "choice"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts to choose from."""
        return tuple(str(option) for option in self.options)

    def _words(self) -> str:
        return ", ".join(f'"{option}"' if isinstance(option, str) else str(option) for option in self.options)

    def check(self, value: object) -> object:
        kind = type(self.options[0])
        if isinstance(value, bool) or not isinstance(value, (str, numbers.Real)):
            raise refusal("invalid_type")
        for option in self.options:
            if option == value:
                return option
        raise refusal("invalid_value" if isinstance(value, kind) else "invalid_type")


@dataclass(frozen=True, kw_only=True, repr=False)
class TextList(Spec):
    """A list of texts, free or out of whole lists that are accepted."""

    accepted: tuple[tuple[str, ...], ...] = ()
    """The only lists accepted; empty for any list of texts."""
    advice: str = ""
    """Hint for a list that is not accepted."""
    type: ClassVar[str] = "list"

    @property
    def choices(self) -> tuple[str, ...]:
        """Every text that may stand in the list, empty when any may."""
        return tuple(dict.fromkeys(text for texts in self.accepted for text in texts))

    def _words(self) -> str:
        if not self.accepted:
            return "a list of texts"
        return " or ".join("[" + ", ".join(f'"{text}"' for text in texts) + "]" for texts in self.accepted)

    def check(self, value: object) -> object:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise refusal("invalid_type", "write a list" if isinstance(value, str) else "")
        texts = tuple(_text(item) for item in value)
        if self.accepted and texts not in self.accepted:
            raise refusal("invalid_value", self.advice)
        return texts


@dataclass(frozen=True, kw_only=True, repr=False)
class JsonObject(Spec):
    """A JSON object, kept as it is."""

    holds: tuple[Kind, ...] = ()
    """Types its values may have; empty for any."""
    type: ClassVar[str] = "object"

    def _words(self) -> str:
        if not self.holds:
            return "a JSON object"
        return "a JSON object of " + " or ".join("texts" if kind is str else "objects" for kind in self.holds)

    def check(self, value: object) -> object:
        if not isinstance(value, Mapping):
            raise refusal("invalid_type")
        if self.holds and not all(isinstance(item, self.holds) for item in value.values()):
            raise refusal("invalid_type")
        return _frozen(value)


@dataclass(frozen=True, kw_only=True, repr=False)
class JsonList(Spec):
    """A list of texts or a JSON object or one of a few texts: fields of tools whose inside is not looked at."""

    type: ClassVar[str] = "object"
    options: tuple[str, ...] = ()
    lists: bool = False

    def _words(self) -> str:
        texts = [f'"{option}"' for option in self.options] + ["a list of texts"] * self.lists
        return ", ".join([*texts, "a JSON object"])

    def check(self, value: object) -> object:
        if isinstance(value, Mapping) or (isinstance(value, str) and value in self.options):
            return _frozen(value)
        if self.lists and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise refusal("invalid_value" if isinstance(value, str) else "invalid_type")


@dataclass(frozen=True, kw_only=True, repr=False)
class Nested(Spec):
    """An object with fields of its own; several kinds of object are told apart by their `type`."""

    parts: tuple[Model, ...]
    also: tuple[str, ...] = ()
    """Texts accepted in place of an object."""
    any_text: bool = False
    """Whether any text that is not empty is accepted in place of an object."""
    type: ClassVar[str] = "object"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts accepted in place of an object."""
        return self.also

    def kinds(self) -> dict[str, Model]:
        """Each kind of object by the text in its `type`; a single kind stands under its class name."""
        if len(self.parts) == 1:
            return {self.parts[0].__name__: self.parts[0]}
        return {part.model_fields["type"].default: part for part in self.parts}

    def _words(self) -> str:
        texts = [f'"{text}"' for text in self.also] + ["a name"] * self.any_text
        if len(self.parts) > 1:
            return ", ".join([*texts, "an object of type " + " or ".join(self.kinds())])
        names = ", ".join(self.parts[0].model_fields)
        return ", ".join([*texts, f"an object with {names}"])

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        branches = {TAG + name: handler.generate_schema(part) for name, part in self.kinds().items()}
        return _branching(branches, self._branch, self.validate)

    def _branch(self, value: object) -> str | None:
        if not isinstance(value, Mapping):
            return None
        kinds = self.kinds()
        if len(kinds) == 1:
            return next(iter(kinds))
        kind = value.get("type")
        return kind if isinstance(kind, str) and kind in kinds else None

    def check(self, value: object) -> object:
        if isinstance(value, Mapping):
            code = "invalid_value" if "type" in value else "missing_required_parameter"
            hint = "" if "type" in value else "it is required here"
            raise refusal(code, hint, at="type", allowed=", ".join(f'"{kind}"' for kind in self.kinds()))
        if isinstance(value, str):
            if value in self.also or (self.any_text and value):
                return value
            raise refusal("invalid_value" if self.also or self.any_text else "invalid_type")
        raise refusal("invalid_type")


@dataclass(frozen=True, kw_only=True, repr=False)
class Items(Spec):
    """A list of objects."""

    item: Nested
    type: ClassVar[str] = "list"

    def _words(self) -> str:
        return f"a list, each item {self.item.words()}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = core_schema.tuple_variable_schema(self.item.__get_pydantic_core_schema__(source, handler))
        return _branching({f"{TAG}list": items}, _list_branch, self.validate)

    def check(self, value: object) -> object:
        raise refusal("invalid_type")


def _branching(
    branches: dict[str, CoreSchema], branch: Callable[[object], str | None], other: Callable[[object], object]
) -> CoreSchema:
    """A union in which `branch` names the one schema to use, so that one mistake is one error."""
    schemas: dict[Any, CoreSchema] = {
        **branches,
        f"{TAG}other": core_schema.no_info_plain_validator_function(other),
    }
    return core_schema.tagged_union_schema(schemas, discriminator=lambda value: TAG + (branch(value) or "other"))


def _list_branch(value: object) -> str | None:
    return "list" if isinstance(value, list) else None


def _frozen(value: object) -> object:
    try:
        return freeze(value)
    except NotJsonError as error:
        raise refusal("invalid_type", error.reason) from None


def _text(value: str) -> str:
    """The exact text of a str or of a subclass such as a text enum, whose own str() says something else."""
    return str.__str__(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise refusal("invalid_type", "write it without quotes" if isinstance(value, str) else "")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refusal("invalid_value", "a finite number is needed")
    return number


def _range_words(minimum: float | None, maximum: float | None) -> str:
    if minimum is None and maximum is None:
        return ""
    if maximum is None:
        return f" of {minimum:g} or more"
    return f" from {_plain(minimum or 0)} to {_plain(maximum)}"


def _plain(bound: float) -> str:
    return str(int(bound)) if float(bound).is_integer() else str(bound)
