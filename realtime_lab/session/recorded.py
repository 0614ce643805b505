"""The replay target's answers: which recording a session gets, and why there is none. Nothing is sent anywhere.

A recording answers for the configuration, the script (by its content) and the condition it was made with, and for
nothing else; where it was made several times, the k-th recording answers the k-th repeat. Its rows are computed anew,
so that old sessions get today's metrics.
"""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_lab.audio.conditions import Condition
from realtime_lab.audio.script import Script
from realtime_lab.config import SessionConfig
from realtime_lab.errors import ConfigError, RecordingError
from realtime_lab.recording.events import Recording
from realtime_lab.session.client_turns import BY_SCRIPT, ClientTurns
from realtime_lab.session.targets import Replay


def run_replay(
    config: SessionConfig,
    script: Script,
    condition: Condition,
    target: Replay,
    seed: int,
    turns: ClientTurns = BY_SCRIPT,
) -> Recording:
    """The recorded session again, under the replay target's name.

    Args:
        config: What is asked for.
        script: What is said.
        condition: What it sounds like.
        target: The recordings.
        seed: Of several recordings the one with this seed answers, else the first.
        turns: How the client ends turns where the server detects none.

    Raises:
        RecordingError: If none was made with these; the message says what differs.
    """
    found = find_recordings(config, script, condition, target, turns)
    recording = next((one for one in found if one.header.seed == seed), found[0])
    return msgspec.structs.replace(recording, header=msgspec.structs.replace(recording.header, target=target.name))


def find_recordings(
    config: SessionConfig, script: Script, condition: Condition, target: Replay, turns: ClientTurns = BY_SCRIPT
) -> list[Recording]:
    """Every recording that was made with these, in their order.

    Raises:
        RecordingError: If there is none; the message says what differs.
    """
    if not target.recordings:
        raise RecordingError(f"{target.name}: its recordings are not at hand; give them with rl.replay(recordings)")
    spoken = [one for one in target.recordings if one.header.script_hash == script.content_hash]
    if not spoken:
        there = sorted({one.header.script_id for one in target.recordings})
        hint = ", with another content" if script.id in there else ""
        raise RecordingError(f"no recording of script {script.id!r:.80}: there are {_listed(there)}{hint}")
    heard = [one for one in spoken if one.header.condition == condition.name]
    if not heard:
        there = sorted({one.header.condition for one in spoken})
        raise RecordingError(
            f"script {script.id!r:.80} was not recorded in condition {condition.name!r:.80}: there are {_listed(there)}"
        )
    asked = _comparable(config.to_wire("ga"))
    found = [one for one in heard if _comparable(one.header.requested) == asked]
    if not found:
        closest = min((_differences(one, config) for one in heard), key=len)
        raise RecordingError(
            f"script {script.id!r:.80} was not recorded with this configuration; the closest recording differs in "
            + "; ".join(closest)
        )
    ended = [one.header.engine.get("turns", "") for one in found]
    same = [one for one, how in zip(found, ended, strict=True) if not how.startswith("client") or how == turns.name]
    if not same:
        others = _listed(sorted(set(ended)))
        raise RecordingError(f"script {script.id!r:.80}: turns were not ended by {turns.name!r:.80}, but by {others}")
    return same


def _comparable(requested: dict[str, Any]) -> dict[str, Any]:
    """A configuration without its tracing, which names the trial and changes no answer."""
    return {name: value for name, value in requested.items() if name != "tracing"}


def _differences(recording: Recording, config: SessionConfig) -> list[str]:
    """How a recording's configuration differs, field by field."""
    try:
        recorded = SessionConfig.from_wire(_comparable(recording.header.requested), strict=False)
    except ConfigError:
        return ["a configuration that cannot be read"] * 99
    before, now = recorded.leaves(), config.leaves()
    paths = [path for path in {**before, **now} if before.get(path) != now.get(path) and path != "tracing"]
    return [f"{path}: recorded {_shown(before.get(path))}, asked {_shown(now.get(path))}" for path in paths]


def _shown(value: object) -> str:
    return "unset" if value is None else f"{value!r:.60}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"{name!r:.80}" for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
