"""Keys: read from the environment when a connection is made, held in a type that shows nothing, kept nowhere.

A file is a stranger: a target that was read from one names any variable and any address, and run as it stands it would
send the one to the other. So it gets a key only once the caller has named its address (`with_leave`), and the variable
too where it is not the service's usual one.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Collection, Iterator
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

    __slots__ = ("_disguised", "_told_by", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._disguised = re.compile("|".join(_disguises(value)).encode(), re.I)
        self._told_by = tuple(_told_by(form) for form in (value, *_recoded(value)))

    def reveal(self) -> str:
        """The text itself, for the one line that sends it."""
        return self._value

    def hide(self, text: str) -> str:
        """A text without it, in whatever encoding it stands there, and without its beginning where it was cut off."""
        return self.hide_bytes(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def hide_bytes(self, message: bytes) -> bytes:
        """The same of a message as it came.

        Looking for how each form of the key begins, once nothing is escaped, is quick; few messages need more.
        """
        small = message.lower()
        if any(mark in small for mark in _MARKS):
            small = _ESCAPE.sub(_unescaped, small)
        if any(form in small for form in self._told_by):
            return self._disguised.sub(HIDDEN.encode(), message)
        return message

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled: give the name of the environment variable instead")


_MARKS = (b"\\", b"%", b"&")
_ESCAPE = re.compile(
    rb"\\+(?:u00|x)([0-9a-f]{2})|%(?:25)*([0-9a-f]{2})|&#0*(\d{2,3});|&#x0*([0-9a-f]{2});|&(\w{2,4});|\\+"
)
_CUT = 12
"""So many first characters of a key tell it, where the rest was cut off."""


def _told_by(form: str) -> bytes:
    """How a form begins where nothing is escaped: without backslashes, which are taken out of messages too."""
    return form.replace("\\", "")[:_CUT].lower().encode()


def _unescaped(found: re.Match[bytes]) -> bytes:
    json_hex, url_hex, decimal, html_hex, named = found.groups()
    if named is not None:
        return html.unescape(f"&{named.decode()};").encode()
    digits = json_hex or url_hex or html_hex
    code = int(digits, 16) if digits else int(decimal or 0)
    return bytes([code]).lower() if 0 < code < 128 and code != ord("\\") else b""


def _character(character: str) -> str:
    """One character as JSON, a URL, HTML or a repr may write it."""
    code = ord(character)
    named = html.escape(character)
    escaped = f"{named}|" if named != character else ""
    escaped += rf"\\+u00{code:02x}|\\+x{code:02x}|%(?:25)*{code:02x}|&#0*{code};|&#x0*{code:x};"
    return rf"(?:\\*{re.escape(character)}|{escaped})"


def _recoded(value: str) -> Iterator[str]:
    """What base64, base64url and hex make of it, and what is left of it when it is reversed."""
    raw = value.encode()
    for shift in range(3):  # where it begins in a longer text decides its letters; those at the edges are others' too
        coded = base64.b64encode(bytes(shift) + raw).decode().rstrip("=")
        coded = coded[-(-shift * 4 // 3) : len(coded) - (1 if (len(raw) + shift) % 3 else 0)]
        yield from dict.fromkeys((coded, coded.replace("+", "-").replace("/", "_")))
    yield raw.hex()
    yield value[::-1]


def _disguises(value: str) -> Iterator[str]:
    """Patterns of every form in which a server may give a key back, the longest first."""
    yield "".join(map(_character, value))
    for form in _recoded(value):
        yield "".join(rf"\\*{re.escape(character)}" for character in form)
    if len(value) > _CUT:
        rest = "|".join(map(_character, sorted(set(value))))
        yield "".join(map(_character, value[:_CUT])) + f"(?:{rest})*"


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
        text = key.hide(text)
    return " ".join(str(masked(text)).split())


def scrubbed_bytes(message: bytes, key: Secret | None = None) -> bytes:
    """A message without the key."""
    return message if key is None else key.hide_bytes(message)
