"""How a command ends: its exit codes, and a line for every mistake, warning and interrupt.

A mistake of the user ends in one plain message and exit code 3, warnings of the package are a line each; Ctrl-C ends in
one line that says how to go on, and 130.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from realtime_lab.errors import ConfigError, RealtimeLabError

MISTAKE = 3
"""Exit code where nothing could be done as it was asked: 1 and 2 are verdicts."""
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # of a wrong command line; typer exports only its kinds


class Commands(typer.core.TyperGroup):
    """Commands whose wrong use has the exit code of every other mistake, not the parser's 2."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _as_mistake():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _as_mistake():
            return super().invoke(ctx)


@contextmanager
def _as_mistake() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.exit_code = MISTAKE  # type: ignore[attr-defined]
        raise


@contextmanager
def plain_ends() -> Iterator[None]:
    """Turn mistakes and interrupts into one message and an exit code; anything else is a fault of ours and shows."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: typer.echo(f"realtime-lab: {message}", err=True)
            yield
    except RealtimeLabError as error:
        typer.echo(f"realtime-lab: {_message(error)}", err=True)
        raise typer.Exit(MISTAKE) from None
    except (FileNotFoundError, NotADirectoryError, FileExistsError, IsADirectoryError, PermissionError) as error:
        typer.echo(f"realtime-lab: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(MISTAKE) from None
    except KeyboardInterrupt:
        typer.echo("\nrealtime-lab: interrupted; the same command goes on from here.", err=True)
        raise typer.Exit(130) from None


def _message(error: RealtimeLabError) -> str:
    """One line where there is one mistake, one line per mistake where there are more."""
    if isinstance(error, ConfigError) and len(error.errors) == 1:
        return f"mistake in the {error.subject}: {error.errors[0]}"
    return str(error)
