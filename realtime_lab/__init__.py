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
  config.parts.audio.ServerVad                       what it is: type, bounds, default, meaning
  sweep.plans.space.build_settings                   its values become settings, each with a checked configuration
  sweep.plans.trials.ordered_trials                  settings x scripts x conditions x repeats, in a drawn order
  sweep.running.asked.RunRequest                     what one run asks for; a trial becomes a task
  sweep.workers.worker.run_trial                     the task, in a worker process
  session.virtual.run_virtual                        one session on the virtual clock; session.live.run over a socket
  server.engine.settings.Settings                    session.update merged and checked, read as a rule
  server.engine.turn_taking.TurnTaking               the rule decides where a turn ends: audio_end_ms
  recording.events.Recording                         all that was said, with its times: the truth from here on
  analysis.rows.asked.what_was_asked                 the silence inside audio_end_ms
  analysis.rows.taking.take_turns                    what the server made of each turn: cut, merged, closed when
  analysis.rows.turns.turn_row                       a row: endpoint_delay_ms, response_latency_ms and the rest
  sweep.store.writer.StudyWriter                     rows into the study, acknowledged batch by batch
  sweep.studies.frames.rows_frame                    rows out of it, the setting joined as a column
  analysis.summary.settings.summary                  one row per setting, with intervals
  plots.tradeoff.tradeoff_info                       what the plot shows; draw_tradeoff draws it

conversation.item.input_audio_transcription.completed
  protocol.events.TranscriptionCompleted             what it carries; protocol.codec reads and writes it
  server.engine.transcribing.Transcribing            a committed span, recognised and sent when it is due
  session.caller.Caller                              who waits for it; a live one comes by session.live.session
  recording.events.Recording                         where it is kept as it came
  analysis.rows.facts.gather_facts                   transcript, tokens, usage and time, by item
  analysis.rows.transcription.transcription_columns  a turn's transcript and errors against its reference
  analysis.rows.session.session_rows                 those columns, and a row per token
  sweep.store.writer.StudyWriter                     into the study
  sweep.studies.frames.rows_frame                    out of it
  analysis.words.aligned.words_frame                 tokens into words, right or wrong
  plots.confidence.reliability_info                  confidence against truth; plots.recognition: error rates
```
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
