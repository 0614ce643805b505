# The public names, each with where it lives: the one list, read when the package is imported.
from .engine.engine import Engine as Engine
from .engine.profile import PROFILES as PROFILES
from .engine.profile import Calibration as Calibration
from .engine.profile import LogNormal as LogNormal
from .engine.profile import Profile as Profile
