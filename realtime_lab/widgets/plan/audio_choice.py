"""What an audio panel knows: which scripts are chosen, which turn is looked at, and where uploads are kept. No widgets.

An uploaded file is stored under a name made of its own bytes; whatever it is called is only text, and it is read like
any other recording of a user's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime_lab.audio import Condition, Interval, Script, load_scripts, script_sets
from realtime_lab.audio.own.recordings import SUFFIXES
from realtime_lab.audio.pcm import ms_to_samples
from realtime_lab.config import ServerVad, SessionConfig
from realtime_lab.errors import ConfigError, Problem, ScriptError
from realtime_lab.report import Listening
from realtime_lab.session import Stage
from realtime_lab.widgets.plan.hearing import Detection, Heard, Hearing

MAX_UPLOAD_BYTES = 200_000_000
"""Of one file; a larger one is put into a folder and read with `load_scripts`."""
_LONGEST_NAME = 60


class AudioChoice:
    """Scripts being chosen and looked at.

    Args:
        scripts: The shipped set to start from, a folder or scripts.
        uploads: Folder in which uploaded files are kept.
        base: Whose turn detection and input format are heard; default: server_vad as documented.
        stage: Rendered audio to share; default: a new one.

    Raises:
        ScriptError: If scripts are named and cannot be read.
    """

    def __init__(
        self,
        scripts: str | Path | Script | Sequence[Script] = "orders",
        uploads: str | Path = "uploads",
        base: SessionConfig | None = None,
        stage: Stage | None = None,
    ) -> None:
        self.uploads, self._stage = Path(uploads), stage or Stage()
        self.base = base or SessionConfig(turn_detection=ServerVad())
        """Whose turn detection and input format are heard."""
        self._loaded: dict[str, tuple[Script, ...]] = {}
        self.set_name = self._take(scripts)
        """Name of the chosen set."""
        self.place = 0
        """Which of its scripts is looked at."""
        self.turn = 0
        """Which turn of that script."""
        self.condition = Condition("clean")
        """What the line sounds like."""

    @property
    def sets(self) -> tuple[str, ...]:
        """Sets that can be chosen: what was given or uploaded, then the shipped ones."""
        return (*reversed(self._own), *script_sets())

    @property
    def _own(self) -> list[str]:
        return [name for name in self._loaded if name not in script_sets()]

    @property
    def scripts(self) -> tuple[Script, ...]:
        """What is said: every script of the chosen set."""
        return self._loaded[self.set_name]

    @property
    def script(self) -> Script:
        """The script that is looked at."""
        return self.scripts[self.place]

    def choose_set(self, name: str) -> None:
        """Change the set; its first script and turn are then looked at.

        Raises:
            ScriptError: If it cannot be read.
        """
        if name not in self._loaded:
            self._loaded[name] = load_scripts(name)
        self.set_name, self.place, self.turn = name, 0, 0

    def choose_script(self, place: int) -> None:
        """Change the script; its first turn is then looked at."""
        self.place, self.turn = place, 0

    def upload(self, files: Sequence[Mapping[str, Any]], caller: int | None = None, agent: int | None = None) -> None:
        """Keep uploaded recordings, and choose them.

        Args:
            files: Of each, its `name` and its `content` as bytes.
            caller: The caller's channel where there are several, from 0.
            agent: The agent's channel.

        Raises:
            ConfigError: If a file is no audio by its name, or too large.
            ScriptError: If channels do not fit, or nobody speaks.
            AudioError: If a file cannot be read.
            OSError: If the folder cannot be written.
        """
        checked = [(_safe_name(str(file["name"])), bytes(file["content"]), str(file["name"])) for file in files]
        problems = [
            Problem("upload", name[:_LONGEST_NAME], f"audio of at most {MAX_UPLOAD_BYTES / 1e6:.0f} MB: WAV, FLAC, MP3")
            for safe, data, name in checked
            if Path(safe).suffix.lower() not in SUFFIXES or len(data) > MAX_UPLOAD_BYTES
        ]
        if problems:
            raise ConfigError(problems)
        if not checked:
            return
        digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for _, data, _ in checked)).hexdigest()[:12]
        folder = self.uploads / digest
        folder.mkdir(parents=True, exist_ok=True)
        for number, (safe, data, _) in enumerate(checked):
            (folder / (safe if len(checked) == 1 else f"{number:02d}-{safe}")).write_bytes(data)
        found = load_scripts(folder, caller=caller, agent=agent)
        self.set_name = self._named(f"upload {digest[:4]}", found)
        self.place = self.turn = 0

    def hearing(self) -> Hearing:
        """The turn that is looked at, as a microphone has it.

        Raises:
            ConfigError: If there is no such turn.
            AudioError: If a clip cannot be read.
        """
        return Hearing(self.script, self.turn, self.condition, self.base, self._stage)

    def heard(self, hearing: Hearing) -> Heard:
        """What a server of the chosen base makes of the turn."""
        return hearing.heard(Detection.of(self.base))

    def _take(self, given: str | Path | Script | Sequence[Script]) -> str:
        if isinstance(given, str) and given in script_sets():
            self._loaded[given] = load_scripts(given)
            return given
        loaded = (given,) if isinstance(given, Script) else given
        found = load_scripts(loaded) if isinstance(loaded, (str, Path)) else tuple(loaded)
        if not found:
            raise ScriptError("scripts = (): allowed: one script or more")
        return self._named(found[0].set_name, found)

    def _named(self, name: str, found: Sequence[Script]) -> str:
        label = f"{name[:_LONGEST_NAME]} ({len(found)} script{'s' * (len(found) != 1)})"
        self._loaded.pop(label, None)  # the newest stands first
        self._loaded[label] = tuple(found)
        return label


def turn_sound(hearing: Hearing, window: Interval) -> Listening:
    """What the microphone sends in a stretch of a turn, on both ears."""
    first, last = (ms_to_samples(at_ms) for at_ms in (window.start_ms, window.end_ms))
    pcm = hearing.pcm[first:last]
    pcm = np.pad(pcm, (0, max(0, last - first - len(pcm))))
    caption = f"{hearing.script.id}, turn {hearing.turn}, {hearing.condition.name}: what the microphone sends"
    return Listening(np.stack([pcm, pcm], axis=1), window.start_ms, caption)


def _safe_name(name: str) -> str:
    """A file name of letters, digits and dashes with the same ending, wherever the given one points."""
    last = re.split(r"[\\/]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", stem if dot else suffix).strip("-")[:_LONGEST_NAME] or "recording"
    ending = re.sub(r"[^a-z0-9]", "", suffix.lower())[:5] if dot else ""
    return f"{safe}.{ending}" if ending else safe
