# The public names, each with where it lives: the one list, read when the package is imported.
from .configure.panel import ConfigPanel as ConfigPanel
from .lab import Lab as Lab
from .look.results_panel import ResultsPanel as ResultsPanel
from .look.session_view import SessionView as SessionView
from .plan.audio_panel import AudioPanel as AudioPanel
from .plan.explorer import Explorer as Explorer
from .plan.explorer import explore as explore
from .plan.sweep_panel import SweepPanel as SweepPanel
from .run.panel import RunPanel as RunPanel
