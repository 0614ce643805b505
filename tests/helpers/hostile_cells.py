"""A notebook in which every panel, repr and frame shows all forty payloads.

They are transcript, tool output, error text, configuration, name of the study, label, file name and event type.
"""

from __future__ import annotations

CANARY = "Canary4b7f0123456789abcdefghijklmnopqrstuv"
"""A key: in a variable, and typed into a panel."""
HOSTILE = [
    "import dataclasses, os, pathlib, sys, msgspec, ipywidgets, realtime_lab as rl\n"
    f"os.environ['TEAM_API_KEY'] = '{CANARY[:6]}' + '{CANARY[6:]}'\n"
    "sys.path.insert(0, TESTS)\n"
    "from report_payloads import PAYLOADS\nfrom report_study import Overheard, made_study\n"
    "evil = ' '.join(PAYLOADS)\n"
    "made = made_study(pathlib.Path('.'), text=evil, name=PAYLOADS[4] + '.sqlite')\n"
    "study = Overheard(made.path)\nstudy.text = evil\n"
    "said = study.plan.scripts[0]\nclip = dataclasses.replace(said.clips[0], file=evil, licence=evil)\n"
    "heard = study.recording(0)\n"
    "tool = msgspec.json.encode({'type': 'x', 'item': {'type': 'function_call_output', 'output': evil}})\n"
    "from realtime_lab.protocol import events as ev\nfrom realtime_lab.recording import RecordedEvent\n"
    "more = [RecordedEvent(900.0, 'server', ev.UnknownEvent(type='x', raw=tool))]\n"
    "header = msgspec.structs.replace(heard.header, condition=evil, target=evil, failure=evil, engine={evil: evil})\n"
    "heard = msgspec.structs.replace(heard, header=header, events=(*heard.events[:3], *more, *heard.events[3:]))",
    "display(study, study.plan, study.plan.base, heard, said, clip, study.turns_df(), study.trials_df())\n"
    "display(rl.listen(study, 0, 0), rl.plots.transcript(heard, 0), rl.errors.StudyError(evil))\n"
    "rl.report(study, 'hostile.html', private=True)",
    "explorer = rl.explore(said)\nexplorer",
    "audio = rl.AudioPanel(said)\naudio",
    "panel = rl.ConfigPanel(study.plan.base)\n"
    "for word in PAYLOADS:\n    panel.rows['max_output_tokens'].control.set_state({'value': word})\npanel",
    "sweep = rl.SweepPanel(None, [said], space={word: [word] for word in PAYLOADS[:20]})\n"
    "sweep.conditions.set_state({'value': evil})\nsweep",
    "def start(*where, **more):\n    raise rl.errors.StudyError(evil)\n"
    "run = rl.RunPanel(study.plan, start=start, store='none.sqlite')\nrun.run.click()\nrun.wait(5)\nrun",
    "results = rl.ResultsPanel(study)\n"
    "for part in (results.points, results.turns):\n    part.set_state({'index': 0})\nresults",
    "view = rl.SessionView(heard)\nview",
    "plan = study.plan\n"
    "bench = rl.Lab(plan.base, [said], space=dict(plan.space), target=plan.answering[0], store=study.path)\n"
    "bench.sweep.seed.set_state({'value': 3})\nbench",
]
