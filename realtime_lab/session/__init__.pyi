# The public names, each with where it lives: the one list, read when the package is imported.
from .live.faults import FATAL_FAULTS as FATAL_FAULTS
from .run import run_session as run_session
from .stage import Stage as Stage
from .targets import TARGETS as TARGETS
from .targets import Live as Live
from .targets import Mocked as Mocked
from .targets import Replay as Replay
from .targets import Target as Target
from .targets import azure as azure
from .targets import calibrated_against as calibrated_against
from .targets import mocked as mocked
from .targets import openai as openai
from .targets import replay as replay
