"""The file form of a profile: JSON with a version, and the finder of profiles by name or path. The file is hostile."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Any

import msgspec

from realtime_lab.errors import ConfigError, Problem, ProfileError
from realtime_lab.server.profile import PROFILES, Profile

__all__ = ["find_profile", "load_profile", "save_profile"]

FORMAT_VERSION = 1
MAX_BYTES = 100_000
_FIELDS = tuple(entry.name for entry in dataclasses.fields(Profile))


def find_profile(name: object) -> Profile:
    """A shipped profile by its name, or the one in a file.

    Raises:
        ProfileError: If there is neither, or the file has mistakes.
    """
    if isinstance(name, str) and name in PROFILES:
        return PROFILES[name]
    if not isinstance(name, (str, Path)) or not str(name).isprintable() or not Path(name).is_file():
        allowed = " or ".join(repr(known) for known in sorted(PROFILES))
        raise ProfileError([Problem("profile", name, f"{allowed}, or a profile file", "or give a Profile")])
    return load_profile(Path(name))


def save_profile(profile: Profile, path: Path) -> Path:
    """Write `profile` to `path`; see `Profile.save`."""
    document = {"format_version": FORMAT_VERSION, "profile": dataclasses.asdict(profile)}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return path


def load_profile(path: Path) -> Profile:
    """Read the profile in `path`; see `Profile.load`."""
    shown = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProfileError([Problem("profile", shown, "a profile file", str(error.strerror))]) from None
    if len(data) > MAX_BYTES:
        raise ProfileError([Problem("profile", shown, f"a file of at most {MAX_BYTES:,} bytes")])
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError([Problem("profile", shown, "a JSON file", str(error))]) from None
    return _profile(document)


def _profile(document: Any) -> Profile:
    if not isinstance(document, dict) or not isinstance(document.get("profile"), dict):
        raise ProfileError([Problem("profile", "(no profile)", "an object with format_version and profile")])
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        hint = "another version of this package wrote it"
        raise ProfileError([Problem("format_version", version, str(FORMAT_VERSION), hint)])
    table: dict[str, Any] = document["profile"]
    unknown = [name for name in table if name not in _FIELDS]
    if unknown:
        raise ProfileError([Problem(f"profile.{name[:80]}", "(not read)", _near(name)) for name in unknown[:20]])
    try:
        return msgspec.convert(table, Profile)
    except ProfileError:
        raise
    except (msgspec.ValidationError, ConfigError) as error:
        raise ProfileError([Problem("profile", "(not read)", "a profile's figures", str(error))]) from None


def _near(name: str) -> str:
    near = difflib.get_close_matches(name[:80], _FIELDS, n=1, cutoff=0.5)
    return f"a profile's fields; did you mean {near[0]}?" if near else "a profile's fields"
