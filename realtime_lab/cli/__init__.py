"""The command line, `realtime-lab`: `commands` holds each command, `printed` what they print of a study."""

from realtime_lab.cli.commands import app, demo_plan, main

__all__ = ["app", "demo_plan", "main"]
