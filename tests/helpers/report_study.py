"""Small real studies for tests of reports: shipped speech, every text in them made up, held in this very process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec

from realtime_lab import ServerVad, SessionConfig, SweepPlan, Transcription, clean, load_scripts, mocked, run_sweep
from realtime_lab.protocol import events as ev
from realtime_lab.recording import RecordedEvent
from realtime_lab.server.engine.profile import PROFILES
from realtime_lab.sweep import Study

SPACE = {"silence_duration_ms": [300, 1000]}


def made_study(
    folder,
    *,
    text=None,
    words=None,
    changes=None,
    private=False,
    name="study.sqlite",
    space=None,
    source=None,
    repeats=1,
    scripts=1,
    profile=None,
    oracle=False,
    conditions=(),
    transcriber=None,
):
    """A study of two settings; `words` replaces the scripts' texts, `text` every text that anybody can choose."""
    words = words or text
    base = SessionConfig(model="gpt-realtime", turn_detection=ServerVad(), transcription=Transcription(model="m"))
    base = base.with_values(changes or {})
    target = mocked(profile or "documented", **({} if transcriber is None else {"transcriber": transcriber}))
    spoken = []
    for number, script in enumerate(load_scripts("orders")[:scripts]):
        turns = script.turns
        if words is not None:
            turns = tuple(replace(turn, text=words, speaker=words) for turn in turns)
        title = script.id if words is None else f"{words}{number or ''}"
        spoken.append(
            replace(script, id=title, turns=turns, private=private, reference_source=source or script.reference_source)
        )
    if text is not None:
        line = "".join(filter(str.isprintable, " ".join(text.split())))[:60]  # a profile takes no others
        profile = replace(PROFILES["documented"], name=line, note=line)
        target = mocked(profile)
        base = base.with_values({"instructions": text, "model": text, "transcription.model": text})
    heard = conditions or (clean(),)
    plan = SweepPlan(base, space or SPACE, spoken, conditions=heard, repeats=repeats, seed=3, oracle=oracle)
    with ThreadPoolExecutor(1) as pool:
        return run_sweep(plan, target, store=folder / name, executor=pool, progress=False, allow_unmodelled=True)


class Overheard(Study):
    """A study in whose sessions the server also said `text`, in every way a server can."""

    text = ""

    def recording(self, trial):
        found = super().recording(trial)
        said = [
            RecordedEvent(900.0, "server", ev.UnknownEvent(type=self.text, raw=b"{}")),
            RecordedEvent(901.0, "server", ev.SpeechStarted(item_id=self.text, audio_start_ms=800)),
        ]
        return msgspec.structs.replace(found, events=(*found.events[:3], *said, *found.events[3:]))

    def turns_df(self):
        frame = super().turns_df()
        frame["outcome_reason"] = frame["outcome_reason"].astype("string").fillna(self.text)
        frame["transcript"] = self.text
        frame["item_id"] = self.text
        frame["response_status"] = self.text
        return frame

    def trials_df(self):
        frame = super().trials_df()
        for name in ("vad", "transcription_engine", "profile", "failure", "error", "target", "differences"):
            frame[name] = self.text
        return frame
