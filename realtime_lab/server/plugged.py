"""Callables of a user's own, by name: what stands in rows, plans and studies in place of the code itself.

A `Plugged` is its name, and carries the callable where somebody gave it. Plans, studies and files keep the name alone,
so reading one runs no code; whoever wants to run it again gives the callable again.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

from realtime_lab.errors import ConfigError, Problem

MAX_NAME_CHARACTERS = 200
_ALLOWED = "a callable, or its place as 'module:name'"
_MAIN = b"__main__"


class Plugged(str):
    """The name of a callable, and the callable where it is at hand. Equal to whatever has the same name."""

    __slots__ = ("make",)
    make: Callable[..., Any] | None
    """None: only the name is known."""

    def __new__(cls, name: str, make: Callable[..., Any] | None = None) -> Plugged:
        """Name a callable."""
        self = super().__new__(cls, name)
        self.make = make
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.make

    def __getstate__(self) -> None:
        return None

    def problems(self, place: str) -> list[Problem]:
        """Why it cannot be called: only its name is known. `place` is the argument it was given as."""
        hint = "a study and a file keep its name and no code: give the callable itself again"
        return [] if self.make is not None else [Problem(place, str(self), "a callable that is at hand", hint)]

    def called(self, place: str) -> Callable[..., Any]:
        """The callable.

        Raises:
            ConfigError: If only its name is known.
        """
        if self.make is None:
            raise ConfigError(self.problems(place))
        return self.make

    def unreachable(self) -> str | None:
        """Why another process cannot have the callable; None when it can, or there is none to have."""
        try:
            data = b"" if self.make is None else pickle.dumps(self.make)
        except Exception as error:
            return f"it cannot be sent to worker processes ({type(error).__name__})"
        return "worker processes cannot import what a notebook or a script itself defines" if _MAIN in data else None


def plugged(place: str, given: Callable[..., Any] | str) -> Plugged:
    """Name what a user gave: a callable, or the place where one is imported from.

    Args:
        place: Which argument it was given as, for the message.
        given: The callable, or "module:name".

    Raises:
        ConfigError: If it is neither.
    """
    if isinstance(given, Plugged):
        return given
    if isinstance(given, str):
        return find_plugged(place, given)
    if not callable(given):
        raise ConfigError([Problem(place, type(given).__name__, _ALLOWED, code="invalid_type")])
    return Plugged(_name(given)[:MAX_NAME_CHARACTERS], given)


def find_plugged(place: str, name: str) -> Plugged:
    """Import a callable by "module:name". This runs the module: take only what the user typed, never what a file says.

    Raises:
        ConfigError: If there is no such module, or no such callable in it.
    """
    module, _, inside = name.partition(":")
    try:
        found: Any = importlib.import_module(module) if module and inside else None
        for step in inside.split(".") if inside else ():
            found = getattr(found, step)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError([Problem(place, name, _ALLOWED, str(error))]) from None
    if not callable(found):
        raise ConfigError([Problem(place, name, _ALLOWED)])
    return Plugged(name[:MAX_NAME_CHARACTERS], found)


def _name(given: Any) -> str:
    if isinstance(given, partial):
        told = [*map(repr, given.args), *(f"{name}={value!r}" for name, value in given.keywords.items())]
        return f"{_name(given.func)}({', '.join(told)})"
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}:{named.__qualname__}"
