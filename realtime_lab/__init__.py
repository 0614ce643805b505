"""Voice sessions on a bench: configure, sweep over real speech, look at what it costs to answer sooner.

The pipeline, room by room; every border is a value to print, save and load:

```python
import realtime_lab as rl

scripts = rl.load_scripts("orders")                          # audio: what is said (a shipped set, or your folder)
base = rl.SessionConfig(                                     # config: what a session is asked to be
    model="gpt-realtime-2.1", turn_detection=rl.ServerVad(threshold=0.5)
)
one = rl.run_session(base, scripts[0])                       # session: one conversation -> a Recording
plan = rl.SweepPlan(                                         # sweep: many of them
    base,
    {"silence_duration_ms": [200, 500, 700], "max_output_tokens": [64, "inf"]},
    scripts,
    conditions=[rl.clean(), rl.babble(snr_db=3)],
    seed=7,
)
study = rl.run_sweep(plan)                                   # a mocked server that really listens; rl.mocked()
study.summary(by=["silence_duration_ms", "condition"])       # analysis: frames with their intervals
rl.plots.tradeoff(study)                                     # plots: cut-offs against response latency
best = study.best()                                          # a setting, with its intervals and its rivals
rl.report(study, "report.html")                              # report: one file for whoever decides
```

Names are looked up when first used, so that importing this package stays light.

Where things live: one setting and one event on their way from who asks to a plot, passing each room once.

```text
silence_duration_ms
  config.parts.ServerVad                         what it is: type, bounds, default, meaning
  sweep.plans.space.build_settings               its values become settings, each with a checked configuration
  sweep.plans.trials.ordered_trials              settings x scripts x conditions x repeats, in a drawn order
  sweep.running.asked.RunRequest                 what one run asks for; a trial becomes a task
  sweep.workers.worker.run_trial                 the task, in a worker process
  session.virtual.run_virtual                    one session on the virtual clock; session.live_run over a socket
  server.settings.Settings                       session.update merged and checked, read as a rule
  server.turn_detection.TurnTaking               the rule decides where a turn ends: audio_end_ms
  recording.events.Recording                     all that was said, with its times: the truth from here on
  analysis.asked.what_was_asked                  the silence inside audio_end_ms
  analysis.endpointing.take_turns                what the server made of each turn: cut, merged, closed when
  analysis.turns.turn_row                        a row: endpoint_delay_ms, response_latency_ms and the rest
  sweep.store.writer.StudyWriter                 rows into the study, acknowledged batch by batch
  sweep.studies.frames.rows_frame                rows out of it, the setting joined as a column
  analysis.summary.summary                       one row per setting, with intervals
  plots.tradeoff_data.tradeoff_info              what the plot shows; plots.tradeoff_axes draws it

conversation.item.input_audio_transcription.completed
  protocol.events.TranscriptionCompleted         what it carries; protocol.codec reads and writes it
  server.transcribing.Transcribing               a committed span, recognised and sent when it is due
  session.caller.Caller                          who waits for it; a live one comes by session.live_session
  recording.events.Recording                     where it is kept as it came
  analysis.facts.gather_facts                    transcript, tokens, usage and time, by item
  analysis.transcription.transcription_columns   a turn's transcript and errors against its reference
  analysis.rows.session_rows                     those columns, and a row per token
  sweep.store.writer.StudyWriter                 into the study
  sweep.studies.frames.rows_frame                out of it
  analysis.words.words_frame                     tokens into words, right or wrong
  plots.confidence_data.reliability_info         confidence against truth; plots.recognition_data: error rates
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_lab import analysis, errors, plots
    from realtime_lab.analysis import plan_power
    from realtime_lab.audio import (
        Condition,
        Script,
        babble,
        clean,
        load_labels,
        load_scripts,
        pink,
        save_labels,
        script_sets,
        telephone,
        white,
    )
    from realtime_lab.config import NoiseReduction, SemanticVad, ServerVad, Session, SessionConfig, Transcription
    from realtime_lab.recording import Recording, import_recording
    from realtime_lab.report import listen, report
    from realtime_lab.server import Profile
    from realtime_lab.session import azure, live, mocked, openai, replay, run_session
    from realtime_lab.sweep import (
        Confirm,
        Study,
        SweepPlan,
        SweepRun,
        calibrate,
        compare,
        counterfactual,
        fit_profile,
        load_prices,
        optimize,
        run_stages,
        run_sweep,
        start_sweep,
    )
    from realtime_lab.widgets import (
        AudioPanel,
        ConfigPanel,
        Lab,
        ResultsPanel,
        RunPanel,
        SessionView,
        SweepPanel,
        explore,
    )

__version__ = "0.1.0"

__all__ = [
    "AudioPanel",
    "Condition",
    "ConfigPanel",
    "Confirm",
    "Lab",
    "NoiseReduction",
    "Profile",
    "Recording",
    "ResultsPanel",
    "RunPanel",
    "Script",
    "SemanticVad",
    "ServerVad",
    "Session",
    "SessionConfig",
    "SessionView",
    "Study",
    "SweepPanel",
    "SweepPlan",
    "SweepRun",
    "Transcription",
    "analysis",
    "azure",
    "babble",
    "calibrate",
    "clean",
    "compare",
    "counterfactual",
    "errors",
    "explore",
    "fit_profile",
    "import_recording",
    "listen",
    "live",
    "load_labels",
    "load_prices",
    "load_scripts",
    "mocked",
    "openai",
    "optimize",
    "pink",
    "plan_power",
    "plots",
    "replay",
    "report",
    "run_session",
    "run_stages",
    "run_sweep",
    "save_labels",
    "script_sets",
    "start_sweep",
    "telephone",
    "white",
]

_NAMES_OF = {
    "analysis": ("plan_power",),
    "audio": (
        "Condition",
        "Script",
        "babble",
        "clean",
        "load_labels",
        "load_scripts",
        "pink",
        "save_labels",
        "script_sets",
        "telephone",
        "white",
    ),
    "config": ("NoiseReduction", "SemanticVad", "ServerVad", "Session", "SessionConfig", "Transcription"),
    "recording": ("Recording", "import_recording"),
    "report": ("listen", "report"),
    "server": ("Profile",),
    "session": ("azure", "live", "mocked", "openai", "replay", "run_session"),
    "sweep": (
        "Confirm",
        "Study",
        "SweepPlan",
        "SweepRun",
        "calibrate",
        "compare",
        "counterfactual",
        "fit_profile",
        "load_prices",
        "optimize",
        "run_stages",
        "run_sweep",
        "start_sweep",
    ),
    "widgets": ("AudioPanel", "ConfigPanel", "Lab", "ResultsPanel", "RunPanel", "SessionView", "SweepPanel", "explore"),
}
_HOME = {name: module for module, names in _NAMES_OF.items() for name in names}
_SUBMODULES = ("analysis", "errors", "plots")


# Hidden from type checkers, which then see a misspelt name as the error that it is.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name in _SUBMODULES:
            return import_module(f"{__name__}.{name}")
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
