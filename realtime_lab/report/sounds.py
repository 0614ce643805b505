"""What a report lets its reader hear: turns as small audio, within a budget, and never a private one unasked."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from realtime_lab.analysis.summary.wording import amount, plural
from realtime_lab.audio.pcm import Interval
from realtime_lab.errors import RealtimeLabError
from realtime_lab.report.listening import hear, said_in
from realtime_lab.session.replay_audio import AudioReplay, played_pieces
from realtime_lab.session.stage import Stage
from realtime_lab.sweep.studies.chosen import Swept

if TYPE_CHECKING:
    from realtime_lab.audio import Script
    from realtime_lab.recording import Recording
    from realtime_lab.sweep import Study

MAX_BYTES = 5_500_000
"""Of all sounds together, as they stand in the page."""
MAX_TURN_S = 30.0
"""Of one turn; of a longer one, its end is heard."""
MAX_ANSWER_MS = 2_000.0
_TRIED = 12


class Sound(NamedTuple):
    """One turn to hear."""

    media: str
    """Media type."""
    data: str
    """Base64."""
    length_s: float


class Example(NamedTuple):
    """One turn at the old and at the new setting."""

    turn: int
    old: Mapping[str, Any]
    """Its row in the turns frame, at the old setting."""
    new: Mapping[str, Any]
    old_words: str
    """What happens in it, in words."""
    new_words: str


@dataclass
class SoundRoom:
    """Makes sounds of a study's turns.

    Args:
        study: The study.
        private: Let private scripts be heard and read.
    """

    study: Study
    private: bool
    stage: Stage = field(default_factory=Stage)
    left_bytes: int = MAX_BYTES
    silent: str = ""
    """Why a turn could not be heard, of the last one."""

    def __post_init__(self) -> None:
        self._scripts: dict[str, Script] = {script.id: script for script in self.study.plan.scripts}
        self._replays: dict[str, AudioReplay] = {}
        hidden = [script.id for script in self.study.plan.scripts if script.private]
        self._names = {name: f"private script {number}" for number, name in enumerate(hidden, 1)}

    def may_tell(self, script_id: str) -> bool:
        """Whether a script's sound and words may be in the report."""
        script = self._scripts.get(script_id)
        return self.private or (script is not None and not script.private)

    def name(self, script_id: str) -> str:
        """What a script is called in the report."""
        return script_id if self.may_tell(script_id) else self._names.get(script_id, "private script")

    def recording(self, trial: str) -> Recording:
        """One session."""
        return self.study.recording(trial)

    def replay(self, trial: str) -> AudioReplay | None:
        """The sound of one session; None when it is private or cannot be made again, and `silent` says why."""
        if trial not in self._replays:
            recording = self.recording(trial)
            if not self.may_tell(recording.header.script_id) or (recording.header.private and not self.private):
                self.silent = "private: write the report with private=True to hear it"
                return None
            try:
                found = AudioReplay(recording, *said_in(self.study, recording), self.stage)
                found.caller(Interval(0.0, min(100.0, recording.audio_ms)))  # can it be made at all?
            except (RealtimeLabError, OSError):
                self.silent = "its audio is not on this machine, or is not what was played then"
                return None
            self._replays[trial] = found
        return self._replays[trial]

    def sound(self, trial: str, turn: int) -> Sound | None:
        """One turn with the beginning of its answer; None where `silent` says why."""
        replay = self.replay(trial)
        if replay is None:
            return None
        heard = hear(replay, turn, MAX_ANSWER_MS)
        longest = round(MAX_TURN_S * heard.rate_hz)
        media, raw = replace(heard, samples=heard.samples[-longest:]).compact()
        data = base64.b64encode(raw).decode()
        if len(data) > self.left_bytes:
            self.silent = "left out to keep this file small"
            return None
        self.left_bytes -= len(data)
        return Sound(media, data, min(heard.length_s, MAX_TURN_S))


_PAIR = ["script", "turn", "condition", "repeat"]


def find_example(room: SoundRoom, turns: pd.DataFrame, old: Swept, new: Swept, condition: str) -> Example | None:
    """The turn that shows best what changes: one that the old setting cuts audibly and the new one does not.

    Where there is none: the one whose answer comes sooner or later by most.
    """
    here = turns[turns["condition"] == condition]
    sides = [here[here["trial"].isin(one.trials)] for one in (old, new)]
    both = sides[0].merge(sides[1], on=_PAIR, suffixes=("_old", "_new"))
    both = both[both["outcome_old"].isin(("answered", "missed")) & both["outcome_new"].isin(("answered", "missed"))]
    if both.empty:
        return None
    cut = [both[f"cut_{side}"].astype("boolean").fillna(False) for side in ("old", "new")]
    for first, second in ((0, 1), (1, 0)):
        saved = both[(cut[first] & ~cut[second]).to_numpy(dtype=bool)]
        saved = saved.sort_values(["n_premature_old", "n_cut_holds_old"], ascending=False, kind="stable")
        if len(saved):
            return _most_audible(room, saved, "old" if first == 0 else "new")
    apart = (both["response_latency_ms_new"] - both["response_latency_ms_old"]).abs().fillna(-1.0)
    return _example(room, both.iloc[int(apart.to_numpy().argmax())])


def _most_audible(room: SoundRoom, saved: pd.DataFrame, side: str) -> Example:
    for _, row in saved.head(_TRIED).iterrows():
        if _interrupts(room.recording(str(row[f"trial_{side}"])), int(row["turn"])) is not None:
            return _example(room, row)
    return _example(room, saved.iloc[0])


def _interrupts(recording: Recording, turn: int) -> float | None:
    """How long before the end of a turn its answer is first heard, ms; None when it is not heard before."""
    speech = next((entry.speech_ms for entry in recording.reference if entry.index == turn), ())
    if not speech:
        return None
    for piece in played_pieces(recording):
        audible = piece.audio.audible_sample
        if audible is not None and 1000.0 * audible / piece.audio.rate_hz < piece.length_ms:
            at_ms = piece.start_ms + 1000.0 * audible / piece.audio.rate_hz
            if speech[0].start_ms < at_ms < speech[-1].end_ms:
                return speech[-1].end_ms - at_ms
    return None


def _example(room: SoundRoom, row: pd.Series[Any]) -> Example:
    sides = [dict(_side(row, side)) for side in ("old", "new")]
    turn = int(row["turn"])
    words = [_words(room.recording(str(side["trial"])), turn, side) for side in sides]
    return Example(turn, sides[0], sides[1], words[0], words[1])


def _side(row: pd.Series[Any], side: str) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if str(name) in _PAIR:
            yield str(name), value
        elif str(name).endswith(f"_{side}"):
            yield str(name).removesuffix(f"_{side}"), value


def _words(recording: Recording, turn: int, row: Mapping[str, Any]) -> str:
    early_ms = _interrupts(recording, turn)
    if early_ms is not None:
        return f"Cut off: the answer starts {amount('response_latency_ms', early_ms)} before the caller has finished."
    if bool(row["cut"]):
        cut = plural(int(row["n_cut_holds"]), "pause")
        begun = " An answer is begun, and dropped when the caller goes on." if int(row["n_premature"]) else ""
        return f"Cut off in {cut}.{begun}"
    wait = row["response_latency_ms"]
    if pd.isna(wait):
        return "No answer in time."
    return f"The caller finishes; the answer comes {amount('response_latency_ms', float(wait))} later."
