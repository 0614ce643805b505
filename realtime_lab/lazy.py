"""Public names of a package that are imported when first asked for (PEP 562), so that importing it stays light."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazily"]


def lazily(package: str, names_of: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The `__getattr__` of a package; hide it from type checkers, or a misspelt name is no error to them.

    Args:
        package: Its `__name__`.
        names_of: Public names, by the module in it that has them.
    """
    home = {name: module for module, names in names_of.items() for name in names}

    def look_up(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return look_up
