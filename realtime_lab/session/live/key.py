"""Keys: read from the environment when a connection is made, held in a type that shows nothing, kept nowhere.

A file is a stranger: a target that was read from one names any variable and any address, and run as it stands it would
send the one to the other. So it gets a key only once the caller has named its address (`with_leave`), and the variable
too where it is not the service's usual one.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import NoReturn

from realtime_lab.config.masking import HIDDEN, masked
from realtime_lab.errors import ArgumentError, Problem
from realtime_lab.session.targets import Live, usual_variable


class Secret:
    """A text that no repr, log or pickle shows.

    Args:
        value: The text.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one line that sends it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: give the name of the environment variable instead")


def with_leave(target: Live, key_to: Collection[str] = ()) -> Live:
    """A target that may have its key.

    Args:
        target: Any; one that the caller made is as it was.
        key_to: Addresses that the caller named, as `ADDRESS`, or as `VARIABLE=ADDRESS` for another variable than the
            service's usual one.

    Raises:
        ArgumentError: If a file named the target, and the caller did not.
    """
    variable, url = target.api_key_env, target.url
    if not target.from_file or variable is None or f"{variable}={url}" in key_to:
        return replace(target, from_file=False)
    usual = variable == usual_variable(url)
    if usual and url in key_to:
        return replace(target, from_file=False)
    say = url if usual else f"{variable}={url}"
    hint = f"a file asks for the key in {variable} to be sent there; if it may be, say key_to={say!r} (--key-to {say})"
    raise ArgumentError([Problem("target.url", url, "an address that you name yourself", hint)])


def key_of(target: Live) -> Secret | None:
    """The key that a target's sessions are opened with; None when it wants none.

    Raises:
        ConfigError: If a file named the target and the caller did not, or as `read_key` says.
    """
    return read_key(with_leave(target).api_key_env)


def read_key(variable: str | None) -> Secret | None:
    """The key in an environment variable, without the white space around it; None when none is wanted.

    Raises:
        ConfigError: If the variable is not set, or holds what no header can carry.
    """
    if variable is None:
        return None
    found = _look_up(variable)
    if isinstance(found, Problem):  # raised here, where no local variable holds the key
        raise ArgumentError([found])
    return found


def _look_up(variable: str) -> Secret | Problem:
    value = os.environ.get(variable, "").strip()
    if not value:
        hint = "set it before Python starts, or say api_key_env=None for a server that wants no key"
        return Problem("api_key_env", variable, "an environment variable that is set", hint)
    if not value.isascii() or not value.isprintable() or " " in value:
        allowed = "a variable that holds one line of plain characters"
        return Problem("api_key_env", variable, allowed, "its value is not shown here")
    return Secret(value)


def scrubbed(text: str, key: Secret | None = None) -> str:
    """`text` in one line, without the key and without what looks like one."""
    if key is not None:
        text = text.replace(key.reveal(), HIDDEN)
    return " ".join(str(masked(text)).split())


def scrubbed_bytes(message: bytes, key: Secret | None = None) -> bytes:
    """A message without the key."""
    if key is None:
        return message
    raw = key.reveal().encode()
    return message.replace(raw, HIDDEN.encode()) if raw in message else message
