"""What our own detector hears in recorded sessions, beside what the server said it heard: the yardstick of every fit.

A recording holds no audio: it is rendered again from its script and condition, which a study's plan, the caller or the
shipped sets know. A session whose audio cannot be had that way, or whose turns the server did not find by silence, is
left out with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realtime_lab.analysis.rows.asked import turn_detection_in
from realtime_lab.analysis.rows.reading import SessionView
from realtime_lab.audio import Condition, Script, load_scripts, script_sets
from realtime_lab.errors import ConfigError, RealtimeLabError
from realtime_lab.protocol import events as ev
from realtime_lab.recording import Recording
from realtime_lab.server.engine.profile import VAD_FIELDS
from realtime_lab.session import Stage
from realtime_lab.session.replay_audio import AudioReplay


class HeardItem(NamedTuple):
    """One stretch of speech as the server reported it, audio time."""

    start_ms: float
    """Its audio_start_ms, padding included."""
    end_ms: float | None
    """Its audio_end_ms, silence included; None when it was still open."""


@dataclass(frozen=True, eq=False)
class HeardSession:
    """One session's audio through our detector, and what the server said."""

    view: SessionView
    probabilities: NDArray[np.float64]
    """One per 32 ms frame of the session."""
    items: tuple[HeardItem, ...]
    """In order of time."""
    asked: Mapping[str, float]
    """Those of VAD_FIELDS the client asked for."""
    reported: Mapping[str, float]
    """Those of VAD_FIELDS the server reports to be in force."""

    def known(self, name: str) -> float | None:
        """A setting in force: as asked for, or else as reported; None when nobody says."""
        value = self.asked.get(name, self.reported.get(name))
        return None if value is None else float(value)


@dataclass
class Library:
    """Where scripts and conditions of recordings are found again.

    Args:
        scripts: Scripts beside the shipped ones.
        stage: Rendered audio and remembered probabilities to share.
    """

    scripts: Sequence[Script] = ()
    stage: Stage = field(default_factory=Stage)
    _by_hash: dict[str, Script] | None = None

    def replay(self, recording: Recording) -> AudioReplay:
        """The recording's sound.

        Raises:
            RealtimeLabError: If its script or condition is not known.
        """
        if self._by_hash is None:
            shipped = (script for name in script_sets() for script in load_scripts(name))
            self._by_hash = {script.content_hash: script for script in (*shipped, *self.scripts)}
        script = self._by_hash.get(recording.header.script_hash)
        if script is None:
            raise RealtimeLabError("its script is not known: hand it in with scripts=")
        try:
            condition = Condition.from_name(recording.header.condition)
        except ConfigError:
            raise RealtimeLabError(f"its condition {recording.header.condition[:60]!r} cannot be rendered") from None
        return AudioReplay(recording, script, condition, self.stage)


def hear(view: SessionView, library: Library) -> HeardSession | str:
    """Listen to a session with our detector; why that cannot be done where it cannot."""
    recording = view.recording
    asked = turn_detection_in(recording.header.requested)
    reported = turn_detection_in(recording.header.effective or {})
    kind = (asked or {}).get("type") or (reported or {}).get("type") or "server_vad"
    if asked is None or reported is None or kind != "server_vad":
        return "the server did not find turns by silence"
    created = next((e.event.session for e in recording.events if isinstance(e.event, ev.SessionCreated)), {})
    try:
        probabilities = library.replay(recording).frame_probabilities()
    except RealtimeLabError as error:
        return f"the audio cannot be rendered again: {error}"
    numbers = {**_numbers(turn_detection_in(created) or {}), **_numbers(reported)}
    return HeardSession(view, probabilities, _items(view), _numbers(asked), numbers)


def _items(view: SessionView) -> tuple[HeardItem, ...]:
    heard = (
        HeardItem(item.audio_start_ms, item.audio_end_ms)
        for item in view.items.values()
        if item.audio_start_ms is not None and not item.client_commit and not item.timed_out
    )
    return tuple(sorted(heard, key=lambda item: item.start_ms))


def _numbers(detection: Mapping[str, Any]) -> dict[str, float]:
    names: Iterable[str] = (name for name in VAD_FIELDS if type(detection.get(name)) in (int, float))
    return {name: float(detection[name]) for name in names}
