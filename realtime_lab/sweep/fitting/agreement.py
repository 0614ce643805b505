"""agree: recordings of a real service against the mocked one, fact by fact, as a value to print and save.

The comparison itself is `session.agreeing`; here are the door to it and the ways to look at what it found.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from realtime_lab.recording.importing.clip import read_clip
from realtime_lab.server.engine.profile import Profile, find_profile
from realtime_lab.session.agreeing.compare import compare
from realtime_lab.session.agreeing.log import read_sessions
from realtime_lab.session.agreeing.rows import Row, Verdict

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("verdict", "aspect", "what", "recorded", "mocked", "note")
_VERDICTS: tuple[Verdict, ...] = ("differs", "not compared", "agrees")
_WIDEST = 60
"""Characters of a cell of the printed table; `to_json` and `to_frame` have all of them."""


class SessionAgreement(NamedTuple):
    """One recorded session beside the mocked one."""

    log: str
    """The log's name, and which session of it where it holds several."""
    rows: tuple[Row, ...]

    def count(self, verdict: Verdict) -> int:
        """How many comparisons came to it."""
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def sentence(self) -> str:
        """What was found."""
        told = (
            f"{self.count(verdict)} {verdict.replace('agrees', 'agree').replace('differs', 'differ')}"
            for verdict in _VERDICTS
        )
        return f"{_printable(self.log)}: {', '.join(told)}"


@dataclass(frozen=True)
class Agreement:
    """Recorded sessions held against the mocked server."""

    profile: str
    """The mocked server's profile, and where its figures come from."""
    sessions: tuple[SessionAgreement, ...]

    @property
    def differences(self) -> tuple[tuple[str, Row], ...]:
        """What differs, each with its log."""
        return tuple((one.log, row) for one in self.sessions for row in one.rows if row.verdict == "differs")

    @property
    def agrees(self) -> bool:
        """Whether nothing that could be compared differs."""
        return not self.differences

    @property
    def exit_code(self) -> int:
        """What `realtime-lab agree` ends with: 0 agrees, 1 differs."""
        return 0 if self.agrees else 1

    def to_frame(self) -> pd.DataFrame:
        """One row per comparison: log, verdict, aspect, what, recorded, mocked, note."""
        import pandas as pd

        rows = [{"log": one.log, **_by_column(row)} for one in self.sessions for row in one.rows]
        return pd.DataFrame(rows, columns=["log", *_COLUMNS], dtype=object)

    def to_json(self) -> str:
        """As JSON."""
        sessions = [
            {
                "log": one.log,
                **{verdict.replace(" ", "_"): one.count(verdict) for verdict in _VERDICTS},
                "rows": [_by_column(row) for row in one.rows],
            }
            for one in self.sessions
        ]
        head = {"agrees": self.agrees, "exit_code": self.exit_code, "profile": self.profile}
        return json.dumps(head | {"sessions": sessions}, indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        return "\n\n".join([f"mocked: profile {self.profile}", *(_table(one) for one in self.sessions)])

    def __repr__(self) -> str:
        counts = Counter(row.verdict for one in self.sessions for row in one.rows)
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
        return f"<Agreement of {len(self.sessions)} sessions: {told}>"

    def _repr_html_(self) -> str:
        return "".join(_html(one) for one in self.sessions)


def agree(
    logs: str | Path | Iterable[str | Path],
    *,
    audio: str | Path | None = None,
    profile: str | Path | Profile = "openai",
) -> Agreement:
    """Hold recordings of a real service against the mocked one, on the same audio and configuration.

    The client's side of each log is played to the mocked server, on virtual time. Compared are the settings that the
    service reports, the order of events, where transcripts stand, counts, offsets in audio time, tokens, the fields of
    every kind of event, and delays where the log has times. What the model said is not, nor how deltas of several
    streams interleave: what a service chooses by chance is taken from the log.

    Args:
        logs: Event logs of any kind that `import_recording` reads, one or several.
        audio: The clip that was spoken, for logs whose appends hold no audio: an audio file of one channel, or .pcm
            with 16-bit samples at 24 kHz. Without it such a log's offsets are not compared.
        profile: Whose server is mocked: a shipped profile by its name, a profile file, or a Profile. `openai` has what
            recorded sessions showed, `azure` too; `documented` is what everything else mocks unless told otherwise.

    Returns:
        Every comparison, with what was recorded and what the mocked server did.

    Raises:
        RecordingError: If a log cannot be read, or holds no event.
        AudioError: If the clip cannot be read.
        ProfileError: If there is no such profile.
    """
    mocked = profile if isinstance(profile, Profile) else find_profile(profile)
    clip = None if audio is None else read_clip(audio)
    paths = [logs] if isinstance(logs, (str, Path)) else list(logs)
    found = [
        SessionAgreement(session.name, tuple(compare(session, clip, mocked)))
        for path in paths
        for session in read_sessions(path)
    ]
    return Agreement(f"{mocked.name} ({mocked.note})", tuple(found))


def _by_column(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}


def _sorted(rows: Iterable[Row]) -> Iterator[Row]:
    """Differences first."""
    return iter(sorted(rows, key=lambda row: _VERDICTS.index(row.verdict)))


def _table(one: SessionAgreement) -> str:
    lines = [_COLUMNS, *(tuple(map(_cell, _by_column(row).values())) for row in _sorted(one.rows))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([one.sentence, *(f"  {text}" for text in texts)])


def _cell(value: object) -> str:
    text = "-" if value is None else _printable(f"{value:g}" if isinstance(value, float) else str(value))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor: a log is a stranger's."""
    return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)


def _html(one: SessionAgreement) -> str:
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{html.escape(_cell(value))}</td>" for value in _by_column(row).values())
        + "</tr>"
        for row in _sorted(one.rows)
    )
    summary = f"<summary>{html.escape(one.sentence)}</summary>"
    return f"<details open class='rl-agreement'>{summary}<table><tr>{head}</tr>{rows}</table></details>"
