"""Reading a user's text files: labels and transcripts, of bounded size, in UTF-8."""

from __future__ import annotations

from pathlib import Path

from realtime_lab.errors import ScriptError

__all__ = ["read_text"]

_MAX_BYTES = 16_000_000


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        ScriptError: If it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScriptError(f"{path}: larger than {_MAX_BYTES} bytes", path)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path}: not a text in UTF-8: {error.reason}", path) from None
