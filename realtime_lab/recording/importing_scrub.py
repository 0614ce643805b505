"""Taking secrets, and bulk that looks like media, out of a foreign log's values before they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["HIDDEN", "scrubbed"]

HIDDEN = "***"

# Not `token`: that is also the name of a transcript's token beside its log-probability.
_SECRET_NAME = re.compile(
    r"authori[sz]ation|api[-_]?key|secret|passw(?:or)?d|bearer|credential|cookie|^headers$"
    r"|(?:access|auth|refresh|id|session|security)[-_]?token",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"\b(?:sk|ek|rk)[-_][A-Za-z0-9_-]{6,}"
    r"|\bbearer\s+[^\s\"']+"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|(?<=[?&])(?:api[-_]?key|key|token|access_token|sig|signature)=[^&\s\"']+",
    re.IGNORECASE,
)
_BULK = re.compile(r"(?:data:[\w/.+-]{1,80};base64,)?[A-Za-z0-9+/=_-]+\s*", re.ASCII)
_BULK_CHARACTERS = 1_000
_DEEPEST = 100


def scrubbed(value: Any, name: str = "", depth: int = 0) -> Any:
    """A copy of a JSON value without secrets, and without long base64 texts.

    Args:
        value: Any JSON value.
        name: The key it stands under; `authorization`, `client_secret` and their like hide the whole value.
        depth: Levels already descended; what lies deeper than 100 is left out.
    """
    if value is not None and not isinstance(value, (bool, int, float)) and _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        if len(value) >= _BULK_CHARACTERS and _BULK.fullmatch(value):
            return f"[{len(value)} characters left out]"
        return _SECRET_TEXT.sub(HIDDEN, value)
    if isinstance(value, (Mapping, list)) and depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {_SECRET_TEXT.sub(HIDDEN, key): scrubbed(item, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, name, depth + 1) for item in value]
    return value
