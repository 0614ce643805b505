"""What is said: PCM, G.711, reading of audio files, clips, scripts and acoustic conditions.

Sessions play `Passage`s, which a `Renderer` makes from a `Script` and a `Condition`. What the sound means to a
server is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime_lab.audio.conditions import Condition, babble, clean, pink, telephone, white
from realtime_lab.audio.pcm import (
    GRID_MS,
    GRID_SAMPLES,
    SAMPLE_RATE_HZ,
    Interval,
    first_audible_sample,
    ms_to_samples,
    pcm_key,
    samples_to_ms,
)
from realtime_lab.audio.script import Clip, Script, Segment, Turn
from realtime_lab.lazy import lazily

if TYPE_CHECKING:
    from realtime_lab.audio.files import read_audio
    from realtime_lab.audio.labels import Label, load_labels, save_labels
    from realtime_lab.audio.render import IDLE_FRAMES, LEAD_IN_FRAMES, TAIL_FRAMES, Passage, Renderer
    from realtime_lab.audio.sets import load_scripts, script_sets

__all__ = [
    "GRID_MS",
    "GRID_SAMPLES",
    "IDLE_FRAMES",
    "LEAD_IN_FRAMES",
    "SAMPLE_RATE_HZ",
    "TAIL_FRAMES",
    "Clip",
    "Condition",
    "Interval",
    "Label",
    "Passage",
    "Renderer",
    "Script",
    "Segment",
    "Turn",
    "babble",
    "clean",
    "first_audible_sample",
    "load_labels",
    "load_scripts",
    "ms_to_samples",
    "pcm_key",
    "pink",
    "read_audio",
    "samples_to_ms",
    "save_labels",
    "script_sets",
    "telephone",
    "white",
]

# These need soundfile and soxr, which those who only want the types should not pay for.
_NAMES_OF = {
    "files": ("read_audio",),
    "labels": ("Label", "load_labels", "save_labels"),
    "render": ("IDLE_FRAMES", "LEAD_IN_FRAMES", "TAIL_FRAMES", "Passage", "Renderer"),
    "sets": ("load_scripts", "script_sets"),
}

if not TYPE_CHECKING:
    __getattr__ = lazily(__name__, _NAMES_OF)
