"""A turn as it was heard: the caller on the left, the answer on the right; to play in a notebook or to save."""

from __future__ import annotations

import base64
import html
import io
import math
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime_lab.audio.pcm import SAMPLE_RATE_HZ
from realtime_lab.errors import AudioError, RecordingError
from realtime_lab.session.replay_audio import AudioReplay, Scripted, find_script, turn_window

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.audio import Condition, Script
    from realtime_lab.recording import Recording
    from realtime_lab.sweep import Trial

_MP3_LEVEL = 0.7
"""Of libsndfile's scale; about 56 kbit/s in stereo, which speech at 24 kHz does not suffer from."""


class Recorded(Protocol):
    """What is asked of a study here."""

    @property
    def plan(self) -> Scripted:
        """Its plan."""
        ...

    def plan_here(self) -> Scripted:
        """Its plan, with audio of one's own found on this machine or in the study itself."""
        ...

    def recording(self, trial: str | int | Trial) -> Recording:
        """One session."""
        ...


@dataclass(frozen=True, eq=False)
class Listening:
    """A stretch of a session, to be heard."""

    samples: NDArray[np.int16]
    """Shape (n, 2): caller, answer."""
    start_ms: float
    """Where the stretch begins in its session."""
    caption: str
    """What it is, in words."""
    rate_hz: int = SAMPLE_RATE_HZ

    @property
    def length_s(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate_hz

    def wav(self) -> bytes:
        """As a WAV file."""
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(self.rate_hz)
            file.writeframes(self.samples.astype("<i2").tobytes())
        return buffer.getvalue()

    def compact(self) -> tuple[str, bytes]:
        """(media type, bytes) in the smallest form that every browser plays; the same samples give the same bytes."""
        import soundfile

        if "MP3" not in soundfile.available_formats():
            return "audio/wav", self.wav()
        buffer = io.BytesIO()
        how = {"bitrate_mode": "CONSTANT", "compression_level": _MP3_LEVEL}
        soundfile.write(buffer, self.samples, self.rate_hz, format="MP3", **how)
        return "audio/mpeg", buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write it; the name's ending decides the format: wav, flac, mp3, ogg.

        Raises:
            AudioError: If the format is not known.
        """
        import soundfile

        target = Path(path)
        if target.suffix.lower() == ".wav":
            target.write_bytes(self.wav())
            return target
        try:
            soundfile.write(target, self.samples, self.rate_hz)
        except (TypeError, ValueError, soundfile.SoundFileError) as error:
            raise AudioError(
                f"{target} cannot be written: {error}; give a name in .wav, .flac or .mp3", target
            ) from None
        return target

    def __repr__(self) -> str:
        return f"<Listening {self.length_s:.1f} s: {self.caption}; .save('it.wav') keeps it, a notebook plays it>"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.wav()).decode()
        return (
            '<figure class="rl-listening" style="margin:0">'
            f'<audio controls preload="metadata" src="data:audio/wav;base64,{data}"></audio>'
            f'<figcaption style="color:var(--jp-ui-font-color2, GrayText)">{html.escape(self.caption)}</figcaption>'
            "</figure>"
        )


def listen(study: Recorded, trial: str | int | Trial | pd.Series[Any], turn: int | None = None) -> Listening:
    """One turn of one session as it was heard, the answer to it included.

    Args:
        study: The study.
        trial: A trial's key or the beginning of it, its number in the plan, or a Trial; or a row of `study.worst()` or
            of the turns, which says the turn too.
        turn: Position of the turn in its script, from 0.

    Returns:
        The sound: caller left, answer right. A notebook shows it as a player.

    Raises:
        StudyError: If there is no such trial, or it has no recording.
        RecordingError: If it has no such turn, or no turn is given.
        ScriptError: If recordings of one's own are neither on this machine nor in the study.
        AudioError: If the clips cannot be read.
    """
    named: tuple[Any, int] = _named(trial) if turn is None else (trial, turn)
    which, place = named
    recording = study.recording(which)
    return hear(AudioReplay(recording, *said_in(study, recording)), place)


def _named(row: Any) -> tuple[Any, int]:
    """The trial and the turn that a row of a frame is about."""
    try:
        return str(row["trial"]), int(row["turn"])
    except (TypeError, KeyError, IndexError, ValueError):
        raise RecordingError("turn = None: give its position, or a row of worst() for the trial") from None


def said_in(study: Recorded, recording: Recording) -> tuple[Script, Condition]:
    """What was said in a study's session, and over which line; a shared study may bring the audio itself.

    Raises:
        RecordingError: If the plan has it not.
        ScriptError: If recordings of one's own are neither on this machine nor in the study.
    """
    own = any(script.private for script in study.plan.scripts)
    return find_script(study.plan_here() if own else study.plan, recording)


def hear(replay: AudioReplay, turn: int, max_answer_ms: float = math.inf) -> Listening:
    """One turn of a session that is at hand.

    Args:
        replay: The session's sound.
        turn: Position of the turn in its script, from 0.
        max_answer_ms: How much of the answer is heard at most.
    """
    window = turn_window(replay.recording, turn, max_answer_ms)
    samples = np.stack([replay.caller(window), replay.answer(window)], axis=1)
    header = replay.recording.header
    caption = f"{header.script_id}, turn {turn}, {header.condition}: caller left, answer right"
    return Listening(samples, window.start_ms, caption)
