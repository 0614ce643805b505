"""One fact of a recorded session beside the same of the mocked one, and what their comparison came to."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["agrees", "differs", "not compared"]
NOT_SENT = "not sent"


class Row(NamedTuple):
    """One comparison."""

    aspect: str
    """audio, setting, order, transcript, count, offset, token, field or time."""
    what: str
    """What is compared, such as "audio_end_ms of speech 1"."""
    recorded: object
    """What the service did; None where the log does not say."""
    mocked: object
    """What the mocked server did."""
    verdict: Verdict
    note: str = ""
    """Why it is not compared, or what else is to be known."""


def held(aspect: str, what: str, recorded: object, mocked: object, note: str = "") -> Row:
    """A row that agrees where both are equal, as JSON values are."""
    same = recorded == mocked and isinstance(recorded, bool) == isinstance(mocked, bool)
    return Row(aspect, what, recorded, mocked, "agrees" if same else "differs", note)
