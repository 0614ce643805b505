"""Holding an asynchronous context manager open from synchronous code, such as a test or a notebook cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

from realtime_lab import background

__all__ = ["held"]

T = TypeVar("T")


@contextmanager
def held(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter `manager` on the background loop, and leave it at the end of the block."""

    async def enter() -> T:
        return await manager.__aenter__()

    async def leave() -> None:
        await manager.__aexit__(None, None, None)

    value = background.run(enter())
    try:
        yield value
    finally:
        background.run(leave())
