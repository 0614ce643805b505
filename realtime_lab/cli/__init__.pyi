# The public names, each with where it lives: the one list, read when the package is imported.
from .commands import app as app
from .commands import demo_plan as demo_plan
from .commands import main as main
