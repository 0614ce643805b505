"""Panels for notebooks: each is a plain view model with tests of its own, and a thin skin of core ipywidgets.

The view models hold what a panel knows and decides; the skins only carry values to widgets and back. Nothing here
computes a metric: sessions, sweeps, analysis and plots do.
"""

from __future__ import annotations

from realtime_lab.widgets.audio_panel import AudioPanel
from realtime_lab.widgets.config_panel import ConfigPanel
from realtime_lab.widgets.explorer import Explorer, explore
from realtime_lab.widgets.lab import Lab
from realtime_lab.widgets.results_panel import ResultsPanel
from realtime_lab.widgets.run_panel import RunPanel
from realtime_lab.widgets.session_view import SessionView
from realtime_lab.widgets.sweep_panel import SweepPanel

__all__ = [
    "AudioPanel",
    "ConfigPanel",
    "Explorer",
    "Lab",
    "ResultsPanel",
    "RunPanel",
    "SessionView",
    "SweepPanel",
    "explore",
]
